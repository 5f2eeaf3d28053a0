"""The texts for the model: instructions with the schema, and the repair message."""

from __future__ import annotations

import json
from collections.abc import Iterable

from .violations import Violation, printable
from .walk import JsonSchema

#: Characters of a repair message: some 1,500 tokens, which fit into the context of any model.
_LONGEST = 6_000
#: Of these, what the sentences around the list may take.
_FRAME = 600


def instructions(document: JsonSchema) -> str:
    """Return a text that asks for JSON, as every provider's JSON mode demands, with the schema."""
    schema = printable(json.dumps(document, ensure_ascii=False, separators=(",", ":")))
    return (
        "Answer with one JSON value that satisfies the JSON Schema below, and with nothing else: "
        "no explanation, no Markdown fence, no comment.\n\n"
        f"JSON Schema:\n{schema}"
    )


def repair_message(errors: Iterable[Violation]) -> str:
    """Return a text of at most 6,000 characters that lists the errors by JSONPath.

    Errors that do not fit are counted. The model sees its own answer in the message before.
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
