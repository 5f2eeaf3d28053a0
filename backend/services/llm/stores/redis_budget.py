"""The tokens that a UTC day has used, kept on a Redis server for all hosts that share it."""

from __future__ import annotations

from copy import copy

from .budget import utc_day
from .redis_server import RedisServer

_PREFIX = "llm-tokens:"
#: Seconds for which the server keeps a day after its last change.
_KEPT = 2 * 86_400

# One script, so that no other host's addition comes between reading and writing. A value of
# another type, or that is no plausible number of tokens, counts as 0.
_ADD = """
local kept, used = redis.pcall('GET', KEYS[1]), 0
if type(kept) == 'string' and #kept <= 15 and string.match(kept, '^%d+$') then
    used = tonumber(kept)
end
used = string.format('%.0f', math.max(0, used + tonumber(ARGV[1])))
redis.call('SET', KEYS[1], used, 'EX', ARGV[2])
return used
"""


class RedisBudget:
    """The day's tokens on the server at *url*, as `BudgetFile` keeps them in a file.

    Each host takes the day from its own clock. Every method raises StoreError if the server fails.
    """

    is_blocking = True

    def __init__(self, url: str) -> None:
        self._server = RedisServer(url)
        self._prefix = _PREFIX

    def __repr__(self) -> str:
        return f"RedisBudget({self._server.where!r})"

    def with_prefix(self, prefix: str) -> RedisBudget:
        """Return the budget of another *prefix*, through the same connections."""
        other = copy(self)
        other._prefix = prefix
        return other

    def used(self, now: float) -> int:
        """Return the tokens used on the UTC day of *now*, Unix seconds."""
        return self.add(0, now)

    def add(self, tokens: int, now: float, *, day: str | None = None) -> int:
        """Add *tokens*, as `BudgetFile.add` does, and return the tokens used today."""
        today = utc_day(now)
        changed = tokens if day in (None, today) else 0
        with self._server.errors():
            return int(self._server.client.eval(_ADD, 1, self._prefix + today, changed, _KEPT))
