"""The command line's self-tests: offline, and of the parts that its promises rest on."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from email.utils import formatdate
from pathlib import Path

from tenacity import Retrying

from ..llm.account.multi_key import MultiKeyAccount
from ..llm.call.retry import CallRetryState, wait_decorrelated
from ..llm.errors import ProviderUnavailableError
from ..llm.quota import NoCapacity
from ..llm.runtime.retry_after import seconds_until_retry
from ..llm.settings.environment import VariableSource
from ..llm.stores import BudgetFile, open_store
from .sources import first_of, keys_of

_KEY = "0123456789abcdef" * 4


class SelfTestError(Exception):
    """A self-test found something else than it should have."""


def expect(expected: object, actual: object, what: str) -> None:
    """Raise SelfTestError unless the two are equal; an assert would go with `python -O`."""
    if expected != actual:
        raise SelfTestError(f"{what}: {actual!r} instead of {expected!r}")


def run_all(tell: Callable[[str], None]) -> int:
    """Run every self-test, *tell* how each went, and return how many failed."""
    failed = 0
    for name, test in TESTS.items():
        try:
            test()
        except Exception as error:  # whatever it is, the others are to run and the count to tell
            failed += 1
            tell(f"FAILED: {name}: {type(error).__name__}: {error}")
        else:
            tell(f"passed: {name}")
    tell(f"{len(TESTS) - failed} of {len(TESTS)} self-tests passed")
    return failed


def _retry_after() -> None:
    now = 1_800_000_000.0
    for text, seconds in {
        "7": 7.0,
        "0.25": 0.25,
        "577ms": 0.577,
        "1h2m3s": 3723.0,
        formatdate(now + 30, usegmt=True): 30.0,
        "soon": None,
        "-1": None,
        "NaN": None,
    }.items():
        expect(seconds, seconds_until_retry(text, wall=now), f"Retry-After: {text}")


def _jitter() -> None:
    wait, state = wait_decorrelated(0.5, 30.0), CallRetryState(Retrying(), None, (), {})
    error = ProviderUnavailableError("503")
    state.set_exception((type(error), error, None))
    previous = 0.5
    for _ in range(1000):
        pause = wait(state)
        expect(True, 0.5 <= pause <= min(30.0, 3 * previous), f"{pause} after {previous}")
        previous = pause


def _cache() -> None:
    clock = [1_800_000_000.0]
    with _folder() as folder:
        file = folder / "cache.json"
        store = open_store(file, ttl=60.0, clock=lambda: clock[0])
        store.put(_KEY, {"text": "kept"})
        store.close()
        again = open_store(file, ttl=60.0, clock=lambda: clock[0])
        expect({"text": "kept"}, again.get(_KEY), "an entry, after the file was opened again")
        expect(0o600, file.stat().st_mode & 0o777, "the file's mode")
        clock[0] += 60.0
        expect(None, again.get(_KEY), "an entry past its time")
        again.close()


def _budget() -> None:
    noon = 1_800_000_000.0
    with _folder() as folder:
        BudgetFile(folder / "budget").add(70, noon)
        expect(70, BudgetFile(folder / "budget").used(noon), "tokens after a restart")
        expect(0, BudgetFile(folder / "budget").used(noon + 86_400), "tokens of the next day")


def _bucket() -> None:
    now, sent = 0.0, list[float]()
    account = MultiKeyAccount(
        ["one"], rpm_per_key=30, max_concurrency=1, now=lambda: now, wall=lambda: now
    )
    (scope,) = account.scopes("any")
    while now < 180.0:
        reservation = account.reserve(scope, {"requests": 1.0}, now)
        if isinstance(reservation, NoCapacity):
            now += reservation.wait
            continue
        account.quota.try_start(reservation, now)
        account.quota.settle(reservation, {}, now, now)
        sent.append(now)
    busiest = max(sum(at <= other < at + 60.0 for other in sent) for at in sent)
    expect(30, busiest, "requests in the busiest minute at 30 a minute")
    expect(90, len(sent), "requests in three minutes at 30 a minute")


def _prompts() -> None:
    left = iter([" \n", "two", "three"])
    expect("two", first_of([lambda: next(left)] * 3), "the first prompt that is not blank")
    expect("three", next(left), "the place after it, unread")
    expect(None, first_of([lambda: "", lambda: None]), "no prompt")


def _keys() -> None:
    def found(*values: Mapping[str, str]) -> tuple[str, str]:
        return keys_of(
            VariableSource(f"place {number}", each) for number, each in enumerate(values)
        )[:2]

    both = {"GROQ_API_KEYS": "a,b", "GROQ_API_KEY": "c"}
    expect(("GROQ_API_KEYS", "a,b"), found(both, {}), "both variables")
    expect(("GROQ_API_KEY", "c"), found({**both, "GROQ_API_KEYS": " , "}), "one is blank")
    expect(("GROQ_API_KEY", "c"), found({}, {"GROQ_API_KEY": "c"}), ".env")


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="groq-self-test-") as folder:
        yield Path(folder)


TESTS: dict[str, Callable[[], None]] = {
    "Retry-After in every form": _retry_after,
    "backoff stays within its bounds": _jitter,
    "answers are kept for their time, in a private file": _cache,
    "the day's tokens survive a restart": _budget,
    "no minute holds more than a key may send": _bucket,
    "the first prompt that is not blank is asked": _prompts,
    "keys come from the first place that holds any": _keys,
}
