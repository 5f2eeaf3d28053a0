"""How many tokens a UTC day has used, kept on a Redis server for all hosts that share it."""

from __future__ import annotations

from .budget import utc_day
from .redis_server import RedisServer

_PREFIX = "llm-tokens:"
#: Seconds after its last change until the server forgets a day.
_KEPT = 2 * 86_400

# One step, so that no other host comes between the sum and its being kept. What stands there and
# is no plausible number of tokens, of whatever type, is begun anew.
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

    Hosts tell the day by their own clocks. Every method raises StoreError if the server refuses.
    """

    blocking = True

    def __init__(self, url: str) -> None:
        self._server = RedisServer(url)

    def __repr__(self) -> str:
        return f"RedisBudget({self._server.where!r})"

    def used(self, now: float) -> int:
        """Return the tokens used on the UTC day of *now*, Unix seconds."""
        return self.add(0, now)

    def add(self, tokens: int, now: float, *, day: str | None = None) -> int:
        """Book *tokens*, as `BudgetFile.add` does, and return what the day has used now."""
        today = utc_day(now)
        changed = tokens if day in (None, today) else 0
        with self._server.errors():
            return int(self._server.client.eval(_ADD, 1, _PREFIX + today, changed, _KEPT))
