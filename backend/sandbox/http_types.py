"""The two ends of an exchange as plain values: the request that came in and the response that goes
out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

from .streams import Frame

Provider = Literal["groq", "bedrock"]


@dataclass(frozen=True)
class HttpRequest:
    """A request as received; header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    query: str = ""


@dataclass(frozen=True)
class Route:
    """What a request is addressed to; `model` is None where the body names it or none is meant."""

    provider: Provider
    operation: str
    model: str | None = None
    method: str = "POST"


@dataclass(frozen=True)
class RequestContext:
    """What a request depends on beside itself; `scripted` models can do everything."""

    today: date
    scripted: bool = False
    region: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class HttpResponse:
    """A whole HTTP response, before any fault in its delivery; a streamed one has frames."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    frames: tuple[Frame, ...] = ()


class RefusedError(Exception):
    """A request that the provider does not serve; carries the response that says so."""

    def __init__(self, response: HttpResponse) -> None:
        super().__init__(response.status, response.body)
        self.response = response


def json_response(
    status: int, payload: Any, headers: Mapping[str, str] | None = None
) -> HttpResponse:
    """A JSON response, compact and in UTF-8, as both providers write it."""
    body = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
    return HttpResponse(status, body, {"content-type": "application/json", **(headers or {})})
