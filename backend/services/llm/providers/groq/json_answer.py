"""The body of an answer, as the JSON that it should be."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .limit_reports import reports_in_headers


def read_json(body: bytes, headers: Mapping[str, str]) -> Any:
    """The answer in *body* as JSON, with what its headers say of request and limits; else its text.

    Raises ValueError for what is called JSON and is none.
    """
    try:
        answer = json.loads(body)
    except ValueError:
        kind = headers.get("content-type", "").partition(";")[0].strip()
        if kind.endswith("json"):
            raise
        return body.decode("utf-8", "replace")  # a page
    if isinstance(answer, dict):
        answer["_request_id"] = headers.get("x-request-id")
        answer["_limits"] = reports_in_headers(headers)
    return answer
