"""Whether a method is still the one that its package defines."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any
from unittest.mock import MagicMock, patch

import groq
import h11
import httpcore
import httpx
import pytest
from groq.resources.chat.completions import AsyncCompletions, Completions

from services.llm.http.httpx_parts import httpx_error
from services.llm.http.pool import Mode, Pool
from services.llm.http.untouched import is_untouched
from services.llm.providers.groq.transport import has_original_create


@pytest.fixture(params=[groq.Groq, groq.AsyncGroq])
def sdk(request: pytest.FixtureRequest) -> Any:
    return request.param(api_key="none", base_url="http://127.0.0.1:9")


class Proxy:
    """What wrapt puts there: an object that says it is what it wraps."""

    def __init__(self, wrapped: Any) -> None:
        self.wrapped = wrapped

    def __getattr__(self, name: str) -> Any:
        return getattr(self.wrapped, name)

    def __get__(self, instance: object, owner: type) -> Callable[..., Any]:
        return functools.partial(self.wrapped, instance)

    @property  # type: ignore[misc] # as wrapt does it
    def __class__(self) -> Any:
        return type(self.wrapped)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.wrapped(*args, **kwargs)


def wrapper(wrapped: Any) -> Any:
    @functools.wraps(wrapped)
    def traced(*args: Any, **kwargs: Any) -> Any:
        return wrapped(*args, **kwargs)

    return traced


def test_the_sdks_own_method_is_known(sdk: Any) -> None:
    assert has_original_create(sdk)


@pytest.fixture
def before_create(sdk: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The SDK's client as long as nobody has asked for its `chat`."""
    monkeypatch.delitem(sys.modules, "groq.resources.chat.completions")
    assert "chat" not in vars(sdk)
    return sdk


def test_a_method_that_is_not_imported_yet_is_not_imported_to_be_known(before_create: Any) -> None:
    assert has_original_create(before_create)
    assert "chat" not in vars(before_create)


@pytest.mark.parametrize("name", ["chat", "post"])
@pytest.mark.parametrize("owner_of", [lambda sdk: sdk, type], ids=["the object", "the class"])
def test_before_that_what_is_put_in_the_way_is_seen(
    before_create: Any, owner_of: Callable[[Any], Any], name: str
) -> None:
    with patch.object(owner_of(before_create), name):
        assert not has_original_create(before_create)


@pytest.mark.parametrize("kind", [Completions, AsyncCompletions])
@pytest.mark.parametrize("made", [wrapper, Proxy, MagicMock])
def test_what_is_put_into_the_class_is_seen(kind: type, made: Callable[..., Any]) -> None:
    sdk: Any = groq.Groq if kind is Completions else groq.AsyncGroq
    client = sdk(api_key="none")
    with patch.object(kind, "create", made(kind.__dict__["create"])):
        assert not has_original_create(client)
    assert has_original_create(client)


@pytest.mark.parametrize("path", ["chat.completions", "chat", ""])
def test_what_is_put_into_the_object_is_seen(sdk: Any, path: str) -> None:
    owner = functools.reduce(getattr, filter(None, path.split(".")), sdk)
    name = {"chat.completions": "create", "chat": "completions", "": "chat"}[path]
    with patch.object(owner, name):
        assert not has_original_create(sdk)


@pytest.mark.parametrize("name", ["post", "chat.completions._post"])
def test_what_is_put_below_the_typed_call_is_seen(sdk: Any, name: str) -> None:
    owner, _, name = name.rpartition(".")
    target = functools.reduce(getattr, filter(None, owner.split(".")), sdk)
    with patch.object(target, name):
        assert not has_original_create(sdk)


def test_a_subclass_has_ideas_of_its_own() -> None:
    class Hosts(groq.Groq):
        """A host's own."""

    assert not has_original_create(Hosts(api_key="none"))


def test_a_mock_is_not_the_sdks_own() -> None:
    assert not has_original_create(MagicMock())
    assert not has_original_create(MagicMock(spec=groq.Groq))


def test_without_the_package_nothing_is(monkeypatch: pytest.MonkeyPatch, sdk: Any) -> None:
    monkeypatch.setitem(__import__("sys").modules, "groq", None)
    assert not has_original_create(sdk)


def test_a_package_without_a_file_defines_nothing() -> None:
    assert not is_untouched(Completions, "create", ModuleType("standin"))


def test_a_method_that_is_not_there_is_nobodys() -> None:
    assert not is_untouched(Completions, "no_such_method", groq)


@pytest.mark.parametrize("mode", ["Client", "AsyncClient"])
def test_what_is_not_imported_is_not_replaced(mode: Mode, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = Pool(mode, 1, 1)
    kind = httpcore.ConnectionPool if mode == "Client" else httpcore.AsyncConnectionPool
    method = "handle_request" if mode == "Client" else "handle_async_request"
    with patch.object(kind, method):
        assert pool.is_replaced()
        monkeypatch.delitem(sys.modules, "httpcore")
        assert not pool.is_replaced()


def test_a_failure_is_no_error_of_what_is_not_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    failure = h11.RemoteProtocolError("no HTTP")
    assert isinstance(httpx_error(failure), httpx.RemoteProtocolError)
    monkeypatch.delitem(sys.modules, "h11")
    assert failure is httpx_error(failure)
