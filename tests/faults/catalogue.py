"""Every fault that a call may meet, and what is right to become of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sandbox import Answer, Fault, retry_after_date
from sandbox.faults import Step
from services.llm.errors import (
    AuthenticationError,
    ContentFilteredError,
    ContextLengthError,
    InvalidRequestError,
    LLMError,
    LLMTimeoutError,
    ModelNotFoundError,
    ProviderUnavailableError,
    RateLimitError,
    StructuredOutputError,
    TruncatedError,
)

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
PIECES = ('{"name": "wooden', ' chairs",', ' "pieces"', ": 36}")
TEXT = "".join(PIECES)
#: How many attempts a call may make, and the seconds it has: on the clock that moves only by waits,
#: and where real time must pass.
ATTEMPTS, TIMEOUT, SHORT_TIMEOUT = 3, 60.0, 0.08
ANSWER = Answer.streams(*PIECES)


@dataclass(frozen=True)
class Refused:
    """A connection that nobody takes."""


@dataclass(frozen=True)
class Sent:
    """Bytes that come for an answer, after which the connection is closed."""

    data: bytes


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What is right: the error, or None for an answer, and how it comes to that.

    `most` attempts are made while the fault lasts; where that is more than one, a fault that comes
    once is survived. `at_once`: no wait lies between them, as each asks in another way.
    `retry_after`: seconds that the error tells, and that pass before the next attempt. `partial`:
    the error carries the text that came. `late`: the call's own deadline ends it.
    """

    error: type[LLMError] | None = None
    most: int = 1
    at_once: bool = False
    retry_after: float | None = None
    partial: bool = False
    late: bool = False


@dataclass(frozen=True, eq=False)
class FaultCase:
    """A fault with its outcome, and where that differs: by provider, form, or both."""

    name: str
    step: Step | Refused | Sent
    usual: Outcome
    unlike: Mapping[str, Outcome] = field(default_factory=dict)

    @property
    def is_below_http(self) -> bool:
        """Whether the gateway makes it, as the sandbox cannot."""
        return isinstance(self.step, (Refused, Sent))

    @property
    def in_stream(self) -> bool:
        """Whether a structured call meets it only where it is streamed."""
        return isinstance(self.step, Fault) and self.step.stream_break is not None

    def outcome(self, provider: str, form: str) -> Outcome:
        """What is right for a call of this *form*."""
        for key in (f"{provider} {form}", form, provider):
            if key in self.unlike:
                return self.unlike[key]
        return self.usual


ANSWERED = Outcome()
PASSES = Outcome(error=ProviderUnavailableError, most=ATTEMPTS)
TIMED_OUT = replace(PASSES, error=LLMTimeoutError)
MAY_PASS = replace(PASSES, most=1)
UNKNOWN = Outcome(error=LLMError)
REFUSED = Outcome(error=InvalidRequestError)
TOO_LONG = Outcome(error=ContextLengthError)
NO_RIGHT = Outcome(error=AuthenticationError)
NO_MODEL = Outcome(error=ModelNotFoundError)
LIMITED = Outcome(error=RateLimitError)
THROTTLED = replace(LIMITED, most=ATTEMPTS)
FILTERED = Outcome(error=ContentFilteredError)
LATE = Outcome(error=LLMTimeoutError, late=True)
BROKEN = replace(MAY_PASS, partial=True)
NOTHING_SAID = Outcome(error=TruncatedError)
CUT_SHORT = replace(NOTHING_SAID, partial=True)
#: Another model answers, or the same is asked again in a repair turn.
SUCCEEDED = replace(NO_MODEL, most=2, at_once=True)
REPAIRED = Outcome(error=StructuredOutputError, most=ATTEMPTS, at_once=True)
INVALID = Outcome(error=StructuredOutputError, partial=True)


def waits(seconds: float) -> Outcome:
    """The outcome of what passes after so many seconds."""
    return replace(PASSES, retry_after=seconds)


def ok(body: bytes, **headers: str) -> Fault:
    """A 200 with a body that is none."""
    return Fault(status=200, body=body, headers={"content-type": "application/json", **headers})


def broken(kind: Any, frame: int, **how: Any) -> Fault:
    """A stream that breaks before this frame."""
    return Fault.in_stream(kind, frame=frame, answer=ANSWER, **how)


def missing(part: Any) -> Answer:
    """The answer without this part of it."""
    return replace(ANSWER, without=frozenset({part}))


def in_body(message: str, **members: Any) -> Fault:
    """A gateway's error under a status of 200."""
    return ok(json.dumps({"error": {"message": message, **members}}).encode())


BREAKS = ("cut", "reset", "tear", "damage")
# A whole answer is not touched by a stream's break.
WHOLE = {"plain": ANSWERED}
# Groq refuses an answer that does not fit; Bedrock says of its model that it has failed.
UNFIT = {"bedrock": UNKNOWN, "bedrock structured": UNKNOWN, "structured": REPAIRED}

