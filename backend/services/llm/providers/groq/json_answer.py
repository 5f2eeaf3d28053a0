"""The body of an answer, as the JSON that it should be."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..foreign_errors import unreadable_body
from .limit_reports import reports_in_headers


def read_json(body: bytes, headers: Mapping[str, str]) -> Any:
    """The answer in *body* as JSON, with what its headers say of request and limits.

    Raises LLMError for what is neither.
    """
    try:
        answer = json.loads(body)
    except ValueError as error:
        raise unreadable_body(body, headers.get("content-type"), "groq") from error
    if answer is None:
        return "null"  # nothing is how a stream ends, and is no answer
    if isinstance(answer, dict):
        answer["_request_id"] = headers.get("x-request-id")
        answer["_limits"] = reports_in_headers(headers)
    return answer
