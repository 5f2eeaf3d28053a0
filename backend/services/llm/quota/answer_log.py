"""How many requests were answered in the last minute, and what limit that shows; pure.

A log is a tuple: when each second with answers begins, and their number, in turn. There are as many
logs as scopes, most of which rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from ..limit_types import MINUTE

AnswerLog: TypeAlias = "tuple[float, ...]"

#: Seconds whose answers are counted together.
_SLOT = 1.0


def with_answer(log: AnswerLog, now: float) -> AnswerLog:
    """Return *log* with an answer, without what is older than a minute."""
    if log and now - log[-2] < _SLOT:
        return (*log[:-1], log[-1] + 1)
    old = 0
    while old < len(log) and now - log[old] >= MINUTE:
        old += 2
    return (*log[old:], now, 1)


def answered(log: AnswerLog, now: float) -> float:
    """Return how many were answered in the last minute."""
    return sum(answers for _, answers in _latest_first(log, now))


def least_limit(log: AnswerLog, now: float) -> float:
    """Return the least limit, in requests a minute, that explains the last minute's answers.

    In t seconds a limit lets through a full bucket and what is refilled, limit * (1 + t / 60):
    n answers in the last t seconds show a limit of n / (1 + t / 60) at least. The largest of
    these counts. What others have sent is not known here.
    """
    least, number = 0.0, 0.0
    for begin, answers in _latest_first(log, now):
        number += answers
        least = max(least, number / (1 + (now - begin) / MINUTE))
    return least


def _latest_first(log: AnswerLog, now: float) -> Iterator[tuple[float, float]]:
    """Yield the seconds of the last minute, and their answers."""
    for begin, answers in zip(log[-2::-2], log[::-2], strict=True):
        if now - begin < MINUTE:
            yield begin, answers
