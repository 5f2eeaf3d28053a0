"""Claude's bodies for InvokeModel: Anthropic's messages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from ...completion import Completion, ModelRequest
from ...messages import conversation, result_text
from ...schema.rules import bedrock_fault
from ...streams import pieces_of
from ...tool_turns import Turn, tool_state
from ..catalogue import BedrockModel
from ..converse import REFUSES_PREFILL, check_sampling
from ..converse_answer import input_pieces
from ..errors import invalid
from ..thinking import SIGNATURE, check_effort, thinks
from .body_checks import Fields, check_body, checked_max_tokens
from .metrics import with_metrics

_FIELDS = Fields(
    required=frozenset({"anthropic_version", "max_tokens", "messages"}),
    optional=frozenset(
        {
            "system",
            "temperature",
            "top_p",
            "top_k",
            "stop_sequences",
            "tools",
            "tool_choice",
            "anthropic_beta",
            "thinking",
            "metadata",
            "output_config",
            "output_format",
        }
    ),
    shape="claude",
)
# Claude's own API has no word for a guardrail: Bedrock tells of it beside the message.
_STOP = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool": "tool_use",
    "filter": "refusal",
    "guardrail": "refusal",
}


def read(body: Any, model: BedrockModel) -> ModelRequest:
    """What the request asks for; raises RefusedError where `model` does not serve it."""
    check_body(body, _FIELDS)
    messages = body["messages"]
    for index, message in enumerate(messages):
        if message["role"] not in ("user", "assistant"):
            raise invalid(f"messages.{index}.role: Input should be 'user' or 'assistant'")
    if messages[0]["role"] != "user":
        raise invalid('messages: first message must use the "user" role')
    if messages[-1]["role"] == "assistant" and model.refuses_prefill:
        raise invalid(REFUSES_PREFILL)
    check_sampling(body.get("temperature"), body.get("top_p"), model)
    tools = {
        tool["name"]: tool.get("input_schema", {"type": "object"}) for tool in body.get("tools", ())
    }
    choice = body.get("tool_choice", {"type": "auto"})
    return conversation(
        messages,
        body.get("system"),
        schema=_format(body, model),
        extra=body.get("tools"),
        context=model.context,
        tools=tools,
        tool=_forced_tool(choice, tools),
        tool_choice=_tool_choice(choice),
        parallel=choice.get("disable_parallel_tool_use") is not True,
        tool_state=tool_state(_read_turns(messages)),
        reasons=thinks(body.get("thinking"), body["max_tokens"], model),
        signed=True,
        max_tokens=checked_max_tokens(body["max_tokens"], "max_tokens", model),
        stop=tuple(body.get("stop_sequences") or ()),
    )


def _forced_tool(choice: Mapping[str, Any], tools: Mapping[str, Any]) -> str | None:
    if choice["type"] != "tool":
        return None
    name = choice.get("name")
    if name not in tools:
        raise invalid(f"tool_choice.name: tool '{name}' not found in provided tools")
    return str(name)


def _tool_choice(choice: Mapping[str, Any]) -> Literal["none", "auto", "any"]:
    return "any" if choice["type"] == "any" else "none" if choice["type"] == "none" else "auto"


def _read_turns(messages: list[dict[str, Any]]) -> list[Turn]:
    """The messages as turns; raises RefusedError where calls and results do not fit together."""
    turns = _merged([_turn(message) for message in messages])
    for index, turn in enumerate(turns):
        called = {identity for identity, _ in turns[index - 1].calls} if index else set()
        for identity, _ in turn.results:
            if identity not in called:
                raise invalid(
                    f"messages.{index}.content.0: unexpected `tool_use_id` found in `tool_result` "
                    f"blocks: {identity}. Each `tool_result` block must have a corresponding "
                    "`tool_use` block in the previous message."
                )
        missing = called - {identity for identity, _ in turn.results}
        if missing:
            raise invalid(
                f"messages.{index - 1}: `tool_use` ids were found without `tool_result` blocks "
                f"immediately after: {', '.join(sorted(missing))}. Each `tool_use` block must have "
                "a corresponding `tool_result` block in the next message."
            )
    return turns


def _merged(turns: list[Turn]) -> list[Turn]:
    """The turns, with what one side said in several messages as one (recorded)."""
    merged: list[Turn] = []
    for turn in turns:
        if merged and merged[-1].role == turn.role:
            last = merged.pop()
            calls, results = (*last.calls, *turn.calls), (*last.results, *turn.results)
            turn = Turn(turn.role, turn.asks or (last.asks and not results), calls, results)
        merged.append(turn)
    return merged


def _turn(message: Mapping[str, Any]) -> Turn:
    content = message["content"]
    blocks = [] if isinstance(content, str) else content
    calls = [block for block in blocks if block["type"] == "tool_use"]
    results = [block for block in blocks if block["type"] == "tool_result"]
    return Turn(
        message["role"],
        message["role"] == "user" and not results,
        tuple((str(call.get("id")), str(call.get("name"))) for call in calls),
        tuple((str(r.get("tool_use_id")), result_text(r.get("content"))) for r in results),
    )


def _format(body: Mapping[str, Any], model: BedrockModel) -> Any:
    config = body.get("output_config", {})
    check_effort(config.get("effort"), "output_config.effort")
    wanted = config.get("format")
    if not wanted:
        return None
    if not model.text_format:
        raise invalid("output_config.format: Extra inputs are not permitted")
    fault = bedrock_fault(wanted["schema"])
    if fault is not None:
        raise invalid(f"output_config.format.schema: {fault.message}")
    return wanted["schema"]


def answer(done: Completion, model: BedrockModel, number: int) -> dict[str, Any]:
    """The message as the body of a whole answer."""
    return {
        **_message(model, number),
        "content": [block for block, _ in _blocks(done, number)],
        "stop_reason": _STOP.get(done.finish, done.finish),
        "stop_sequence": done.stop_sequence,
        "usage": _usage(done, done.output_tokens),
    }


def stream(
    done: Completion, model: BedrockModel, number: int
) -> Iterator[tuple[dict[str, Any], bool]]:
    """The events of a stream, and whether each carries a piece of the answer."""
    opening: dict[str, Any] = {"content": [], "stop_reason": None, "stop_sequence": None}
    usage = {} if "usage" in done.without else {"usage": _usage(done, 1)}
    message = {**_message(model, number), **opening, **usage}
    yield {"type": "message_start", "message": message}, False
    for index, (block, deltas) in enumerate(_blocks(done, number)):
        started = {"type": "content_block_start", "index": index, "content_block": _empty(block)}
        yield started, False
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}, True
        yield {"type": "content_block_stop", "index": index}, False
    if "finish_reason" not in done.without:
        reason = _STOP.get(done.finish, done.finish)
        delta = {"stop_reason": reason, "stop_sequence": done.stop_sequence}
        counted = (
            {} if "usage" in done.without else {"usage": {"output_tokens": done.output_tokens}}
        )
        yield {"type": "message_delta", "delta": delta, **counted}, False
        yield with_metrics({"type": "message_stop"}, done), False


def _message(model: BedrockModel, number: int) -> dict[str, Any]:
    # Claude names itself as Anthropic's own API does.
    name = model.id.removeprefix("anthropic.").split("-v1")[0]
    identity = f"msg_bdrk_{number:020d}"
    return {"model": name, "id": identity, "type": "message", "role": "assistant"}


def _usage(done: Completion, output_tokens: int) -> dict[str, Any]:
    return {
        "input_tokens": done.fresh_tokens,
        "cache_creation_input_tokens": done.cache_write_tokens,
        "cache_read_input_tokens": done.cached_tokens,
        "output_tokens": output_tokens,
    }


def _blocks(done: Completion, number: int) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """The blocks of the content, each with the deltas that a stream sends of it."""
    if done.reasoning:
        block = {"type": "thinking", "thinking": done.reasoning, "signature": SIGNATURE}
        deltas = [
            {"type": "thinking_delta", "thinking": piece} for piece in pieces_of(done.reasoning)
        ]
        yield block, [*deltas, {"type": "signature_delta", "signature": SIGNATURE}]
    if done.text is not None:
        deltas = [{"type": "text_delta", "text": piece} for piece in done.pieces]
        yield {"type": "text", "text": done.text}, deltas
    for index, use in enumerate(done.tool_uses):
        call = {"type": "tool_use", "id": f"toolu_bdrk_{number:016d}{index:04d}"}
        deltas = [
            {"type": "input_json_delta", "partial_json": text}
            for text in input_pieces(use.arguments)
        ]
        yield {**call, "name": use.name, "input": use.input}, deltas


def _empty(block: Mapping[str, Any]) -> dict[str, Any]:
    """A block as it is announced, before any of its content."""
    if block["type"] == "text":
        return {"type": "text", "text": ""}
    if block["type"] == "thinking":
        return {"type": "thinking", "thinking": "", "signature": ""}
    return {**block, "input": {}}
