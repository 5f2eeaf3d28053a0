"""CountTokens: how many tokens a request would send, in either form."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from ..http_types import HttpResponse, json_response
from .catalogue import BedrockModel
from .converse import read_converse
from .errors import invalid
from .invoke import read_invoke


def count_tokens(body: Any, model: BedrockModel) -> HttpResponse:
    """The count of the request in `input`; raises RefusedError where that is none."""
    counted = body.get("input") if isinstance(body, dict) else None
    if not isinstance(counted, dict) or len(counted) != 1:
        raise invalid("1 validation error detected: input must hold converse or invokeModel.")
    if "converse" in counted:
        request = read_converse(counted["converse"], model)
    else:
        inner = counted.get("invokeModel")
        request = read_invoke(
            _decoded(inner.get("body") if isinstance(inner, dict) else None), model
        )
    return json_response(200, {"inputTokens": request.input_tokens})


def _decoded(data: Any) -> Any:
    try:
        return json.loads(base64.b64decode(str(data), validate=True))
    except (binascii.Error, ValueError, RecursionError) as error:
        raise invalid("The value at input.invokeModel.body is not valid JSON.") from error
