"""Bedrock's InvokeModel, for the bodies of the Claude, Llama and Mistral families."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..completion import Completion, ModelRequest, tokens
from ..http_types import HttpResponse, json_response
from ..messages import conversation, schema_in
from ..request_shapes import shape_error
from ..schema.rules import bedrock_fault
from .catalogue import BedrockModel
from .converse import REFUSES_PREFILL, check_sampling
from .errors import invalid

# family: required keys, optional keys; the service refuses any other
_FIELDS: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    "claude": (
        frozenset({"anthropic_version", "max_tokens", "messages"}),
        frozenset(
            [
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
            ]
        ),
    ),
    "llama": (frozenset({"prompt"}), frozenset({"max_gen_len", "temperature", "top_p", "images"})),
    "mistral": (
        frozenset({"prompt"}),
        frozenset({"max_tokens", "temperature", "top_p", "top_k", "stop"}),
    ),
}
# The last user turn of the prompt templates is what the answer echoes.
_LLAMA_TURN = re.compile(
    r"<\|start_header_id\|>user<\|end_header_id\|>\s*(.*?)\s*<\|eot_id\|>", re.DOTALL
)
_MISTRAL_TURN = re.compile(r"\[INST\]\s*(.*?)\s*\[/INST\]", re.DOTALL)
# Claude's own API has no word for a guardrail: Bedrock tells of it beside the message.
_CLAUDE_STOP = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool": "tool_use",
    "filter": "refusal",
    "guardrail": "refusal",
}


def read_invoke(body: Any, model: BedrockModel) -> ModelRequest:
    """What the request asks for; raises RefusedError where `model` does not serve it."""
    if model.family not in _FIELDS:
        raise invalid(
            "The sandbox speaks InvokeModel for Claude, Llama and Mistral bodies only; "
            "use Converse for this model."
        )
    if not isinstance(body, dict):
        raise _malformed("#: expected type: JSONObject")
    required, optional = _FIELDS[model.family]
    keys = body.keys()
    # Quoted in public issues: all such faults at once, in this order, without a separator.
    faults = [f"#: required key [{key}] not found" for key in sorted(required - keys)]
    extra = sorted(keys - required - optional)
    faults += [f"#: extraneous key [{key}] is not permitted" for key in extra]
    wrong = shape_error(body, "claude" if model.family == "claude" else "prompt")
    if wrong is not None and not faults:
        faults.append(f"#/{'/'.join(wrong[0])}: {wrong[1]}")
    if faults:
        raise _malformed("".join(faults))
    if model.family == "claude":
        return _read_claude(body, model)
    if model.family == "llama":
        return _read_prompt(body, model, "max_gen_len", _LLAMA_TURN)
    return _read_prompt(body, model, "max_tokens", _MISTRAL_TURN)


def _read_prompt(
    body: Mapping[str, Any], model: BedrockModel, limit: str, turn: re.Pattern[str]
) -> ModelRequest:
    prompt = body["prompt"]
    turns = turn.findall(prompt)
    return ModelRequest(
        prompt=turns[-1] if turns else prompt,
        input_tokens=tokens(prompt),
        max_tokens=_checked_max_tokens(body.get(limit), limit, model),
        stop=tuple(body.get("stop") or ()),
        schema=schema_in([prompt]),
    )


def _read_claude(body: Mapping[str, Any], model: BedrockModel) -> ModelRequest:
    messages = body["messages"]
    for index, message in enumerate(messages):
        if message["role"] not in ("user", "assistant"):
            raise invalid(f"messages.{index}.role: Input should be 'user' or 'assistant'")
    if messages[0]["role"] != "user":
        raise invalid('messages: first message must use the "user" role')
    if messages[-1]["role"] == "assistant" and model.refuses_prefill:
        raise invalid(REFUSES_PREFILL)
    check_sampling(body.get("temperature"), body.get("top_p"), model)
    tool, parameters = _claude_tool(body)
    return conversation(
        messages,
        body.get("system"),
        schema=parameters if tool else _claude_format(body, model),
        extra=body.get("tools"),
        max_tokens=_checked_max_tokens(body["max_tokens"], "max_tokens", model),
        stop=tuple(body.get("stop_sequences") or ()),
        tool=tool,
    )


def _claude_tool(body: Mapping[str, Any]) -> tuple[str | None, Any]:
    tools = {
        tool["name"]: tool.get("input_schema", {"type": "object"}) for tool in body.get("tools", ())
    }
    choice = body.get("tool_choice", {"type": "auto"})
    if choice["type"] == "tool":
        name = choice.get("name")
        if name not in tools:
            raise invalid(f"tool_choice.name: tool '{name}' not found in provided tools")
        return name, tools[name]
    return next(iter(tools.items())) if choice["type"] == "any" and tools else (None, None)


def _claude_format(body: Mapping[str, Any], model: BedrockModel) -> Any:
    wanted = body.get("output_config", {}).get("format")
    if not wanted:
        return None
    if not model.text_format:
        raise invalid("output_config.format: Extra inputs are not permitted")
    fault = bedrock_fault(wanted["schema"])
    if fault is not None:
        raise invalid(f"output_config.format.schema: {fault.message}")
    return wanted["schema"]


def _checked_max_tokens(value: int | None, name: str, model: BedrockModel) -> int | None:
    if value is None:
        return None
    if value < 1:
        raise _malformed(f"#/{name}: {value} is not greater or equal to 1")
    if value > model.max_output:
        raise _malformed(f"#/{name}: {value} is not less or equal to {model.max_output}")
    return value


def _malformed(faults: str) -> Exception:
    return invalid(f"Malformed input request: {faults}, please reformat your input and try again.")


def invoke_response(done: Completion, model: BedrockModel, number: int) -> HttpResponse:
    """The 200 of InvokeModel in the family's form, with the token counts in headers."""
    writers = {"claude": _claude_body, "llama": _llama_body, "mistral": _mistral_body}
    payload = writers[model.family](done, model, number)
    members = {
        "choices": ("content", "generation", "outputs"),
        "finish_reason": ("stop_reason",),
        "usage": ("usage",),
    }
    for part in done.without:
        for member in members[part]:
            payload.pop(member, None)
            for output in payload.get("outputs", ()):
                output.pop(member, None)
    # Only InvokeModel has these headers; Converse tells the same in its body (recorded).
    headers = {
        "x-amzn-bedrock-input-token-count": str(done.input_tokens),
        "x-amzn-bedrock-output-token-count": str(done.output_tokens),
        "x-amzn-bedrock-invocation-latency": str(1 + 2 * done.output_tokens),
    }
    return json_response(200, payload, headers if "usage" not in done.without else {})


