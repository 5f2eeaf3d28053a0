"""Converse: requests to, and answers of, all models of Bedrock in one format."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...errors import LLMError, ProviderUnavailableError, Retry
from ...types import Output, Reply, Request, ToolCall, Usage
from ..completeness import check_complete, raises_llm_error, unwrap_forced_tool
from ..fields import count, member, rows, seconds, status, text
from ..foreign_errors import describe_proxy_page
from ..request_checks import checked_messages, invalid_request, sampling_settings
from .blocks import (
    Block,
    CachePoint,
    Image,
    Text,
    ToolUse,
    cache_point,
    check_known_keys,
    split_turns,
)
from .errors import error_in_ok_body
from .invoke import MAX_TOKENS

#: The key of the raw body, in a response in which botocore has recognised no member.
RAW_BODY = "unread"

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

#: What to use instead of options of other APIs.
_INSTEAD = {
    "response_format": "generate_structured or respond_structured",
    "stop_sequences": "stop",
    "system": "system_prompt",
}

#: What a tool's function may hold. Converse decodes calls under their schema by the model's own
#: rules, so that `strict` asks for nothing.
_FUNCTION = frozenset({"name", "description", "parameters", "strict", "cache_control"})


def to_converse(request: Request) -> dict[str, Any]:
    """Return the keyword arguments of `client.converse`.

    `maxTokens` is sent unless the model takes none: unset, Bedrock reserves the model's whole
    output from the account's quota. Raises InvalidRequestError that names what Converse cannot
    express.
    """
    system, turns = split_turns(checked_messages(request, "bedrock"))
    messages = [
        {"role": turn.role, "content": [_block(one) for one in turn.blocks]} for turn in turns
    ]
    call: dict[str, Any] = {"modelId": request.model, "messages": messages}
    if system:
        call["system"] = [_block(one) for one in system]
    settings = sampling_settings(request, "bedrock")
    length = settings.pop("max_tokens", None if "max_tokens" in request.omitted else MAX_TOKENS)
    inference = settings if length is None else {"maxTokens": length, **settings}
    for name, value in request.options.items():
        if name in _INFERENCE:
            inference |= _inference(name, value)
        elif name == "inferenceConfig" and isinstance(value, Mapping):
            inference |= value
        elif name in _MEMBERS:
            call[name] = value
        # Those two are one member in Converse, written below.
        elif name not in ("tools", "tool_choice"):
            raise invalid_request("bedrock", f"Converse has no option {name!r}{_instead(name)}")
    call["inferenceConfig"] = inference
    if request.options.get("tools") and not _without_tools(request.options, messages):
        call["toolConfig"] = _tools(request.options)
    return call | (_output_fields(request.output, call) if request.output else {})


def _instead(name: str) -> str:
    if name in _INSTEAD:
        return f"; use {_INSTEAD[name]}"
    names = ", ".join(sorted({*_MEMBERS, *_INFERENCE, "inferenceConfig", "tools", "tool_choice"}))
    return f", only {names}; a model's own go into additionalModelRequestFields"


def _inference(name: str, value: object) -> dict[str, object]:
    alone = name == "stop" and isinstance(value, str)
    return {_INFERENCE[name]: [value] if alone else value}


def _tools(options: Mapping[str, Any]) -> dict[str, Any]:
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
        raise invalid_request(
            "bedrock",
            f"Converse knows no tool_choice {choice!r}, only auto, required, none or one tool",
        )
    return config


def _without_tools(options: Mapping[str, Any], messages: Sequence[Mapping[str, Any]]) -> bool:
    """Whether no tool may be called, for which Converse has no word: they are not shown then.

    Raises InvalidRequestError where the messages hold calls, which Converse takes only with tools.
    """
    if options.get("tool_choice") != "none":
        return False
    if any(
        {"toolUse", "toolResult"} & block.keys() for turn in messages for block in turn["content"]
    ):
        raise invalid_request(
            "bedrock",
            "Converse has no tool_choice 'none' after messages that hold calls of tools: leave it"
            " out, or leave these out",
        )
    return True


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
        if (control := member(holder, "cache_control")) is not None:
            yield {"cachePoint": cache_point(control, f"{place}.cache_control").settings}


def _output_fields(output: Output, call: Mapping[str, Any]) -> dict[str, Any]:
    if output.mode in ("strict", "schema"):
        json_schema = {"schema": json.dumps(dict(output.schema)), "name": output.name}
        text_format = {"type": "json_schema", "structure": {"jsonSchema": json_schema}}
        # The caller may have set the effort in the same member.
        return {"outputConfig": {**call.get("outputConfig", {}), "textFormat": text_format}}
    if output.mode == "tool":
        spec = {"name": output.name, "inputSchema": {"json": dict(output.schema)}}
        forced = {"tool": {"name": output.name}}
        return {"toolConfig": {"tools": [{"toolSpec": spec}], "toolChoice": forced}}
    return {}


def _block(block: Block) -> dict[str, Any]:
    if isinstance(block, Text):
        return {"text": block.text}
    if isinstance(block, Image):
        return {"image": {"format": block.format, "source": {"bytes": block.data}}}
    if isinstance(block, CachePoint):
        return {"cachePoint": dict(block.settings)}
    if isinstance(block, ToolUse):
        used = {"toolUseId": block.id, "name": block.name, "input": dict(block.input)}
        return {"toolUse": used}
    return {"toolResult": {"toolUseId": block.id, "content": [{"text": block.text}]}}


@raises_llm_error("bedrock")
def from_converse(response: Mapping[str, Any], request: Request) -> Reply:
    """Read what `converse` returned for *request*.

    `processing` is `metrics.latencyMs` in seconds. Raises as `check_complete`, LLMError for a
    response that holds no message (the one that fits where it is an error under a status of 200),
    ProviderUnavailableError for one that holds nothing.
    """
    message = member(member(response, "output"), "message")
    about = member(response, "ResponseMetadata")
    if not isinstance(message, Mapping):
        unread = text(response, RAW_BODY)
        if unread and (error := _error_in(unread, request.model)):
            raise error
        # boto3 turns a body that was cut off into an empty response, without a word.
        empty = response.keys() <= {"ResponseMetadata", RAW_BODY}
        kind, retry = (ProviderUnavailableError, None) if empty else (LLMError, Retry.IF_REQUESTED)
        raise kind(
            "Bedrock API error: the reply holds no message; its body may have been cut off",
            provider="bedrock",
            status=status(about, "HTTPStatusCode"),
            request_id=text(about, "RequestId"),
            retry=retry,
        )
    reply = Reply(
        text="".join(_texts(message)),
        model=request.model,
        provider="bedrock",
        finish_reason=text(response, "stopReason"),
        usage=usage_of(member(response, "usage")),
        request_id=text(about, "RequestId"),
        reasoning="".join(_thoughts(message)) or None,
        tool_calls=tuple(_tool_calls(message)),
        processing=seconds(member(response, "metrics"), "latencyMs", 1e-3),
    )
    return check_complete(unwrap_forced_tool(reply, request.output), real=True)


def _error_in(body: str, model: str) -> LLMError | None:
    try:
        return error_in_ok_body(json.loads(body), model)
    except ValueError:
        from_proxy = describe_proxy_page(body, 200, "Bedrock")
        if from_proxy is None:
            return None  # a body that was cut off holds no error
        problem = f"Bedrock API error: the reply is not whole JSON: {from_proxy}"
        return ProviderUnavailableError(problem, provider="bedrock", status=200)


def _texts(message: Mapping[str, Any]) -> list[str]:
    """Return all texts, including those with citations."""
    texts = []
    for block in rows(message, "content"):
        cited = rows(member(block, "citationsContent"), "content")
        texts += [text(part, "text") or "" for part in (block, *cited)]
    return texts


def _thoughts(message: Mapping[str, Any]) -> list[str]:
    thoughts = [member(block, "reasoningContent") for block in rows(message, "content")]
    return [text(member(thought, "reasoningText"), "text") or "" for thought in thoughts]


def _tool_calls(message: Mapping[str, Any]) -> list[ToolCall]:
    used = [member(block, "toolUse") for block in rows(message, "content")]
    return [
        ToolCall(text(one, "toolUseId") or "", text(one, "name") or "", _input_json(one))
        for one in used
        # What the provider ran itself asks nothing of the caller.
        if isinstance(one, Mapping) and one.get("type") != "server_tool_use"
    ]


def _input_json(used: Mapping[str, Any]) -> str:
    return json.dumps(used.get("input"), ensure_ascii=False)


def usage_of(usage: object) -> Usage:
    """Converse's count; its inputTokens leave out what the cache was read and written for."""
    input_tokens, output_tokens = count(usage, "inputTokens"), count(usage, "outputTokens")
    if input_tokens is None or output_tokens is None:
        return Usage()
    read = count(usage, "cacheReadInputTokens") or 0
    written = count(usage, "cacheWriteInputTokens") or 0
    input_tokens += read + written
    return Usage(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        total_tokens=input_tokens + output_tokens,
        cached_input_tokens=read,
        reported=True,
        cache_write_input_tokens=written,
    )
