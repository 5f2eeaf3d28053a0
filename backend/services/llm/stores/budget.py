"""The tokens that a UTC day has used, kept in a small file over restarts."""

from __future__ import annotations

import json
import os
from datetime import date, datetime, timedelta, timezone

from ..frozen import dataclass
from .file_formats import resembles_budget
from .files import (
    absolute_path,
    file_errors,
    foreign_file_error,
    move_aside,
    open_nonblocking,
    replace_file,
)
from .locks import lock_on

#: Bytes that are read of the file; a tally has fewer.
_LONGEST = 256
#: The most tokens that one day can plausibly use.
MOST = 10**15


def utc_day(now: float) -> str:
    """Return the UTC date of *now*, Unix seconds, as YYYY-MM-DD."""
    return datetime.fromtimestamp(now, timezone.utc).date().isoformat()


@dataclass(frozen=True)
class DayTally:
    """What was used on one UTC day: tokens, or nano-dollars."""

    day: str
    used: int

    def on(self, today: str) -> DayTally:
        """Return the tally that counts *today*: this one, or an empty one of a new day.

        A tally one day ahead still counts, so that a clock stepping over midnight and back cannot
        clear it; one further ahead was written by a wrong clock.
        """
        latest = date.fromisoformat(today) + timedelta(days=1)
        return self if today <= self.day <= latest.isoformat() else DayTally(today, 0)

    def plus(self, amount: int, today: str, day: str | None = None) -> DayTally:
        """Return the tally of *today* with *amount* added; that of another *day* changes nothing.

        That of today counts also where the tally is a day ahead, as after a clock was set back.
        """
        current = self.on(today)
        if day not in (None, today, current.day):
            return current
        return DayTally(current.day, max(0, current.used + amount))

    def to_json(self) -> bytes:
        """Return the tally as one line of JSON."""
        return json.dumps({"day": self.day, "used": self.used}).encode("ascii") + b"\n"

    @classmethod
    def from_json(cls, data: bytes) -> DayTally:
        """Return the tally in *data*; ValueError if there is none."""
        record = json.loads(data)
        if not isinstance(record, dict) or record.keys() != {"day", "used"}:
            raise ValueError("not an object of day and used")
        day, used = record["day"], record["used"]
        if type(used) is not int or not 0 <= used <= MOST:
            raise ValueError("used is not a plausible number of tokens")
        if not isinstance(day, str) or date.fromisoformat(day).isoformat() != day:
            raise ValueError("day is not a date")
        return cls(day, used)


class BudgetFile:
    """The day's `DayTally` in a file that all threads and processes on this machine add to.

    Each change replaces the file in one step, so that a kill leaves the tally before or after it; a
    power cut may undo the latest change. A damaged file is moved aside with a warning, and the day
    starts from 0; a file that was never a budget is refused. Every method may wait up to 5 s for a
    lock, and raises StoreError if the file or the lock fails.
    """

    is_blocking = True

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = absolute_path(path)
        self._file_lock = lock_on(self.path)

    def __repr__(self) -> str:
        return f"BudgetFile({str(self.path)!r})"

    def used(self, now: float) -> int:
        """Return the tokens used on the UTC day of *now*, Unix seconds."""
        return self.add(0, now)

    def add(self, tokens: int, now: float, *, day: str | None = None) -> int:
        """Add *tokens*, which may be negative, and return the tokens used today.

        *day* is the `utc_day` of an earlier addition that this one corrects: once that day is over,
        nothing changes. Without it, the tokens count for the day of *now*. TypeError for tokens
        that are no whole number.
        """
        if type(tokens) is not int:
            raise TypeError(f"tokens must be a whole number, not {tokens!r}")
        today = utc_day(now)
        with file_errors(self.path), self._file_lock.held():
            kept = self._read() or DayTally(today, 0)
            changed = kept.plus(tokens, today, day)
            if changed != kept:
                replace_file(self.path, [changed.to_json()])
            return changed.used

    def _read(self) -> DayTally | None:
        try:
            with open(self.path, "rb", opener=open_nonblocking) as file:
                data = file.read(_LONGEST)
        except FileNotFoundError:
            return None
        try:
            return DayTally.from_json(data)
        except (ValueError, RecursionError) as error:
            if not resembles_budget(data):
                raise foreign_file_error(self.path, "the file of a token budget") from error
            move_aside(self.path, f"is a damaged token budget ({error})")
            return None
