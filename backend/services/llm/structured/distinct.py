"""Whether a decoder that enforces a schema can tell the alternatives of each `anyOf` apart."""

from __future__ import annotations

from itertools import combinations
from typing import Any

from .merge import CannotExpressError
from .walk import JsonSchema, all_schemas, resolve

_MAX_OBJECTS = 100


def check_distinct(root: JsonSchema) -> None:
    """Raise CannotExpressError where two object alternatives share a property other than a tag.

    A tag is a property whose constants differ. Groq's strict mode refuses such an `anyOf` with
    "disambiguation failed", as public reports of its errors show.
    """
    for location, node in all_schemas(root):
        branches = [resolve(root, branch) for branch in node.get("anyOf", ())]
        objects = [b["properties"] for b in branches if b.get("type") == "object"]
        if len(objects) > _MAX_OBJECTS:
            raise CannotExpressError(f"it has {len(objects)} object alternatives", location)
        for one, other in combinations(objects, 2):
            if not _distinct(one, other):
                raise CannotExpressError("its alternatives cannot be told apart", location)


def _distinct(one: JsonSchema, other: JsonSchema) -> bool:
    shared = one.keys() & other.keys()
    return not shared or any(_differ(one[name], other[name]) for name in shared)


def _differ(one: Any, other: Any) -> bool:
    first, second = one.get("enum"), other.get("enum")
    return bool(first and second) and not any(member in second for member in first)
