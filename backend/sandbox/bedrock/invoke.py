"""InvokeModel: picks the form of a body, and wraps the model's own answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ..completion import Completion, ModelRequest
from ..http_types import HttpResponse, json_response
from ..streams import Frame
from . import event_stream
from .catalogue import BedrockModel, Family
from .families import chats, claude, prompts
from .families.metrics import metric_headers
from .guardrails import members


@dataclass(frozen=True)
class _Form:
    """What is done with a body of one form."""

    read: Callable[[Any, BedrockModel], ModelRequest]
    answer: Callable[[Completion, BedrockModel, int], dict[str, Any]]
    stream: Callable[[Completion, BedrockModel, int], Iterator[tuple[dict[str, Any], bool]]]


_TEXT_COMPLETIONS = re.compile(r"claude-(?:v1|v2$|instant)")
_OLD_CLAUDE = _Form(prompts.read_old_claude, prompts.old_claude_answer, prompts.old_claude_stream)
_FORMS: dict[Family, _Form] = {
    "claude": _Form(claude.read, claude.answer, claude.stream),
    "llama": _Form(prompts.read_llama, prompts.llama_answer, prompts.llama_stream),
    "mistral": _Form(prompts.read_mistral, prompts.mistral_answer, prompts.mistral_stream),
    "deepseek": _Form(prompts.read_deepseek, prompts.deepseek_answer, prompts.deepseek_stream),
    "titan": _Form(prompts.read_titan, prompts.titan_answer, prompts.titan_stream),
    "chat": _Form(chats.read_chat, chats.chat_answer, chats.chat_stream),
    "nova": _Form(chats.read_nova, chats.nova_answer, chats.nova_stream),
    "cohere": _Form(chats.read_cohere, chats.cohere_answer, chats.cohere_stream),
}
# The members in which the forms hold these parts.
_MEMBERS = {
    "choices": ("content", "generation", "outputs", "choices", "results", "output", "text"),
    "finish_reason": ("stop_reason", "finish_reason", "stopReason", "completionReason"),
    "usage": ("usage",),
    "done": (),
}


def read_invoke(body: Any, model: BedrockModel) -> ModelRequest:
    """What the request asks for; raises RefusedError where `model` does not serve it."""
    return _form(body, model).read(body, model)


def invoke_response(
    done: Completion, request: ModelRequest, body: Any, model: BedrockModel, number: int
) -> HttpResponse:
    """The 200 of InvokeModel in the family's form, with the token counts in headers."""
    payload = _form(body, model).answer(done, model, number)
    for part in done.without:
        for member in _MEMBERS[part]:
            payload.pop(member, None)
            for holder in ("outputs", "choices", "results", "generations"):
                for output in payload.get(holder, ()):
                    output.pop(member, None)
    return json_response(200, {**payload, **members(done, request)}, metric_headers(done))


def invoke_stream(
    done: Completion, request: ModelRequest, body: Any, model: BedrockModel, number: int
) -> HttpResponse:
    """The 200 of InvokeModelWithResponseStream in the family's form."""
    events = list(_form(body, model).stream(done, model, number))
    # The last event tells of the whole call.
    last, piece = events.pop()
    events.append(({**last, **members(done, request)}, piece))
    frames = tuple(Frame(event_stream.chunk(payload), piece) for payload, piece in events)
    headers = {
        "content-type": event_stream.CONTENT_TYPE,
        "x-amzn-bedrock-content-type": "application/json",
    }
    return HttpResponse(200, b"", headers, () if "choices" in done.without else frames)


def _form(body: Any, model: BedrockModel) -> _Form:
    keys = body.keys() if isinstance(body, dict) else ()
    if "max_tokens_to_sample" in keys or _TEXT_COMPLETIONS.search(model.id):
        return _OLD_CLAUDE if model.family == "claude" else _FORMS[model.family]
    # Mistral's newer models, and DeepSeek's, take messages as well.
    if model.family in ("mistral", "deepseek") and "messages" in keys:
        return _FORMS["chat"]
    if model.family == "chat" and "prompt" in keys:
        return _FORMS["mistral"]
    return _FORMS[model.family]
