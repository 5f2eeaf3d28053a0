"""Frozen dataclasses at a third of the price, and dicts and lists that cannot be changed.

`dataclasses` compiles six functions for each frozen class, which was a third of what an import of
the module took, and its `__init__` sets each field by a call. Here that alone is compiled, to fill
the object's `__dict__`; the rest are functions that all classes share. All else is as there:
`fields`, `replace`, `asdict`, `match`, and subclasses made by the library's own decorator.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, Field, FrozenInstanceError, fields
from dataclasses import dataclass as library_dataclass
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeVar

K = TypeVar("K")
V = TypeVar("V")
T = TypeVar("T")


class _Factory:
    """Stands for a default that is made for each object."""

    def __repr__(self) -> str:
        return "<factory>"


_FACTORY = _Factory()


def _frozen(cls: type[T]) -> type[T]:
    """Make *cls* a frozen dataclass, but for `slots`, `init=False` and `__post_init__`."""
    # The library insists that what is derived from a frozen class is frozen too.
    is_derived = any(hasattr(base, "__dataclass_fields__") for base in cls.__mro__[1:])
    # It would parse the signature that it does not make, to show that in place of a docstring.
    cls.__doc__ = cls.__doc__ or cls.__qualname__
    library_dataclass(init=False, repr=False, eq=False, frozen=is_derived)(cls)
    known: Any = cls
    known.__dataclass_params__.frozen = True
    known.__init__ = _init_of(cls.__qualname__, fields(known))
    known.__setattr__, known.__delattr__ = _set, _delete
    for name, shared in (("__repr__", _repr), ("__eq__", _eq)):
        if name not in vars(cls):
            setattr(cls, name, shared)
    known.__hash__ = _hash
    return cls


def _init_of(owner: str, members: tuple[Field[Any], ...]) -> Any:
    """Return the `__init__` that sets *members*: those with `kw_only` by name alone, at the end."""
    by_place = [each for each in members if not each.kw_only]
    by_name = [each for each in members if each.kw_only]
    known: dict[str, Any] = {"_FACTORY": _FACTORY}
    parameters = [_parameter(each, known) for each in by_place]
    if by_name:
        parameters += ["*", *(_parameter(each, known) for each in by_name)]
    lines = [f"def __init__({', '.join(['self', *parameters])}):", " values = self.__dict__"]
    lines += [f" values[{each.name!r}] = {_value(each)}" for each in members]
    exec("\n".join(lines), known)
    made = known["__init__"]
    made.__qualname__ = f"{owner}.__init__"
    made.__annotations__ = {each.name: each.type for each in members} | {"return": None}
    return made


def _parameter(each: Field[Any], known: dict[str, Any]) -> str:
    """Return how *each* stands in the signature; *known* are the names of its defaults."""
    if each.default is not MISSING:
        known[f"_default_{each.name}"] = each.default
        return f"{each.name}=_default_{each.name}"
    if each.default_factory is not MISSING:
        known[f"_make_{each.name}"] = each.default_factory
        return f"{each.name}=_FACTORY"
    return each.name


def _value(each: Field[Any]) -> str:
    if each.default_factory is MISSING:
        return each.name
    return f"_make_{each.name}() if {each.name} is _FACTORY else {each.name}"


def _compared(one: Any) -> tuple[Any, ...]:
    return tuple([getattr(one, each.name) for each in fields(one) if each.compare])


def _eq(self: Any, other: object) -> Any:
    if other.__class__ is not self.__class__:
        return NotImplemented
    return _compared(self) == _compared(other)


def _hash(self: Any) -> int:
    return hash(_compared(self))


def _repr(self: Any) -> str:
    shown = [f"{each.name}={getattr(self, each.name)!r}" for each in fields(self) if each.repr]
    return f"{self.__class__.__qualname__}({', '.join(shown)})"


def _set(self: Any, name: str, value: object) -> None:
    _refuse_if_frozen(self, name, "assign to")
    object.__setattr__(self, name, value)


def _delete(self: Any, name: str) -> None:
    _refuse_if_frozen(self, name, "delete")
    object.__delattr__(self, name)


def _refuse_if_frozen(one: Any, name: str, what: str) -> None:
    # A subclass that is no dataclass may have attributes of its own.
    if "__dataclass_fields__" in vars(type(one)) or name in one.__dataclass_fields__:
        raise FrozenInstanceError(f"cannot {what} field {name!r}")


if TYPE_CHECKING:
    # A type checker knows the library's decorator alone.
    from dataclasses import dataclass as dataclass
else:

    def dataclass(*, frozen: Literal[True]) -> Callable[[type[T]], type[T]]:
        """Return the decorator; without `frozen=True`, the library's is the one to take."""
        assert frozen
        return _frozen


def _refuse(self: object, *_: object, **__: object) -> NoReturn:
    raise TypeError(f"a {type(self).__name__} cannot be changed: change a copy, as dict or list")


class FrozenDict(dict[K, V]):
    """A dict that cannot be changed; it is copied, pickled and written as JSON like any other."""

    __setitem__ = __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        return FrozenDict, (dict(self),)


class FrozenList(list[T]):
    """A list that cannot be changed; it is copied, pickled and written as JSON like any other."""

    __setitem__ = __delitem__ = __iadd__ = __imul__ = append = clear = extend = _refuse
    insert = pop = remove = reverse = sort = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        return FrozenList, (list(self),)


def deep_frozen(value: Any) -> Any:
    """Return a copy of *value* in which no dict, list, tuple or class of ours can be changed.

    What is of another class is shared with the copy, and none of its methods is called.
    """
    kind: Any = type(value)
    if kind.__setattr__ is _set:
        copy = object.__new__(kind)
        vars(copy).update((name, deep_frozen(each)) for name, each in vars(value).items())
        return copy
    if kind is dict:
        return FrozenDict({key: deep_frozen(each) for key, each in value.items()})
    if kind is list:
        return FrozenList(deep_frozen(each) for each in value)
    if kind is tuple:
        return tuple(deep_frozen(each) for each in value)
    return value
