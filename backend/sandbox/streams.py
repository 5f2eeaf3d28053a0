"""A streamed answer as frames, and where and how it breaks; no provider's words, no I/O."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, get_args

BreakKind = Literal["cut", "reset", "tear", "end", "stall", "damage", "error"]
# About a token each, so that a text has as many pieces as a model would send.
_PIECE = re.compile(r"\s*\S{1,12}|\s+")


@dataclass(frozen=True)
class Frame:
    """The bytes of one event; a `piece` carries some of the answer: text, reasoning or a call."""

    data: bytes
    piece: bool = False


@dataclass(frozen=True)
class StreamBreak:
    """A break before frame number `frame` (from 0, or from the end if negative), or after `pieces`.

    Without either it comes after the first piece; a stream with fewer breaks at its end.
    """

    kind: BreakKind
    frame: int | None = None
    pieces: int | None = None
    seconds: float = 3600.0

    def __post_init__(self) -> None:
        """Refuse what is no break. Raises ValueError."""
        if self.kind not in get_args(BreakKind):
            raise ValueError(f"in_stream({self.kind!r}): must be one of {get_args(BreakKind)}")
        if self.frame is not None and self.pieces is not None:
            raise ValueError("in_stream: give `frame` or `pieces`, not both")
        if not self.seconds >= 0 or (self.pieces or 0) < 0:
            raise ValueError("in_stream: `seconds` and `pieces` cannot be negative")

    def index(self, frames: tuple[Frame, ...]) -> int:
        """The number of frames that are sent before the break."""
        if self.frame is not None:
            number = self.frame + len(frames) if self.frame < 0 else self.frame
            return min(max(number, 0), len(frames))
        wanted = 1 if self.pieces is None else self.pieces
        places = [place for place, frame in enumerate(frames) if frame.piece]
        if wanted == 0:
            return places[0] if places else 0
        return places[wanted - 1] + 1 if wanted <= len(places) else len(frames)


def pieces_of(text: str) -> list[str]:
    """The text in the pieces in which a model would send it."""
    return _PIECE.findall(text)


def broken_frames(
    frames: tuple[Frame, ...],
    stream_break: StreamBreak,
    *,
    damaged: Callable[[bytes], bytes],
    error: Callable[[], bytes],
) -> tuple[Frame, ...]:
    """The frames as a break of kind `end`, `damage` or `error` leaves them; else unchanged."""
    at = stream_break.index(frames)
    if stream_break.kind == "end":
        return frames[:at]
    if stream_break.kind == "error":
        return (*frames[:at], Frame(error()))
    if stream_break.kind == "damage" and at < len(frames):
        spoilt = replace(frames[at], data=damaged(frames[at].data))
        return (*frames[:at], spoilt, *frames[at + 1 :])
    return frames
