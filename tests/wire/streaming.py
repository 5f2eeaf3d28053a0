"""One way to read a stream of either kind of face, to its end or not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from services.llm.call.stream import AsyncStream, Stream
from services.llm.errors import LLMError
from services.llm.stream_types import StreamEvent, TextPiece
from services.llm.types import Reply
from tests.wire.faces import Face


@dataclass
class Read:
    """What was read of a stream, and how it ended."""

    events: list[StreamEvent] = field(default_factory=list)
    reply: Reply | None = None
    error: LLMError | None = None

    @property
    def texts(self) -> list[str]:
        """The pieces of text."""
        return [event.text for event in self.events if isinstance(event, TextPiece)]

    @property
    def text(self) -> str:
        """The text as far as it came."""
        return "".join(self.texts)

    def read(self, stream: Stream, leave_after: int | None = None) -> None:
        """Read *stream* in its block, so many pieces of it at most."""
        try:
            with stream:
                for event in stream.events():
                    self.events.append(event)
                    if len(self.texts) == leave_after:
                        return
            self.reply = stream.reply
        except LLMError as error:
            self.error = error

    async def aread(self, stream: AsyncStream, leave_after: int | None = None) -> None:
        """Do the same on an event loop."""
        try:
            async with stream:
                async for event in stream.events():
                    self.events.append(event)
                    if len(self.texts) == leave_after:
                        return
            self.reply = stream.reply
        except LLMError as error:
            self.error = error


def open_stream(face: Face, *args: Any, **kwargs: Any) -> Any:
    """The face's own kind of stream."""
    stream = face.client.astream if face.loop else face.client.stream
    return stream(*args, **kwargs)


def read(
    face: Face,
    *args: Any,
    leave_after: int | None = None,
    close_twice: bool = False,
    **kwargs: Any,
) -> Read:
    """Read a stream of the face's own kind."""
    got, stream = Read(), open_stream(face, *args, **kwargs)
    if isinstance(stream, AsyncStream):
        face.run(got.aread(stream, leave_after))
        if close_twice:
            face.run(stream.aclose())
    else:
        got.read(stream, leave_after)
        if close_twice:
            stream.close()
    return got
