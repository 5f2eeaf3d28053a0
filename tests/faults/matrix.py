"""Run one fault against one kind of client, and say all that is not as promised."""

from __future__ import annotations

import itertools
import math
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Literal, get_args

import pytest
from pydantic import BaseModel

from sandbox import Sandbox
from services import llm_client
from services.llm.call.structured_stream import AsyncStructuredStream
from services.llm.errors import LLMError
from services.llm.providers import channel
from services.llm.types import Attempt, Usage
from tests.faults.accounts import Accounts, counted_by
from tests.faults.catalogue import (
    ANSWER,
    ATTEMPTS,
    FAULTS,
    SHORT_TIMEOUT,
    TIMEOUT,
    FaultCase,
    Outcome,
    Refused,
    Sent,
)
from tests.faults.gateway import Gateway
from tests.faults.judging import Ended, judge
from tests.wire.clock import VirtualTime
from tests.wire.faces import KINDS, Face, settings
from tests.wire.streaming import read

Form = Literal["plain", "stream", "structured"]
Pattern = Literal["once", "persistent", "flapping"]
FORMS: tuple[Form, ...] = get_args(Form)
PATTERNS: tuple[Pattern, ...] = get_args(Pattern)
MODELS = {"groq": "openai/gpt-oss-120b", "bedrock": "us.anthropic.claude-haiku-4-5-20251001-v1:0"}

#: The longest that a fault may keep the client from calling again, in seconds.
_LATER = 1_000.0
_PERMITS = 64


class Goods(BaseModel):
    """What the structured calls ask for."""

    name: str
    pieces: int


class Clock(VirtualTime):
    """Virtual time, to which real time is added while something is late."""

    def __init__(self) -> None:
        super().__init__()
        self.began: float | None = None
        self.gateway: Gateway | None = None

    def now(self) -> float:
        """Seconds of a clock that never steps."""
        return self.seconds + (time.monotonic() - self.began if self.began is not None else 0.0)

    def sleep(self, seconds: float) -> None:
        """Let *seconds* pass at once."""
        super().sleep(seconds)
        if self.gateway is not None:
            self.gateway.time_passed()


@dataclass(frozen=True)
class Cell:
    """One fault as one call meets it."""

    fault: FaultCase
    kind: str
    form: Form
    pattern: Pattern

    @property
    def outcome(self) -> Outcome:
        """What is right here."""
        return self.fault.outcome(self.kind.split()[0], self.form)


def cells(faults: list[FaultCase] = FAULTS) -> Iterator[Cell]:
    """All of them."""
    for fault, kind, form, pattern in itertools.product(faults, KINDS, FORMS, PATTERNS):
        yield Cell(fault, kind, form, pattern)


