"""The two shared quotas that a fleet may share, on a clock that tests move."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.llm.quota.shared import Operation, Outcome, SharedCharge, Take
from services.llm.quota.shared_codec import decode, encode
from services.llm.quota.shared_script import SCRIPT
from services.llm.stores.redis_script import RedisScript
from services.llm.stores.redis_server import RedisServer

MODEL = "openai/gpt-oss-120b"


@dataclass
class Clock:
    """Unix seconds that pass only when a test says so."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class ScriptSharedQuota:
    """The script on a real server, which is told the time."""

    def __init__(self, url: str, account: str, clock: Clock, epoch: str = "redis") -> None:
        self._script = RedisScript(RedisServer(url), SCRIPT)
        self._account, self._clock, self._epoch = account, clock, epoch

    def exchange(self, operations: Sequence[Operation], epoch: str = "") -> Outcome:
        """Perform *operations* on the server."""
        keys, told = encode(f"llm-quota:{{{self._account}}}:", operations)
        # The script takes what is no number for no time: it reads its own clock.
        time = f"{self._clock.now:.17g}".replace("nan", "")
        answer = self._script.run(keys, told, epoch, self._epoch, time)
        return decode(answer, operations)


def tokens(taken: float, amount: float = 100.0, window: float = 60.0) -> SharedCharge:
    """Tokens of a model."""
    return SharedCharge(MODEL, "tokens", window, amount, taken)


def requests(amount: float = 10.0, window: float = 60.0) -> SharedCharge:
    """One request of the whole account, in any window."""
    return SharedCharge("", "requests", window, amount, 1.0, is_log=True)


def take(
    lease: str, *charges: SharedCharge, max_transit: float = 0.0, max_wait: float = 60.0
) -> Take:
    """A call's share."""
    return Take(lease, MODEL, charges, max_transit, max_wait, 120.0)
