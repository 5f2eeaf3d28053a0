"""Answers that a model gives in place of the JSON that it was asked for."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel, Field


class Classification(BaseModel):
    """What every client is asked for."""

    hs_code: str = Field(pattern=r"^\d{4}\.\d{2}$")
    quantity: int = Field(ge=0)
    dangerous: bool
    materials: list[str]
    weight: float | None = None


WANTED: dict[str, Any] = {
    "hs_code": "9401.61",
    "quantity": 36,
    "dangerous": False,
    "materials": ["oak", "wool", "steel"],
}
GOOD = json.dumps(WANTED)
_WRONG_CODE = json.dumps({**WANTED, "hs_code": "chairs"})
_OTHER_CODE = json.dumps({**WANTED, "hs_code": "9403.60"})
#: A parser that closes what is open makes a valid object of it, one material short.
_HALF = GOOD[: GOOD.index(', "steel"')]


@dataclass(frozen=True)
class Case:
    """A first answer; whoever asks again gets `then`."""

    name: str
    first: str
    then: str = GOOD
    #: Groq's error code, where the answer comes as its `failed_generation`.
    refused: str | None = None
    #: The provider says that the token limit cut the answer off.
    cut: bool = False

    #: No answer holds what is wanted: an error is the right end.
    hopeless: bool = False


def _with(name: str, **members: Any) -> Case:
    return Case(name, json.dumps({**WANTED, **members}))


#: Each of these holds all that is wanted.
SALVAGEABLE = (
    Case("valid", GOOD),
    Case("fence", f"```json\n{GOOD}\n```"),
    Case("prose around", f"Here is the classification:\n\n{GOOD}\n\nLet me know if {{x}} helps."),
    Case("several objects", f"{_OTHER_CODE}\n\nNo, it is upholstered. Corrected:\n\n{GOOD}"),
    Case("trailing comma", GOOD.replace("]}", ",],}")),
    Case("single quotes", GOOD.replace('"', "'")),
    Case("Python's words", str(WANTED)),
    Case("comments", GOOD.replace('"quantity"', '// pieces\n"quantity"')),
    Case("NaN", GOOD.replace("}", ', "weight": NaN}')),
    Case("reasoning", f"<think>\nA draft: {_OTHER_CODE}. But no.\n</think>\n{GOOD}"),
    Case("a string of JSON", json.dumps(GOOD)),
    Case("tool call", json.dumps({"name": "Classification", "arguments": WANTED})),
    Case("list of one", f"[{GOOD}]"),
    Case("json_validate_failed", f"```json\n{GOOD}\n```", refused="json_validate_failed"),
    Case("tool_use_failed", f"<function=x>{GOOD}</function>", refused="tool_use_failed"),
    _with("digits for an integer", quantity="36"),
    _with("a word for a boolean", dangerous="false"),
)
#: Each of these takes a second call.
REPAIRABLE = (
    Case("breaks the pattern", _WRONG_CODE),
    Case("lacks a member", json.dumps({k: v for k, v in WANTED.items() if k != "hs_code"})),
    Case("no JSON", "The chair belongs in chapter 94."),
    Case("empty", ""),
    Case("cut off", _HALF, cut=True),
    Case("breaks off in silence", _HALF),
    Case("cut off and refused", _HALF, refused="json_validate_failed"),
    Case("repeats the schema", json.dumps(Classification.model_json_schema())),
)
HOPELESS = tuple(
    replace(case, name=f"always: {case.name}", then=case.first, hopeless=True)
    for case in (*REPAIRABLE, Case("out of bounds", GOOD.replace("36", "-36")))
)
