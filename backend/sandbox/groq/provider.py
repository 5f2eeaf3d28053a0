"""Groq's provider: `/openai/v1/chat/completions` and `/openai/v1/models`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from ..completion import Completion, ModelRequest
from ..durations import go_duration
from ..faults import Fault
from ..http_types import (
    HttpRequest,
    HttpResponse,
    RefusedError,
    RequestContext,
    Route,
    json_response,
)
from ..limits import Level, Refusal
from . import errors as errors
from .answer import chat_response, request_id
from .catalogue import GROQ_MODELS, NOT_FOUND_SINCE, GroqModel, scripted_model
from .request import read_chat
from .stream import damaged_event, error_event, stream_response

CHAT_PATH = "/openai/v1/chat/completions"
MODELS_PATH = "/openai/v1/models"


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
        return Route("groq", "models", path[len(MODELS_PATH) + 1 :] or None, "GET")
    return None


def region(http_request: HttpRequest) -> str | None:
    """None: Groq has no regions that a request could name."""
    return None


def direct_response(
    route: Route, http_request: HttpRequest, body: Any, context: RequestContext
) -> HttpResponse | None:
    """The list of models, or one of them; None for what a model has to answer."""
    return models_response(context.today, route.model) if route.operation == "models" else None


def read_request(route: Route, body: Any, context: RequestContext) -> ModelRequest:
    """What a chat request asks of its model; raises RefusedError as Groq would."""
    name = model_of(body)
    model = scripted_model(name) if context.scripted else find_model_in_service(name, context.today)
    return read_chat(body, model)


def finished(done: Completion, request: ModelRequest) -> Completion:
    """The completion as it is: Groq has no guardrails."""
    return done


def find_model_in_service(name: str, today: date) -> GroqModel:
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
    route: Route, done: Completion, request: ModelRequest, body: Any, *, number: int, now: float
) -> HttpResponse:
    """The 200 of a completion; `number` makes the ids and `now` is the wall clock in seconds."""
    respond = stream_response if body.get("stream") else chat_response
    return respond(done, body, number=number, now=now)


def error_frame(fault: Fault, model: str, organisation: str) -> bytes:
    """The event of the error that a fault puts into a stream."""
    return error_event(errors.of_fault(fault, model, organisation))


def damaged_frame(data: bytes) -> bytes:
    """An event that no client can parse."""
    return damaged_event(data)


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


def context_tokens(request: ModelRequest) -> int:
    """The tokens that have to fit the model's context: the prompt's and those declared."""
    return request.input_tokens + (request.max_tokens or 0)


def models_response(today: date, name: str | None = None) -> HttpResponse:
    """The list of the models in service, or the one of that name."""
    in_service = {
        k: _listed(m) for k, m in GROQ_MODELS.items() if m.shutdown is None or m.shutdown > today
    }
    # A retired model vanishes from the list on the day of its shutdown.
    if name is None:
        return json_response(200, {"object": "list", "data": list(in_service.values())})
    return (
        json_response(200, in_service[name])
        if name in in_service
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


def shows_limits_with(fault: Fault) -> bool:
    """Whether an error comes with the x-ratelimit headers; these three do (recorded)."""
    with_limits = ("tool_use_failed", "context_length_exceeded")
    return fault.code in with_limits or (fault.status == 500 and fault.body is None)


def limit_headers(levels: Mapping[str, Level]) -> dict[str, str]:
    """The x-ratelimit headers: requests per day and tokens per minute; no limit else has any."""
    headers = {}
    for name, level in (("requests", levels.get("RPD")), ("tokens", levels.get("TPM"))):
        if level is not None:
            headers[f"x-ratelimit-limit-{name}"] = str(level.limit.amount)
            headers[f"x-ratelimit-remaining-{name}"] = str(level.remaining)
            headers[f"x-ratelimit-reset-{name}"] = go_duration(level.reset)
    return headers
