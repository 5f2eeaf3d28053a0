"""Requests to Converse, which takes those to all models of Bedrock in one format."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ...models import abilities
from ...types import Output, Request
from ..request_checks import invalid_request, sampling_settings
from .blocks import (
    Block,
    CachePoint,
    Document,
    Image,
    Reasoning,
    Text,
    ToolResult,
    ToolUse,
    Turn,
)
from .common_options import COMMON, converse_members
from .converse_tools import tools_of, without_tools
from .document_names import DocumentNames
from .invoke import MAX_TOKENS
from .reasoning import reasoning_members
from .turns import split_turns

#: Members of a Converse request that an option of the same name sets (botocore 1.44.5).
_MEMBERS = frozenset(
    {"additionalModelRequestFields", "additionalModelResponseFieldPaths", "guardrailConfig"}
    | {"outputConfig", "performanceConfig", "promptVariables", "requestMetadata", "serviceTier"}
    | {"toolConfig"}
)

#: Members of its inferenceConfig, by their own names and by the common ones.
_INFERENCE = {
    "maxTokens": "maxTokens",
    "max_tokens": "maxTokens",
    "max_completion_tokens": "maxTokens",
    "temperature": "temperature",
    "topP": "topP",
    "top_p": "topP",
    "stopSequences": "stopSequences",
    "stop": "stopSequences",
}

#: Options that are written elsewhere: two are one member in Converse, and headers are none.
_ELSEWHERE = frozenset({"tools", "tool_choice", "reasoning_effort", "extra_headers", *COMMON})

#: What to use instead of options of other APIs.
_INSTEAD = {
    "response_format": "generate_structured or respond_structured",
    "stop_sequences": "stop",
    "system": "system_prompt",
}


def to_converse(request: Request) -> dict[str, Any]:
    """Return the keyword arguments of `client.converse`.

    `maxTokens` is sent unless the model takes none: unset, Bedrock reserves the model's whole
    output from the account's quota. Raises InvalidRequestError that names what Converse cannot
    express.
    """
    system, turns = split_turns(request.messages)
    names = DocumentNames()
    messages = [_message(turn, names, _takes_reasoning(request.model)) for turn in turns]
    call: dict[str, Any] = {"modelId": request.model, "messages": messages}
    if system:
        call["system"] = [_block(one, names) for one in system]
    call["inferenceConfig"] = _inference_config(request)
    for name, value in request.options.items():
        if name in _MEMBERS:
            call[name] = value
        elif name not in _INFERENCE and name not in _ELSEWHERE and name != "inferenceConfig":
            raise invalid_request("bedrock", f"Converse has no option {name!r}{_instead(name)}")
    call |= converse_members(request.options)
    call |= reasoning_members(request, call)
    if request.options.get("tools") and not without_tools(request.options, turns):
        call["toolConfig"] = tools_of(request.options)
    return call | (_output_fields(request.output, call) if request.output else {})


def _inference_config(request: Request) -> dict[str, Any]:
    settings = sampling_settings(request)
    length = settings.pop("max_tokens", None if "max_tokens" in request.omitted else MAX_TOKENS)
    inference = settings if length is None else {"maxTokens": length, **settings}
    for name, value in request.options.items():
        if name in _INFERENCE:
            alone = name == "stop" and isinstance(value, str)
            inference[_INFERENCE[name]] = [value] if alone else value
        elif name == "inferenceConfig":
            if not isinstance(value, Mapping):
                raise invalid_request("bedrock", f"Converse has no option {name!r}{_instead('')}")
            inference |= value
    return inference


def _instead(name: str) -> str:
    if name in _INSTEAD:
        return f"; use {_INSTEAD[name]}"
    names = ", ".join(sorted({*_MEMBERS, *_INFERENCE, "inferenceConfig", *_ELSEWHERE}))
    return f", only {names}; a model's own go into additionalModelRequestFields"


def _takes_reasoning(model: str) -> bool:
    """Whether *model* wants back what it thought: a Claude, or one that its ARN hides."""
    name = abilities(model).model
    return name.startswith("anthropic.") or model.startswith("arn:")


def _output_fields(output: Output, call: Mapping[str, Any]) -> dict[str, Any]:
    if output.mode in ("strict", "schema"):
        json_schema = {"schema": json.dumps(dict(output.schema)), "name": output.name}
        text_format = {"type": "json_schema", "structure": {"jsonSchema": json_schema}}
        # The effort stands in the same member.
        return {"outputConfig": {**call.get("outputConfig", {}), "textFormat": text_format}}
    if output.mode == "tool":
        spec = {"name": output.name, "inputSchema": {"json": dict(output.schema)}}
        forced = {"tool": {"name": output.name}}
        return {"toolConfig": {"tools": [{"toolSpec": spec}], "toolChoice": forced}}
    return {}


def _message(turn: Turn, names: DocumentNames, takes_reasoning: bool) -> dict[str, Any]:
    kept: Iterable[Block] = turn.blocks
    if not takes_reasoning:
        kept = (block for block in turn.blocks if not isinstance(block, Reasoning))
    return {"role": turn.role, "content": [_block(block, names) for block in kept]}


def _block(block: Block, names: DocumentNames) -> dict[str, Any]:
    if isinstance(block, Document):
        return _document(block, names)
    written: dict[str, Any] = _WRITERS[type(block)](block)
    return written


def _document(block: Document, names: DocumentNames) -> dict[str, Any]:
    document = {"format": block.format, "name": names.of(block.name), "source": _source(block)}
    return {"document": document | ({"citations": {"enabled": True}} if block.citations else {})}


def _source(block: Image | Document) -> dict[str, Any]:
    return {"s3Location": {"uri": block.uri}} if block.uri else {"bytes": block.data}


def _text(block: Text) -> dict[str, Any]:
    return {"text": block.text}


def _image(block: Image) -> dict[str, Any]:
    return {"image": {"format": block.format, "source": _source(block)}}


def _reasoning(block: Reasoning) -> dict[str, Any]:
    if block.redacted:
        return {"reasoningContent": {"redactedContent": block.redacted}}
    thought = {"text": block.text, "signature": block.signature}
    return {"reasoningContent": {"reasoningText": thought}}


def _cache_point(block: CachePoint) -> dict[str, Any]:
    return {"cachePoint": dict(block.settings)}


def _tool_use(block: ToolUse) -> dict[str, Any]:
    return {"toolUse": {"toolUseId": block.id, "name": block.name, "input": dict(block.input)}}


def _tool_result(block: ToolResult) -> dict[str, Any]:
    images = [_image(image) for image in block.images]
    content = [] if images and not block.text else [{"text": block.text}]
    return {"toolResult": {"toolUseId": block.id, "content": [*content, *images]}}


_WRITERS: Mapping[type[Block], Callable[[Any], dict[str, Any]]] = {
    Text: _text,
    Image: _image,
    Reasoning: _reasoning,
    CachePoint: _cache_point,
    ToolUse: _tool_use,
    ToolResult: _tool_result,
}
