"""A sandbox, a clock that tests move, and clients of every kind that live by the two."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from sandbox import Sandbox
from services import llm_client
from services.llm.providers.groq import request_templates
from tests.wire.clock import VirtualTime
from tests.wire.faces import KINDS, Face, settings

OpenFace = Callable[..., Face]
OpenAt = Callable[..., Face]


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch, one_certificate: Path) -> None:
    """Nothing of the machine's own configuration reaches an SDK."""
    monkeypatch.setenv("SSL_CERT_FILE", str(one_certificate))
    for name in list(os.environ):
        if name.startswith(("AWS_", "GROQ_", "LLM_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)


@pytest.fixture
def virtual(monkeypatch: pytest.MonkeyPatch) -> VirtualTime:
    """Time that stands still unless somebody sleeps."""
    clock = VirtualTime()
    clock.rule(monkeypatch)
    return clock


@pytest.fixture
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """A provider on loopback; by the virtual clock in a test that has one."""
    clocks: dict[str, Any] = {}
    if "virtual" in request.fixturenames:
        virtual: VirtualTime = request.getfixturevalue("virtual")
        clocks = {"clock": virtual.now, "wall_clock": virtual.wall}
    with Sandbox(**clocks) as running:
        yield running


@pytest.fixture
def open_client(
    request: pytest.FixtureRequest, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> Iterator[OpenFace]:
    """Make a face of the kind that is named, with these knobs; all are closed after the test."""
    with ExitStack() as closing:

        def opened(kind: str, arguments: dict[str, Any] | None = None, **knobs: object) -> Face:
            monkeypatch.setattr(llm_client, "settings", settings(sandbox.url, **knobs))
            face = Face(kind, arguments or {})
            closing.callback(face.close)
            if "virtual" in request.fixturenames:
                virtual: VirtualTime = request.getfixturevalue("virtual")
                face.client._account.now = virtual.now
                face.client._account.wall = virtual.wall
                face.client._transport._wall = virtual.wall
            return face

        yield opened


@pytest.fixture(params=KINDS)
def open_face(request: pytest.FixtureRequest, open_client: OpenFace) -> OpenFace:
    """Make a face with these knobs; the test runs for each of the four kinds."""
    kind: str = request.param
    return lambda **knobs: open_client(kind, **knobs)


@pytest.fixture
def face(open_face: OpenFace) -> Face:
    """A face with the default knobs; the test runs for each of the four kinds."""
    return open_face()


@pytest.fixture(params=["groq", "groq async"])
def open_at(open_client: OpenFace, request: pytest.FixtureRequest) -> OpenAt:
    """A client of the server at the URL; it asks once, whatever the answer."""
    return lambda url, **knobs: open_client(
        request.param, GROQ_BASE_URL=url, **{"LLM_MAX_RETRIES": 0, **knobs}
    )


@pytest.fixture
def sent_around_the_sdk() -> Iterator[list[str]]:
    """Whatever goes around the SDK, one entry for each request."""
    seen: list[str] = []
    original = request_templates.TemplatedRequest.encode

    def encode(self: request_templates.TemplatedRequest) -> memoryview | None:
        seen.append("sent")
        return original(self)

    with patch.object(request_templates.TemplatedRequest, "encode", encode):
        yield seen
