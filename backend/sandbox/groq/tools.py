"""Reads the tools of a chat request, and what its messages say of calls and results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from ..messages import result_text
from ..tool_turns import Turn
from .errors import invalid

# As quoted in public issues, with the message's index.
_MISSING_ID = (
    "'messages.{0}' : for 'role:tool' the following must be satisfied"
    "[('messages.{0}.tool_call_id' : property 'tool_call_id' is missing)]"
)


def read_tools(body: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters' schema of each function; raises RefusedError for a tool of another type."""
    functions: dict[str, Any] = {}
    for index, tool in enumerate(body.get("tools") or ()):
        if tool["type"] not in ("function", "mcp"):
            raise invalid(f"tools[{index}].type must be one of [function, mcp]")
        function = tool.get("function")
        if function:
            functions[function["name"]] = function.get("parameters") or {"type": "object"}
    return functions


def forced_tool(body: Mapping[str, Any], tools: Mapping[str, Any]) -> str | None:
    """The tool that the request names as its choice; raises RefusedError for one unknown."""
    choice = body.get("tool_choice")
    if not isinstance(choice, dict):
        return None
    name = choice.get("function", {}).get("name")
    if name not in tools:
        raise invalid(f"tool_choice: no tool is named `{name}`", param="tool_choice")
    return str(name)


def tool_choice(body: Mapping[str, Any]) -> Literal["none", "auto", "any"]:
    """Whether a tool may, must or must not be called."""
    choice = body.get("tool_choice")
    return "any" if choice == "required" else "none" if choice == "none" else "auto"


def read_turns(messages: list[dict[str, Any]]) -> list[Turn]:
    """The messages as turns; raises RefusedError for a result without its call."""
    turns: list[Turn] = []
    called: set[str] = set()
    for index, message in enumerate(messages):
        role = message["role"]
        calls = [call for call in message.get("tool_calls") or () if isinstance(call, dict)]
        pairs = tuple((str(call.get("id")), _name(call)) for call in calls)
        called |= {identity for identity, _ in pairs}
        results: tuple[tuple[str, str], ...] = ()
        if role == "tool":
            identity = message.get("tool_call_id")
            if not isinstance(identity, str):
                raise invalid(_MISSING_ID.format(index))
            # The words are ours: no refusal of an orphan was recorded.
            if identity not in called:
                raise invalid(
                    f"'messages.{index}' : tool_call_id `{identity}` answers no tool call of an "
                    "earlier message",
                    param=f"messages[{index}].tool_call_id",
                )
            results = ((identity, result_text(message.get("content"))),)
        turns.append(Turn(role, role == "user", pairs, results))
    return turns


def _name(call: Mapping[str, Any]) -> str:
    function = call.get("function")
    return str(function.get("name")) if isinstance(function, dict) else ""
