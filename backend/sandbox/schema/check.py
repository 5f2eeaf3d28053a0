"""Asks jsonschema-rs whether a value satisfies a schema, or a part of one."""

from __future__ import annotations

import copy
from typing import Any

from .walk import subschemas

BASE = "urn:sandbox:schema"
_DIALECTS = {
    "draft-04": "Draft4",
    "draft-06": "Draft6",
    "draft-07": "Draft7",
    "2019-09": "Draft201909",
}


class Checker:
    """A schema and its validators.

    In `root` every local reference is made absolute, so that any part of it, and any new schema
    made of such parts, can be checked alone. Raises ValueError for what is not a schema, and for a
    reference out of the document, which is never fetched.
    """

    def __init__(self, schema: Any) -> None:
        import jsonschema_rs  # wanted by few requests

        self.root = copy.deepcopy(schema)
        for _, part in subschemas(self.root):
            reference = part.get("$ref")
            if reference is not None and not (isinstance(reference, str) and reference[:1] == "#"):
                raise ValueError(f"$ref {reference!r} leads out of the schema")
            if reference is not None:
                # Else a part that is checked alone would resolve it against itself.
                part["$ref"] = BASE + reference
        dialect = str(schema.get("$schema")) if isinstance(schema, dict) else ""
        name = next((name for mark, name in _DIALECTS.items() if mark in dialect), "Draft202012")
        self._validator = getattr(jsonschema_rs, f"{name}Validator")
        self._registry = jsonschema_rs.Registry([(BASE, self.root)])
        # Raises what is wrong with the schema.
        self._validator(self.root, registry=self._registry)

    def accepts(self, schema: Any, value: Any) -> bool:
        """Whether the value satisfies a schema made of parts of the root; formats are asserted."""
        # Compiled anew for each part; the parts are small, and most are seen once.
        validator = self._validator(schema, registry=self._registry, validate_formats=True)
        return bool(validator.is_valid(value))
