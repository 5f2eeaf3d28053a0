"""The SDKs' exceptions, as their clients raise them."""

from __future__ import annotations

from collections.abc import Mapping

import groq
import httpx
from botocore.exceptions import ClientError


def groq_error(
    status: int, message: str, headers: Mapping[str, str], code: str | None = "rate_limit_exceeded"
) -> groq.APIStatusError:
    request = httpx.Request("POST", "https://api.groq.com/openai/v1/chat/completions")
    response = httpx.Response(status, headers=dict(headers), request=request)
    body = {"error": {"message": message, "type": "tokens", "code": code}}
    return groq.APIStatusError(message, response=response, body=body)


def throttled(message: str) -> ClientError:
    return ClientError(
        {
            "Error": {"Code": "ThrottlingException", "Message": message},
            "ResponseMetadata": {"HTTPStatusCode": 429, "HTTPHeaders": {}},  # type: ignore[typeddict-item]  # a real one has more
        },
        "Converse",
    )
