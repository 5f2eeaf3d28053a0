"""Where the JSON Schema that pydantic shows and the names that it validates by disagree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_FIELDS = {"model-field", "typed-dict-field", "dataclass-field"}


def unfillable_field(core_schema: Any) -> str | None:
    """Name a field that no answer to its JSON Schema can fill, and why; None if there is none.

    *core_schema* is that of a pydantic adapter; the JSON Schema shows fields by their alias.
    """
    pending: list[tuple[Any, Mapping[str, Any]]] = [(core_schema, {})]
    seen: set[int] = set()
    while pending:
        node, config = pending.pop()
        if id(node) in seen or not isinstance(node, (dict, list, tuple)):
            continue
        seen.add(id(node))
        children = node.values() if isinstance(node, dict) else node
        if isinstance(node, dict):
            own = node.get("config")
            config = {**config, **own} if isinstance(own, dict) else config
            for name, field in _fields(node):
                if reason := _disagreement(name, field, config):
                    return reason
        pending += [(child, config) for child in children]
    return None


def _fields(node: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    fields = node.get("fields")
    listed = fields.items() if isinstance(fields, dict) else ()
    # A dataclass lists its fields, each with its own name.
    named = [f for f in fields if isinstance(f, dict)] if isinstance(fields, list) else []
    for name, field in (*listed, *((field.get("name", ""), field) for field in named)):
        if isinstance(field, dict) and field.get("type") in _FIELDS:
            yield name, field


def _disagreement(name: str, field: dict[str, Any], config: Mapping[str, Any]) -> str | None:
    alias = field.get("validation_alias", name)
    if alias in (name, [name]):
        return None
    by_name = config.get("validate_by_name") or config.get("populate_by_name")
    if isinstance(alias, str) or by_name or any(_is_one_name(path) for path in alias):
        return None
    return (
        f"its field {name!r} is read from inside another (AliasPath), which its JSON Schema does"
        f" not show: give it an alias of one name as well, AliasChoices({name!r}, AliasPath(...))"
    )


def _is_one_name(path: Any) -> bool:
    """Tell whether the JSON Schema shows this one of several paths."""
    return isinstance(path, list) and len(path) == 1 and isinstance(path[0], str)
