"""When a provider has asked not to be called for a while, and who asks first after that."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field

from ..runtime.fork import ForkLock, reset_in_child

#: The longest that an outage holds everyone back, in seconds: then one call asks again.
LONGEST = 600.0

#: The longest Retry-After of an outage that the call itself waits for, in seconds. What asks for
#: more is a mistake, or a limit by another name, and counts as the longest outage.
CREDIBLE = 7_200.0

#: More scopes than any application has, and a bound for one that makes them up.
_MOST = 1024


@dataclass(eq=False)
class _Outage:
    """Until when nobody is to call; then the call that asks first, and those who wait for it."""

    until: float
    probe: object | None = None
    waiting: list[Future[None]] = field(default_factory=list)


class Outages:
    """The outages of one account, by their scope: a model, or whatever else fails as one.

    For its time nobody calls. After it one call goes first, the probe, and all others wait until
    that has come back: with an answer or a refusal, which end the outage, or with another failure
    of the provider's, after which the next one goes first.
    """

    def __init__(self) -> None:
        self._outages: dict[str, _Outage] = {}
        self._lock = ForkLock()  # guards the outages and all that is in them
        reset_in_child(self)

    def begin(self, scope: str, until: float) -> None:
        """Let nobody call before the moment *until*; a later one that is known stays."""
        with self._lock:
            dropped: list[Future[None]] = []
            if scope not in self._outages and len(self._outages) >= _MOST:
                first = min(self._outages, key=lambda one: self._outages[one].until)
                dropped = self._outages.pop(first).waiting
            outage = self._outages.setdefault(scope, _Outage(until))
            outage.until = max(outage.until, until)
        _wake(dropped)

    def wait(self, scope: str, now: float) -> float:
        """Return the seconds for which nobody is to call, 0.0 without an outage."""
        with self._lock:
            outage = self._outages.get(scope)
            return max(0.0, outage.until - now) if outage else 0.0

    def returned(self, scope: str) -> Future[None] | None:
        """Return a future that is done once the probe is back; None where none is under way."""
        with self._lock:
            outage = self._outages.get(scope)
            if outage is None or outage.probe is None:
                return None
            outage.waiting.append(Future())
            return outage.waiting[-1]

    def admit(self, scope: str, call: object, now: float) -> bool:
        """Whether *call* may be sent now; it is the probe then, if there is an outage."""
        with self._lock:
            outage = self._outages.get(scope)
            if outage is None:
                return True
            if outage.until > now or outage.probe not in (None, call):
                return False
            outage.probe = call
            return True

    def end(self, scope: str, now: float) -> None:
        """The provider has served a call: the outage is over, unless its time is yet to come."""
        with self._lock:
            outage = self._outages.get(scope)
            over = outage if outage is not None and outage.until <= now else None
            if over is not None:
                del self._outages[scope]
        _wake(over.waiting if over else [])

    def release(self, call: object) -> None:
        """*call* is back: where it was the probe of an outage that goes on, another may be."""
        with self._lock:
            probed = [each for each in self._outages.values() if each.probe is call]
            waiting = [one for each in probed for one in each.waiting]
            for outage in probed:
                outage.probe, outage.waiting = None, []
        _wake(waiting)

    def known(self, now: float) -> dict[str, float]:
        """Return the outages whose time is yet to come, in seconds from *now*."""
        with self._lock:
            left = {scope: each.until - now for scope, each in self._outages.items()}
        return {scope: seconds for scope, seconds in left.items() if seconds > 0}

    def clear(self) -> None:
        """Forget all of them; who waits may call."""
        with self._lock:
            waiting = [one for each in self._outages.values() for one in each.waiting]
            self._outages.clear()
        _wake(waiting)

    def after_fork(self) -> None:
        """In a child, the parent's probe never comes back."""
        self._outages = {scope: _Outage(each.until) for scope, each in self._outages.items()}


def _wake(waiting: list[Future[None]]) -> None:
    # Outside the lock: whoever is woken comes straight back for it. One who has stopped waiting
    # may have cancelled the future.
    for returned in waiting:
        if returned.set_running_or_notify_cancel():
            returned.set_result(None)
