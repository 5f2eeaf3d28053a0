"""Groq's provider: `/openai/v1/chat/completions` and `/openai/v1/models`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from typing import Any

from ..completion import Completion, ModelRequest
from ..durations import go_duration
from ..faults import Fault
from ..http_types import HttpRequest, HttpResponse, RefusedError, Route, json_response
from ..limits import Level, Refusal
from . import errors as errors
from .catalogue import GROQ_MODELS, NOT_FOUND_SINCE, GroqModel, scripted_model
from .request import read_chat

CHAT_PATH = "/openai/v1/chat/completions"
MODELS_PATH = "/openai/v1/models"
_FINISH = {
    "tool": "tool_calls",
    "filter": "content_filter",
    # Groq has no guardrails; the nearest word of the API that it is compatible with.
    "guardrail": "content_filter",
    "stop_sequence": "stop",
}
# The order of gpt-oss-120b's published speed; prompts are read ten times as fast.
_SPEED = 500.0  # tokens per second, for the times in `usage`


def credential(http_request: HttpRequest) -> str | None:
    """The API key of the request."""
    scheme, _, key = http_request.headers.get("authorization", "").partition(" ")
    return key.strip() or None if scheme.lower() == "bearer" else None


def model_of(body: Any) -> str:
    """The model that a request's body names; raises RefusedError where it names none."""
    model = body.get("model") if isinstance(body, dict) else None
    if not isinstance(model, str) or not model:
        raise errors.invalid("'model' : property 'model' is missing", param="model")
    return model


def route_of(path: str) -> Route | None:
    """What a path (percent-decoded) addresses, or None if it is not one of Groq's."""
    if path == CHAT_PATH:
        return Route("groq", "chat")
    if path == MODELS_PATH or path.startswith(MODELS_PATH + "/"):
        return Route("groq", "models", path[len(MODELS_PATH) + 1 :] or None)
    return None


def read_request(route: Route, body: Any, *, today: date, scripted: bool) -> ModelRequest:
    """What a chat request asks of its model; raises RefusedError as Groq would."""
    name = model_of(body)
    return read_chat(body, scripted_model(name) if scripted else find_living_model(name, today))


def find_living_model(name: str, today: date) -> GroqModel:
    """The chat model of that name on that day.

    Raises RefusedError for one that is unknown, retired or of another kind.
    """
    model = GROQ_MODELS.get(name)
    if model is None or (model.shutdown and NOT_FOUND_SINCE <= model.shutdown <= today):
        raise RefusedError(errors.named("model_not_found", name))
    if model.shutdown and model.shutdown <= today:
        raise RefusedError(errors.named("model_decommissioned", name))
    if not model.chat:
        raise errors.invalid(f"The model `{name}` does not support chat completions")
    return model


def completion_response(
    route: Route, done: Completion, body: Any, *, number: int, now: float
) -> HttpResponse:
    """The 200 of a completion; `number` makes the ids and `now` is the wall clock in seconds."""
    payload = {
        "id": f"chatcmpl-{number:08x}-5a4d-4b0c-8000-5a6d0b0a7c15",
        "object": "chat.completion",
        "created": int(now),
        "model": done.model or body["model"],
        "choices": [_choice(done, body)],
        "usage": _usage(done),
        "usage_breakdown": None,
        "system_fingerprint": "fp_sandbox000",
        "x_groq": {"id": request_id(number), "seed": body.get("seed") or number},
        "service_tier": body.get("service_tier") or "on_demand",
    }
    for part in ("choices", "usage"):
        if part in done.without:
            del payload[part]
    return json_response(200, payload)


