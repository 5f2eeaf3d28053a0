"""Until when a provider has asked not to be called, and which attempt probes it after that."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field

from ..runtime.fork import ForkLock, on_fork_in_child
from ..runtime.waking import wake

#: The longest time without a probe, in seconds.
LONGEST_OUTAGE = 600.0

#: The longest Retry-After of an outage that the call itself waits for, in seconds. What asks for
#: more is a mistake, or a limit by another name, and counts as the longest outage.
CREDIBLE_OUTAGE = 7_200.0

#: More scopes than any application has, and a bound for one that makes them up.
_MOST = 1024


@dataclass(eq=False)
class _Outage:
    """Until when nothing is sent; then the attempt that probes, and those who wait for it."""

    until: float
    probe: object | None = None
    waiting: list[Future[None]] = field(default_factory=list)


class Outages:
    """The outages of one account, by scope: a model, or all that fails together.

    During an outage's Retry-After nothing is sent. After it one attempt is, the probe, and all
    others wait until it has returned. An answer or a refusal ends the outage; after another failure
    of the provider's the next attempt is the probe.
    """

    def __init__(self) -> None:
        self._outages: dict[str, _Outage] = {}
        self._lock = ForkLock()  # guards the outages and all that is in them
        on_fork_in_child(self, Outages._reset_in_child)

    @property
    def has_any(self) -> bool:
        """Whether any outage is known at all; mostly none is."""
        return bool(self._outages)

    def begin(self, scope: str, until: float) -> None:
        """Let nothing be sent before the moment *until*, or a later one that is known."""
        with self._lock:
            dropped: list[Future[None]] = []
            if scope not in self._outages and len(self._outages) >= _MOST:
                first = min(self._outages, key=lambda one: self._outages[one].until)
                dropped = self._outages.pop(first).waiting
            outage = self._outages.setdefault(scope, _Outage(until))
            outage.until = max(outage.until, until)
        wake(dropped)

    def wait(self, scope: str, now: float) -> float:
        """Return the seconds for which nothing is to be sent, 0.0 without an outage."""
        with self._lock:
            outage = self._outages.get(scope)
            return max(0.0, outage.until - now) if outage else 0.0

    def probe_returned(self, scope: str) -> Future[None] | None:
        """Return a future that is done once the probe has returned; None without a probe."""
        with self._lock:
            outage = self._outages.get(scope)
            if outage is None or outage.probe is None:
                return None
            outage.waiting.append(Future())
            return outage.waiting[-1]

    def acquire_probe(self, scope: str, attempt: object, now: float) -> bool:
        """Return whether *attempt* may be sent now; during an outage it becomes the probe."""
        with self._lock:
            outage = self._outages.get(scope)
            if outage is None:
                return True
            if outage.until > now or outage.probe not in (None, attempt):
                return False
            outage.probe = attempt
            return True

    def end(self, scope: str, now: float) -> None:
        """End the outage, as the provider has answered, if its Retry-After has passed."""
        with self._lock:
            outage = self._outages.get(scope)
            ended = outage if outage is not None and outage.until <= now else None
            if ended is not None:
                del self._outages[scope]
        wake(ended.waiting if ended else [])

    def release_probe(self, attempt: object) -> None:
        """Let another attempt be the probe where *attempt* was it, and the outage goes on."""
        with self._lock:
            probed = [each for each in self._outages.values() if each.probe is attempt]
            waiting = [one for each in probed for one in each.waiting]
            for outage in probed:
                outage.probe, outage.waiting = None, []
        wake(waiting)

    def known(self, now: float) -> dict[str, float]:
        """Return the outages with the seconds from *now* until they are probed."""
        with self._lock:
            left = {scope: each.until - now for scope, each in self._outages.items()}
        return {scope: seconds for scope, seconds in left.items() if seconds > 0}

    def clear(self) -> None:
        """Forget all outages, and wake those who wait for one."""
        with self._lock:
            waiting = [one for each in self._outages.values() for one in each.waiting]
            self._outages.clear()
        wake(waiting)

    def _reset_in_child(self) -> None:
        """In a child, drop the parent's probes, which return in the parent."""
        self._outages = {scope: _Outage(each.until) for scope, each in self._outages.items()}
