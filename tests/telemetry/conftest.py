"""The clients of the wire's tests, and hooks that are gone after each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from services.llm.events import hooks
from tests.wire.conftest import _no_environment, face, open_client, open_face, sandbox, virtual

__all__ = ["_no_environment", "face", "open_client", "open_face", "sandbox", "virtual"]


@pytest.fixture(autouse=True)
def _no_hooks_are_left() -> Iterator[None]:
    yield
    hooks.registered = ()
