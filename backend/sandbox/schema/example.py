"""Makes an instance of a JSON Schema: deterministic, small, and checked against it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from .check import BASE, Checker
from .hints import with_hints
from .parts import Parts
from .values import numbers, strings
from .walk import resolve

# Bounds for a schema that few values satisfy, or that doubles at every level.
_CANDIDATES = 48  # tried per subschema
_BUDGET = 20_000  # subschemas made in all
_GENEROUS = 2_000  # subschemas made before optional members are left out


class UnsatisfiableError(ValueError):
    """No instance of the schema was found."""


def example(schema: Any) -> Any:
    """An instance that satisfies the schema, and what its descriptions ask for where that can be.

    Raises UnsatisfiableError where none is found, or where the schema is not one.
    """
    try:
        return _example(with_hints(schema))
    except (UnsatisfiableError, RecursionError):  # the hints may be wrong, or out of reach
        return _example(schema)


def _example(schema: Any) -> Any:
    try:
        checker = Checker(schema)
        for value in _Maker(checker).values(checker.root, frozenset()):
            return value
    except UnsatisfiableError:
        raise
    except ValueError as error:
        reason = str(error).partition("\n")[0]
        raise UnsatisfiableError(f"not a usable JSON Schema: {reason}") from error
    except RecursionError as error:
        raise UnsatisfiableError("the schema is nested too deeply") from error
    raise UnsatisfiableError("no instance satisfies the schema")


class _Maker:
    """Generates candidates part by part; following no reference inside itself keeps them finite."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker
        self._made = 0

    def values(self, schema: Any, refs: frozenset[str]) -> Iterator[Any]:
        """Valid instances of the subschema, the most telling first."""
        self._made += 1
        if self._made > _BUDGET:
            raise UnsatisfiableError(f"no instance found within {_BUDGET} steps")
        # Values are compared one by one: those that are equal need not be hashable.
        seen: list[Any] = []
        for value in islice(self._candidates(schema, refs), _CANDIDATES):
            if not any(_same(value, earlier) for earlier in seen) and self._checker.accepts(
                schema, value
            ):
                seen.append(value)
                yield value

    def _candidates(self, schema: Any, refs: frozenset[str]) -> Iterator[Any]:
        for conjunction, followed in self._expand(schema, refs):
            parts = Parts(conjunction)
            yield from parts.suggested()
            fixed = parts.fixed()
            if fixed is not None:
                yield from fixed
                continue
            for kind in parts.types():
                yield from self._of_type(kind, parts, followed)

    def _expand(
        self, schema: Any, refs: frozenset[str]
    ) -> Iterator[tuple[list[dict[str, Any]], frozenset[str]]]:
        """Every reading of the schema as a conjunction, without references and choices."""
        if schema is True:
            yield [], refs
        if not isinstance(schema, dict):
            return
        groups: list[list[Any]] = [[part] for part in schema.get("allOf", ())]
        groups += [list(schema[keyword]) for keyword in ("anyOf", "oneOf") if keyword in schema]
        if "if" in schema:
            then = {"allOf": [schema["if"], schema.get("then", True)]}
            groups.append([then, schema.get("else", True)])
        followed = refs
        if "$ref" in schema:
            # The smallest instance of a recursive schema never nests a reference in itself.
            if schema["$ref"] in refs:
                return
            followed = refs | {schema["$ref"]}
            groups.append([resolve(self._checker.root, schema["$ref"].removeprefix(BASE))])
        for conjunction, deeper in self._choose(groups, followed):
            yield [schema, *conjunction], deeper

    def _choose(
        self, groups: list[list[Any]], refs: frozenset[str]
    ) -> Iterator[tuple[list[dict[str, Any]], frozenset[str]]]:
        if not groups:
            yield [], refs
            return
        for choice in groups[0]:
            for parts, seen in self._expand(choice, refs):
                for others, also in self._choose(groups[1:], refs):
                    yield parts + others, seen | also

    def _of_type(self, kind: str, parts: Parts, refs: frozenset[str]) -> Iterator[Any]:
        if kind == "object":
            yield from self._objects(parts, refs)
        elif kind == "array":
            yield from self._arrays(parts, refs)
        elif kind == "string":
            yield from strings(parts)
        elif kind in ("integer", "number"):
            yield from numbers(parts, whole=kind == "integer")
        else:
            yield from {"boolean": (True, False), "null": (None,)}[kind]

    def _objects(self, parts: Parts, refs: frozenset[str]) -> Iterator[dict[str, Any]]:
        required = parts.required()
        optional = [name for name in parts.names() if name not in required]
        # Without its optional members where the whole object fails, or has grown large.
        for wanted in ([*required, *optional], required) if self._made < _GENEROUS else (required,):
            base = self._object(parts, wanted, required, refs)
            if base is None:
                continue
            yield base
            for name in base:  # variety, for arrays of unique items and for oneOf
                for value in islice(self.values(parts.property(name), refs), 1, 4):
                    yield {**base, name: value}

    def _object(
        self, parts: Parts, wanted: list[str], required: list[str], refs: frozenset[str]
    ) -> dict[str, Any] | None:
        made: dict[str, Any] = {}
        ordered = [name for name in parts.names() if name in wanted]
        for name in [*ordered, *(name for name in wanted if name not in ordered)]:
            for value in self.values(parts.property(name), refs):
                made[name] = value
                break
            else:
                if name in required:
                    return None
        for name in self._more_names(parts, refs):
            if len(made) >= parts.largest("minProperties", 0):
                break
            for value in self.values(parts.property(name), refs):
                made.setdefault(name, value)
                break
        most = parts.smallest("maxProperties", len(made))
        kept = (
            [*required, *(name for name in made if name not in required)][:most]
            if most < len(made)
            else made
        )
        return {name: value for name, value in made.items() if name in kept}

    def _more_names(self, parts: Parts, refs: frozenset[str]) -> Iterator[str]:
        yield from parts.pattern_names()
        rules = parts.all("propertyNames")
        if rules:
            yield from self.values({"type": "string", "allOf": rules}, refs)
        yield from (f"key{number}" for number in range(1, _CANDIDATES))

    def _arrays(self, parts: Parts, refs: frozenset[str]) -> Iterator[list[Any]]:
        least, most = parts.largest("minItems", 0), parts.smallest("maxItems", None)
        unique = any(parts.all("uniqueItems"))
        required = parts.contained()
        wanted = max(least, len(required), 1)
        wanted = wanted if most is None else min(wanted, most)
        made: list[Any] = []
        for index in range(wanted):
            schema = (
                {"allOf": [parts.item(index), required[index]]}
                if index < len(required)
                else parts.item(index)
            )
            for value in self.values(schema, refs):
                if not unique or not any(_same(value, earlier) for earlier in made):
                    made.append(value)
                    break
            else:
                break
        yield made
        yield []


def _same(one: Any, other: Any) -> bool:
    """Equality as JSON Schema has it: 1 and 1.0 are one, 1 and true are not."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)
