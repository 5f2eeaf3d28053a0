"""What the model is told: the schema to answer in, and what was wrong with its answer."""

from __future__ import annotations

import json
from collections.abc import Iterable

from .faults import Fault, printable
from .walk import JsonSchema

#: Characters of a repair message: some 1,500 tokens, which any model that answers can spare.
_LONGEST = 6_000
#: Of these, what the sentences around the list may take.
_FRAME = 600


def instructions(document: JsonSchema) -> str:
    """Ask for JSON in the words that every provider's JSON mode wants to see, with the schema in
    full.
    """
    schema = printable(json.dumps(document, ensure_ascii=False, separators=(",", ":")))
    return (
        "Answer with one JSON value that satisfies the JSON Schema below, and with nothing else: "
        "no explanation, no Markdown fence, no comment.\n\n"
        f"JSON Schema:\n{schema}"
    )


def repair_message(errors: Iterable[Fault]) -> str:
    """Ask for the answer again, with every error by its JSONPath, in at most 6,000 characters.

    The model sees its answer as the turn before; errors that no longer fit are counted.
    """
    lines = [f"- {error}" for error in errors]
    shown: list[str] = []
    room = _LONGEST - _FRAME
    for line in lines:
        room -= len(line) + 1
        if room < 0:
            break
        shown.append(line)
    if len(shown) < len(lines):
        shown.append(f"- and {len(lines) - len(shown)} more")
    return (
        "Your answer is not valid. Where it is wrong ($ is the whole answer):\n"
        + "\n".join(shown)
        + "\n\nKeep what was right, correct these errors, invent nothing, and answer again "
        "with the complete JSON value and nothing else."
    )
