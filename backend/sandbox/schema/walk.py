"""Walks the subschemas of a JSON Schema, without recursion, however deep they are nested."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

Path = tuple[str, ...]
MAPS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
SINGLES = (
    "items",
    "additionalProperties",
    "not",
    "if",
    "then",
    "else",
    "contains",
    "propertyNames",
    "unevaluatedProperties",
    "unevaluatedItems",
)


def subschemas(root: Any) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Each subschema that is an object, root first and in document order, with the path to it."""
    # A stack of our own: a hostile schema may be nested deeper than Python's.
    stack: list[tuple[Path, Any]] = [((), root)]
    while stack:
        path, schema = stack.pop()
        if isinstance(schema, dict):
            yield path, schema
            stack.extend(reversed(list(_children(path, schema))))


def _children(path: Path, schema: dict[str, Any]) -> Iterator[tuple[Path, Any]]:
    for keyword, value in schema.items():
        if keyword in MAPS and isinstance(value, dict):
            for name, child in value.items():
                yield (*path, keyword, name), child
        elif keyword in LISTS or (keyword == "items" and isinstance(value, list)):
            for index, child in enumerate(value if isinstance(value, list) else ()):
                yield (*path, keyword, str(index)), child
        elif keyword in SINGLES:
            yield (*path, keyword), value


def resolve(root: Any, reference: Any) -> Any:
    """The subschema that a local `$ref` names (`#` or `#/a/b`); LookupError for any other."""
    if not isinstance(reference, str) or not (reference == "#" or reference.startswith("#/")):
        raise LookupError(reference)
    target = root
    for name in _tokens(reference):
        try:
            target = target[int(name)] if isinstance(target, list) else target[name]
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise LookupError(reference) from error
    return target


def types_of(schema: dict[str, Any]) -> list[str]:
    """The types that a schema names."""
    kind = schema.get("type")
    named = kind if isinstance(kind, list) else [kind]
    return [name for name in named if isinstance(name, str)]


def pointer(path: Path) -> str:
    """The path as a JSON pointer; empty for the root."""
    return "".join("/" + token.replace("~", "~0").replace("/", "~1") for token in path)


def recursion(root: Any) -> Path | None:
    """The path of a subschema that contains itself through references (all resolve), or None."""
    # A depth-first search for a back edge, over nesting and references alike.
    leads_to: dict[Path, list[Path]] = {}
    for path, schema in subschemas(root):
        leads_to[path] = [_tokens(schema["$ref"])] if "$ref" in schema else []
        if path:
            parent = next(
                path[:cut] for cut in range(len(path) - 1, -1, -1) if path[:cut] in leads_to
            )
            leads_to[parent].append(path)
    done: set[Path] = set()
    active: set[Path] = {()}
    trail: list[tuple[Path, Iterator[Path]]] = [((), iter(leads_to.get((), ())))]
    while trail:
        here, following = trail[-1]
        path = next(following, here)
        if path is here:
            trail.pop()
            active.discard(here)
            done.add(here)
        elif path in active:
            return path
        elif path not in done and path in leads_to:
            active.add(path)
            trail.append((path, iter(leads_to[path])))
    return None


def _tokens(reference: str) -> Path:
    return tuple(
        unquote(token).replace("~1", "/").replace("~0", "~") for token in reference.split("/")[1:]
    )
