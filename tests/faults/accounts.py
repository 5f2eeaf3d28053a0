"""What the ledger says of a call, beside what the sandbox's record of requests says of it.

The ledger counts what a client could read. So for each request: of an answer that came whole, what
the sandbox has counted, whether the call accepts that answer or not; of one that broke off, that or
nothing, and then it is an attempt whose tokens nobody has reported.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from sandbox import Answer, Exchange, Fault
from services.llm import models
from services.llm.ledger.ledger import Ledger
from services.llm.ledger.store import MemoryUsageStore
from services.llm.ledger.usage import NANO, UsageEntry, UsageSums
from services.llm.types import Attempt, Usage

#: The sums of which the sandbox's record knows, too: not what is cached, nor what is reasoning.
_KNOWN = ("calls", "failed", "attempts", "unreported", "input_tokens", "output_tokens", "cost")
_DAYS = ("2000-01-01", "2999-12-31")


class UnawaitedLedger(Ledger):
    """A ledger for which no call waits: virtual time would pass at once."""

    def add(self, entry: UsageEntry) -> None:
        """Add *entry*."""
        super().add(entry)


class Accounts:
    """A ledger of calls, and the sums of what the sandbox says that it should hold, by model."""

    def __init__(self) -> None:
        self.ledger = UnawaitedLedger(MemoryUsageStore())
        self.expected: Counter[tuple[str, str]] = Counter()

    def expect(
        self,
        model: str,
        exchanges: Sequence[Exchange],
        attempts: Sequence[Attempt],
        *,
        is_answered: bool,
    ) -> list[str]:
        """Expect one call more, of these *attempts*; return what the sandbox knows otherwise.

        The first attempts have no exchange where they did not get so far.
        """
        unseen = len(attempts) - len(exchanges)
        wrong = [f"{-unseen} requests more than attempts"] if unseen < 0 else []
        for attempt in attempts[: max(0, unseen)]:
            self._expect_attempt(attempt.model, None)
        for exchange, attempt in zip(exchanges, attempts[max(0, unseen) :], strict=False):
            counted = counted_by(exchange)
            if not (attempt.usage.reported or is_whole(exchange)):
                counted = None
            elif _sizes(attempt.usage) != _sizes(counted or Usage()):
                wrong.append(f"{attempt.usage} instead of {counted}, as the sandbox has counted")
            self._expect_attempt(exchange.model or "", counted)
        answering = attempts[-1].model if attempts else model  # which may be a successor
        self._expect(answering, UsageSums(calls=1, failed=int(not is_answered)))
        return wrong

    def differences(self) -> list[str]:
        """Return what the ledger holds otherwise than is expected."""
        found: Counter[tuple[str, str]] = Counter()
        for entry in self.ledger.read(*_DAYS):
            for name in _KNOWN:
                found[entry.key.model, name] += getattr(entry.sums, name)
        return [
            f"the ledger has {found[key]} {key[1]} of {key[0]} instead of {self.expected[key]}"
            for key in sorted(found.keys() | self.expected.keys())
            if found[key] != self.expected[key]
        ]

    def catch_up(self) -> None:
        """Expect what the ledger holds, after what is not to be told once more."""
        self.expected.clear()
        for entry in self.ledger.read(*_DAYS):
            self._expect(entry.key.model, entry.sums)

    def _expect_attempt(self, model: str, counted: Usage | None) -> None:
        sums = UsageSums(attempts=1, unreported=int(counted is None))
        if counted is not None:
            cost = models.cost(model, counted)
            assert cost is not None, "the models of the matrix have prices"
            sums = replace(
                sums,
                input_tokens=counted.input_tokens,
                output_tokens=counted.output_tokens,
                cost=round(cost * NANO),
            )
        self._expect(model, sums)

    def _expect(self, model: str, sums: UsageSums) -> None:
        for name in _KNOWN:
            self.expected[model, name] += getattr(sums, name)


def _sizes(usage: Usage) -> tuple[int, int, bool]:
    return usage.input_tokens, usage.output_tokens, usage.reported


def counted_by(exchange: Exchange) -> Usage | None:
    """Return the tokens that the sandbox has counted; None where it has answered nothing."""
    used = (exchange.input_tokens, exchange.output_tokens)
    lacking = exchange.step.without if isinstance(exchange.step, Answer) else frozenset()
    # A stream of Groq's without choices has no chunk that could hold the count.
    has_chunks = exchange.provider != "groq" or not _is_stream(exchange)
    is_told = "usage" not in lacking and ("choices" not in lacking or has_chunks)
    return Usage(*used, sum(used), reported=True) if any(used) and is_told else None


def is_whole(exchange: Exchange) -> bool:
    """Whether the client must know what the sandbox has counted.

    Bedrock's count comes after the end of a stream, and is waited for but a moment.
    """
    is_awaited = exchange.provider == "bedrock" and _is_stream(exchange)
    return not (isinstance(exchange.step, Fault) or is_awaited)


def _is_stream(exchange: Exchange) -> bool:
    is_asked = isinstance(exchange.body, dict) and bool(exchange.body.get("stream"))
    return is_asked or "stream" in exchange.path
