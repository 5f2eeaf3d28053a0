"""In which form an answer was asked for, read off what the provider was sent."""

from __future__ import annotations

import json
from typing import Any

from sandbox import Exchange, Sandbox

#: A model of each provider that decodes under a schema.
TODAY = {"groq": "openai/gpt-oss-120b", "bedrock": "us.anthropic.claude-sonnet-4-6"}

CLASSIFICATION: dict[str, Any] = {
    "type": "object",
    "properties": {
        "hs_code": {"type": "string", "pattern": r"^\d{4}\.\d{2}$"},
        "note": {"type": "string"},
        "duties": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"rate": {"type": "number", "minimum": 0}},
                "required": ["rate"],
            },
        },
    },
    "required": ["hs_code"],
}
GOOD = {"hs_code": "9401.61"}


def form(exchange: Exchange) -> str:
    """The form of output that a request asks for."""
    body = exchange.body
    if "textFormat" in body.get("outputConfig", {}):
        return "textFormat"
    if "toolConfig" in body or "tools" in body:
        return "tool"
    wanted = body.get("response_format", {"type": "prompt"})
    if wanted["type"] == "json_schema":
        return "strict" if wanted["json_schema"]["strict"] else "schema"
    return {"json_object": "object"}.get(wanted["type"], "prompt")


def asked(sandbox: Sandbox) -> list[str]:
    """The forms of all requests, in order."""
    return [form(exchange) for exchange in sandbox.exchanges]


def schema_sent(sandbox: Sandbox) -> Any:
    """The schema that the last request gave to the provider."""
    body = sandbox.exchanges[-1].body
    if "response_format" in body:
        return body["response_format"]["json_schema"]["schema"]
    if "outputConfig" in body:
        return json.loads(body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]["schema"])
    return body["toolConfig"]["tools"][0]["toolSpec"]["inputSchema"]["json"]


def said(exchange: Exchange) -> list[tuple[str, str]]:
    """Who said what, system prompts left out."""
    if "prompt" in exchange.body:
        return [("user", exchange.body["prompt"])]
    return [
        (one["role"], content if isinstance(content := one["content"], str) else _text(content))
        for one in exchange.body["messages"]
        if one["role"] != "system"
    ]


def _text(parts: list[dict[str, Any]]) -> str:
    return "".join(part.get("text", "") for part in parts)


def words(sandbox: Sandbox) -> str:
    """The last words of the last request."""
    return said(sandbox.exchanges[-1])[-1][1]
