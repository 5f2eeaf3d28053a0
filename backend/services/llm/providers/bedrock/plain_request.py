"""Converse's requests, written as the JSON that they are once botocore has written one alike.

botocore checks and writes every member by the API's model, for every call anew. What it has found
to be right is so for each request of the same shape: the same members, of the same types, numbers
of the same value, texts and lists as long as far as a least length goes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote

#: Shapes that are known at once, of a client and an operation.
_MOST = 64

#: From this length on, a text or a list is long enough for any least length of the API.
_LONG = 8

#: A member that stands in the address.
_MODEL = "modelId"


class PlainRequests:
    """Serializes the requests of one operation of a botocore client."""

    def __init__(self, serializer: Any) -> None:
        self._serializer = serializer
        self._known: dict[object, Mapping[str, Any]] = {}

    def serialized(self, client: Any, operation: Any, arguments: Any) -> Mapping[str, Any]:
        """Return what botocore's serializer makes of *arguments*; raises what that raises."""
        shape = self._shape_for(client, arguments)
        known = self._known.get(shape)
        if known is not None:
            return _like(known, operation, arguments)
        theirs: Mapping[str, Any] = client._serializer.serialize_to_request(arguments, operation)
        if shape is not None and _like(theirs, operation, arguments) == theirs:
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[shape] = theirs
        return theirs

    def _shape_for(self, client: Any, arguments: Any) -> object:
        """The shape of *arguments*; None where they are botocore's to write."""
        # A host may have put another serializer there since.
        if client._serializer is not self._serializer or _MODEL not in arguments:
            return None
        try:
            return shape_of(arguments)
        except (RecursionError, TypeError):
            return None


def _like(known: Mapping[str, Any], operation: Any, arguments: Any) -> dict[str, Any]:
    """What *known* is for these *arguments*: the address and the body differ."""
    target = _target_of(operation.http["requestUri"], arguments[_MODEL])
    body = json.dumps({name: value for name, value in arguments.items() if name != _MODEL})
    return {**known, "url_path": target, "body": body.encode()}


@lru_cache(maxsize=64)
def _target_of(address: str, model: str) -> str:
    return address.replace("{" + _MODEL + "}", quote(model, safe="-._~"))


def shape_of(value: object) -> object:
    """What *value* has in common with others that botocore treats alike.

    Raises TypeError for what is no plain JSON.
    """
    kind = type(value)
    if isinstance(value, str) and kind is str:
        return min(len(value), _LONG)
    if isinstance(value, dict) and kind is dict:
        return tuple([(name, shape_of(inner)) for name, inner in value.items()])
    if isinstance(value, list) and kind is list:
        return min(len(value), _LONG), frozenset(map(shape_of, value))
    if value is None or kind in (bool, int, float):
        return kind, value
    raise TypeError(f"a {kind.__name__} is not written as it is")
