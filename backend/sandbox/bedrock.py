"""Bedrock runtime's wire: Converse and InvokeModel under `/model/{modelId}/`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from . import bedrock_errors as errors
from .answers import Ask, Completion
from .bedrock_converse import converse_reply, read_converse
from .bedrock_invoke import invoke_reply, read_invoke
from .catalogue_bedrock import DEFAULT_MAX_OUTPUT, BedrockModel, find_model, scripted_model
from .limits import Level, Refusal
from .steps import Fault
from .wire import Inbound, RefusedError, Reply, Target

# Greedy, since an ARN has slashes of its own.
_PATH = re.compile(r"^/model/(?P<model>.+)/(?P<operation>[a-z-]+)$")
_CREDENTIAL = re.compile(r"Credential=(?P<key>[^/,\s]+)/")


def target_of(path: str) -> Target | None:
    """What a path (percent-decoded) addresses, or None if it is not one of Bedrock runtime's."""
    match = _PATH.match(path)
    return Target("bedrock", match["operation"], match["model"]) if match else None


def credential(inbound: Inbound) -> str | None:
    """The access key id of a SigV4 signature (which is not checked), or the bearer token."""
    header = inbound.headers.get("authorization", "")
    scheme, _, rest = header.partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip() or None
    # The secret key is not known here, so a signature proves nothing; its key id names the caller.
    match = _CREDENTIAL.search(header)
    return match["key"] if match else None


def living_model(model_id: str, today: date) -> BedrockModel:
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


def ask_of(target: Target, body: Any, *, today: date, scripted: bool) -> Ask:
    """What the request asks of its model; raises RefusedError as Bedrock would."""
    model = (
        scripted_model(target.model or "", body)
        if scripted
        else living_model(target.model or "", today)
    )
    if target.operation == "converse":
        return read_converse(body, model)
    if target.operation == "invoke":
        return read_invoke(body, model)
    raise errors.invalid(
        f"The sandbox does not speak {target.operation} yet: use converse or invoke."
    )


def completion_reply(
    target: Target, done: Completion, body: Any, *, number: int, now: float
) -> Reply:
    """The 200 of a completion."""
    if target.operation == "converse":
        return converse_reply(done, number)
    found = find_model(target.model or "")
    return invoke_reply(
        done, found[0] if found else scripted_model(target.model or "", body), number
    )


def unauthorised(key: str | None) -> Reply:
    """The 403 of missing or unknown credentials."""
    return errors.exception(
        "UnrecognizedClientException" if key else "MissingAuthenticationTokenException"
    )


def throttled(refusal: Refusal, model: str, organisation: str) -> Reply:
    """The reply to a request that a limit does not admit."""
    return errors.throttled(refusal)


def error_reply(fault: Fault, model: str, organisation: str) -> Reply:
    """The error that a fault asks for."""
    return errors.of_fault(fault)


def reserved_output(ask: Ask) -> int:
    """The output tokens that a request reserves: what it declares, else the model's maximum."""
    return ask.max_tokens or DEFAULT_MAX_OUTPUT


def service_headers(number: int) -> dict[str, str]:
    """The headers of every reply."""
    return {"x-amzn-requestid": f"5a6db0c0-0000-4000-8000-{number:012d}"}


def limit_headers(levels: Mapping[str, Level]) -> dict[str, str]:
    """None: Bedrock says nothing of its limits in headers."""
    return {}
