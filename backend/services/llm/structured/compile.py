"""The one place that knows the validator: jsonschema-rs, set so that nothing can hang it.

Chosen over the pure-Python jsonschema because its patterns run with a bound on their steps and it
remembers what it saw of a recursive schema. It never fetches a document.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from .violations import excerpt, json_path, shorten
from .walk import JsonSchema, all_schemas, local_target, max_visits

#: Steps that one pattern may take on one string of a short answer.
MOST_STEPS = 100_000

#: Left to each string however long the answer, so that patterns still match the short ones.
_LEAST_STEPS = 1_000
#: Steps times characters of an answer, as each step may look at all that follows; a second's.
_WORK = 500_000_000

#: What a pattern has that is not matched in linear time: assertions and back references.
_STEPWISE = re.compile(r"\(\?[^:]|\\[bBk1-9]")

#: What holds the JSON Schema of a response_format, and what stands beside it.
_WRAPPERS = {"json_schema": {"type"}, "schema": {"name", "strict", "description"}}

#: Visits to one place of an answer; so many take the validator a millisecond.
_MAX_BRANCHING = 10_000
_DRAFTS = (
    "https://json-schema.org/draft/2020-12/schema",
    "https://json-schema.org/draft/2019-09/schema",
    "http://json-schema.org/draft-07/schema",
    "http://json-schema.org/draft-06/schema",
    "http://json-schema.org/draft-04/schema",
)


def compile_validator(schema: JsonSchema, *, formats: bool, steps: int = MOST_STEPS) -> Any:
    """Compile a schema that is known to be valid, with formats asserted or ignored.

    A string on which a pattern takes more than so many *steps* does not match it.
    """
    # Only a structured answer pays for the import.
    import jsonschema_rs

    return jsonschema_rs.validator_for(
        schema,
        validate_formats=formats,
        pattern_options=jsonschema_rs.FancyRegexOptions(backtrack_limit=steps),
        retriever=_never_retrieve,
    )


def compile_checked(document: JsonSchema, *, formats: bool) -> Any:
    """Compile a caller's schema; raises ValueError with the place of its first fault."""
    import jsonschema_rs

    _check_unwrapped(document)
    _check_references(document)
    try:
        validator = compile_validator(document, formats=formats)
    except jsonschema_rs.ValidationError as invalid:
        where = json_path(invalid.instance_path)
        raise ValueError(f"schema at {where}: {_reason(invalid)}") from invalid
    # The validator remembers recursive references only, and holds Python's lock while it runs.
    widest = max_visits(document)
    if widest > _MAX_BRANCHING:
        raise ValueError(
            f"schema: its alternatives multiply to {widest} for one value; at most "
            f"{_MAX_BRANCHING} work"
        )
    return validator


def _check_unwrapped(document: JsonSchema) -> None:
    """Raise ValueError for a response_format: as a schema it would accept anything."""
    for inner, beside in _WRAPPERS.items():
        if isinstance(document.get(inner), dict) and document.keys() <= {inner, *beside}:
            raise ValueError(
                "schema is a response_format, which is no JSON Schema: give the JSON Schema in it;"
                " the client sets the name and strict"
            )


def steps_for(document: JsonSchema, characters: int) -> int:
    """Give the steps that a pattern may take in an answer of so many characters.

    It is one of few numbers, since a validator is compiled for each.
    """
    if characters * MOST_STEPS <= _WORK or not any(map(_STEPWISE.search, _patterns(document))):
        return MOST_STEPS
    return max(_LEAST_STEPS, _WORK >> characters.bit_length())


def _patterns(document: JsonSchema) -> Iterator[str]:
    for _, node in all_schemas(document):
        yield from (text for text in (node.get("pattern"),) if isinstance(text, str))
        yield from node.get("patternProperties", ())


def _reason(invalid: Any) -> str:
    # The validator's own words for it are of the anyOf in the meta-schema.
    if list(invalid.instance_path)[-1:] == ["type"]:
        return (
            f"{excerpt(invalid.instance)} is no type; use array, boolean, integer, null, number, "
            "object, string or a list of them"
        )
    return shorten(invalid.message, 300)


def _never_retrieve(uri: str) -> Any:
    raise ValueError(f"{uri} is another document, and none is ever fetched")


def _check_references(document: JsonSchema) -> None:
    """Raise ValueError, with the place, for an unknown dialect or a reference to nowhere."""
    dialect = document.get("$schema", _DRAFTS[0])
    if not isinstance(dialect, str) or dialect.rstrip("#") not in _DRAFTS:
        raise ValueError(
            f"schema at $['$schema']: {excerpt(dialect)} is no known dialect; use {_DRAFTS[0]}"
        )
    nodes = list(all_schemas(document))
    if any("$id" in node for _, node in nodes):
        # References are relative to the nearest $id then, which the validator resolves.
        return
    for location, node in nodes:
        reference = node.get("$ref", "#")
        where = json_path((*location, "$ref"))
        if not isinstance(reference, str):
            raise ValueError(f"schema at {where}: a reference must be a string")
        if not reference.startswith("#"):
            raise ValueError(
                f"schema at {where}: {excerpt(reference)} is another document, and none is ever "
                "fetched; put it under $defs"
            )
        if reference.startswith("#/") and local_target(document, reference) is None:
            raise ValueError(f"schema at {where}: {excerpt(reference)} names nothing in the schema")
