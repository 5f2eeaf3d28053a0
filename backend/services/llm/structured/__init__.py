"""Structured answers: a schema in, an object that satisfies it out, decided without any I/O.

`Schema.of` checks and compiles what the caller asked for; `rewrite` gives the form of it that a
provider accepts; `instructions` and `repair_message` are the words to the model; `judge` turns the
model's text into `Answered` or `Faulty`. The files read in that order: schema, compile; rewrite,
strict, merge, restore; words; judge, extract, tolerant, unwrap, coerce, ignored, explain.
"""

from __future__ import annotations

from .faults import Fault
from .judge import Answered, Faulty, judge
from .rewrite import Rewritten, Target, Unrewritable, rewrite
from .schema import Schema
from .watch import OutOfTimeError, Watch
from .words import instructions, repair_message

__all__ = [
    "Answered",
    "Fault",
    "Faulty",
    "OutOfTimeError",
    "Rewritten",
    "Schema",
    "Target",
    "Unrewritable",
    "Watch",
    "instructions",
    "judge",
    "repair_message",
    "rewrite",
]
