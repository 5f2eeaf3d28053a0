"""Workers of a fleet whose threads run when a test says so, on a quota that can be taken away."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future

from services.llm.account.fleet import Fleet
from services.llm.quota.memory_shared_quota import MemorySharedQuota
from services.llm.quota.shared import Decision, Operation, Outcome, Take
from services.llm.stores import StoreError
from tests.fleet.shared_quotas import Clock


class Threads:
    """A thread that does its work when a test lets it."""

    def __init__(self) -> None:
        self.jobs: list[tuple[Callable[[], None], Future[None]]] = []

    def submit(self, call: Callable[[], None]) -> Future[None]:
        """Keep the job."""
        done: Future[None] = Future()
        self.jobs.append((call, done))
        return done

    def run(self) -> None:
        """Do all jobs there are."""
        while self.jobs:
            call, done = self.jobs.pop(0)
            call()
            done.set_result(None)


class Server:
    """A shared quota that counts its round trips, and may be away or lose its state."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.shared_quota = MemorySharedQuota(clock, "first")
        self.is_away = False
        self.batches: list[Sequence[Operation]] = []

    def exchange(self, operations: Sequence[Operation], epoch: str = "") -> Outcome:
        """Perform them, if it is there."""
        self.batches.append(list(operations))
        if self.is_away:
            raise StoreError("redis://server cannot be used: gone")
        return self.shared_quota.exchange(operations, epoch)

    def __str__(self) -> str:
        return "redis://server"

    def lose_all(self) -> None:
        """Begin anew, with nothing."""
        self.shared_quota = MemorySharedQuota(self.clock, "second")


class Worker:
    """One worker of the fleet."""

    def __init__(self, server: Server, share: float = 0.25) -> None:
        self.threads = Threads()
        self.learned: list[Outcome] = []
        clock = server.clock
        self.fleet = Fleet(server, share, clock, self.learned.append, self.threads)

    def ask(self, take: Take) -> Decision:
        """Ask, and let the thread answer."""
        answer = self.fleet.take(take)
        self.threads.run()
        return self.fleet.decide(take, answer)