STATUSES = [
    FaultCase("400", Fault.error(400), REFUSED),
    *[FaultCase(f"{n}", Fault.error(n), REFUSED) for n in (405, 415, 422)],
    *[FaultCase(f"{n}", Fault.error(n), UNKNOWN) for n in (409, 424)],
    *[FaultCase(f"{n}", Fault.error(n), NO_RIGHT) for n in (401, 403)],
    *[FaultCase(f"{n}", Fault.error(n), PASSES) for n in (500, 502, 503)],
    *[FaultCase(f"{n}", Fault.error(n), MAY_PASS) for n in (501, 507, 520)],
    FaultCase("404", Fault.error(404), NO_MODEL, {"bedrock": SUCCEEDED}),
    FaultCase("408", Fault.error(408), TIMED_OUT),
    FaultCase("413", Fault.too_large(), TOO_LONG),
    FaultCase("429", Fault.error(429, "Slow down."), LIMITED, {"bedrock": THROTTLED}),
    FaultCase("498, or a model that is not ready", Fault.capacity(), PASSES),
    FaultCase("504", Fault.error(504), TIMED_OUT),
    FaultCase("a prompt that is too long", Fault.context_length(), TOO_LONG),
    FaultCase("a key that is not known", Fault.invalid_key(), NO_RIGHT),
    FaultCase("a model that was shut down", Fault.decommissioned(), SUCCEEDED, {"groq": NO_MODEL}),
    FaultCase("a model that is not known", Fault.model_not_found(), NO_MODEL),
    FaultCase("an answer that is refused", Fault.json_validate_failed("{"), REFUSED, UNFIT),
    FaultCase("a tool's call that is refused", Fault.tool_use_failed("{"), REFUSED, UNFIT),
    FaultCase("Cloudflare's 403", Fault.cloudflare_1010(), NO_RIGHT),
]
RETRY_AFTER = [
    FaultCase("429, Retry-After: 7", Fault.rate_limited(7), replace(LIMITED, retry_after=7.0)),
    FaultCase("503, Retry-After: 7", Fault.error(503, retry_after=7), waits(7.0)),
    FaultCase("503, Retry-After: 0.25", Fault.error(503, retry_after="0.25"), waits(0.25)),
    FaultCase("503, a date", Fault.error(503, retry_after=retry_after_date(9)), waits(9.0)),
    FaultCase("503, no number", Fault.error(503, retry_after="soon"), PASSES),
    FaultCase(
        "503 until after the deadline",
        Fault.error(503, retry_after=600),
        replace(MAY_PASS, retry_after=600.0),
    ),
]
BODIES = [
    FaultCase("half of the JSON", Fault.malformed_json(), PASSES),
    FaultCase("an error in a 200", in_body("Upstream is sad"), UNKNOWN),
    FaultCase("a proxy's 502", Fault.html(502), PASSES),
    FaultCase("a proxy's page in a 200", Fault.html(200, "<html>Sign in</html>"), UNKNOWN),
    FaultCase("no gzip", ok(b"no gzip", **{"content-encoding": "gzip"}), PASSES),
    FaultCase("an empty body", ok(b""), PASSES),
    FaultCase(
        "half of the body", replace(Fault.cut_off(), answer=ANSWER), PASSES, {"stream": BROKEN}
    ),
    FaultCase("nothing of the body", Fault.cut_off(0.0), PASSES),
    FaultCase("no choices", Answer.no_choices(), UNKNOWN, {"stream": NOTHING_SAID}),
    FaultCase("an empty text", Answer.empty(), NOTHING_SAID, {"structured": REPAIRED}),
    FaultCase("a null", Answer.null(), NOTHING_SAID, {"structured": REPAIRED}),
    FaultCase("a filter", Answer.filtered("No."), FILTERED),
    FaultCase("a guardrail", Answer.guarded("No."), FILTERED),
    FaultCase("a limit", Answer.truncated(PIECES[0]), CUT_SHORT, {"structured": REPAIRED}),
    FaultCase("no finish", missing("finish_reason"), CUT_SHORT, {"structured": ANSWERED}),
    FaultCase("no usage", missing("usage"), ANSWERED),
    FaultCase("no [DONE]", missing("done"), ANSWERED),
]
CONNECTIONS = [
    FaultCase("reset", Fault.reset(), PASSES),
    FaultCase("closed", Fault.close(), PASSES),
    FaultCase("refused", Refused(), PASSES),
    FaultCase("cut in the headers", Sent(b"HTTP/1.1 200 OK\r\ncontent-ty"), PASSES),
    FaultCase("no HTTP", Sent(b"SSH-2.0-OpenSSH_9.6\r\n"), PASSES),
    FaultCase("a chunk that is none", Sent(HEAD + b"zz\r\n"), PASSES),
    FaultCase("silence", Fault.silent(60), LATE),
    FaultCase("a slow body", Fault.slow_body(60), LATE),
    FaultCase("a dripping body", Fault.dripped(1, 0.03), LATE),
]
FIRST = [
    *[FaultCase(f"{kind} at the first frame", broken(kind, 0), PASSES, WHOLE) for kind in BREAKS],
    FaultCase("error at the first frame", broken("error", 0, status=503), PASSES, WHOLE),
    FaultCase(
        "end at the first frame",
        broken("end", 0),
        NOTHING_SAID,
        {**WHOLE, "structured": REPAIRED},
    ),
    FaultCase("stall at the first frame", broken("stall", 0, seconds=60), LATE, WHOLE),
]
MIDDLE = [
    *[FaultCase(f"{kind} in the middle", broken(kind, 3), BROKEN, WHOLE) for kind in BREAKS],
    FaultCase("error in the middle", broken("error", 3, status=503), BROKEN, WHOLE),
    FaultCase("end in the middle", broken("end", 3), CUT_SHORT, {**WHOLE, "structured": INVALID}),
    FaultCase("stall in the middle", broken("stall", 3, seconds=60), LATE, WHOLE),
]
LAST = [
    *[
        FaultCase(f"{kind} at the last frame", broken(kind, -1), ANSWERED)
        for kind in (*BREAKS, "end")
    ],
    FaultCase("error at the last frame", broken("error", -1, status=503), BROKEN, WHOLE),
    FaultCase("pause at the last frame", broken("stall", -1, seconds=0.02), ANSWERED),
    FaultCase("stall at the last frame", broken("stall", -1, seconds=60), ANSWERED),
]
FAULTS: list[FaultCase] = [*STATUSES, *RETRY_AFTER, *BODIES, *CONNECTIONS, *FIRST, *MIDDLE, *LAST]
