"""What a schema is rewritten to, or why it cannot be."""

from __future__ import annotations

from typing import Any

from services.llm.structured import Rewritten, Schema, Target, Unrewritable, rewrite

STRICT = Target.GROQ_STRICT
BEDROCK = Target.BEDROCK_TEXT_FORMAT
DEFINED = {"$defs": {"Code": {"type": "string", "minLength": 1}, "Big/One": {"type": "integer"}}}


def closed(properties: dict[str, Any], required: list[str] | None = None) -> dict[str, Any]:
    """A closed object, of which everything is required unless said."""
    return {
        "type": "object",
        "properties": properties,
        "required": [*properties] if required is None else required,
        "additionalProperties": False,
    }


def rewritten(spec: Any, target: Target = STRICT) -> Rewritten:
    """What a schema is rewritten to."""
    result = rewrite(Schema.of(spec), target)
    assert isinstance(result, Rewritten), result
    return result


def refused(spec: Any, target: Target = STRICT) -> tuple[str, str]:
    """Where a schema cannot be rewritten, and why."""
    result = rewrite(Schema.of(spec), target)
    assert isinstance(result, Unrewritable), result
    return result.path, result.reason


def member(schema: dict[str, Any], target: Target = STRICT) -> Any:
    """Rewrite a schema as the one required property of an object."""
    spec = {"type": "object", "properties": {"p": schema}, "required": ["p"]}
    return rewritten(spec, target).schema["properties"]["p"]
