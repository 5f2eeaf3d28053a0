"""From a Python annotation to pydantic's adapter and the JSON Schema it stands for."""

from __future__ import annotations

import functools
import inspect
import operator
import types
import typing
from typing import TYPE_CHECKING, Any

from ..redaction.printable import shown
from .aliases import unfillable_field
from .violations import shorten

if TYPE_CHECKING:
    from pydantic import TypeAdapter


# pydantic would take a function for a call to validate, and a string for the name of a type.
_NEVER_TYPES = (str, bytes, int, float, list, tuple, set, types.FunctionType, types.MethodType)


def adapter_of(spec: Any) -> tuple[TypeAdapter[Any], dict[str, Any]]:
    """Build the adapter of an annotation and the JSON Schema of its input.

    Raises ValueError for what is no type, and for a type that has no JSON Schema, or another
    one than it is validated by.
    """
    from pydantic import TypeAdapter

    if spec is None or isinstance(spec, _NEVER_TYPES):
        raise ValueError(
            f"schema must be a JSON Schema dict or a type, not {shorten(shown(spec), 80)}"
        )
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(modernised(spec, {}))
        # By alias, unless the type's own configuration says that it is read by name.
        generated = adapter.json_schema()
    # A type may bring code of its own, and what is no type at all fails anywhere.
    except Exception as unusable:
        reason = shorten(str(unusable), 300)
        raise ValueError(
            f"schema: {shorten(shown(spec), 80)} has no JSON Schema: {reason}"
        ) from unusable
    if misfit := unfillable_field(adapter.core_schema):
        raise ValueError(f"schema: no answer to {shorten(shown(spec), 80)} would fit: {misfit}")
    return adapter, generated


def lossless_instance(adapter: TypeAdapter[Any], text: str) -> tuple[Any] | None:
    """Give the instance of JSON *text* that leaves out no member of it, or None without one.

    Of a union pydantic takes a model that ignores what it does not know before a dict that would
    keep it. Before its 2.12 it cannot be asked to do otherwise.
    """
    from pydantic import ValidationError

    if "extra" not in inspect.signature(adapter.validate_json).parameters:
        return None
    try:
        return (adapter.validate_json(text, extra="forbid"),)
    except ValidationError:
        return None  # no alternative holds all of it


def modernised(annotation: Any, seen: dict[Any, Any]) -> Any:
    """Rebuild every `typing.TypedDict` in an annotation as one of typing_extensions.

    Before Python 3.12 pydantic takes no other, as the older class forgets which of its keys are
    required (https://docs.pydantic.dev/latest/errors/usage_errors/#typed-dict-version).
    """
    if isinstance(annotation, type) and type(annotation).__module__ == "typing":
        return _rebuilt(annotation, seen) if typing.is_typeddict(annotation) else annotation
    arguments = typing.get_args(annotation)
    if not arguments or typing.get_origin(annotation) is typing.Literal:
        return annotation
    replaced = tuple(modernised(argument, seen) for argument in arguments)
    if all(new is old for new, old in zip(replaced, arguments, strict=True)):
        return annotation
    if isinstance(annotation, types.UnionType):
        return functools.reduce(operator.or_, replaced)
    if isinstance(annotation, types.GenericAlias):
        return types.GenericAlias(typing.cast("type", annotation.__origin__), replaced)
    return annotation.copy_with(replaced[:1] if hasattr(annotation, "__metadata__") else replaced)


def _rebuilt(old: Any, seen: dict[Any, Any]) -> Any:
    import typing_extensions

    if old in seen:
        return seen[old]
    # A class inside itself stays the old one, about which pydantic then says what to do.
    seen[old] = old
    fields: dict[str, Any] = {}
    for name, annotation in typing.get_type_hints(old, include_extras=True).items():
        hint = modernised(annotation, seen)
        marked = typing_extensions.get_origin(hint) in (
            typing_extensions.Required,
            typing_extensions.NotRequired,
        )
        # The class itself does not see the marks where annotations are strings.
        optional = name in old.__optional_keys__ and not marked
        fields[name] = typing_extensions.NotRequired[hint] if optional else hint
    make: Any = typing_extensions.TypedDict
    new = make(old.__name__, fields)
    new.__doc__ = old.__doc__
    seen[old] = new
    return new
