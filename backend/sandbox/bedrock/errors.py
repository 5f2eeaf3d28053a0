"""Bedrock runtime's errors: the exception's name in a header, its message in the body."""

from __future__ import annotations

from ..faults import Fault
from ..http_types import HttpResponse, RefusedError, json_response
from ..limits import Refusal

_BEDROCK = "http://internal.amazon.com/coral/com.amazon.bedrock/"
_CREDENTIALS = "http://internal.amazon.com/coral/com.amazon.coral.service/"
# How Converse passes on what the model's own API refused (recorded).
MODEL_SAID = "The model returned the following errors: "
END_OF_LIFE = (
    "This model version has reached the end of its life. "
    "Please refer to the AWS documentation for more details."
)
# exception: status, message
# The names and statuses are the service model's and the recordings'. Recorded word for word are the
# messages of AccessDenied, UnrecognizedClient, ResourceNotFound, Throttling and ServiceUnavailable.
_EXCEPTIONS: dict[str, tuple[int, str]] = {
    "ValidationException": (
        400,
        "Malformed input request, please reformat your input and try again.",
    ),
    "ConflictException": (
        400,
        "Error occurred because of a conflict while performing an operation.",
    ),
    "ServiceQuotaExceededException": (
        400,
        "Your request exceeds the service quota for your account.",
    ),
    "AccessDeniedException": (
        403,
        "You don't have access to the model with the specified model ID.",
    ),
    "UnrecognizedClientException": (403, "The security token included in the request is invalid."),
    "InvalidSignatureException": (
        403,
        "The request signature we calculated does not match the signature you provided. "
        "Check your AWS Secret Access Key and signing method. "
        "Consult the service documentation for details.",
    ),
    "ExpiredTokenException": (403, "The security token included in the request is expired"),
    "MissingAuthenticationTokenException": (403, "Missing Authentication Token"),
    "ResourceNotFoundException": (404, END_OF_LIFE),
    "ModelTimeoutException": (
        408,
        "Model has timed out in processing the request. Try your request again.",
    ),
    "ModelErrorException": (
        424,
        "The system encountered an unexpected error during processing. Try your request again.",
    ),
    "ModelStreamErrorException": (
        424,
        "The system encountered an unexpected error during processing. Try your request again.",
    ),
    "ThrottlingException": (429, "Too many requests, please wait before trying again."),
    "ModelNotReadyException": (
        429,
        "Model is not ready for inference. Wait and try your request again.",
    ),
    "InternalServerException": (
        500,
        "The system encountered an unexpected error during processing. Try your request again.",
    ),
    "ServiceUnavailableException": (503, "Model is getting throttled. Try your request again."),
}
# Raised by the layer in front of the service, which has another address in the error type.
_CREDENTIAL_ERRORS = frozenset(
    {
        "UnrecognizedClientException",
        "InvalidSignatureException",
        "ExpiredTokenException",
        "MissingAuthenticationTokenException",
    }
)
# the neutral codes, which are Groq's: exception, message
_BY_CODE: dict[str, tuple[str, str]] = {
    "invalid_api_key": (
        "UnrecognizedClientException",
        "The security token included in the request is invalid.",
    ),
    "model_not_found": ("ValidationException", "The provided model identifier is invalid."),
    "model_decommissioned": ("ResourceNotFoundException", END_OF_LIFE),
    "context_length_exceeded": ("ValidationException", "Input is too long for requested model."),
    "request_too_large": ("ValidationException", "Input is too long for requested model."),
    "capacity_exceeded": ("ModelNotReadyException", _EXCEPTIONS["ModelNotReadyException"][1]),
    "rate_limit_exceeded": ("ThrottlingException", _EXCEPTIONS["ThrottlingException"][1]),
    "json_validate_failed": ("ModelErrorException", _EXCEPTIONS["ModelErrorException"][1]),
    "tool_use_failed": ("ModelErrorException", _EXCEPTIONS["ModelErrorException"][1]),
}
_BY_STATUS = {
    400: "ValidationException",
    401: "UnrecognizedClientException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    413: "ValidationException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    498: "ModelNotReadyException",
    500: "InternalServerException",
    503: "ServiceUnavailableException",
}
# RPD is no quota of Bedrock's; if a test sets one it is told as the other limit on requests.
_THROTTLED = {
    "RPM": "Too many requests, please wait before trying again.",
    "RPD": "Too many requests, please wait before trying again.",
    "TPD": "Too many tokens per day, please wait before trying again.",
}


def exception(name: str, message: str | None = None, status: int | None = None) -> HttpResponse:
    """The response of a named exception; its own status and message where none are given."""
    own_status, own_message = _EXCEPTIONS.get(name, (400, name))
    origin = _CREDENTIALS if name in _CREDENTIAL_ERRORS else _BEDROCK
    body = {"message": own_message if message is None else message}
    return json_response(status or own_status, body, {"x-amzn-errortype": f"{name}:{origin}"})


def invalid(message: str) -> RefusedError:
    """A ValidationException, to be raised."""
    return RefusedError(exception("ValidationException", message))


def throttled(refusal: Refusal) -> HttpResponse:
    """The ThrottlingException of a limit; never with a Retry-After."""
    message = _THROTTLED.get(
        refusal.limit.name, "Too many tokens, please wait before trying again."
    )
    return exception("ThrottlingException", message)


def of_fault(fault: Fault) -> HttpResponse:
    """The error that a scripted fault asks for."""
    if fault.code in _BY_CODE:
        name, message = _BY_CODE[fault.code]
        return exception(name, fault.message or message, fault.status)
    if fault.code is not None:
        return exception(fault.code, fault.message, fault.status)
    status = fault.status or 500
    # A 502 or 504 comes from in front of the service, without an error type.
    if status in _BY_STATUS:
        return exception(_BY_STATUS[status], fault.message, status)
    return json_response(
        status, {"message": fault.message or f"Error {status}"}
    )  # no exception has this status
