"""Frozen dataclasses of our own are the library's, but for what they cost."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import FrozenInstanceError, asdict, field, fields, replace
from typing import Any, Generic, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.llm import frozen

T = TypeVar("T")
Decorate = Callable[[type], type]
OURS: Decorate = frozen.dataclass(frozen=True)
LIBRARYS: Decorate = dataclasses.dataclass(frozen=True)
BOTH = pytest.mark.parametrize("decorate", [OURS, LIBRARYS], ids=["ours", "the library's"])


def made(decorate: Decorate) -> Any:
    """The same classes by either decorator: a base, and a generic one that is derived from it."""

    class Base:
        """What is there."""

        first: int
        second: str = "x"
        hidden: str = field(default="h", repr=False)
        other: float = field(default=0.5, compare=False)
        items: Mapping[str, int] = field(default_factory=dict)

    base: Any = decorate(Base)

    class Derived(base, Generic[T]):  # type: ignore[misc] # the base is made here
        """What is added."""

        last: bool = False
        value: T = field(kw_only=True)

        def __repr__(self) -> str:
            return "its own"

    return base, decorate(Derived)


def outcome(call: Callable[..., object], *args: Any, **kwargs: Any) -> Any:
    """What *call* returns, or how it fails."""
    try:
        return call(*args, **kwargs)
    except Exception as error:
        return type(error), str(error).replace("made.<locals>.", "")


ARGUMENTS = st.tuples(
    st.lists(st.sampled_from([1, "a", 2.5]), max_size=7),
    st.dictionaries(
        st.sampled_from(["first", "second", "hidden", "other", "items", "last", "value", "none"]),
        st.sampled_from([1, "a", 2.5]),
    ),
)


@given(ARGUMENTS, ARGUMENTS)
def test_objects_are_made_shown_and_compared_as_the_librarys(
    one: tuple[list[Any], dict[str, Any]], other: tuple[list[Any], dict[str, Any]]
) -> None:
    def all_of(decorate: Decorate) -> list[object]:
        found: list[object] = []
        for kind in made(decorate):
            first, second = (outcome(kind, *args, **kwargs) for args, kwargs in (one, other))
            found += [repr(first), repr(second), first == second, first == 1]
            for thing in (first, second):
                changed = repr(outcome(replace, thing, first=9))
                found += [outcome(asdict, thing), outcome(hash, thing), changed]
        return found

    assert all_of(LIBRARYS) == all_of(OURS)


def test_classes_say_the_same_of_themselves() -> None:
    def about(decorate: Decorate) -> list[object]:
        return [
            (
                str(inspect.signature(kind)),
                kind.__init__.__qualname__,
                kind.__init__.__annotations__,
                kind.__match_args__,
                [(each.name, each.type, each.kw_only) for each in fields(kind)],
                kind.__dataclass_params__.frozen,
                kind.__doc__,
            )
            for kind in made(decorate)
        ]

    assert about(LIBRARYS) == about(OURS)


@BOTH
def test_no_field_is_set_or_deleted(decorate: Decorate) -> None:
    for kind in made(decorate):
        thing = kind(1, **({"value": 1} if kind.__name__ == "Derived" else {}))
        for name in ("first", "new"):
            with pytest.raises(FrozenInstanceError, match=f"^cannot assign to field '{name}'$"):
                setattr(thing, name, 2)
            with pytest.raises(FrozenInstanceError, match=f"^cannot delete field '{name}'$"):
                delattr(thing, name)


@BOTH
def test_a_plain_subclass_has_attributes_of_its_own(decorate: Decorate) -> None:
    base, _ = made(decorate)

    thing: Any = type("Plain", (base,), {})(1)
    thing.new = 2
    del thing.new
    assert not hasattr(thing, "new")
    with pytest.raises(FrozenInstanceError):
        thing.first = 2


@BOTH
def test_the_librarys_own_decorator_makes_a_subclass(decorate: Decorate) -> None:
    base, _ = made(decorate)

    body = {"__annotations__": {"more": int}, "more": 0}
    hosts: Any = dataclasses.dataclass(frozen=True)(type("Hosts", (base,), body))
    assert {**asdict(base(1)), "more": 3} == asdict(hosts(1, more=3))


@BOTH
def test_each_object_has_a_default_of_its_own(decorate: Decorate) -> None:
    base, _ = made(decorate)
    assert base(1).items is not base(1).items
    assert base(1, items=None).items is None


@BOTH
def test_an_object_is_copied_matched_and_hashed_by_its_fields(decorate: Decorate) -> None:
    base, _ = made(decorate)
    thing = base(1, "y", items=())
    match thing:
        case base(first, second):
            assert (1, "y") == (first, second)
    assert thing == copy.deepcopy(thing)
    assert hash(thing) == hash(base(1, "y", other=7.0, items=()))
    assert thing != base(1, "z", items=())


@frozen.dataclass(frozen=True)
class Kept:
    """What can be found by its name."""

    one: Any


def test_an_object_is_pickled() -> None:
    assert Kept(1) == pickle.loads(pickle.dumps(Kept(1)))


@pytest.mark.parametrize(
    "change",
    [
        lambda one: one.__setitem__("a", 1),
        lambda one: one.__delitem__("a"),
        lambda one: one.clear(),
        lambda one: one.pop("a"),
        lambda one: one.popitem(),
        lambda one: one.setdefault("a", 1),
        lambda one: one.update(a=1),
        lambda one: one.__ior__({"a": 1}),
    ],
)
def test_a_frozen_dict_is_not_changed(change: Callable[[Any], Any]) -> None:
    one = frozen.FrozenDict(a=0)
    with pytest.raises(TypeError, match="a FrozenDict cannot be changed: change a copy"):
        change(one)
    assert {"a": 0} == one == dict(one)


@pytest.mark.parametrize(
    "change",
    [
        lambda one: one.__setitem__(0, 1),
        lambda one: one.__delitem__(0),
        lambda one: one.append(1),
        lambda one: one.clear(),
        lambda one: one.extend([1]),
        lambda one: one.insert(0, 1),
        lambda one: one.pop(),
        lambda one: one.remove(0),
        lambda one: one.reverse(),
        lambda one: one.sort(),
        lambda one: one.__iadd__([1]),
        lambda one: one.__imul__(2),
    ],
)
def test_a_frozen_list_is_not_changed(change: Callable[[Any], Any]) -> None:
    one = frozen.FrozenList([0])
    with pytest.raises(TypeError, match="a FrozenList cannot be changed"):
        change(one)
    assert [0] == one == list(one)


def test_a_deep_frozen_value_shares_nothing_that_can_be_changed() -> None:
    others: Any = OrderedDict(a=[])
    assert others is frozen.deep_frozen([others])[0]
    changing = {"a": [{"b": ({}, 1)}], "c": Kept([1])}
    kept = frozen.deep_frozen(changing)
    changing["a"].append(2)  # type: ignore[attr-defined]  # it is a list
    changing["c"].one.append(2)  # type: ignore[attr-defined]  # it is a Kept
    assert {"a": [{"b": ({}, 1)}], "c": Kept([1])} == kept
    for inner in (kept["a"], kept["c"].one):
        with pytest.raises(TypeError):
            inner.append(2)
    for copied in (copy.deepcopy(kept), pickle.loads(pickle.dumps(kept))):
        assert kept == copied
        with pytest.raises(TypeError):
            copied["a"][0]["b"][0]["c"] = 1


def test_a_class_without_a_docstring_is_called_by_its_name() -> None:
    """The library would parse a signature to show it there: milliseconds of an import."""

    @frozen.dataclass(frozen=True)
    class Bare:
        value: int

    assert Bare.__qualname__ == Bare.__doc__
