"""While the shared quota is away, workers never send more requests a minute than a knob allows."""

from __future__ import annotations

from math import inf

from hypothesis import given, settings
from hypothesis import strategies as st

from services.llm.account.shared_quota_outage import LONGEST_RETRY
from services.llm.quota.shared import Granted
from tests.conftest import FEWER
from tests.fleet.shared_quotas import Clock, requests, take, tokens
from tests.fleet.workers import Server, Worker
from tests.quota.oracle import overfull

WORKERS, WINDOW = 4, 60.0

#: So many seconds pass, and then workers from one on ask so often; 0 begins or ends an outage.
steps = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.5, 7.0, 20.0, 31.0]),
        st.integers(0, WORKERS - 1),
        st.sampled_from([0, 1, 2, 6]),
    ),
    max_size=10,
)


class World:
    """Four workers with a quarter each, and a knob of requests a minute."""

    def __init__(self, amount: int) -> None:
        self.clock, self.amount = Clock(), amount
        self.server = Server(self.clock)
        self.workers = [Worker(self.server, 1 / WORKERS) for _ in range(WORKERS)]
        self.sent: list[float] = []

    def ask(self, worker: Worker) -> None:
        asked = take(worker.fleet.new_lease(), requests(self.amount), max_wait=0.0)
        decision = worker.ask(asked)
        if isinstance(decision, Granted) and decision.wait == 0:
            self.sent.append(self.clock.now)

    def turn(self) -> None:
        """Take the shared quota away, or bring it back, when all workers have just asked it."""
        if self.server.is_away:
            self.server.is_away = False
            # Each asks at the same moment whether it is back, and has told then what it has spent.
            self.clock.now += LONGEST_RETRY
            for worker in self.workers:
                worker.fleet._outage.acquire_probe(self.clock.now)
                worker.fleet._send()
        else:
            for worker in self.workers:
                refused = take(worker.fleet.new_lease(), requests(self.amount), tokens(2.0, 1.0))
                assert inf == worker.ask(refused).wait
            self.server.is_away = True
            for worker in self.workers:
                self.ask(worker)


@settings(max_examples=40 // FEWER, deadline=None)
@given(st.sampled_from([4, 8, 10, 23]), steps)
def test_no_minute_ever_has_more_requests_than_the_knob_whatever_is_away(
    amount: int, does: list[tuple[float, int, int]]
) -> None:
    world = World(amount)
    for seconds, first, times in does:
        world.clock.now += seconds
        if not times:
            world.turn()
        for worker in times * world.workers[first:]:
            world.ask(worker)
    assert not overfull(world.sent, amount, WINDOW)