def pairwise(number: int) -> Iterator[Cell]:
    """Six cells of fault *number*, in which any two of provider, manner and form meet, and each
    pattern meets each provider; over the faults, every pattern meets every form and manner.
    """
    for row, (provider, form) in enumerate(itertools.product(("groq", "bedrock"), FORMS)):
        kind = f"{provider} async" if (row + number) % 2 else provider
        yield Cell(FAULTS[number], kind, form, PATTERNS[(row + row // 3 + number // 2) % 3])


class Matrix:
    """A sandbox, and a client of each kind that lives as long as it does."""

    def __init__(self, sandbox: Sandbox, clock: Clock, stack: ExitStack, patch: Any) -> None:
        self.sandbox, self.clock = sandbox, clock
        self._stack, self._patch = stack, patch
        self._gateway: Gateway | None = None
        self._faces: dict[tuple[str, bool], Face] = {}
        self._numbers = itertools.count()
        #: What the ledger of all clients is to hold.
        self.accounts = Accounts()

    def run(self, cell: Cell) -> list[str]:
        """Let *cell*'s calls meet its fault; return what was wrong."""
        face = self._face(cell.kind, cell.fault.is_below_http)
        outcome = cell.outcome
        rounds = 2 if cell.pattern == "flapping" else 1
        wrong: list[str] = []
        for _ in range(rounds):
            ended = self._meet(cell, face, ATTEMPTS if cell.pattern == "persistent" else 1)
            wrong += judge(outcome, ended, is_once=cell.pattern != "persistent")
            wrong += self._account_for(face, ended)
            wrong += self._unhealthy(face)
        wrong += self.accounts.differences()
        self.accounts.catch_up()
        return wrong

    def _meet(self, cell: Cell, face: Face, times: int) -> Ended:
        prompt = f"Which goods has cell {next(self._numbers)}?"
        fault = cell.fault.step
        steps: list[Any] = [] if cell.fault.is_below_http else [fault] * times
        self.sandbox.script(*steps, *[ANSWER] * ATTEMPTS, prompt=prompt)
        if isinstance(fault, Refused):
            self._get_gateway().refuse(times)
        elif isinstance(fault, Sent):
            self._get_gateway().reply(fault.data, times)
        is_late = cell.outcome.late
        began = self.clock.now()
        self.clock.naps.clear()
        if is_late:
            self.clock.began = time.monotonic()
        ended = ask(face, cell, prompt, SHORT_TIMEOUT if is_late else TIMEOUT)
        ended.seconds = self.clock.now() - began
        self.clock.seconds, self.clock.began = self.clock.now(), None
        ended.naps = list(self.clock.naps)
        ended.exchanges = self.sandbox.exchanges
        return ended

    def _account_for(self, face: Face, ended: Ended) -> list[str]:
        """Expect in the ledger what the sandbox has counted; return what it knows otherwise."""
        is_answered = ended.error is None
        return self.accounts.expect(
            MODELS[face.provider], ended.exchanges, ended.attempts, is_answered=is_answered
        )

    def _unhealthy(self, face: Face) -> list[str]:
        """What is held still once the fault has gone, and whether the client answers."""
        if self._gateway is not None:
            self._gateway.recover()
        self.sandbox.clear()
        # To a whole second, so that an HTTP-date says exactly what it means.
        self.clock.seconds = math.ceil(self.clock.seconds) + _LATER
        account = face.client._account
        pending = account.window.pending
        held = {
            "permits": _PERMITS - account.concurrency.free,
            "calls in flight": len(account.single_flight),
            "requests reserved": len(pending),
            "reserved in flight": pending.in_flight_amount,
        }
        wrong = [f"{count} {what} left" for what, count in held.items() if count]
        try:
            answered = face.generate("still there?", model=MODELS[face.provider], timeout=TIMEOUT)
        except LLMError as error:
            answered = repr(error)
        if answered != "Sandbox: still there?":
            wrong.append(f"the next call: {answered}")
        else:
            # One that was given up before may arrive only now.
            exchange = next(one for one in self.sandbox.exchanges if answered[9:] in str(one.body))
            attempt = Attempt(1, exchange.model or "", usage=counted_by(exchange) or Usage())
            self.accounts.expect(MODELS[face.provider], [exchange], [attempt], is_answered=True)
        account.forget()
        self.sandbox.clear()
        return wrong

    def _face(self, kind: str, is_below_http: bool) -> Face:
        key = (kind, is_below_http)
        if key not in self._faces:
            url = self._get_gateway().url if is_below_http else self.sandbox.url
            limits = {f"{one}_REQUESTS_PER_MINUTE": 10_000 for one in ("GROQ", "BEDROCK")}
            self._patch.setattr(llm_client, "settings", settings(url, **limits))
            face = self._faces[key] = Face(kind, {})
            self._stack.callback(face.close)
            face.client._account.now = self.clock.now
            face.client._account.wall = self.clock.wall
            face.client._account.ledger = self.accounts.ledger
            face.client._transport._wall = self.clock.wall
        return self._faces[key]

    def _get_gateway(self) -> Gateway:
        if self._gateway is None:
            self._gateway = self.clock.gateway = Gateway(self.sandbox.url)
            self._stack.callback(self._gateway.close)
        return self._gateway


def ask(face: Face, cell: Cell, prompt: str, timeout: float) -> Ended:
    """Make the call of this form."""
    how: dict[str, Any] = {
        "model": MODELS[face.provider],
        "timeout": timeout,
        "max_retries": ATTEMPTS - 1,
    }
    ended = Ended()
    if cell.form == "stream":
        got = read(face, prompt, **how)
        ended.text, ended.error = got.text, got.error
        ended.attempts = got.reply.attempts if got.reply else ()
    else:
        try:
            if cell.form == "plain":
                reply: Any = face.respond(prompt, **how)
            elif cell.fault.in_stream:
                reply = _stream_structured(face, prompt, **how)
            else:
                reply = face.respond_structured(prompt, Goods, **how)
            ended.text, ended.attempts = reply.text, reply.attempts
        except LLMError as error:
            ended.error = error
    if ended.error is not None:
        ended.attempts = ended.error.attempts
    return ended


def _stream_structured(face: Face, prompt: str, **how: Any) -> Any:
    client = face.client
    opened = client.astream_structured if face.loop else client.stream_structured
    stream = opened(prompt, Goods, **how)

    async def aread(stream: AsyncStructuredStream[Any]) -> Any:
        async with stream:
            async for _ in stream:
                pass
        return stream.reply

    if isinstance(stream, AsyncStructuredStream):
        return face.run(aread(stream))
    with stream:
        for _ in stream:
            pass
    return stream.reply


@contextmanager
def opened() -> Iterator[Matrix]:
    """A matrix that is ready to run, in an environment without the machine's own settings."""
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for name in list(os.environ):
            if name.startswith(("AWS_", "GROQ_", "LLM_")) or name.lower().endswith("_proxy"):
                patch.delenv(name)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("AWS_CONFIG_FILE", os.devnull)
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        clock = Clock()
        clock.rule(patch)
        patch.setattr(channel, "_AFTER_THE_END", 0.02)
        sandbox = stack.enter_context(Sandbox(clock=clock.now, wall_clock=clock.wall))
        yield Matrix(sandbox, clock, stack, patch)
