"""Names are looked up within a time, and addresses tried in turn."""

from __future__ import annotations

import asyncio
import socket
import threading
from types import SimpleNamespace
from unittest.mock import patch

import pytest

from services.llm.http import addresses
from services.llm.http.addresses import PATIENCE, Names, attempts


def tried(
    found: tuple[str, ...], silent: set[str], left: float | None = 10.0
) -> list[tuple[str, float | None]]:
    """What is tried, and how long, on a clock that stands still."""
    seen = []
    plan = attempts(found, None if left is None else 100.0 + left)
    with patch.object(addresses, "time", SimpleNamespace(monotonic=lambda: 100.0)):
        try:
            step = next(plan)
            while True:
                seen.append((step[0], None if step[1] is None else round(step[1], 1)))
                step = plan.send(step[0] in silent)
        except StopIteration:
            return seen


def test_a_single_address_has_all_the_time() -> None:
    assert [("a", 10.0)] == tried(("a",), {"a"})
    assert [("a", None)] == tried(("a",), {"a"}, None)


def test_a_silent_address_is_left_for_the_next_and_tried_again_at_last() -> None:
    assert [("a", PATIENCE), ("b", PATIENCE), ("a", 10.0)] == tried(("a", "b"), {"a"})


def test_one_that_refuses_is_not_tried_again() -> None:
    assert [("a", PATIENCE), ("b", PATIENCE)] == tried(("a", "b"), set())
    assert [("a", PATIENCE), ("b", PATIENCE)] == tried(("a", "b"), set(), None)


def test_all_share_one_deadline() -> None:
    assert [("a", 0.1), ("b", 0.2), ("a", 0.1), ("b", 0.2)] == tried(("a", "b"), {"a", "b"}, 0.2)


@pytest.mark.parametrize("literal", ["127.0.0.1", "::1"])
def test_nobody_is_asked_for_an_address(literal: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(*_: object, **__: object) -> tuple[str, ...]:
        raise AssertionError

    monkeypatch.setattr(socket, "getaddrinfo", ask)
    names = Names(ask)
    assert (literal,) == names.look_up(literal, 80, 1)
    assert (literal,) == asyncio.run(names.alook_up(literal, 80))


@pytest.mark.parametrize("name", ["localhost", "é.test", "a\0b", "127.1", "fe80::1%eth0"])
def test_all_else_is_looked_up_in_a_thread(name: str) -> None:
    callers: list[str] = []

    def ask(host: str, port: int) -> tuple[str, ...]:
        callers.append(threading.current_thread().name)
        return ("10.0.0.1",)

    assert ("10.0.0.1",) == Names(ask).look_up(name, 80, 20)
    assert threading.current_thread().name not in callers


def test_a_silent_name_server_is_waited_for_as_long_as_was_said() -> None:
    answered = threading.Event()

    def ask(host: str, port: int) -> tuple[str, ...]:
        answered.wait(20)
        return ("10.0.0.1",)

    names = Names(ask)
    with pytest.raises(TimeoutError, match=r"no name server answered for 'a\.test' in time"):
        names.look_up("a.test", 80, 0.01)
    answered.set()
    assert ("10.0.0.1",) == names.look_up("a.test", 80, 20)


def test_those_who_ask_at_once_share_a_look_up_and_one_who_leaves_ends_it_for_nobody() -> None:
    asked: list[str] = []
    begun, answered = threading.Event(), threading.Event()

    def ask(host: str, port: int) -> tuple[str, ...]:
        asked.append(host)
        begun.set()
        answered.wait(20)
        return ("10.0.0.1",)

    names = Names(ask)

    async def both() -> tuple[str, ...]:
        leaving = asyncio.ensure_future(names.alook_up("a.test", 80))
        staying = asyncio.ensure_future(names.alook_up("a.test", 80))
        await asyncio.sleep(0)
        begun.wait(20)
        leaving.cancel()
        await asyncio.sleep(0)
        answered.set()
        return await staying

    assert ("10.0.0.1",) == asyncio.run(both())
    assert ["a.test"] == asked


def test_what_was_found_is_asked_anew_the_next_time() -> None:
    asked: list[str] = []

    def ask(host: str, port: int) -> tuple[str, ...]:
        asked.append(host)
        return ("10.0.0.1",)

    names = Names(ask)
    for _ in range(2):
        names.look_up("a.test", 80, 20)
        names._workers.submit(int).result(20)  # the thread has forgotten it by then
    assert ["a.test", "a.test"] == asked


def test_a_child_forgets_the_look_ups_of_its_parent() -> None:
    answered = threading.Event()
    names = Names(lambda host, port: (str(answered.wait(20)),))
    first = names._look_up("a.test", 80)
    names._reset_in_child()
    second = names._look_up("a.test", 80)
    answered.set()
    assert first is not second
    assert [("True",), ("True",)] == [first.result(20), second.result(20)]


def test_an_unknown_name_is_an_error() -> None:
    def ask(host: str, port: int) -> tuple[str, ...]:
        raise socket.gaierror(-2, "Name or service not known")

    with pytest.raises(socket.gaierror):
        Names(ask).look_up("a.test", 80, 20)


def test_the_system_is_asked_for_a_name_once_for_each_address() -> None:
    assert "127.0.0.1" in addresses.names.look_up("localhost", 80, 20)
