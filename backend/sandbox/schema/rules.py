"""The subset of JSON Schema that each provider's own enforcement accepts.

Groq, `strict: true`. Documented: every object sets `additionalProperties: false` and requires all
its properties; anyOf, `$ref`, `$defs` and recursion are allowed. Seen in public reports of its
400s: the messages' form, `minItems` refused, and anyOf variants refused that cannot be told apart.
Assumed: the other keywords of OpenAI's original strict subset, which Groq follows, are refused too.

Bedrock, `outputConfig.textFormat` and strict tools. Documented: `additionalProperties: false`, no
recursion, no external `$ref`, no bounds on numbers, lengths or items (`minItems` 0 and 1 excepted).
The messages are those of public reports.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from .walk import Path, pointer, recursion, resolve, subschemas, types_of

_ANNOTATIONS = frozenset(
    {"title", "description", "examples", "$schema", "$id", "$comment", "$defs", "definitions"}
)
# `default` is not among them: OpenAI refuses it too.
_GROQ_KEYWORDS = (
    _ANNOTATIONS
    | {"type", "properties", "required", "additionalProperties", "items"}
    | {"enum", "const", "anyOf", "$ref"}
)
_BEDROCK_UNSUPPORTED = {
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    "string": ("minLength", "maxLength"),
    "array": (
        "maxItems",
        "uniqueItems",
        "contains",
        "minContains",
        "maxContains",
        "prefixItems",
        "unevaluatedItems",
    ),
    "object": (
        "minProperties",
        "maxProperties",
        "patternProperties",
        "propertyNames",
        "unevaluatedProperties",
        "dependentRequired",
        "dependentSchemas",
    ),
}
_BEDROCK_NEVER = ("oneOf", "not", "if", "then", "else")
_BEDROCK_FORMATS = frozenset(
    ["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"]
)
# What the service's grammars cannot express, by how it is written.
_REGEX_UNSUPPORTED = (
    "(?=",
    "(?!",
    "(?<=",
    "(?<!",
    "\\b",
    "\\B",
    *(f"\\{digit}" for digit in range(1, 10)),
)


@dataclass(frozen=True)
class SchemaFault:
    """Why a provider refuses a schema: where, of what kind, and in which words."""

    path: Path
    kind: str
    code: str
    message: str

    def groq_members(self) -> dict[str, Any]:
        """What Groq's error object says of the fault beside its message."""
        return {
            "schema_path": pointer(self.path),
            "schema_path_segments": ["$", *self.path],
            "schema_kind": self.kind,
            "schema_code": self.code,
        }


def groq_strict_fault(schema: Any) -> SchemaFault | None:
    """The first reason for which Groq refuses the schema with `strict: true`, or None."""
    if not isinstance(schema, dict) or types_of(schema) != ["object"]:
        message = "the root of the schema must be of type object"
        return SchemaFault((), "root", "root_not_object", message)
    return _malformation(schema) or next(_faults(schema, _groq_node_faults), None)


def bedrock_fault(schema: Any, *, of_tool: bool = False) -> SchemaFault | None:
    """The first reason for which Bedrock refuses the schema, or None.

    A strict tool's may bound the length of strings: documented as refused, recorded as accepted.
    """
    if not isinstance(schema, dict):
        return SchemaFault((), "root", "root_not_object", "Input should be a JSON object")
    malformation = _malformation(schema)
    if malformation is not None:
        return malformation
    faults = _faults(schema, _bedrock_node_faults)
    fault = next((f for f in faults if not (of_tool and f.code == "length")), None)
    loop = recursion(schema) if fault is None else None
    if loop is None:
        return fault
    message = f"Recursive schemas are not supported: #{pointer(loop)}"
    return SchemaFault(loop, "$ref", "recursion", message)


def _malformation(schema: Any) -> SchemaFault | None:
    """A fault where the schema is not one at all; after it, every keyword has its proper type."""
    import jsonschema_rs  # wanted by few requests

    try:
        jsonschema_rs.meta.validate(schema)
    except ValueError as error:
        reason = str(error).partition("\n")[0]
        return SchemaFault((), "schema", "not_a_schema", f"not a valid JSON Schema: {reason}")
    return None


_NodeRule = Callable[[Path, dict[str, Any], Any], Iterator[SchemaFault]]


def _faults(root: Any, rule: _NodeRule) -> Iterator[SchemaFault]:
    for path, node in subschemas(root):
        if "$ref" in node:
            try:
                resolve(root, node["$ref"])
            except LookupError:
                message = f"$ref '{node['$ref']}' does not resolve within the schema"
                yield SchemaFault(path, "$ref", "unresolved_reference", message)
        yield from rule(path, node, root)


def _groq_node_faults(path: Path, node: dict[str, Any], root: Any) -> Iterator[SchemaFault]:
    where = pointer(path)
    for keyword in node:
        if keyword not in _GROQ_KEYWORDS:
            yield SchemaFault(
                path, keyword, "unsupported_keyword", f"{where or '/'}: {keyword} is not supported"
            )
    # `{}` means anything, which no grammar can be made of.
    if not {"type", "anyOf", "$ref", "enum", "const"} & node.keys():
        yield SchemaFault(
            path, "schema", "missing_type", f"{where or '/'}: schema must have a 'type' key"
        )
    if "array" in types_of(node) and not isinstance(node.get("items"), dict):
        yield SchemaFault(
            path, "array", "missing_items", f"{where}: array schema must have 'items'"
        )
    if "object" in types_of(node) or "properties" in node:
        yield from _groq_object_faults(path, node)
    if isinstance(node.get("anyOf"), list):
        yield from _ambiguity((*path, "anyOf"), node["anyOf"], root)


