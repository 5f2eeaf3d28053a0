"""The forms of a conversation that are not Claude's: OpenAI's chat, Nova's, Cohere's Command."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...completion import Completion, ModelRequest, tokens
from ...messages import conversation, result_text
from ...schema.in_text import schema_in
from ...tool_turns import Turn, tool_state
from ..catalogue import BedrockModel
from ..converse import read_converse
from ..converse_answer import blocks_of, converse_events, usage_of
from .body_checks import Fields, check_body, checked_max_tokens, malformed
from .metrics import with_metrics

Events = Iterator[tuple[dict[str, Any], bool]]
_CHAT = Fields(frozenset({"messages"}), frozenset(), "chat", closed=False)
_COHERE = Fields(frozenset(), frozenset(), "cohere", closed=False)
_CHAT_STOP = {"tool": "tool_calls", "filter": "content_filter", "stop_sequence": "stop"}
_NOVA_TOKENS = ("maxTokens", "max_new_tokens")


def read_chat(body: Any, model: BedrockModel) -> ModelRequest:
    """What a request in the form of OpenAI's chat completions asks for."""
    check_body(body, _CHAT)
    tools = {
        tool["function"]["name"]: tool["function"].get("parameters") or {"type": "object"}
        for tool in body.get("tools", ())
        if "function" in tool
    }
    limit = body.get("max_completion_tokens") or body.get("max_tokens")
    stop = body.get("stop") or ()
    choice = body.get("tool_choice")
    wanted = choice.get("function") if isinstance(choice, dict) else None
    named = wanted.get("name") if isinstance(wanted, dict) else None
    return conversation(
        body["messages"],
        schema=None,
        extra=body.get("tools"),
        context=model.context,
        tools=tools,
        tool=named if isinstance(named, str) and named in tools else None,
        tool_choice="any"
        if choice in ("required", "any")
        else "none"
        if choice == "none"
        else "auto",
        tool_state=tool_state([_turn(message) for message in body["messages"]]),
        reasons=model.thinks,
        max_tokens=checked_max_tokens(limit, "max_tokens", model),
        stop=(stop,) if isinstance(stop, str) else tuple(stop),
    )


def _turn(message: Mapping[str, Any]) -> Turn:
    calls = [call for call in message.get("tool_calls") or () if isinstance(call, dict)]
    pairs = []
    for call in calls:
        function = call.get("function")
        name = function.get("name") if isinstance(function, dict) else None
        pairs.append((str(call.get("id")), str(name)))
    identity = str(message.get("tool_call_id"))
    results = (
        ((identity, result_text(message.get("content"))),) if message["role"] == "tool" else ()
    )
    return Turn(message["role"], message["role"] == "user", tuple(pairs), results)


def chat_answer(done: Completion, model: BedrockModel, number: int) -> dict[str, Any]:
    """A whole answer in the form of OpenAI's; recorded: the reasoning stands in the content."""
    message: dict[str, Any] = {"role": "assistant", "content": _thought(done) + (done.text or "")}
    if done.text is None and not done.reasoning:
        message["content"] = None
    if done.tool_uses:
        message["tool_calls"] = [call for _, call in _calls(done, number)]
    choice = {"index": 0, "message": message, "finish_reason": _chat_stop(done)}
    usage = {
        "prompt_tokens": done.input_tokens,
        "completion_tokens": done.output_tokens,
        "total_tokens": done.input_tokens + done.output_tokens,
    }
    base = _chat_base(model, number, "chat.completion")
    return {**base, "choices": [choice], "usage": usage}


def chat_stream(done: Completion, model: BedrockModel, number: int) -> Events:
    """The chunks of an answer in the form of OpenAI's."""
    base = _chat_base(model, number, "chat.completion.chunk")
    yield _chat_chunk(base, {"role": "assistant", "content": ""}), False
    if done.reasoning:
        yield _chat_chunk(base, {"content": _thought(done)}), True
    for piece in done.pieces:
        yield _chat_chunk(base, {"content": piece}), True
    for index, call in _calls(done, number):
        yield _chat_chunk(base, {"tool_calls": [{**call, "index": index}]}), True
    finish = None if "finish_reason" in done.without else _chat_stop(done)
    yield with_metrics(_chat_chunk(base, {}, finish), done), False


def _thought(done: Completion) -> str:
    return f"<reasoning>{done.reasoning}</reasoning>" if done.reasoning else ""


def _calls(done: Completion, number: int) -> Iterator[tuple[int, dict[str, Any]]]:
    for index, use in enumerate(done.tool_uses):
        function = {"name": use.name, "arguments": use.arguments}
        identity = f"chatcmpl-tool-{number:08x}{index:04d}"
        yield index, {"id": identity, "type": "function", "function": function}


