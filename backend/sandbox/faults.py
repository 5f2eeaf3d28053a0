"""What goes wrong because a test, or a model's name, asks for it.

A fault is a neutral value, as an answer is: it takes Groq's form on Groq's side and Bedrock's on
Bedrock's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from .answer import Answer
from .step_checks import check_fault, header_text
from .streams import BreakKind, StreamBreak

# Seconds, a text that is sent as it is, or what makes one of the wall clock as of the response.
RetryAfter = str | float | Callable[[float], str]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Something that goes wrong: an error instead of the answer, a bad delivery of it, or both.

    An error: `status` and `code` (Groq's error code or Bedrock's exception name; either is
    translated for the other wire), or a verbatim `body`. A delivery: `silence` seconds before
    the headers, then `hang_up`; `stall` seconds between headers and body; `drip` bytes every
    `drip_every` seconds; `cut` sends that fraction of the body. In a stream alone: `frame_every`
    seconds between frames, and `stream_break`, whose `error` has this status, code and message.
    """

    status: int | None = None
    code: str | None = None
    message: str | None = None
    failed_generation: str | None = None
    retry_after: RetryAfter | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    answer: Answer | None = None
    silence: float = 0.0
    hang_up: Literal["reset", "close"] | None = None
    stall: float = 0.0
    drip: int = 0
    drip_every: float = 0.0
    cut: float | None = None
    frame_every: float = 0.0
    stream_break: StreamBreak | None = None

    def __post_init__(self) -> None:
        """Refuse what could not be sent. Raises TypeError or ValueError, which name the field."""
        check_fault(self)

    def retry_after_text(self, now: float) -> str | None:
        """The Retry-After header as of `now`, the wall clock in seconds, or None for none."""
        value = self.retry_after
        if callable(value):
            return header_text(value(now))
        # `30.0` is written as `30`, as the services write whole seconds.
        whole = isinstance(value, float) and value.is_integer()
        return None if value is None else str(int(value) if whole else value)

    @property
    def is_error(self) -> bool:
        """Whether an error or a verbatim body takes the answer's place."""
        named = self.status is not None or self.code is not None
        # In a stream that breaks, they are those of the frame with the error.
        return self.body is not None or (named and self.stream_break is None)

    @classmethod
    def error(
        cls,
        status: int,
        message: str | None = None,
        *,
        code: str | None = None,
        retry_after: RetryAfter | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Fault:
        """The provider's own error of this HTTP status."""
        return cls(
            status=status,
            message=message,
            code=code,
            retry_after=retry_after,
            headers=headers or {},
        )

    @classmethod
    def named(
        cls, code: str, message: str | None = None, *, failed_generation: str | None = None
    ) -> Fault:
        """The error of this Groq code or Bedrock exception name, with the status that belongs to
        it.
        """
        return cls(code=code, message=message, failed_generation=failed_generation)

    @classmethod
    def rate_limited(cls, retry_after: RetryAfter | None = None) -> Fault:
        """A 429, with a Retry-After if one is given (Bedrock itself never sends one)."""
        return cls(status=429, retry_after=retry_after)

    @classmethod
    def reset(cls, *, silence: float = 0.0) -> Fault:
        """A connection reset (TCP RST) before any header."""
        return cls(hang_up="reset", silence=silence)

    @classmethod
    def close(cls, *, silence: float = 0.0) -> Fault:
        """A connection closed (TCP FIN) before any header."""
        return cls(hang_up="close", silence=silence)

    @classmethod
    def silent(cls, seconds: float) -> Fault:
        """Nothing at all for `seconds`, then the answer."""
        return cls(silence=seconds)

    @classmethod
    def slow_body(cls, seconds: float) -> Fault:
        """Headers at once, the body `seconds` later."""
        return cls(stall=seconds)

    @classmethod
    def dripped(cls, size: int = 1, every: float = 0.05) -> Fault:
        """The body in pieces of `size` bytes, `every` seconds apart."""
        return cls(drip=size, drip_every=every)

    @classmethod
    def cut_off(cls, after: float = 0.5) -> Fault:
        """The connection closed when this fraction of the declared body was sent."""
        return cls(cut=after)

    @classmethod
    def paced(cls, every: float = 0.05, *, answer: Answer | None = None) -> Fault:
        """A stream whose frames come `every` seconds apart."""
        return cls(frame_every=every, answer=answer)

    @classmethod
    def in_stream(
        cls,
        kind: BreakKind,
        *,
        frame: int | None = None,
        pieces: int | None = None,
        seconds: float = 3600.0,
        status: int | None = None,
        code: str | None = None,
        message: str | None = None,
        answer: Answer | None = None,
    ) -> Fault:
        """A stream that breaks before a frame, or after so many pieces; else after the first piece.

        `kind`: `cut` and `reset` end the connection, `tear` in the middle of the frame; `end` ends
        the message as if all had been sent; `stall` is silent for `seconds`; `damage` spoils the
        frame; `error` puts the provider's error in its place. A whole answer is not touched.
        """
        return cls(
            stream_break=StreamBreak(kind, frame, pieces, seconds),
            status=status,
            code=code,
            message=message,
            answer=answer,
        )

    @classmethod
    def malformed_json(cls) -> Fault:
        """A 200 whose JSON breaks off in the middle, though the HTTP message is whole."""
        return cls(status=200, body=b'{"id":"broken","choices":[{"index":0,"message":{"role":"assi')

    @classmethod
    def html(
        cls, status: int = 502, body: str = "<html><body><h1>502 Bad Gateway</h1></body></html>"
    ) -> Fault:
        """An HTML page, as a proxy before the provider sends it."""
        return cls(
            status=status, body=body.encode(), headers={"content-type": "text/html; charset=utf-8"}
        )

    @classmethod
    def cloudflare_1010(cls) -> Fault:
        """The 403 with which Cloudflare turns away a client whose User-Agent it does not like."""
        return cls(
            status=403,
            body=b"error code: 1010",
            headers={"content-type": "text/plain; charset=UTF-8"},
        )

    @classmethod
    def decommissioned(cls) -> Fault:
        """The model was shut down (Bedrock: has reached the end of its life)."""
        return cls.named("model_decommissioned")

    @classmethod
    def model_not_found(cls) -> Fault:
        """The model does not exist."""
        return cls.named("model_not_found")

    @classmethod
    def invalid_key(cls) -> Fault:
        """The credentials are not known."""
        return cls.named("invalid_api_key")

    @classmethod
    def context_length(cls) -> Fault:
        """The prompt is longer than the model's context."""
        return cls.named("context_length_exceeded")

    @classmethod
    def capacity(cls) -> Fault:
        """No capacity left (Groq 498; Bedrock: the model is not ready)."""
        return cls.named("capacity_exceeded")

    @classmethod
    def too_large(cls) -> Fault:
        """The request is larger than the limit itself (Groq 413)."""
        return cls.named("request_too_large")

    @classmethod
    def json_validate_failed(cls, failed_generation: str = "") -> Fault:
        """Groq's 400 for an answer that is not the JSON that was asked for."""
        return cls.named("json_validate_failed", failed_generation=failed_generation)

    @classmethod
    def tool_use_failed(cls, failed_generation: str = "") -> Fault:
        """Groq's 400 for a tool call that cannot be parsed or does not fit the tool."""
        return cls.named("tool_use_failed", failed_generation=failed_generation)


Step = Answer | Fault
