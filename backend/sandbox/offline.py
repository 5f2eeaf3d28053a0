"""Work that is done without a client waiting: what the batches of both providers share."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from .http_types import HttpRequest, HttpResponse

# Answers a request to a path, for an organisation, outside every limit on what is asked live.
OfflineAnswer = Callable[[str, Any, str], HttpResponse]


@dataclass(frozen=True)
class Moment:
    """The time of a request: the sandbox's clock, and the wall clock, both in seconds."""

    clock: float
    wall: float


class Service(Protocol):
    """A part of a provider that keeps something between requests."""

    def response(
        self, http_request: HttpRequest, organisation: str, moment: Moment
    ) -> HttpResponse:
        """The response to a request for this part."""
        ...

    def clear(self) -> None:
        """Forget everything."""
        ...


@dataclass(frozen=True)
class Progress:
    """How far a batch is after some time of the seconds that it takes in all."""

    elapsed: float
    seconds: float

    @property
    def share(self) -> float:
        """The part of its lines that are answered, from 0 to 1."""
        if self.seconds <= 0:
            return 1.0
        return min(1.0, max(0.0, self.elapsed / self.seconds - 0.1) / 0.8)

    @property
    def phase(self) -> str:
        """`validating`, `in_progress`, `finalizing` or `completed`."""
        if self.elapsed >= self.seconds:
            return "completed"
        done = self.elapsed / self.seconds
        return "validating" if done < 0.1 else "in_progress" if done < 0.9 else "finalizing"


@dataclass(frozen=True)
class BadLine:
    """A line of an input file that is no JSON object, by its number from 1."""

    number: int


def json_lines(data: bytes) -> Iterator[dict[str, Any] | BadLine]:
    """The object on each line that is not blank."""
    for number, line in enumerate(data.splitlines(), 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):  # told to the caller by its number
            value = None
        yield value if isinstance(value, dict) else BadLine(number)


def lines_of(rows: list[dict[str, Any]]) -> bytes:
    """The rows as JSON lines."""
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)


def answer_json(response: HttpResponse) -> Any:
    """The JSON of an answer's body; its text where it is none, as a proxy's page is."""
    try:
        return json.loads(response.body or b"null")
    except ValueError:
        return response.body.decode(errors="replace")


def body_json(http_request: HttpRequest) -> Any:
    """The JSON of a request's body, or None where it is none."""
    try:
        return json.loads(http_request.body or b"null")
    except (ValueError, RecursionError):  # the caller's own 400 follows
        return None
