"""How many tokens a UTC day has used, kept in a small file so that a restart does not forget it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone

from .files import absolute, file_errors, not_ours, replace, set_aside, waiting_for_nobody
from .locks import lock_on
from .recognition import is_budget

#: Bytes of a file that are looked at: a tally has fewer.
_LONGEST = 256
#: Tokens of a day that are plausible; a file that says more was not written by counting.
MOST = 10**15


def utc_day(now: float) -> str:
    """Return the UTC date of *now*, Unix seconds, as YYYY-MM-DD."""
    return datetime.fromtimestamp(now, timezone.utc).date().isoformat()


@dataclass(frozen=True)
class Tally:
    """The tokens used on one UTC day."""

    day: str
    used: int

    def on(self, today: str) -> Tally:
        """Return the tally that counts *today*: this one, or an empty one of a new day.

        A tally one day ahead still counts, so that a clock stepping over midnight and back cannot
        clear it; one further ahead was written by a wrong clock.
        """
        latest = date.fromisoformat(today) + timedelta(days=1)
        return self if today <= self.day <= latest.isoformat() else Tally(today, 0)

    def plus(self, tokens: int, day: str) -> Tally:
        """Return the tally after *tokens* booked on *day*; another day's change nothing."""
        return Tally(self.day, max(0, self.used + tokens)) if day == self.day else self

    def to_json(self) -> bytes:
        """Return the tally as one line of JSON."""
        return json.dumps({"day": self.day, "used": self.used}).encode("ascii") + b"\n"

    @classmethod
    def from_json(cls, data: bytes) -> Tally:
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
    """The day's `Tally` in a file that all threads and processes on this machine add to.

    Each change replaces the file in one step: a kill at any instant leaves the tally before or
    after it, and so may a machine that dies leave the one before. A damaged file is set aside with
    a warning, and the day begins anew; a file that was never a budget is refused. Every method may
    wait for a lock, up to 5 s, and raises StoreError if file or lock refuse.
    """

    blocking = True

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = absolute(path)
        self._turn = lock_on(self.path)

    def __repr__(self) -> str:
        return f"BudgetFile({str(self.path)!r})"

    def used(self, now: float) -> int:
        """Return the tokens used on the UTC day of *now*, Unix seconds."""
        return self.add(0, now)

    def add(self, tokens: int, now: float, *, day: str | None = None) -> int:
        """Book *tokens*, fewer than 0 to give some back, and return what the day has used now.

        *day* is the day (`utc_day`) of the booking that is being corrected: when it is over,
        nothing changes. Without it, the tokens belong to the day of *now*. TypeError for tokens
        that are no whole number.
        """
        if type(tokens) is not int:
            raise TypeError(f"tokens must be a whole number, not {tokens!r}")
        today = utc_day(now)
        with file_errors(self.path), self._turn.held():
            kept = self._read() or Tally(today, 0)
            current = kept.on(today)
            changed = current.plus(tokens, day or current.day)
            if changed != kept:
                replace(self.path, [changed.to_json()])
            return changed.used

    def _read(self) -> Tally | None:
        data = b""
        try:
            with open(self.path, "rb", opener=waiting_for_nobody) as file:
                data = file.read(_LONGEST)
            return Tally.from_json(data)
        except FileNotFoundError:
            return None
        except (ValueError, RecursionError) as error:
            if not is_budget(data):
                raise not_ours(self.path, "the file of a token budget") from error
            set_aside(self.path, f"is a damaged token budget ({error})")
            return None
