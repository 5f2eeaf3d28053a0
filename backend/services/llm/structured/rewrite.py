"""Rewrites a schema for each target, and maps the answer back.

Sources of the subsets. Groq's page on structured outputs (October 2026): strict mode wants every
property required and every object closed, and takes anyOf, references and recursion. AWS's page on
structured outputs (mid-2026): closed objects, no recursion, no bounds, `minItems` of 0 or 1; the
formats and the kind of patterns are those of Anthropic's page on structured outputs.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from enum import Enum
from functools import lru_cache
from typing import Any

from ..frozen import dataclass
from .accepted_types import AcceptedTypes
from .distinct import check_distinct
from .merge import CannotExpressError
from .required import require_all_properties
from .restore import WRAPPER, Restore, unwrap_root
from .schema import Schema
from .strict import Rewriting, Subset
from .walk import JsonSchema, all_schemas


class Target(Enum):
    """The ways to ask a model for an answer of a schema."""

    GROQ_STRICT = "Groq response_format json_schema, strict"
    GROQ_JSON_SCHEMA = "Groq response_format json_schema, best effort"
    BEDROCK_TEXT_FORMAT = "Bedrock Converse outputConfig.textFormat"
    TOOL = "the input schema of one forced tool"
    PROMPT = "words in the prompt"


@dataclass(frozen=True)
class Rewritten:
    """The schema to send, never to be written to, and the way back from an answer in its form."""

    schema: JsonSchema
    restore: Callable[[Any], Any]
    #: The answer is asked for as the one property of an object.
    is_wrapped: bool = False


@dataclass(frozen=True)
class Unrewritable:
    """Why a way of asking cannot express a schema, and where in it."""

    reason: str
    path: str


_SUBSETS = {
    Target.GROQ_STRICT: Subset(
        recursion=True,
        optional_properties=False,
        least_items=0,
        formats=frozenset(),
        patterns=False,
        distinct_alternatives=True,
    ),
    Target.BEDROCK_TEXT_FORMAT: Subset(
        recursion=False,
        optional_properties=True,
        least_items=1,
        formats=frozenset(
            (
                *("date-time", "time", "date", "duration", "email"),
                *("hostname", "uri", "ipv4", "ipv6", "uuid"),
            )
        ),
        patterns=True,
        distinct_alternatives=False,
    ),
}
# Where references look for definitions, so that these stay at the root when all else is wrapped.
_HOISTED = ("$schema", "$defs", "definitions")
# Claude refuses anyOf, oneOf and allOf at the root of a tool's input (its 400 says so), and every
# provider wants an object there.
_ROOT_COMBINATIONS = frozenset(("$ref", "anyOf", "oneOf", "allOf", "enum", "const"))


@lru_cache(maxsize=1024)
def rewrite(schema: Schema, target: Target) -> Rewritten | Unrewritable:
    """Express a schema in what a way of asking accepts; each pair is worked out once.

    Every value of the schema has a form in the result, but for properties that the schema does not
    list.
    """
    try:
        if target in _SUBSETS:
            return _strict(schema.document, _SUBSETS[target])
        return _loose(schema.document, is_prompt=target is Target.PROMPT)
    except CannotExpressError as cannot:
        return Unrewritable(cannot.reason, cannot.path)
    except RecursionError:
        # The caller's own stack is nearly used up.
        return Unrewritable("it is nested too deeply", "$")


def _strict(document: JsonSchema, subset: Subset) -> Rewritten:
    rewriting = Rewriting(document, subset)
    body = rewriting.node(document, ())
    if "$ref" in body:
        name = body["$ref"].rpartition("/")[2]
        body = rewriting.definitions[name]
    wrapped = body.get("type") != "object"
    root = _wrapper(body) if wrapped else dict(body)
    droppable = rewriting.droppable
    droppable[id(root)] = droppable.get(id(body), frozenset())
    if rewriting.definitions:
        root["$defs"] = rewriting.definitions
    if subset.distinct_alternatives:
        check_distinct(root)
    return Rewritten(root, Restore(root, droppable, wrapped=wrapped), wrapped)


def _loose(document: JsonSchema, *, is_prompt: bool) -> Rewritten:
    """Keep a schema as it is, asked for in full, but give it an object for its root."""
    if not is_prompt and any("$id" in node for location, node in all_schemas(document) if location):
        raise CannotExpressError("a part of it is a document of its own ($id)", ())
    document = require_all_properties(document)
    is_object = AcceptedTypes(document).of(document) == {"object"}
    if is_object and is_prompt:
        return Rewritten(document, _identity)
    kept = {key: value for key, value in document.items() if key != "$id"}
    if is_object and not _ROOT_COMBINATIONS.intersection(kept):
        return Rewritten({"type": "object", **kept}, _identity)
    moved = _moved(kept)
    hoisted = {keyword: moved.pop(keyword) for keyword in _HOISTED if keyword in moved}
    return Rewritten({**_wrapper(moved), **hoisted}, unwrap_root, True)


def _wrapper(body: JsonSchema) -> JsonSchema:
    return {
        "type": "object",
        "properties": {WRAPPER: body},
        "required": [WRAPPER],
        "additionalProperties": False,
    }


def _moved(document: JsonSchema) -> JsonSchema:
    """Copy a document that goes under the wrapper; references to its root follow it there."""
    copy: JsonSchema = json.loads(json.dumps(document))
    for _, node in all_schemas(copy):
        reference = node.get("$ref")
        if not isinstance(reference, str) or not reference.startswith("#"):
            continue
        hoisted = any(reference.startswith(f"#/{keyword}/") for keyword in _HOISTED)
        if not hoisted and (reference == "#" or reference.startswith("#/")):
            node["$ref"] = f"#/properties/{WRAPPER}{reference[1:]}"
    return copy


def _identity(value: Any) -> Any:
    return value
