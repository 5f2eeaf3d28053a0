"""The two ends of an exchange as plain values: the request that came in and the reply that goes
out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Provider = Literal["groq", "bedrock"]


@dataclass(frozen=True)
class Inbound:
    """A request as received; header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Target:
    """What a request is addressed to; `model` is None where the body names it or none is meant."""

    provider: Provider
    operation: str
    model: str | None = None


@dataclass(frozen=True)
class Reply:
    """A whole HTTP response, before any fault in its delivery."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class RefusedError(Exception):
    """A request that the provider does not serve; carries the reply that says so."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status, reply.body)
        self.reply = reply


def json_reply(status: int, payload: Any, headers: Mapping[str, str] | None = None) -> Reply:
    """A JSON response, compact and in UTF-8, as both providers write it."""
    body = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
    return Reply(status, body, {"content-type": "application/json", **(headers or {})})