def _groq_object_faults(path: Path, node: dict[str, Any]) -> Iterator[SchemaFault]:
    if node.get("additionalProperties") is not False:
        message = "additionalProperties:false must be set on every object"
        yield SchemaFault(
            path,
            "object",
            "additional_properties",
            f"{pointer(path)}: {message}" if path else message,
        )
    properties = node.get("properties", {})
    required = node.get("required")
    at = (*path, "required")
    if required is None and properties:
        message = (
            "`required` is required to be supplied and to be an array including every key in "
            "properties"
        )
        yield SchemaFault(at, "object", "required_missing", f"{pointer(at)}: {message}")
        return
    missing = [name for name in properties if name not in (required or ())]
    if missing:
        message = f"The following properties must be listed in `required`: {', '.join(missing)}"
        yield SchemaFault(at, "object", "required_incomplete", f"{pointer(at)}: {message}")


def _ambiguity(path: Path, variants: list[Any], root: Any) -> Iterator[SchemaFault]:
    """Object variants of an anyOf have to differ by a constant property, or share no property."""
    objects = [(index, _object_variant(variant, root)) for index, variant in enumerate(variants)]
    for (i, one), (j, other) in combinations(
        [(i, variant) for i, variant in objects if variant], 2
    ):
        shared = [
            name
            for name in one.get("properties", {})
            if name in other.get("properties", {})
            and name in {*one.get("required", ()), *other.get("required", ())}
        ]
        if shared and not any(
            _disjoint(one["properties"][name], other["properties"][name]) for name in shared
        ):
            message = (
                f"{pointer(path)}: anyOf disambiguation failed: anyOf: key-set-exclusion: "
                f"required key '{shared[0]}' from one variant appears in another's properties "
                f"(variant {i} vs {j}) [keyset_required_overlap]"
            )
            yield SchemaFault(path, "anyOf", "keyset_required_overlap", message)


def _object_variant(variant: Any, root: Any) -> dict[str, Any] | None:
    seen: set[str] = set()
    # A variant may be a reference to a reference, or to itself.
    while isinstance(variant, dict) and "$ref" in variant and variant["$ref"] not in seen:
        seen.add(variant["$ref"])
        try:
            variant = resolve(root, variant["$ref"])
        except LookupError:  # reported where the reference stands
            return None
    return variant if isinstance(variant, dict) and "object" in types_of(variant) else None


def _disjoint(one: Any, other: Any) -> bool:
    # Telling variants apart by a constant is assumed to work, as it does in other union parsers.
    values = [_constants(one), _constants(other)]
    return all(values) and not any(value in values[1] for value in values[0])


def _constants(schema: Any) -> list[Any]:
    if not isinstance(schema, dict):
        return []
    return [schema["const"]] if "const" in schema else list(schema.get("enum", ()))


def _bedrock_node_faults(path: Path, node: dict[str, Any], root: Any) -> Iterator[SchemaFault]:
    for keyword in _BEDROCK_NEVER:
        if keyword in node:
            yield SchemaFault(
                path, keyword, "unsupported_keyword", f"Schema type '{keyword}' is not supported"
            )
    if any("$ref" in part for part in node.get("allOf", ()) if isinstance(part, dict)):
        yield SchemaFault(
            path, "allOf", "unsupported_keyword", "'allOf' with '$ref' is not supported"
        )
    types = types_of(node)
    if ("object" in types or "properties" in node) and node.get(
        "additionalProperties"
    ) is not False:
        message = "For 'object' type, 'additionalProperties' must be explicitly set to false"
        yield SchemaFault(path, "object", "additional_properties", message)
    for kind, keywords in _BEDROCK_UNSUPPORTED.items():
        used = sorted(keyword for keyword in keywords if keyword in node)
        if used:
            # The live messages name the type as the schema does.
            named = "integer" if kind == "number" and "integer" in types else kind
            code = "length" if kind == "string" else "unsupported_keyword"
            yield SchemaFault(path, kind, code, _unsupported(named, used))
    if node.get("minItems", 0) not in (0, 1):
        message = "For 'array' type, 'minItems' values other than 0 or 1 are not supported"
        yield SchemaFault(path, "array", "unsupported_value", message)
    yield from _bedrock_value_faults(path, node)


def _bedrock_value_faults(path: Path, node: dict[str, Any]) -> Iterator[SchemaFault]:
    text_format, pattern = node.get("format"), node.get("pattern")
    if text_format is not None and text_format not in _BEDROCK_FORMATS:
        yield SchemaFault(
            path, "string", "unsupported_value", f"String format '{text_format}' is not supported"
        )
    if isinstance(pattern, str) and any(feature in pattern for feature in _REGEX_UNSUPPORTED):
        message = (
            f"Regex pattern '{pattern}' uses lookarounds, backreferences or word boundaries, "
            "which are not supported"
        )
        yield SchemaFault(path, "string", "unsupported_value", message)
    if any(isinstance(value, (dict, list)) for value in node.get("enum", ())):
        yield SchemaFault(
            path,
            "enum",
            "unsupported_value",
            "Enum values must be strings, numbers, booleans or null",
        )


def _unsupported(kind: str, keywords: list[str]) -> str:
    if len(keywords) == 1:
        return f"For '{kind}' type, property '{keywords[0]}' is not supported"
    return f"For '{kind}' type, properties {', '.join(keywords)} are not supported"
