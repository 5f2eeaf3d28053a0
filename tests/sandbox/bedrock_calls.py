"""Requests to the sandbox's Bedrock runtime, and what they raise."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError

from sandbox import Sandbox

SONNET = "us.anthropic.claude-sonnet-4-6"
OPUS_3 = "anthropic.claude-3-opus-20240229-v1:0"
LLAMA_3 = "meta.llama3-70b-instruct-v1:0"
MIXTRAL = "mistral.mixtral-8x7b-instruct-v0:1"
SCHEMA = {
    "type": "object",
    "properties": {"hs_code": {"type": "string"}, "confident": {"type": "boolean"}},
    "required": ["hs_code", "confident"],
    "additionalProperties": False,
}

SPEC = {"name": "classify", "description": "d", "inputSchema": {"json": SCHEMA}}


def turn(text: str = "hello", role: str = "user") -> list[dict[str, Any]]:
    """The messages of one turn in Converse."""
    return [{"role": role, "content": [{"text": text}]}]


def text_format(schema: Any) -> dict[str, Any]:
    """The outputConfig of a schema, or of a text in its place."""
    text = schema if isinstance(schema, str) else json.dumps(schema)
    structure = {"jsonSchema": {"schema": text, "name": "answer"}}
    return {"textFormat": {"type": "json_schema", "structure": structure}}


def error_of(call: Callable[[], Any]) -> tuple[int, str, str]:
    """The status, code and message of the ClientError that the call raises."""
    with pytest.raises(ClientError) as caught:
        call()
    response = caught.value.response
    status = response["ResponseMetadata"]["HTTPStatusCode"]
    return status, response["Error"]["Code"], response["Error"]["Message"]


def post(sandbox: Sandbox, path: str, body: Any, key: str | None = "AKIATEST") -> httpx.Response:
    """A request as another client might make it, with a signature that nobody checks."""
    credential = (
        f"AWS4-HMAC-SHA256 Credential={key}/20261122/us-east-1/bedrock/aws4_request, Signature=0"
    )
    headers = {"authorization": credential} if key else {}
    return httpx.post(sandbox.url + path, json=body, headers=headers, trust_env=False, verify=False)


def claude(**more: Any) -> dict[str, Any]:
    """Claude's body for InvokeModel."""
    return {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 100,
        "messages": [{"role": "user", "content": "hello"}],
        **more,
    }


def invoke(client: Any, model: str, body: Any) -> tuple[Any, dict[str, str]]:
    """The body and the headers that InvokeModel answers with."""
    reply = client.invoke_model(modelId=model, body=json.dumps(body))
    return json.loads(reply["body"].read()), reply["ResponseMetadata"]["HTTPHeaders"]


def converse(client: Any, model: str = SONNET) -> Any:
    """boto3's answer to the plainest question."""
    return client.converse(modelId=model, messages=turn())
