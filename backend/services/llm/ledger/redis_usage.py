"""The ledger on a Redis server, for all hosts that share it: one hash a day, kept for 400 days."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import date, timedelta

from ..stores import StoreError
from ..stores.redis_server import RedisServer
from .store import REMEMBERED_DAYS, UsageBatch
from .usage import UsageEntry, checked_key, checked_sums, combined, encode_tags

_PREFIX = "llm-usage:"
_NOTE = f"{_PREFIX}note:"
#: Seconds for which a day is kept, and for which a batch is known to have been added.
_KEPT, _REMEMBERED = REMEMBERED_DAYS * 86_400, 3_600
#: Days that are read with one request.
_DAYS_AT_ONCE = 20

# One script: a batch whose answer was lost is sent again, and must not be added twice. It fails
# before anything is written, or not at all. A field that holds no number, of another program,
# begins anew.
_ADD = """
for i = 2, #KEYS do
    local kind = redis.call('TYPE', KEYS[i]).ok
    if kind ~= 'hash' and kind ~= 'none' then
        return redis.error_reply(KEYS[i] .. ' is a ' .. kind .. ' of another program')
    end
end
if not redis.call('SET', KEYS[1], 1, 'NX', 'EX', ARGV[1]) then return 0 end
for i = 3, #ARGV, 3 do
    local day = KEYS[1 + tonumber(ARGV[i])]
    local added = redis.pcall('HINCRBY', day, ARGV[i + 1], ARGV[i + 2])
    if type(added) == 'table' then redis.call('HSET', day, ARGV[i + 1], ARGV[i + 2]) end
    redis.call('EXPIRE', day, ARGV[2])
end
return 1
"""


class RedisUsage:
    """A `UsageStore` on the server at *url*; ImportError without `redis`, ValueError for a URL."""

    is_blocking = True

    def __init__(self, url: str) -> None:
        self._server = RedisServer(url)

    def __repr__(self) -> str:
        return f"RedisUsage({self._server.where!r})"

    def add(self, batch: UsageBatch) -> None:
        """Add the entries, once for each id of a batch."""
        self._add(batch, _REMEMBERED)

    def keep_note(self, identity: str, day: str, note: str) -> None:
        """Keep the note as long as a day."""
        with self._server.errors():
            self._server.client.set(_NOTE + identity, note.encode(), ex=_KEPT)

    def note_of(self, identity: str) -> str:
        """Return the note, or ""."""
        with self._server.errors():
            note: bytes | None = self._server.client.get(_NOTE + identity)
        return (note or b"").decode(errors="replace")

    def add_once(self, batch: UsageBatch, day: str) -> bool:
        """Add the entries as `add` does, and remember that as long as a day is kept."""
        is_new = self._add(batch, _KEPT)
        # A note that stays is forgotten in its time; whether the entries are new must be known.
        with suppress(StoreError), self._server.errors():
            self._server.client.delete(_NOTE + batch.id)
        return is_new

    def _add(self, batch: UsageBatch, remembered: int) -> bool:
        days = sorted({entry.key.day for entry in batch.entries})
        arguments: list[object] = [remembered, _KEPT]
        for entry in batch.entries:
            for name, count in entry.sums.counts().items():
                arguments += [1 + days.index(entry.key.day), _field(entry, name), count]
        keys = [f"{_PREFIX}batch:{batch.id}", *(_PREFIX + day for day in days)]
        with self._server.errors():
            return bool(self._server.client.eval(_ADD, len(keys), *keys, *arguments))

    def read(self, first_day: str, last_day: str) -> list[UsageEntry]:
        """Return the sums of these days, at most those that are kept."""
        last = date.fromisoformat(last_day)
        first = max(date.fromisoformat(first_day), last - timedelta(seconds=_KEPT))
        days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        entries: list[UsageEntry] = []
        for start in range(0, len(days), _DAYS_AT_ONCE):
            some = [each.isoformat() for each in days[start : start + _DAYS_AT_ONCE]]
            with self._server.errors():
                pipeline = self._server.client.pipeline(transaction=False)
                for day in some:
                    pipeline.hgetall(_PREFIX + day)
                answers = pipeline.execute()
            for day, fields in zip(some, answers, strict=True):
                entries += [self._entry(day, *each) for each in fields.items()]
        return [UsageEntry(key, sums) for key, sums in combined(entries).items()]

    def close(self) -> None:
        """Close the idle connections."""
        self._server.close()

    def _entry(self, day: str, field: bytes, count: bytes) -> UsageEntry:
        try:
            *names, name = json.loads(field)
            return UsageEntry(checked_key(day, *names), checked_sums({name: int(count)}))
        except (ValueError, TypeError, RecursionError) as error:
            where = f"{self._server.where}, {_PREFIX}{day}"
            raise StoreError(f"{where} holds a field that is no usage: {error}") from error


def _field(entry: UsageEntry, name: str) -> str:
    key = entry.key
    return json.dumps([key.provider, key.model, key.tier, encode_tags(key.tags), name])
