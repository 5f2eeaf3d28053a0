"""Bedrock runtime's side: its paths, who asks and from where, and which answer goes where."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any

from ..completion import Completion, Guardrail, ModelRequest
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
from . import errors, event_stream
from .catalogue import DEFAULT_MAX_OUTPUT, BedrockModel, find_model, scripted_model
from .converse import read_converse
from .converse_answer import converse_response, converse_stream
from .count_tokens import count_tokens
from .guardrails import apply_guardrail, guarded, guardrail_of
from .invoke import invoke_response, invoke_stream, read_invoke
from .regions import profile_is_of

# Greedy, since an ARN has slashes of its own.
_PATH = re.compile(r"^/model/(?P<model>.+)/(?P<operation>[a-z-]+)$")
_GUARDRAIL_PATH = re.compile(r"^/guardrail/(?P<id>.+)/version/(?P<version>[^/]+)/apply$")
_CREDENTIAL = re.compile(r"Credential=(?P<key>[^/,\s]+)/\d*/(?P<region>[\w-]*)/")
_CONVERSE = ("converse", "converse-stream")
_INVOKE = ("invoke", "invoke-with-response-stream")


def route_of(path: str) -> Route | None:
    """What a path (percent-decoded) addresses, or None if it is not one of Bedrock runtime's."""
    match = _PATH.match(path)
    if match:
        return Route("bedrock", match["operation"], match["model"])
    return Route("bedrock", "apply-guardrail") if _GUARDRAIL_PATH.match(path) else None


def credential(http_request: HttpRequest) -> str | None:
    """The access key id of a SigV4 signature (which is not checked), or the bearer token."""
    header = http_request.headers.get("authorization", "")
    scheme, _, rest = header.partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip() or None
    # The secret key is not known here, so a signature proves nothing; its key id names the caller.
    match = _CREDENTIAL.search(header)
    return match["key"] if match else None


def region(http_request: HttpRequest) -> str | None:
    """The region for which the request is signed; None where a bearer token tells of none."""
    match = _CREDENTIAL.search(http_request.headers.get("authorization", ""))
    return match["region"] or None if match else None


def find_model_in_service(model_id: str, today: date, region: str | None = None) -> BedrockModel:
    """The model of that id on that day, in that region.

    Raises RefusedError for one that is unknown, past its life, or in need of a profile.
    """
    found = find_model(model_id)
    if found is None or not profile_is_of(model_id, region):
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


def direct_response(
    route: Route, http_request: HttpRequest, body: Any, context: RequestContext
) -> HttpResponse | None:
    """The answer to what needs no model to speak: a count, a guardrail; else None."""
    guardrail = _GUARDRAIL_PATH.match(http_request.path)
    if guardrail:
        return apply_guardrail(body, Guardrail(guardrail["id"], guardrail["version"]))
    if route.operation == "count-tokens":
        return count_tokens(body, _model(route, body, context))
    if route.operation not in (*_CONVERSE, *_INVOKE):
        # Recorded: the front end says so with a 200.
        output = {"__type": "com.amazon.coral.service#UnknownOperationException"}
        return json_response(200, {"Output": output, "Version": "1.0"})
    return None


def read_request(route: Route, body: Any, context: RequestContext) -> ModelRequest:
    """What the request asks of its model; raises RefusedError as Bedrock would."""
    model = _model(route, body, context)
    if route.operation in _CONVERSE:
        return read_converse(body, model)
    return replace(read_invoke(body, model), guardrail=guardrail_of(context.headers))


def _model(route: Route, body: Any, context: RequestContext) -> BedrockModel:
    name = route.model or ""
    if context.scripted:
        return scripted_model(name, body)
    return find_model_in_service(name, context.today, context.region)


def finished(done: Completion, request: ModelRequest) -> Completion:
    """The completion as it leaves the guardrail that the request names."""
    return guarded(done, request)


def completion_response(
    route: Route, done: Completion, request: ModelRequest, body: Any, *, number: int, now: float
) -> HttpResponse:
    """The 200 of a completion."""
    if route.operation == "converse":
        return converse_response(done, request, number)
    if route.operation == "converse-stream":
        return converse_stream(done, request, number)
    found = find_model(route.model or "")
    model = found[0] if found else scripted_model(route.model or "", body)
    respond = invoke_response if route.operation == "invoke" else invoke_stream
    return respond(done, request, body, model, number)


def error_frame(fault: Fault, model: str, organisation: str) -> bytes:
    """The message of the error that a fault puts into a stream."""
    if fault.status is None and fault.code is None:
        fault = Fault.named("ModelStreamErrorException", fault.message)
    return event_stream.exception(errors.of_fault(fault))


def damaged_frame(data: bytes) -> bytes:
    """A message whose checksum is wrong."""
    return event_stream.damaged(data)


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


def context_tokens(request: ModelRequest) -> int:
    """The tokens that have to fit the model's context before it begins to answer."""
    return request.input_tokens


def service_headers(number: int) -> dict[str, str]:
    """The headers of every response."""
    return {"x-amzn-requestid": f"5a6db0c0-0000-4000-8000-{number:012d}"}


def shows_limits_with(fault: Fault) -> bool:
    """False: Bedrock says nothing of its limits in headers."""
    return False


def limit_headers(levels: Mapping[str, Level]) -> dict[str, str]:
    """None: Bedrock says nothing of its limits in headers."""
    return {}