def _chat_base(model: BedrockModel, number: int, kind: str) -> dict[str, Any]:
    identity = f"chatcmpl-{number:08x}-0000-4000-8000-5a6db0c00000"
    return {"id": identity, "object": kind, "created": 0, "model": model.id}


def _chat_chunk(
    base: Mapping[str, Any], delta: Mapping[str, Any], finish: str | None = None
) -> dict[str, Any]:
    return {**base, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def _chat_stop(done: Completion) -> str:
    return _CHAT_STOP.get(done.finish, done.finish)


def read_nova(body: Any, model: BedrockModel) -> ModelRequest:
    """What a request in Nova's form asks for, which is Converse's but for its limits' names."""
    if not isinstance(body, dict):
        raise malformed("#: expected type: JSONObject")
    config = body.get("inferenceConfig")
    if not isinstance(config, dict):
        return read_converse(body, model)
    limit = next((config[name] for name in _NOVA_TOKENS if name in config), None)
    renamed = {key: value for key, value in config.items() if key not in _NOVA_TOKENS}
    changed = {**renamed, **({} if limit is None else {"maxTokens": limit})}
    return read_converse({**body, "inferenceConfig": changed}, model)


def nova_answer(done: Completion, model: BedrockModel, number: int) -> dict[str, Any]:
    """A whole answer in Nova's form."""
    *_, (_, stop) = converse_events(done, number, signed=False)
    return {
        "output": {
            "message": {"role": "assistant", "content": blocks_of(done, number, signed=False)}
        },
        **stop,
        "usage": _nova_usage(done),
    }


def nova_stream(done: Completion, model: BedrockModel, number: int) -> Events:
    """The events of an answer in Nova's form: Converse's, each under its name."""
    for kind, payload in converse_events(done, number, signed=False):
        if kind != "messageStop" or "finish_reason" not in done.without:
            yield {kind: payload}, kind == "contentBlockDelta"
    counted = {name: n for name, n in _nova_usage(done).items() if name != "totalTokens"}
    usage = {} if "usage" in done.without else {"usage": counted}
    yield with_metrics({"metadata": {**usage, "metrics": {}, "trace": {}}}, done), False


def _nova_usage(done: Completion) -> dict[str, Any]:
    named = usage_of(done)
    kept = ("inputTokens", "outputTokens", "totalTokens")
    counts = ("cacheReadInputTokenCount", "cacheWriteInputTokenCount")
    return {name: named[name] for name in (*kept, *counts)}


def read_cohere(body: Any, model: BedrockModel) -> ModelRequest:
    """What a request in the form of Command R's `message` or Command's `prompt` asks for."""
    check_body(body, _COHERE)
    if ("message" in body) == ("prompt" in body):
        raise malformed("#: required key [message] not found")
    text = body.get("message") or body["prompt"]
    earlier = [turn.get("message", "") for turn in body.get("chat_history", ())]
    return ModelRequest(
        prompt=text,
        input_tokens=sum(map(tokens, [text, *earlier])),
        max_tokens=checked_max_tokens(body.get("max_tokens"), "max_tokens", model),
        context=model.context,
        stop=tuple(body.get("stop_sequences") or ()),
        schema=schema_in([text]),
    )


def cohere_answer(done: Completion, model: BedrockModel, number: int) -> dict[str, Any]:
    """A whole answer in the form of Command R, or of Command."""
    identity = f"{number:08x}-0000-4000-8000-5a6db0c00000"
    if "command-r" in model.id:
        return {
            "response_id": identity,
            "text": done.text,
            "generation_id": identity,
            "finish_reason": _cohere_stop(done),
        }
    generation = {"id": identity, "text": done.text, "finish_reason": _cohere_stop(done)}
    return {"id": identity, "generations": [generation]}


def cohere_stream(done: Completion, model: BedrockModel, number: int) -> Events:
    """The events of an answer in the form of Command R, or of Command."""
    finish = {} if "finish_reason" in done.without else {"finish_reason": _cohere_stop(done)}
    if "command-r" in model.id:
        for piece in done.pieces:
            yield {"event_type": "text-generation", "text": piece, "is_finished": False}, True
        last: dict[str, Any] = {"event_type": "stream-end", "is_finished": True, **finish}
    else:
        for piece in done.pieces:
            yield {"text": piece, "is_finished": False}, True
        last = {"is_finished": True, **finish}
    yield with_metrics(last, done), False


def _cohere_stop(done: Completion) -> str:
    return {"length": "MAX_TOKENS", "filter": "ERROR_TOXIC"}.get(done.finish, "COMPLETE")
