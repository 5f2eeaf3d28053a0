"""What Bedrock's event streams have in common: their frames, and the errors in these."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from ...types import Request
from ..answer_reader import AnswerReader
from ..fields import text
from .frames import Frames


class EventReader(AnswerReader):
    """Reads one stream: its bytes by `feed`, or events that botocore has read by `add`.

    `feed` raises botocore's errors: of a broken frame, of an exception that the stream holds.
    """

    provider = "bedrock"
    #: The API's operation, by which botocore names its errors.
    operation: str

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        self._frames: Frames | None = None

    def _pieces_in(self, received: bytes) -> Iterator[Any]:
        self._frames = self._frames or Frames()
        for frame in self._frames.feed(received):
            headers, payload = frame.headers, json.loads(frame.payload or b"{}")
            if headers.get(":message-type", "event") != "event":
                raise self._error(headers, payload)
            yield self._event(headers.get(":event-type"), payload)

    def _event(self, kind: str, payload: Any) -> Mapping[str, Any]:
        return {kind: payload}

    def _error(self, headers: Mapping[str, Any], payload: Any) -> Exception:
        named = headers.get(":exception-type") or headers.get(":error-code")
        words = text(payload, "message") or text(payload, "Message")
        error = {"Code": named or "", "Message": words or headers.get(":error-message") or ""}
        raised = import_module("botocore.exceptions").EventStreamError
        made: Exception = raised({"Error": error}, self.operation)
        return made
