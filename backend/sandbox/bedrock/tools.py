"""Reads the tools of Converse, and what its messages say of calls and results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from ..messages import result_text
from ..schema.rules import bedrock_fault
from ..tool_turns import Turn
from .catalogue import BedrockModel
from .errors import MODEL_SAID, invalid


def read_tools(config: Mapping[str, Any] | None, model: BedrockModel) -> dict[str, Any]:
    """The input schema of each tool; raises RefusedError for one that is not served."""
    if not config:
        return {}
    if not model.tools:
        raise invalid("This model doesn't support tool use.")
    schemas: dict[str, Any] = {}
    specs = [tool["toolSpec"] for tool in config["tools"] if "toolSpec" in tool]
    for index, spec in enumerate(specs):
        schema = spec["inputSchema"].get("json")
        where = f"toolConfig.tools.{index}.toolSpec.inputSchema.json"
        if not isinstance(schema, dict):
            raise invalid(
                f"The format of the value at {where} is invalid. "
                "Provide a json object for the field and try again."
            )
        if schema.get("type") != "object":
            raise invalid(f"The value at {where}.type must be one of the following: object.")
        if spec.get("strict") and (fault := bedrock_fault(schema, of_tool=True)):
            raise invalid(f"{MODEL_SAID}tools.{index}.custom: {fault.message}")
        schemas[spec["name"]] = schema
    return schemas


def forced_tool(config: Mapping[str, Any] | None, tools: Mapping[str, Any]) -> str | None:
    """The tool that the request names as its choice; raises RefusedError for one unknown."""
    choice = (config or {}).get("toolChoice") or {}
    if "tool" not in choice:
        return None
    name = choice["tool"]["name"]
    if name not in tools:
        raise invalid(f"The toolChoice names {name}, which is not in toolConfig.tools.")
    return str(name)


def tool_choice(config: Mapping[str, Any] | None) -> Literal["auto", "any"]:
    """Whether some tool must be called."""
    return "any" if "any" in ((config or {}).get("toolChoice") or {}) else "auto"


def read_turns(messages: list[dict[str, Any]], config: Mapping[str, Any] | None) -> list[Turn]:
    """The messages as turns; raises RefusedError where calls and results do not fit together."""
    turns = [_turn(message) for message in messages]
    if not config and any(turn.calls or turn.results for turn in turns):
        raise invalid(
            "The toolConfig field must be defined when using toolUse and toolResult content blocks."
        )
    for index, turn in enumerate(turns):
        called = turns[index - 1].calls if index else ()
        where = f"messages.{index}.content"
        if len(turn.results) > len(called):
            raise invalid(
                f"The number of toolResult blocks at {where} exceeds the number of toolUse blocks "
                "of previous turn."
            )
        returned = {identity for identity, _ in turn.results}
        missing = [identity for identity, _ in called if identity not in returned]
        if missing:
            raise invalid(
                f"Expected toolResult blocks at {where} for the following Ids: {', '.join(missing)}"
            )
    return turns


def _turn(message: Mapping[str, Any]) -> Turn:
    uses = [block["toolUse"] for block in message["content"] if _holds(block, "toolUse")]
    results = [block["toolResult"] for block in message["content"] if _holds(block, "toolResult")]
    if message["role"] == "assistant":
        # A tool that runs at the provider is answered within the model's own message (recorded).
        run = {str(result.get("toolUseId")) for result in results}
        uses, results = [use for use in uses if str(use.get("toolUseId")) not in run], []
    return Turn(
        message["role"],
        message["role"] == "user" and not results,
        tuple((str(use.get("toolUseId")), str(use.get("name"))) for use in uses),
        tuple((str(r.get("toolUseId")), result_text(r.get("content"))) for r in results),
    )


def _holds(block: Mapping[str, Any], name: str) -> bool:
    return isinstance(block.get(name), dict)
