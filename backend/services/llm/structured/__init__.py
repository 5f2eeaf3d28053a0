"""Structured answers: a schema in, an object that satisfies it out, decided without any I/O.

`Schema.of` checks and compiles the schema that the caller gives; `rewrite` expresses it as a
provider accepts it; `instructions` and `repair_message` make the text for the model; `parse_answer`
turns the model's text into a `ValidAnswer` or an `InvalidAnswer`; a `PartialAnswer` shows what has
come of it. Read the files in that order: schema, compile; rewrite, strict, merge, restore; prompts;
parse, extract, tolerant, unwrap, coerce, losses, explain, violations; partial, open_json.
"""

from __future__ import annotations

from .deadline import OutOfTimeError, StepDeadline
from .parse import InvalidAnswer, ValidAnswer, parse_answer
from .partial import PartialAnswer, extends
from .prompts import instructions, repair_message
from .rewrite import Rewritten, Target, Unrewritable, rewrite
from .schema import Schema
from .violations import Violation

__all__ = [
    "InvalidAnswer",
    "OutOfTimeError",
    "PartialAnswer",
    "Rewritten",
    "Schema",
    "StepDeadline",
    "Target",
    "Unrewritable",
    "ValidAnswer",
    "Violation",
    "extends",
    "instructions",
    "parse_answer",
    "repair_message",
    "rewrite",
]
