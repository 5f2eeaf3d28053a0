"""The next turn after a model has called tools: its own message, and what the tools have given."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..errors import ConfigurationError
from ..redaction.printable import shown
from ..types import Message, Reply
from .snapshot import snapshot


def tool_results(reply: Reply, results: Mapping[str, Any]) -> list[Message]:
    """Return what to append to the messages: the *reply*'s calls, and their *results* by id.

    A result is a text or anything that JSON can hold. Raises ConfigurationError for a reply that
    calls nothing, a call without a result and a result without its call.
    """
    if not isinstance(reply, Reply):
        raise ConfigurationError(f"reply is {shown(reply)}: give the reply that calls the tools")
    calls = [call.id for call in reply.tool_calls]
    if not isinstance(results, Mapping):
        raise ConfigurationError(f"results is {shown(results)}: give a mapping of calls' ids")
    if not calls:
        raise ConfigurationError("the reply calls no tool: there are no results to send")
    for identity in calls:
        if identity not in results:
            raise ConfigurationError(f"results has none for the call {identity!r}: answer each")
    for identity in results:
        if identity not in calls:
            raise ConfigurationError(f"results has {identity!r}, which is no call of the reply")
    return [reply.message, *(_message(identity, results[identity]) for identity in calls)]


def _message(identity: str, result: object) -> Message:
    plain = snapshot(f"results[{identity!r}]", result)
    content = plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)
    return {"role": "tool", "tool_call_id": identity, "content": content}