def _claude_body(done: Completion, model: BedrockModel, number: int) -> dict[str, Any]:
    content: list[dict[str, Any]] = []
    if done.tool is not None:
        call = {
            "type": "tool_use",
            "id": f"toolu_bdrk_{number:020d}",
            "name": done.tool,
            "input": done.tool_input,
        }
        content.append(call)
    elif done.text is not None:
        content.append({"type": "text", "text": done.text})
    return {
        # Claude names itself as Anthropic's own API does.
        "model": model.id.removeprefix("anthropic.").split("-v1")[0],
        "id": f"msg_bdrk_{number:020d}",
        "type": "message",
        "role": "assistant",
        "content": content,
        "stop_reason": _CLAUDE_STOP.get(done.finish, done.finish),
        "stop_sequence": None,
        "usage": {
            "input_tokens": done.input_tokens - done.cached_tokens,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": done.cached_tokens,
            "output_tokens": done.output_tokens,
        },
    }


def _llama_body(done: Completion, model: BedrockModel, number: int) -> dict[str, Any]:
    return {
        "generation": done.text,
        "prompt_token_count": done.input_tokens,
        "generation_token_count": done.output_tokens,
        "stop_reason": "length" if done.finish == "length" else "stop",
    }


def _mistral_body(done: Completion, model: BedrockModel, number: int) -> dict[str, Any]:
    reason = "length" if done.finish == "length" else "stop"
    return {"outputs": [{"text": done.text, "stop_reason": reason}]}
