"""Whatever happens to a call, what its hooks are told has one order, and its sums are right."""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.llm.errors import (
    ConfigurationError,
    LLMError,
    ModelNotFoundError,
    ProviderUnavailableError,
    RateLimitError,
    TruncatedError,
)
from services.llm.events import (
    AttemptEnded,
    AttemptStarted,
    CallEnded,
    CallStarted,
    Event,
    RetryPlanned,
    WaitEnded,
    WaitStarted,
)
from services.llm.telemetry.call_counts import COUNTED, METERED, CallCounts
from services.llm.types import Reply
from tests.call.scripted import Clock, Drive, account, says
from tests.call.test_call_events import Heard
from tests.conftest import FEWER

#: Of seconds, for what floats make of sums of them.
A_GRAIN = 1e-6


def outcomes() -> st.SearchStrategy[Reply | BaseException]:
    """An answer, a failure of any kind, or an interruption."""
    waits = st.none() | st.floats(0, 90)
    kinds = st.sampled_from([ProviderUnavailableError, RateLimitError, TruncatedError, LLMError])
    statuses = st.sampled_from([None, 429, 500, 503])
    return st.one_of(
        st.builds(says, st.just("Yes.")),
        st.builds(lambda kind, s, w: kind("no", status=s, retry_after=w), kinds, statuses, waits),
        st.builds(lambda: ModelNotFoundError("no", status=404)),
        st.builds(lambda: ConfigurationError("never sent")),
        st.builds(KeyboardInterrupt),
    )


class Metering:
    """A hook that counts, and is told by its meter what comes with every call."""

    heard_events = COUNTED - METERED

    def __init__(self) -> None:
        self.meter = CallCounts(list[float])

    def __call__(self, event: Event, /) -> None:
        self.meter.note(event)


def pairs(events: list[Event], opening: type[Event], closing: type[Event]) -> int:
    """How many pairs there are; each must be closed before the next is opened."""
    open_now, closed = 0, 0
    for event in events:
        open_now += isinstance(event, opening)
        if isinstance(event, closing):
            open_now -= 1
            closed += 1
        assert open_now in (0, 1)
    assert 0 == open_now
    return closed


@settings(max_examples=80 // FEWER)
@given(st.lists(outcomes(), min_size=4, max_size=4), st.sampled_from([0.0, 30.0]))
def test_events_have_one_order_and_their_sums_are_right(
    scripted: list[Reply | BaseException], patience: float
) -> None:
    clock, heard = Clock(), Heard(max_quota_wait=patience)
    counts = CallCounts(list[float])
    heard.hooks.add(counts.note)
    metering = Metering()
    heard.hooks.add(metering)
    with suppress(LLMError, KeyboardInterrupt):
        Drive(clock, scripted).run(heard.call(account(clock, requests=2)))
    events, ended = heard.events, heard.ended
    assert [0, len(events) - 1] == [
        place for place, each in enumerate(events) if isinstance(each, (CallStarted, CallEnded))
    ]
    pairs(events, AttemptStarted, AttemptEnded)
    pairs(events, WaitStarted, WaitEnded)
    sent = [each.attempt for each in events if isinstance(each, AttemptEnded) and each.is_sent]
    assert tuple(sent) == ended.attempts
    waited: dict[str, float] = defaultdict(float)
    for each in events:
        if isinstance(each, WaitEnded):
            waited[each.limit] += each.seconds
    assert dict(ended.waited) == pytest.approx(dict(waited), abs=A_GRAIN)
    assert sum(waited.values()) <= ended.seconds + A_GRAIN
    assert sum(isinstance(each, RetryPlanned) for each in events) <= len(sent)
    taken = counts.take()
    assert taken == metering.meter.take()
    assert {0.0} == set(taken.levels.values())
    assert 1.0 == sum(n for (name, *_), n in taken.increments.items() if name == "llm_calls")
    assert len(sent) == sum(
        n for (name, *_), n in taken.increments.items() if name == "llm_attempts"
    )
