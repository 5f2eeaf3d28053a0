"""Flights under arbitrary interleavings of claims, ends and followers that give up."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from services.llm.account.single_flight import Follower, Leader, SingleFlight, StillInFlight
from tests.conftest import FEWER

KEYS = st.sampled_from("ab")


class Sky(RuleBasedStateMachine):
    """At most one leader a key, and for every follower one outcome: an answer, or the lead."""

    def __init__(self) -> None:
        super().__init__()
        self.single_flight: SingleFlight[int] = SingleFlight()
        self.leads: dict[str, Leader[int]] = {}
        self.waiting: dict[str, list[Follower[int]]] = {"a": [], "b": []}
        self.landings = 0

    @rule(key=KEYS)
    def claim(self, key: str) -> None:
        claim = self.single_flight.claim(key)
        if isinstance(claim, Leader):
            assert key not in self.leads
            self.leads[key] = claim
            claim._thread = -1  # as if it led from another thread
        else:
            assert key in self.leads
            self.waiting[key].append(claim)

    @precondition(lambda self: self.leads)
    @rule(data=st.data())
    def land(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.leads)))
        self.landings += 1
        self.leads.pop(key).set_result(self.landings)
        assert [self.landings] * len(self.waiting[key]) == [
            follower.join(0) for follower in self.waiting[key]
        ]
        self.waiting[key] = []

    @precondition(lambda self: self.leads)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.leads)))
        with self.leads.pop(key):
            pass
        next_leaders = [follower for follower in self.waiting[key] if follower._outcome.done()]
        assert min(1, len(self.waiting[key])) == len(next_leaders)
        for next_leader in next_leaders:
            self.waiting[key].remove(next_leader)
            lead = next_leader.join(0)
            assert isinstance(lead, Leader)
            lead._thread = -1
            self.leads[key] = lead

    @precondition(lambda self: any(self.waiting.values()))
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from([key for key in "ab" if self.waiting[key]]))
        follower = self.waiting[key].pop(data.draw(st.integers(0, len(self.waiting[key]) - 1)))
        try:
            follower.join(0)
        except StillInFlight:
            return
        raise AssertionError("an outcome came from nowhere")

    @invariant()
    def as_many_results_as_leaders(self) -> None:
        assert len(self.leads) == len(self.single_flight)


test_every_follower_gets_an_answer_or_the_lead = Sky.TestCase
test_every_follower_gets_an_answer_or_the_lead.settings = settings(
    max_examples=60 // FEWER, stateful_step_count=30, deadline=None
)