def _choice(done: Completion, body: Mapping[str, Any]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": done.text}
    # `parsed` is what the service does when nothing is asked for.
    hidden = body.get("reasoning_format") == "hidden" or body.get("include_reasoning") is False
    if done.reasoning and body.get("reasoning_format") == "raw":
        message["content"] = f"<think>\n{done.reasoning}\n</think>\n\n{done.text or ''}"
    elif done.reasoning and not hidden:
        message["reasoning"] = done.reasoning
    # Recorded: a message that calls a tool mostly has no content member at all.
    if done.tool is not None:
        del message["content"]
        call = {"name": done.tool, "arguments": json.dumps(done.tool_input)}
        message["tool_calls"] = [{"id": "call_sandbox", "type": "function", "function": call}]
    finish = _FINISH.get(done.finish, done.finish)
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
    if "finish_reason" in done.without:
        del choice["finish_reason"]
    return choice


def _usage(done: Completion) -> dict[str, Any]:
    prompt_time = done.input_tokens / (_SPEED * 10)
    completion_time = done.output_tokens / _SPEED
    usage: dict[str, Any] = {
        "queue_time": 0.001,
        "prompt_tokens": done.input_tokens,
        "prompt_time": round(prompt_time, 9),
        "completion_tokens": done.output_tokens,
        "completion_time": round(completion_time, 9),
        "total_tokens": done.input_tokens + done.output_tokens,
        "total_time": round(prompt_time + completion_time, 9),
    }
    if done.reasoning_tokens:
        usage["completion_tokens_details"] = {"reasoning_tokens": done.reasoning_tokens}
    if done.cached_tokens:
        usage["prompt_tokens_details"] = {"cached_tokens": done.cached_tokens}
    return usage


def unauthorised(key: str | None) -> HttpResponse:
    """The 401 of a missing or unknown key."""
    return errors.named("invalid_api_key", "")


def throttled(refusal: Refusal, model: str, organisation: str) -> HttpResponse:
    """The response to a request that a limit does not admit."""
    return errors.rate_limited(refusal, model, organisation)


def error_response(fault: Fault, model: str, organisation: str) -> HttpResponse:
    """The error that a fault asks for."""
    return errors.of_fault(fault, model, organisation)


def reserved_output(request: ModelRequest) -> int:
    """The output tokens that a request reserves: those it declares."""
    return request.max_tokens or 0


def models_response(today: date, name: str | None = None) -> HttpResponse:
    """The list of living models, or the one of that name."""
    living = {
        k: _listed(m) for k, m in GROQ_MODELS.items() if m.shutdown is None or m.shutdown > today
    }
    # A retired model vanishes from the list on the day of its shutdown.
    if name is None:
        return json_response(200, {"object": "list", "data": list(living.values())})
    return (
        json_response(200, living[name])
        if name in living
        else errors.named("model_not_found", name)
    )


def _listed(model: GroqModel) -> dict[str, Any]:
    return {
        "id": model.id,
        "object": "model",
        "created": 1754408224,
        "owned_by": model.owner,
        "active": True,
        "context_window": model.context,
        "public_apps": None,
        "max_completion_tokens": model.max_output,
    }


def service_headers(number: int) -> dict[str, str]:
    """The headers of every response."""
    return {
        "cache-control": "private, max-age=0, no-store, no-cache, must-revalidate",
        "vary": "Origin",
        "x-groq-region": "sandbox",
        "x-request-id": request_id(number),
    }


def limit_headers(levels: Mapping[str, Level]) -> dict[str, str]:
    """The x-ratelimit headers: requests per day and tokens per minute; no limit else has any."""
    headers = {}
    for name, level in (("requests", levels.get("RPD")), ("tokens", levels.get("TPM"))):
        if level is not None:
            headers[f"x-ratelimit-limit-{name}"] = str(level.limit.amount)
            headers[f"x-ratelimit-remaining-{name}"] = str(level.remaining)
            headers[f"x-ratelimit-reset-{name}"] = go_duration(level.reset)
    return headers


def request_id(number: int) -> str:
    """The id of the n-th request, in the form of Groq's."""
    return f"req_01sandbox{number:017d}"
