"""A type whose JSON Schema shows other names than it is validated by is refused at once."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import AliasChoices, AliasPath, BaseModel, ConfigDict, Field, computed_field
from typing_extensions import TypedDict

from services.llm.structured import Schema
from tests.structured.parsing import value


class Inside(BaseModel):
    code: str = Field(validation_alias=AliasPath("data", "code"))


class First(BaseModel):
    code: str = Field(default="", validation_alias=AliasPath("codes", 0))


class OnePath(BaseModel):
    code: str = Field(validation_alias=AliasPath("data"))


class Paths(BaseModel):
    code: str = Field(validation_alias=AliasChoices(AliasPath("codes", 0), AliasPath("a", "b")))


class Outer(BaseModel):
    items: list[Inside]


class Row(TypedDict):
    code: Annotated[str, Field(validation_alias=AliasPath("data", "code"))]


@pytest.mark.parametrize("spec", [Inside, First, OnePath, Paths, Outer, list[Inside], Row])
def test_a_field_that_is_read_from_inside_another_is_refused(spec: Any) -> None:
    with pytest.raises(ValueError, match=r"no answer to .* would fit: its field 'code'"):
        Schema.of(spec)


class Named(BaseModel):
    model_config = ConfigDict(populate_by_name=True)
    code: str = Field(validation_alias=AliasPath("data", "code"))


class Itself(BaseModel):
    code: str = Field(validation_alias=AliasPath("code"))


class Choice(BaseModel):
    code: str = Field(validation_alias=AliasChoices(AliasPath("codes", 0), "hs", "code"))


class Aliased(BaseModel):
    code: str = Field(alias="hsCode", serialization_alias="other")


class Resembling(BaseModel):
    code: dict[str, Any] = Field(
        default={"fields": {"a": {"validation_alias": ["b", "c"]}, "d": 5}, "schema": "e"}
    )


class Computed(BaseModel):
    code: str

    @computed_field
    def short(self) -> str:
        return self.code[:2]


@pytest.mark.parametrize(
    ("spec", "name"),
    [(Named, "code"), (Itself, "code"), (Choice, "hs"), (Aliased, "hsCode"), (Computed, "code")],
)
def test_a_name_that_is_shown_is_read(spec: Any, name: str) -> None:
    schema = Schema.of(spec)
    assert [name] == sorted(schema.names)
    assert "9401" == value(f'{{"{name}": "9401"}}', schema).code


def test_a_default_that_looks_like_pydantics_own_schema_is_a_value() -> None:
    assert {"code"} == Schema.of(Resembling).names
