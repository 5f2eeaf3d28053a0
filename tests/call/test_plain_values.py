"""A value is what it says, whatever type carries it; a mock says nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePosixPath
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock, MagicMock, Mock, NonCallableMock, sentinel
from urllib.parse import urlparse, urlsplit

import httpx
import pytest
from pydantic import AnyUrl, SecretBytes, SecretStr
from starlette.datastructures import URL, Secret

from services.llm.settings.plain_values import is_mock, is_unknown, plain


class Model(str, Enum):
    SMALL = "llama-3.1-8b-instant"


class Provider(Enum):
    GROQ = True
    NONE = None


class Recorder(MagicMock):
    """A host's own kind of mock."""


MOCKS: tuple[Callable[[], Any], ...] = (
    *(Mock, MagicMock, NonCallableMock, AsyncMock, Recorder, lambda: sentinel.anything),
    *(lambda: MagicMock(spec=str), lambda: MagicMock(spec=SecretStr), lambda: Mock(spec=7)),
)


@pytest.mark.parametrize("make", MOCKS)
def test_a_mock_is_no_value(make: Callable[[], Any]) -> None:
    assert (True, None) == (is_mock(make()), plain(make()))
    assert not is_unknown(make())


@pytest.mark.parametrize(
    ("value", "is_one"),
    [
        *((object(), True), (SimpleNamespace(a=1), True), (print, True), (str, True)),
        *((None, False), ("", False), ("x", False), (0, False), (False, False), ([], False)),
        *((SecretStr(" "), False), (Model.SMALL, False), (PurePosixPath("/a"), False)),
    ],
)
def test_what_is_there_and_says_nothing_is_unknown(value: object, is_one: bool) -> None:
    assert is_one is is_unknown(value)


@pytest.mark.parametrize(
    "value",
    [None, "", " \r\n", object(), SimpleNamespace(a=1), print, str, SecretStr(" "), Provider.NONE],
)
def test_what_has_no_text_of_its_own_is_no_value(value: object) -> None:
    assert plain(value) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        *((True, True), (0, 0), (0.5, 0.5), ("x ", "x "), ([1], [1]), ({"a": 1}, {"a": 1})),
        *((Decimal("0.5"), "0.5"), (timedelta(minutes=2), 120.0), (b"text", "text")),
        *((SecretStr("s"), "s"), (SecretBytes(b"s"), "s"), (Secret("s"), "s")),
        *((Model.SMALL, "llama-3.1-8b-instant"), (Provider.GROQ, True)),
        (PurePosixPath("/var/answers.db"), "/var/answers.db"),
        (AnyUrl("https://proxy.example/groq"), "https://proxy.example/groq"),
        (httpx.URL("https://proxy.example/groq"), "https://proxy.example/groq"),
        (URL("https://proxy.example/groq"), "https://proxy.example/groq"),
        (urlparse("https://proxy.example/groq"), "https://proxy.example/groq"),
        (urlsplit("https://proxy.example/groq"), "https://proxy.example/groq"),
        (b"caf\xe9", "caf\\xe9"),
    ],
)
def test_a_value_says_the_same_in_every_type(value: object, expected: object) -> None:
    assert (expected, type(expected)) == (plain(value), type(plain(value)))
