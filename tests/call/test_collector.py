"""What a process's first client makes is made without the garbage collector, and stays."""

from __future__ import annotations

import gc
import inspect
import os
from collections.abc import Iterator

import pytest

from services.llm.runtime.collector import paused_collector, pauses_collector_once
from services.llm_client import BedrockClient


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    """It runs before and after each test, and looks at all there is; afterwards at what is new."""
    assert gc.isenabled()
    gc.unfreeze()
    yield
    gc.unfreeze()
    gc.enable()
    gc.freeze()


def test_the_first_call_alone_runs_without_collections() -> None:
    seen = []

    @pauses_collector_once
    def make(name: str) -> None:
        seen.append((name, gc.isenabled()))

    make("first")
    make(name="second")
    assert [("first", False), ("second", True)] == seen
    assert gc.isenabled()


def test_a_first_call_that_fails_lets_the_collector_go_on() -> None:
    @pauses_collector_once
    def make() -> None:
        raise ValueError

    with pytest.raises(ValueError, match=r"\Z"):
        make()
    assert gc.isenabled()


def test_what_was_made_is_old_afterwards() -> None:
    with paused_collector():
        made = [[]]  # type: list[list[object]]
    assert any(each is made for each in gc.get_objects(generation=2))


def test_what_a_host_has_turned_off_stays_off() -> None:
    gc.disable()
    with paused_collector():
        assert not gc.isenabled()
    assert not gc.isenabled()


def test_what_a_host_has_frozen_stays_frozen() -> None:
    gc.freeze()
    frozen = gc.get_freeze_count()
    with paused_collector():
        pass
    assert gc.isenabled()
    # Some of it may be gone by now.
    assert frozen / 2 < gc.get_freeze_count() <= frozen


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_the_collector_runs_in_a_child_that_was_forked_meanwhile() -> None:
    with paused_collector():
        child = os.fork()
        if child == 0:
            os._exit(0 if gc.isenabled() else 1)
        assert not gc.isenabled()
    assert (child, 0) == os.waitpid(child, 0)


def test_a_client_shows_the_signature_of_its_constructor() -> None:
    assert "region_name" in inspect.signature(BedrockClient).parameters
