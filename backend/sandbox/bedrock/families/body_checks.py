"""Checks the body of an InvokeModel request against the members that its form has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...http_types import RefusedError
from ...request_shapes import Shape, shape_error
from ..catalogue import BedrockModel
from ..errors import invalid


@dataclass(frozen=True)
class Fields:
    """The members of a form; the service refuses any other, where `closed`."""

    required: frozenset[str]
    optional: frozenset[str]
    shape: Shape
    closed: bool = True


def check_body(body: Any, fields: Fields) -> None:
    """Raise RefusedError for a body that is not of this form."""
    if not isinstance(body, dict):
        raise malformed("#: expected type: JSONObject")
    keys = body.keys()
    # Quoted in public issues: all such faults at once, in this order, without a separator.
    faults = [f"#: required key [{key}] not found" for key in sorted(fields.required - keys)]
    extra = sorted(keys - fields.required - fields.optional) if fields.closed else []
    faults += [f"#: extraneous key [{key}] is not permitted" for key in extra]
    wrong = shape_error(body, fields.shape)
    if wrong is not None and not faults:
        faults.append(f"#/{'/'.join(wrong[0])}: {wrong[1]}")
    if faults:
        raise malformed("".join(faults))


def checked_max_tokens(value: int | None, name: str, model: BedrockModel) -> int | None:
    """The token limit of a request; raises RefusedError for one out of bounds."""
    if value is None:
        return None
    if value < 1:
        raise malformed(f"#/{name}: {value} is not greater or equal to 1")
    if value > model.max_output:
        raise malformed(f"#/{name}: {value} is not less or equal to {model.max_output}")
    return value


def malformed(faults: str) -> RefusedError:
    """The ValidationException of a malformed body, to be raised."""
    return invalid(f"Malformed input request: {faults}, please reformat your input and try again.")
