"""Bedrock runtime's provider: Converse and InvokeModel under `/model/{modelId}/`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from ..completion import Completion, ModelRequest
from ..faults import Fault
from ..http_types import HttpRequest, HttpResponse, RefusedError, Route
from ..limits import Level, Refusal
from . import errors as errors
from .catalogue import DEFAULT_MAX_OUTPUT, BedrockModel, find_model, scripted_model
from .converse import converse_response, read_converse
from .invoke import invoke_response, read_invoke

# Greedy, since an ARN has slashes of its own.
_PATH = re.compile(r"^/model/(?P<model>.+)/(?P<operation>[a-z-]+)$")
_CREDENTIAL = re.compile(r"Credential=(?P<key>[^/,\s]+)/")


def route_of(path: str) -> Route | None:
    """What a path (percent-decoded) addresses, or None if it is not one of Bedrock runtime's."""
    match = _PATH.match(path)
    return Route("bedrock", match["operation"], match["model"]) if match else None


def credential(http_request: HttpRequest) -> str | None:
    """The access key id of a SigV4 signature (which is not checked), or the bearer token."""
    header = http_request.headers.get("authorization", "")
    scheme, _, rest = header.partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip() or None
    # The secret key is not known here, so a signature proves nothing; its key id names the caller.
    match = _CREDENTIAL.search(header)
    return match["key"] if match else None


def find_living_model(model_id: str, today: date) -> BedrockModel:
    """The model of that id on that day.

    Raises RefusedError for one that is unknown, past its life, or in need of a profile.
    """
    found = find_model(model_id)
    if found is None:
        raise RefusedError(
            errors.exception("ValidationException", "The provided model identifier is invalid.")
        )
    model, through_profile = found
    if model.end_of_life is not None and model.end_of_life <= today:
        raise RefusedError(errors.exception("ResourceNotFoundException", errors.END_OF_LIFE))
    if model.profile_only and not through_profile:
        raise errors.invalid(
            f"Invocation of model ID {model_id} with on-demand throughput isn’t supported. "
            "Retry your request with the ID or ARN of an inference profile that contains this "
            "model."
        )
    return model


def read_request(route: Route, body: Any, *, today: date, scripted: bool) -> ModelRequest:
    """What the request asks of its model; raises RefusedError as Bedrock would."""
    model = (
        scripted_model(route.model or "", body)
        if scripted
        else find_living_model(route.model or "", today)
    )
    if route.operation == "converse":
        return read_converse(body, model)
    if route.operation == "invoke":
        return read_invoke(body, model)
    raise errors.invalid(
        f"The sandbox does not speak {route.operation} yet: use converse or invoke."
    )


def completion_response(
    route: Route, done: Completion, body: Any, *, number: int, now: float
) -> HttpResponse:
    """The 200 of a completion."""
    if route.operation == "converse":
        return converse_response(done, number)
    found = find_model(route.model or "")
    return invoke_response(
        done, found[0] if found else scripted_model(route.model or "", body), number
    )


def unauthorised(key: str | None) -> HttpResponse:
    """The 403 of missing or unknown credentials."""
    return errors.exception(
        "UnrecognizedClientException" if key else "MissingAuthenticationTokenException"
    )


def throttled(refusal: Refusal, model: str, organisation: str) -> HttpResponse:
    """The response to a request that a limit does not admit."""
    return errors.throttled(refusal)


def error_response(fault: Fault, model: str, organisation: str) -> HttpResponse:
    """The error that a fault asks for."""
    return errors.of_fault(fault)


def reserved_output(request: ModelRequest) -> int:
    """The output tokens that a request reserves: what it declares, else the model's maximum."""
    return request.max_tokens or DEFAULT_MAX_OUTPUT


def service_headers(number: int) -> dict[str, str]:
    """The headers of every response."""
    return {"x-amzn-requestid": f"5a6db0c0-0000-4000-8000-{number:012d}"}


def limit_headers(levels: Mapping[str, Level]) -> dict[str, str]:
    """None: Bedrock says nothing of its limits in headers."""
    return {}
