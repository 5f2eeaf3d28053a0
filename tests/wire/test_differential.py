"""Whatever goes wrong, in whatever order: both providers and both halves do the same about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox import Answer, Fault, Sandbox
from services.llm.account.registry import new_account
from services.llm.call import retry
from services.llm.quota import quota
from services.llm_client import Attempt, LLMError
from tests.conftest import FEWER
from tests.wire.clock import VirtualTime
from tests.wire.conftest import OpenFace
from tests.wire.faces import KINDS, Face

#: What both wires know, by a name that a failing example shows.
STEPS: dict[str, Answer | Fault | None] = {
    "ok": None,
    "400": Fault.error(400),
    "401": Fault.invalid_key(),
    "403": Fault.error(403),
    "404": Fault.model_not_found(),
    "408": Fault.error(408),
    "413": Fault.too_large(),
    "429, 60 s": Fault.rate_limited("60"),
    "429, 1800 s": Fault.rate_limited("1800"),
    "500": Fault.error(500),
    "501": Fault.error(501),
    "502": Fault.error(502),
    "503": Fault.error(503),
    "503, 80 s": Fault.error(503, retry_after="80s"),
    "503, 500 s": Fault.error(503, retry_after="500"),
    "503, nonsense": Fault.error(503, retry_after="-1"),
    "no capacity": Fault.capacity(),
    "reset": Fault.reset(),
    "close": Fault.close(),
    "cut": Fault.cut_off(),
    "broken JSON": Fault.malformed_json(),
    "length": Answer.truncated("Half of a"),
    "unfinished": Answer.unfinished(),
    "empty": Answer.empty(),
    "no choices": Answer.no_choices(),
    "filtered": Answer.filtered("Some"),
}


@dataclass(frozen=True)
class Told:
    """What became of some calls, in neither provider's words."""

    outcomes: tuple[object, ...]
    arrivals: tuple[float, ...]
    waits: tuple[tuple[float, float], ...]


@pytest.fixture
def faces(open_client: OpenFace, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Face]]:
    """All four, patient for some minutes, with a backoff that is no lottery.

    Whatever has passed of a call's time, some seconds are left of it: the SDKs' own timeouts go by
    the machine's clock. They hold to their own limits alone: Groq tells of its limits in answers,
    Bedrock does not.
    """
    with monkeypatch.context() as patch:
        for name, seconds in (("JITTER", 0.0), ("FIRST_BACKOFF", 10.0), ("LAST_BACKOFF", 160.0)):
            patch.setattr(retry, name, seconds)
        retry._transient_errors.cache_clear()
        patch.setattr(quota, "learn_from_reports", lambda *_: None)
        patience = {"LLM_MAX_QUOTA_WAIT": 200.0, "LLM_TIMEOUT": 400.0}
        yield [open_client(kind, **patience) for kind in KINDS]
    retry._transient_errors.cache_clear()


def told(face: Face, sandbox: Sandbox, virtual: VirtualTime, calls: list[dict[str, Any]]) -> Told:
    """Make *calls*, and tell all that can be seen of them."""
    began = virtual.seconds
    outcomes: list[object] = []
    waits: list[tuple[float, float]] = []
    for call in calls:
        attempts: tuple[Attempt, ...]
        outcome: tuple[object, ...]
        try:
            if "attempts" in call:
                outcomes.append(face.generate_with_retry("hi", call["attempts"]))
                continue
            reply = face.respond("hi", max_retries=call["retries"], timeout=call["timeout"])
            attempts, outcome = reply.attempts, (reply.text, reply.usage.reported, None)
        except LLMError as error:
            attempts = error.attempts
            outcome = (type(error), getattr(error, "text", None), error.retry_after)
        outcomes.append(outcome)
        waits += [(each.quota_wait, each.retry_wait) for each in attempts]
    arrivals = tuple(exchange.arrived_at - began for exchange in sandbox.exchanges)
    return Told(tuple(outcomes), arrivals, tuple(waits))


CALLS = st.one_of(
    st.fixed_dictionaries({"attempts": st.integers(1, 4)}),
    st.fixed_dictionaries(
        {"retries": st.integers(0, 3), "timeout": st.sampled_from([25.0, 100.0, 400.0])}
    ),
)


@settings(
    max_examples=50 // FEWER,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    script=st.lists(st.sampled_from(sorted(STEPS)), max_size=8),
    calls=st.lists(CALLS, min_size=1, max_size=3),
    window=st.integers(1, 12),
)
def test_all_four_faces_do_the_same(
    faces: list[Face],
    sandbox: Sandbox,
    virtual: VirtualTime,
    script: list[str],
    calls: list[dict[str, Any]],
    window: int,
) -> None:
    stories = {}
    for kind, face in zip(KINDS, faces, strict=True):
        sandbox.clear()
        sandbox.script(*(STEPS[name] for name in script))
        virtual.seconds = 1024.0
        account = new_account(face.client._account.provider, face.client._knobs, None)
        account.now, account.wall = virtual.now, virtual.wall
        account.window.amount, account.window.window = window, 1200.0
        face.client._account = account
        stories[kind] = told(face, sandbox, virtual, calls)
    assert dict.fromkeys(KINDS, stories["groq"]) == stories
