"""Why an answer does not satisfy its schema: every fault by its path, in the schema's order.

The validator decides; this finds the words. Its own error lists copy the answer into each error and
follow every combination of alternatives, which is quadratic and exponential; here each place is
looked at once, of several alternatives the likeliest is entered, and the search ends at the limit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

from .accepted_types import AcceptedTypes, json_type
from .alternatives import Alternatives
from .compile import MOST_STEPS, compile_validator
from .deadline import StepDeadline
from .violations import Violation, excerpt, json_path, shorten
from .walk import (
    JsonSchema,
    Tokens,
    all_schemas,
    item_schemas,
    local_target,
    member_schemas,
    resolve,
)

#: Characters of one message.
_MESSAGE = 300
#: Below any likeness of a value of the right type.
_UNLIKE = -1_000_000
#: What a constant tag counts beside a property that is merely there.
_TAG = 10
_SENTENCES = {
    "type": "must be {0}",
    "enum": "must be one of {0}",
    "const": "must be {0}",
    "minimum": "must be at least {0}",
    "maximum": "must be at most {0}",
    "exclusiveMinimum": "must be greater than {0}",
    "exclusiveMaximum": "must be less than {0}",
    "multipleOf": "must be a multiple of {0}",
    "pattern": "must match the pattern {0}",
    "format": "must be in the format {0}",
    "minLength": "must have at least {0} characters",
    "maxLength": "must have at most {0} characters",
    "minItems": "must have at least {0} items",
    "maxItems": "must have at most {0} items",
    "uniqueItems": "must not have the same item twice",
    "minProperties": "must have at least {0} properties",
    "maxProperties": "must have at most {0} properties",
}

# The keywords that no sentence about one place can explain.
_SILENT = (
    *("not", "if", "contains", "propertyNames", "dependentRequired", "dependentSchemas"),
    *("dependencies", "unevaluatedProperties", "unevaluatedItems"),
)


def violations(
    document: JsonSchema,
    value: Any,
    limit: int,
    *,
    formats: bool = True,
    steps: int = MOST_STEPS,
    deadline: StepDeadline | None = None,
) -> list[Violation]:
    """List at most `limit` faults of a value that its schema refuses; never an empty list.

    Raises OutOfTimeError when the time of the *deadline* is up.
    """
    search = _Search(document, limit, formats, steps, deadline or StepDeadline())
    search.at([document], value, ())
    if search.found:
        return search.found
    silent = sorted({key for _, node in all_schemas(document) for key in _SILENT if key in node})
    hint = f"; look at {', '.join(silent)}" if silent else ""
    return [Violation("$", f"does not satisfy the schema as a whole{hint}")]


class _Search:
    def __init__(
        self, document: JsonSchema, limit: int, formats: bool, steps: int, deadline: StepDeadline
    ) -> None:
        self.document = document
        self.deadline = deadline
        self.limit = limit
        self.formats = formats
        self.steps = steps
        self.found: list[Violation] = []
        self.types = AcceptedTypes(document)
        self.alternatives = Alternatives(document, self.types)
        self.validators: dict[int, list[tuple[str, Any]]] = {}
        self.patterns: dict[str, Any] = {}
        self.verdicts: dict[tuple[int, int], bool] = {}

    def report(self, location: Tokens, message: str) -> None:
        fault = Violation(json_path(location), shorten(message, _MESSAGE))
        if len(self.found) < self.limit and fault not in self.found:
            self.found.append(fault)

    def at(self, schemas: Iterable[Any], value: Any, location: Tokens) -> None:
        """Search one place of the answer, by all the schemas that apply there."""
        applied: list[JsonSchema] = []
        seen: set[int] = set()
        pending = deque(schemas)
        while pending and len(self.found) < self.limit:
            self.deadline.step()
            node = pending.popleft()
            if node is False:
                self.report(location, "is not allowed here")
            if not isinstance(node, dict) or id(node) in seen:
                continue
            seen.add(id(node))
            if self.leaves(node, value, location):
                applied.append(node)
                pending += self.in_place(node, value, location)
        if isinstance(value, dict):
            self.members(applied, value, location)
        elif isinstance(value, list):
            for index, item in enumerate(value):
                if len(self.found) >= self.limit:
                    return
                self.at(item_schemas(applied, index), item, (*location, index))

    def in_place(self, node: JsonSchema, value: Any, location: Tokens) -> list[Any]:
        """List the subschemas that apply to the same value; of alternatives, the likeliest."""
        chosen = [local_target(self.document, node["$ref"])] if "$ref" in node else []
        chosen += node.get("allOf", ())
        for keyword in ("anyOf", "oneOf"):
            if keyword in node:
                chosen += self.likeliest(keyword, node[keyword], value, location)
        return chosen

    def leaves(self, node: JsonSchema, value: Any, location: Tokens) -> bool:
        """Report the keywords that concern the value itself; tells whether its type is right."""
        if id(node) not in self.validators:
            self.validators[id(node)] = [
                (keyword, self.compile_validator(keyword, node[keyword]))
                for keyword in _SENTENCES
                if keyword in node
            ]
        for keyword, validator in self.validators[id(node)]:
            if not validator.is_valid(value):
                self.report(location, f"{_demand(keyword, node[keyword])}, not {excerpt(value)}")
                # Of a value that is the wrong thing altogether, further faults say nothing.
                if keyword in ("type", "enum", "const"):
                    return False
        return True

    def compile_validator(self, keyword: str, argument: Any) -> Any:
        # A keyword means what its dialect says: draft 4's exclusiveMinimum is a flag.
        dialect = self.document.get("$schema")
        schema = {keyword: argument} if dialect is None else {"$schema": dialect, keyword: argument}
        return compile_validator(schema, formats=self.formats, steps=self.steps)

    def likeliest(
        self, keyword: str, branches: list[Any], value: Any, location: Tokens
    ) -> list[Any]:
        """Choose the alternative to explain where none fits; reports what concerns them all."""
        possible = self.alternatives.possible(branches, value)
        fitting = sum(self.accepted(branch, value) for branch in possible)
        if fitting > 1 and keyword == "oneOf":
            self.report(location, f"must fit only one of the {len(branches)} alternatives")
        if fitting:
            return []
        if self.fits(branches, value):
            self.deadline.step(len(branches))
            return [max(possible or branches, key=lambda branch: self.likeness(branch, value))]
        types = sorted(frozenset().union(*(self.types.of(branch) for branch in branches)))
        self.report(location, f"must be {' or '.join(types)}, not {excerpt(value)}")
        return []

    def fits(self, branches: list[Any], value: Any) -> bool:
        return any(json_type(value) in self.types.of(branch) for branch in branches)

    def accepted(self, branch: Any, value: Any) -> bool:
        """Tell whether an alternative has no fault for a value, as far as this search can see."""
        key = (id(branch), id(value))
        if key not in self.verdicts:
            self.verdicts[key] = True  # what a loop of alternatives sees of itself
            # One fault decides, so that a refused alternative costs no more than its first.
            kept = self.found, self.limit
            self.found, self.limit = [], 1
            self.at([branch], value, ())
            self.verdicts[key] = not self.found
            self.found, self.limit = kept
        return self.verdicts[key]

    def likeness(self, branch: Any, value: Any) -> int:
        """Weigh how much a value looks like an alternative: type, properties, constant tags."""
        if json_type(value) not in self.types.of(branch):
            return _UNLIKE
        branch = resolve(self.document, branch)
        is_object = isinstance(branch, dict) and isinstance(value, dict)
        declared = branch.get("properties", {}) if is_object else {}
        shared = [name for name in declared if name in value]
        tags = [
            name
            for name in shared
            if isinstance(declared[name], dict) and "const" in declared[name]
        ]
        right = len([name for name in tags if value[name] == declared[name]["const"]])
        return len(shared) + _TAG * right - _TAG * (len(tags) - right)

    def members(self, applied: list[JsonSchema], value: dict[str, Any], location: Tokens) -> None:
        for node in applied:
            for name in node.get("required", ()):
                if name not in value:
                    self.report((*location, name), "is required, but missing")
        schemas = member_schemas(applied, value)
        patterned = [node for node in applied if "patternProperties" in node]
        closed = [
            node
            for node in applied
            if node.get("additionalProperties") is False and "patternProperties" not in node
        ]
        for name, member in value.items():
            if len(self.found) >= self.limit:
                return
            place = (*location, name)
            # "Not allowed here" would not tell the model which names are.
            for node in closed:
                if name not in node.get("properties", ()):
                    self.report(place, _unlisted(node))
            by_pattern = [child for node in patterned for child in self.by_pattern(node, name)]
            self.at([*schemas[name], *by_pattern], member, place)

    def by_pattern(self, node: JsonSchema, name: str) -> list[Any]:
        """List what the patterns of an object schema say of one property, or else its remainder."""
        matching = []
        for pattern, child in node["patternProperties"].items():
            if pattern not in self.patterns:
                self.patterns[pattern] = self.compile_validator("pattern", pattern)
            if self.patterns[pattern].is_valid(name):
                matching.append(child)
        if matching or name in node.get("properties", ()):
            return matching
        return [node.get("additionalProperties", True)]


def _unlisted(node: JsonSchema) -> str:
    known = shorten(", ".join(node.get("properties", ())) or "none", 120)
    return f"is no property of the schema; its properties: {known}"


def _demand(keyword: str, argument: Any) -> str:
    """Say what a keyword asks for, in at most about 250 characters."""
    if keyword == "enum":
        shown = ", ".join(excerpt(member, 40) for member in argument[:20])
        return f"must be one of {shorten(shown, 220)}{'…' if len(argument) > 20 else ''}"
    if keyword == "type":
        return "must be " + (argument if isinstance(argument, str) else " or ".join(argument))
    if keyword in ("pattern", "format"):
        # Without the quotes and doubled backslashes of JSON, which a model would repeat.
        return _SENTENCES[keyword].format(shorten(argument, 200))
    return _SENTENCES[keyword].format(excerpt(argument, 200))
