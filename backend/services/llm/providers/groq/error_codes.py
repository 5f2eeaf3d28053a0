"""What Groq's codes and the SDK's classes of errors mean; statuses are in `statuses.py`."""

from __future__ import annotations

import re

from ...errors import (
    AuthenticationError,
    ContentFilteredError,
    ContextLengthError,
    InvalidRequestError,
    LLMError,
    ModelNotFoundError,
)

#: Codes that say more than their status, or come with several.
BY_CODE: dict[str, type[LLMError]] = {
    "model_decommissioned": ModelNotFoundError,
    "model_not_found": ModelNotFoundError,
    "context_length_exceeded": ContextLengthError,
    "json_validate_failed": InvalidRequestError,
    "tool_use_failed": InvalidRequestError,
    "content_filter": ContentFilteredError,
    "content_policy_violation": ContentFilteredError,
    "invalid_api_key": AuthenticationError,
    "model_terms_required": AuthenticationError,
    "model_permission_blocked_org": AuthenticationError,
    "model_permission_blocked_project": AuthenticationError,
}

#: Refusals of what the model wrote; Groq may leave out what that was.
OF_GENERATION = frozenset({"json_validate_failed", "tool_use_failed"})

#: The status that an error stands for which comes without one: in a stream, or under a 200.
IMPLIED = {
    **dict.fromkeys(("rate_limit_exceeded", "rate_limit_error"), 429),
    **dict.fromkeys(("context_length_exceeded", "json_validate_failed", "tool_use_failed"), 400),
    **dict.fromkeys(("model_decommissioned", "invalid_request_error"), 400),
    **dict.fromkeys(("invalid_api_key", "authentication_error"), 401),
    **dict.fromkeys(("internal_server_error", "server_error", "api_error"), 500),
    **dict.fromkeys(("service_unavailable", "overloaded_error"), 503),
    "model_not_found": 404,
    "capacity_exceeded": 498,
}

STATUS_OF_CLASS = {
    "BadRequestError": 400,
    "AuthenticationError": 401,
    "PermissionDeniedError": 403,
    "NotFoundError": 404,
    "ConflictError": 409,
    "UnprocessableEntityError": 422,
    "RateLimitError": 429,
    "InternalServerError": 500,
}

#: How Groq says that a prompt is too long where it gives no code (recorded).
TOO_LONG = re.compile(
    r"(?:code=\d{3}, message=)?Please reduce the length of the messages or completion"
)
