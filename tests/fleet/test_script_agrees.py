"""The script on a real Redis server decides as the shared quota in memory does."""

from __future__ import annotations

from uuid import uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.llm.quota.memory_shared_quota import MemorySharedQuota
from services.llm.quota.shared import (
    Add,
    ForgetScope,
    Operation,
    Pause,
    RestoreLease,
    RestoreUse,
    Retire,
    SetCounting,
    Settle,
    SharedCharge,
    Take,
)
from tests.conftest import FEWER
from tests.fleet.shared_quotas import Clock, ScriptSharedQuota

SCOPES = ("a", "b")
LIMITS = (
    SharedCharge("", "requests", 60.0, 1.0, 1.0),
    SharedCharge("", "tokens", 60.0, 1.0, 1.0),
    SharedCharge("", "tokens", 86_400.0, 1.0, 1.0),
)
KINDS = [
    "take",
    "take",
    "settle",
    "add",
    "restore_use",
    "restore_lease",
    "pause",
    "retire",
    "forget_scope",
    "set_counting",
]
LEASES = ("one", "a:two", "b:three", "c:b:four")

amounts = st.sampled_from([0.0, 1.0, 2.5, 7.0, 60.0])
seconds = st.one_of(st.sampled_from([0.0, 0.25, 5.0, 60.0, 400.0]), st.floats(0, 100))


@st.composite
def charges(draw: st.DrawFn, scope: str) -> SharedCharge:
    """A charge of one of four limits."""
    own = draw(st.sampled_from([scope, ""]))
    named = draw(st.sampled_from(LIMITS))
    taken = 1.0 if named.unit == "requests" else draw(st.floats(0.5, 70))
    is_log = named.unit == "requests" and own == ""
    amount, from_shared = draw(amounts), draw(st.booleans())
    return SharedCharge(own, named.unit, named.window, amount, taken, is_log, from_shared)


@st.composite
def takes(draw: st.DrawFn) -> Take:
    """What a call asks for."""
    scope = draw(st.sampled_from(SCOPES))
    some = draw(st.lists(charges(scope), max_size=3, unique_by=lambda each: each.key))
    lease, max_transit = draw(st.sampled_from(LEASES)), draw(st.sampled_from([0.0, 0.5, 5.0]))
    alone = draw(st.sampled_from([0.0, 0.0, 1.0]))
    waited = draw(st.sampled_from([0.0, 7.0, 300.0]))
    return Take(lease, scope, tuple(some), max_transit, draw(seconds), 120.0, alone, waited)


@st.composite
def operations(draw: st.DrawFn) -> Operation:
    """Anything that a worker may ask."""
    scope = draw(st.sampled_from(SCOPES))
    several = tuple(draw(st.lists(charges(scope), max_size=2, unique_by=lambda each: each.key)))
    kind = draw(st.sampled_from(KINDS))
    if kind == "take":
        return draw(takes())
    if kind == "settle":
        taken = draw(takes())
        spent = tuple(draw(st.sampled_from([0.0, each.taken, 9.0])) for each in taken.charges)
        used = tuple(draw(st.sampled_from([None, 0.0, 3.0, 80.0])) for _ in taken.charges)
        most = tuple(draw(st.sampled_from([None, 0.0, 9.0])) for _ in taken.charges)
        return Settle(taken, spent, used, draw(st.sampled_from([(), most])))
    if kind == "restore_lease":
        return RestoreLease(draw(takes()))
    if kind == "add":
        return Add(draw(st.sampled_from(["added", "again"])), several)
    if kind == "restore_use":
        parts = tuple(draw(st.sampled_from([0.25, 1.0])) for _ in several)
        return RestoreUse(several, draw(st.sampled_from([(), parts])))
    if kind == "set_counting":
        return SetCounting(scope, "tokens/60", draw(st.booleans()))
    if kind == "forget_scope":
        return ForgetScope(scope)
    if kind == "pause":
        return Pause(scope, draw(seconds))
    return Retire(draw(st.sampled_from(["gone", "lost"])), draw(seconds))


steps = st.tuples(st.lists(operations(), min_size=1, max_size=4), seconds)


@settings(max_examples=25 // FEWER, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(steps, max_size=8))
def test_the_script_and_the_shared_quota_in_memory_agree(
    redis_url: str, story: list[tuple[list[Operation], float]]
) -> None:
    clock = Clock()
    in_memory = MemorySharedQuota(clock, "redis")
    on_server = ScriptSharedQuota(redis_url, uuid4().hex, clock)
    for asked, passed in story:
        expected, actual = in_memory.exchange(asked), on_server.exchange(asked)
        assert expected.decisions == actual.decisions
        assert sorted(expected.limits, key=str) == sorted(actual.limits, key=str)
        assert sorted(expected.counting, key=str) == sorted(actual.counting, key=str)
        assert sorted(expected.retired) == sorted(actual.retired)
        clock.now += passed
