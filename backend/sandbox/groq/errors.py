"""Groq's errors: the JSON body, the code and the status that belong together."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ..durations import go_duration
from ..faults import Fault
from ..http_types import HttpResponse, RefusedError, json_response
from ..limits import Limit, Refusal

INVALID = "invalid_request_error"
_SERVER = "internal_server_error"
# The live message ends in an advertisement, which a parser of the wait has to survive.
_UPGRADE = (
    "Need more tokens? Upgrade to Dev Tier today at https://console.groq.com/settings/billing"
)
_LIMIT_WORDS = {
    "RPM": "requests per minute (RPM)",
    "RPD": "requests per day (RPD)",
    "TPM": "tokens per minute (TPM)",
    "TPD": "tokens per day (TPD)",
    "ITPM": "input tokens per minute (ITPM)",
    "OTPM": "output tokens per minute (OTPM)",
}
# Made-up limits for scripted faults: both refill 100 tokens a second, so that any wait can be told.
_MINUTE = Limit("TPM", 6_000, 60.0, "tokens")
_DAY = Limit("TPD", 8_640_000, 86_400.0, "tokens")
# code: status, type, message; {model} is filled in
# Recorded, unless a comment says otherwise.
_BY_CODE: dict[str, tuple[int, str, str]] = {
    "invalid_api_key": (401, INVALID, "Invalid API Key"),
    "model_not_found": (
        404,
        INVALID,
        "The model `{model}` does not exist or you do not have access to it.",
    ),
    "model_decommissioned": (
        400,
        INVALID,
        "The model `{model}` has been decommissioned and is no longer supported. Please refer to "
        "https://console.groq.com/docs/deprecations for a recommendation on which model to use "
        "instead.",
    ),
    # Shortened: the service adds where its terms can be accepted.
    "model_terms_required": (400, INVALID, "The model `{model}` requires terms acceptance."),
    # The code and the status are documented, the words are ours; so too for the next.
    "model_permission_blocked_org": (
        403,
        INVALID,
        "The model `{model}` is blocked at the organization level.",
    ),
    "model_permission_blocked_project": (
        403,
        INVALID,
        "The model `{model}` is blocked at the project level.",
    ),
    # The code is recorded, with words that differ from model to model.
    "context_length_exceeded": (
        400,
        INVALID,
        "Please reduce the length of the messages or completion.",
    ),
    # Quoted in public issues; never recorded.
    "json_validate_failed": (
        400,
        INVALID,
        "Failed to generate JSON. Please adjust your prompt. "
        "See 'failed_generation' for more details.",
    ),
    "tool_use_failed": (
        400,
        INVALID,
        "Failed to call a function. Please adjust your prompt. "
        "See 'failed_generation' for more details.",
    ),
    # The status and the code are documented, the words are ours.
    "capacity_exceeded": (
        498,
        "capacity_exceeded",
        "Flex tier capacity exceeded. Please try again later.",
    ),
}
# status: type, code, message
# 401, 404 and 500 are recorded; the others have the documented status and words of ours.
_BY_STATUS: dict[int, tuple[str, str | None, str]] = {
    400: (INVALID, None, "Bad Request"),
    401: (INVALID, "invalid_api_key", "Invalid API Key"),
    403: ("permissions_error", None, "Forbidden"),
    404: (
        INVALID,
        "model_not_found",
        "The model `{model}` does not exist or you do not have access to it.",
    ),
    408: (_SERVER, None, "Request Timeout"),
    422: (INVALID, None, "Unprocessable Entity"),
    424: (INVALID, None, "Failed Dependency"),
    498: (
        "capacity_exceeded",
        "capacity_exceeded",
        "Flex tier capacity exceeded. Please try again later.",
    ),
    500: (_SERVER, None, "Internal Server Error"),
    502: (_SERVER, None, "Bad Gateway"),
    503: (_SERVER, None, "Service Unavailable"),
    504: (_SERVER, None, "Gateway Timeout"),
}


def error(
    status: int, message: str, *, kind: str = INVALID, code: str | None = None, **more: Any
) -> HttpResponse:
    """An error as Groq writes it; `more` are further members of the error object."""
    body = {"message": message, "type": kind, **({"code": code} if code else {}), **more}
    return json_response(status, {"error": body})


def invalid(message: str, **more: Any) -> RefusedError:
    """A 400 `invalid_request_error`, to be raised."""
    return RefusedError(error(400, message, **more))


def named(code: str, model: str, message: str | None = None, **more: Any) -> HttpResponse:
    """The error of a known code about a model."""
    status, kind, text = _BY_CODE[code]
    return error(status, message or text.format(model=model), kind=kind, code=code, **more)


def rate_limited(refusal: Refusal, model: str, organisation: str) -> HttpResponse:
    """The 429 or 413 of a limit, word for word in form; `retry-after` is rounded up."""
    limit = refusal.limit
    kind = "requests" if limit.unit == "requests" else "tokens"
    where = f"for model `{model}` in organization `{organisation}` service tier `on_demand` on"
    counted = f"{_LIMIT_WORDS[limit.name]}: Limit {limit.amount}"
    if refusal.too_large:
        # A limit on output is not a matter of the message, hence another advice and another status.
        advice = (
            "please reduce max_tokens"
            if limit.unit == "output"
            else "please reduce your message size"
        )
        message = (
            f"Request too large {where} {counted}, Requested {refusal.requested}, "
            f"{advice} and try again. {_UPGRADE}"
        )
        return error(
            429 if limit.unit == "output" else 413, message, kind=kind, code="rate_limit_exceeded"
        )
    message = (
        f"Rate limit reached {where} {counted}, Used {refusal.used}, "
        f"Requested {refusal.requested}. Please try again in {go_duration(refusal.wait)}. "
        f"{_UPGRADE}"
    )
    # Whole seconds, rounded up: recorded as `7` for 6.98s, and as `1` for 329.999999ms.
    response = error(429, message, kind=kind, code="rate_limit_exceeded")
    return HttpResponse(
        response.status,
        response.body,
        {**response.headers, "retry-after": str(math.ceil(refusal.wait))},
    )


def of_fault(fault: Fault, model: str, organisation: str) -> HttpResponse:
    """The error that a scripted fault asks for."""
    more: Mapping[str, Any] = {}
    if fault.failed_generation is not None:
        more = {"failed_generation": fault.failed_generation}
    if fault.code == "request_too_large" or (fault.code is None and fault.status == 413):
        return _with_message(rate_limited(Refusal(_MINUTE, 0, 9_000), model, organisation), fault)
    if fault.code in _BY_CODE:
        response = named(fault.code, model, fault.message, **more)
        return (
            response
            if fault.status is None
            else HttpResponse(fault.status, response.body, response.headers)
        )
    status = fault.status or 500
    # A client may read the wait from the header or from the message: the two must not differ.
    if status == 429 and fault.code is None:
        return _with_message(_rate_limit_fault(fault, model, organisation), fault)
    kind, code, message = _BY_STATUS.get(
        status, (_SERVER if status >= 500 else INVALID, None, f"Error {status}")
    )
    return error(
        status,
        fault.message or message.format(model=model),
        kind=kind,
        code=fault.code or code,
        **more,
    )


def _rate_limit_fault(fault: Fault, model: str, organisation: str) -> HttpResponse:
    """A 429 whose message fits the fault's Retry-After, where that is a number."""
    wait = _seconds(fault.retry_after)
    limit = _MINUTE if wait < 60 else _DAY
    requested = max(1, math.ceil(round(wait * 100, 3)))
    response = rate_limited(Refusal(limit, limit.amount, requested), model, organisation)
    headers = {name: value for name, value in response.headers.items() if name != "retry-after"}
    return HttpResponse(response.status, response.body, headers)


def _with_message(response: HttpResponse, fault: Fault) -> HttpResponse:
    if fault.message is None:
        return response
    return error(response.status, fault.message, kind="tokens", code="rate_limit_exceeded")


def _seconds(retry_after: object) -> float:
    try:
        seconds = float(retry_after) if isinstance(retry_after, (str, int, float)) else 1.0
    except ValueError:  # a date or garbage says nothing that the message could repeat
        return 1.0
    return seconds if 0 < seconds < 86_400 else 1.0


def unknown_url(method: str, path: str) -> HttpResponse:
    """The 404 of a path that is not served."""
    message = (
        f"Unknown request URL: {method} {path}. Please check the URL for typos, "
        "or see the docs at https://console.groq.com/docs/"
    )
    return error(404, message, code="unknown_url")
