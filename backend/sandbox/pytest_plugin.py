"""A `sandbox` fixture for any suite: `pytest_plugins = ["sandbox.pytest_plugin"]`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .server.sandbox import Sandbox


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A fresh sandbox, listening, for one test; it touches no environment variable."""
    with Sandbox() as running:
        yield running
