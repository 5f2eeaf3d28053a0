"""InvokeModel: each family of models has its own format of request and answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from ...errors import (
    ConfigurationError,
    LLMError,
    Retry,
)
from ...types import Message, Output, Reply, Request
from ..completeness import finish, raises_llm_error, with_usage
from ..fields import first, mapping, member, rows, seconds, short_name, text
from ..foreign_errors import unreadable_body
from ..request_checks import invalid_request, sampling_settings
from . import claude_body, templates
from .blocks import CachePoint, SystemBlock
from .claude_body import calls_in, messages_of, thoughts_in
from .common_options import COMMON, invoke_members
from .errors import error_in_ok_body
from .invoke_usage import count_header, usage_of
from .turns import split_turns

Family: TypeAlias = Literal["claude", "llama", "mistral"]

#: Sent where the caller gives no max_tokens: without one Claude refuses, and other models reserve
#: their longest output from the account's quota.
MAX_TOKENS = 4096

_VERSION = "bedrock-2023-05-31"

#: The call's own keywords, beside the body.
_KEYWORDS = frozenset(
    {"guardrailIdentifier", "guardrailVersion", "trace", "performanceConfigLatency", "serviceTier"}
    | {"requestMetadata"}
)
#: These stand in Claude's body in a form of its own.
_TOOLS = ("tools", "tool_choice")

#: Further options of each family, by their own name or a common one (AWS, "Inference request
#: parameters and response fields for foundation models"); Bedrock refuses any other key.
_FIELDS: dict[Family, dict[str, str]] = {
    "claude": {name: name for name in ("top_p", "top_k", "stop_sequences", "system")}
    | {name: name for name in ("thinking", "anthropic_beta")}
    | {"stop": "stop_sequences"},
    "llama": {"top_p": "top_p"},
    "mistral": {"top_p": "top_p", "top_k": "top_k", "stop": "stop"},
}
#: The keys of the families' answers.
_ANSWERS = ("content", "generation", "outputs")

_LENGTH: dict[Family, str] = {
    "claude": "max_tokens",
    "llama": "max_gen_len",
    "mistral": "max_tokens",
}


def family(model: str) -> Family:
    """Return the family whose format *model* uses.

    Raises ConfigurationError, which is a ValueError, for a model of none.
    """
    name = model.lower()
    if "claude" in name:
        return "claude"
    if "llama" in name:
        return "llama"
    if "mixtral" in name or "mistral" in name:
        return "mistral"
    raise ConfigurationError(f"Unsupported model: {model}", provider="bedrock")


def format_prompt(
    prompt: str,
    system_prompt: str | None,
    model_id: str,
    *,
    temperature: float | None = None,
    max_tokens: int | None = None,
) -> dict[str, Any]:
    """Return the body of a request to *model_id* with one *prompt*.

    Raises ConfigurationError ("Unsupported model: ...") for a model of no known family.
    """
    messages: list[Message] = (
        [{"role": "system", "content": system_prompt}] if system_prompt else []
    )
    messages.append({"role": "user", "content": prompt})
    return body_of(Request(model_id, tuple(messages), temperature, max_tokens))


def body_of(request: Request) -> dict[str, Any]:
    """Return the body for *request*, without its options and its output mode."""
    kind = family(request.model)
    prompt, turns = split_turns(request.messages)
    system = [_system_text(block) for block in prompt]
    settings = sampling_settings(request)
    body: dict[str, Any] = {}
    if "max_tokens" not in request.omitted:
        body[_LENGTH[kind]] = settings.get("max_tokens", MAX_TOKENS)
    if "temperature" in settings:
        body["temperature"] = settings["temperature"]
    if kind == "claude":
        tools = claude_body.tools_of(request.options, turns)
        return body | {"anthropic_version": _VERSION} | messages_of(system, turns) | tools
    template = templates.llama if kind == "llama" else templates.mistral
    return body | {"prompt": template(system, turns)}


def _system_text(block: SystemBlock) -> str:
    if isinstance(block, CachePoint):
        raise claude_body.no_cache()
    return block.text


def to_invoke(request: Request) -> dict[str, Any]:
    """Return the keyword arguments of `client.invoke_model`.

    Raises ConfigurationError for a model of no known family and InvalidRequestError for what its
    family does not support.
    """
    kind = family(request.model)
    body = body_of(request)
    call: dict[str, Any] = {}
    for name, value in request.options.items():
        if name in _KEYWORDS:
            call[name] = value
        elif name in COMMON or name == "extra_headers" or (kind == "claude" and name in _TOOLS):
            continue
        elif name in _FIELDS[kind]:
            many = name == "stop" and isinstance(value, str)
            body[_FIELDS[kind][name]] = [value] if many else value
        else:
            tools = _TOOLS if kind == "claude" else ()
            known = ", ".join(
                sorted({*_FIELDS[kind], *_KEYWORDS, *COMMON, *tools, "extra_headers"})
            )
            raise invalid_request("bedrock", f"option {name!r} is none of this model's: {known}")
    call |= invoke_members(request.options)
    if request.output is not None:
        body |= _output_fields(request.output, kind)
    media = {"contentType": "application/json", "accept": "application/json"}
    return {"modelId": request.model, "body": json.dumps(body), **media, **call}


def _output_fields(output: Output, kind: Family) -> dict[str, Any]:
    if output.mode in ("object", "prompt"):
        return {}
    if output.mode == "tool" and kind == "claude":
        tool = {"name": output.name, "input_schema": dict(output.schema)}
        return {"tools": [tool], "tool_choice": {"type": "tool", "name": output.name}}
    raise invalid_request(
        "bedrock", f"this model cannot enforce a schema by {output.mode!r} output"
    )


def parse_response(body: Mapping[str, Any], model_id: str) -> str:
    """Return the answer's text in *body*, even if the answer is incomplete.

    Raises ConfigurationError ("Unsupported model: ...") for a model of no known family, LLMError
    for a body that is not of the model's.
    """
    kind = family(model_id)
    if kind == "claude":
        blocks = member(body, "content")
        texts = [text(block, "text") or "" for block in rows(body, "content")]
        answer = "".join(texts) if isinstance(blocks, list) else None
    else:
        answer = text(body, "generation") if kind == "llama" else _mistral_text(body)
    if answer is None:
        raise LLMError(
            f"Bedrock API error: the reply of {model_id} is not of its family's form",
            provider="bedrock",
            retry=Retry.IF_REQUESTED,
        )
    return answer


def _mistral_text(body: Mapping[str, Any]) -> str | None:
    return text(first(body, "outputs"), "text")


@raises_llm_error("bedrock")
def from_invoke(body: bytes | str, request: Request, headers: object = None) -> Reply:
    """Read the *body* and the HTTP *headers* that `invoke_model` answered *request* with.

    `processing` is `x-amzn-bedrock-invocation-latency` in seconds. A mock's body need hold no
    more than the text.

    Raises as `unreadable_body` where the body is not whole JSON, else as `check_complete`.
    """
    try:
        answer = json.loads(body)
    except ValueError as error:
        words = body if isinstance(body, str) else bytes(body)
        raise unreadable_body(words, text(headers, "content-type"), "bedrock") from error
    return read_body(answer if isinstance(answer, dict) else {}, request, headers)


def read_body(body: Mapping[str, Any], request: Request, headers: object = None) -> Reply:
    """As `from_invoke`, from the parsed *body*."""
    kind = family(request.model)
    if not any(name in body for name in _ANSWERS) and (
        error := error_in_ok_body(body, request.model)
    ):
        raise error
    where = first(body, "outputs") if kind == "mistral" else body
    reason = text(where, "stop_reason")
    if text(body, "amazon-bedrock-guardrailAction") == "INTERVENED":
        reason = "guardrail_intervened"
    latency, usage = count_header(headers, "invocation-latency"), usage_of(body, headers)
    try:
        words = parse_response(body, request.model)
    except LLMError as error:
        raise with_usage(error, "bedrock", request, usage) from None
    reply = Reply(
        text=words,
        model=request.model,
        provider="bedrock",
        finish_reason=reason,
        usage=usage,
        request_id=short_name(headers, "x-amzn-requestid"),
        reasoning=thoughts_in(body),
        tool_calls=calls_in(body),
        processing=seconds({"": latency}, "", 1e-3),
        guardrail_trace=mapping(member(body, "amazon-bedrock-trace"), "guardrail"),
    )
    # A mock has no headers and mostly only a text: anything more must have a stop reason too.
    over_http = isinstance(headers, Mapping) and bool(headers)
    ended = isinstance(where, Mapping) and "stop_reason" in where
    real = over_http or ended or reply.usage.reported
    return finish(reply, request.output, real=real)
