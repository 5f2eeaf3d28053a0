"""The tools of a chat completion as Converse's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...errors import InvalidRequestError
from ..fields import member, text
from ..request_checks import invalid_request
from .blocks import ToolResult, ToolUse, Turn
from .content_parts import cache_point_in, check_known_keys

#: What a tool's function may hold. Converse decodes calls under their schema by the model's own
#: rules, so that `strict` asks for nothing.
NO_TOOL_CHOICE = "{} knows no tool_choice {!r:.40}, only auto, required, none or one tool"
_FUNCTION = frozenset({"name", "description", "parameters", "strict", "cache_control"})


def tools_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return Converse's tool configuration for the tools of a chat completion."""
    named = enumerate(options["tools"])
    tools = [one for place, tool in named for one in _tool(tool, f"tools[{place}]")]
    config: dict[str, Any] = {"tools": tools}
    choice = options.get("tool_choice")
    if isinstance(choice, Mapping):
        return config | {"toolChoice": {"tool": {"name": text(choice.get("function"), "name")}}}
    if choice in ("auto", "required", "any"):
        return config | {"toolChoice": {"auto" if choice == "auto" else "any": {}}}
    if choice is not None:
        raise invalid_request("bedrock", NO_TOOL_CHOICE.format("Converse", choice))
    return config


def without_tools(options: Mapping[str, Any], turns: Sequence[Turn]) -> bool:
    """Whether no tool may be called, for which Converse has no word: they are not shown then.

    Raises InvalidRequestError where the messages hold calls, which Converse takes only with tools.
    """
    if options.get("tool_choice") != "none":
        return False
    if holds_calls(turns):
        raise no_tools_after_calls()
    return True


def holds_calls(turns: Sequence[Turn]) -> bool:
    """Whether calls of tools, or their results, are among the messages."""
    return any(isinstance(block, (ToolUse, ToolResult)) for turn in turns for block in turn.blocks)


def no_tools_after_calls() -> InvalidRequestError:
    """The error for tools that are not to be called any more."""
    return invalid_request(
        "bedrock",
        "Converse has no tool_choice 'none' after messages that hold calls of tools: leave it"
        " out, or leave these out",
    )


def _tool(tool: object, where: str) -> Iterator[dict[str, Any]]:
    """Yield the tool, and after it the cache point that its `cache_control` stands for."""
    if isinstance(point := member(tool, "cachePoint"), Mapping):
        yield {"cachePoint": dict(point)}
        return
    function = member(tool, "function")
    name = text(function, "name")
    if name is None:
        raise invalid_request(
            "bedrock", "each of tools must be a mapping with a function and its name"
        )
    spec = {"name": name, "inputSchema": {"json": member(function, "parameters") or {}}}
    described = text(function, "description")
    yield {"toolSpec": spec | ({"description": described} if described else {})}
    check_known_keys(tool, {"type", "function", "cache_control"}, where)
    check_known_keys(function, _FUNCTION, f"{where}.function")
    for holder, place in ((tool, where), (function, f"{where}.function")):
        for point in cache_point_in(holder, place) if isinstance(holder, Mapping) else ():
            yield {"cachePoint": dict(point.settings)}
