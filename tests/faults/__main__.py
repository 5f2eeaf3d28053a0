"""Print what becomes of each fault, and whether that is as promised: `python -m tests.faults`.

    python -m tests.faults [WORD ...]    only faults whose name contains one of the words

Each is met by both providers' clients, in a thread and on an event loop, by a plain, a streamed and
a structured call: once, persistently, and twice with answers between. A form's column says what
comes of it as long as it lasts. The exit status is 1 where something is not as promised.
"""

from __future__ import annotations

import itertools
import logging
import sys

from tests.faults.catalogue import FAULTS, FaultCase, Outcome
from tests.faults.matrix import FORMS, PATTERNS, Cell, Matrix, opened


def main(words: list[str]) -> int:
    """Print a row for each fault and provider; return the exit status."""
    chosen = [each for each in FAULTS if not words or any(word in each.name for word in words)]
    if not chosen:
        print(f"no such fault: {' '.join(words)}; there are {', '.join(f.name for f in FAULTS)}")
        return 2
    print(
        "| fault | provider | " + " | ".join(FORMS) + " | as promised |\n|---|---|---|---|---|---|"
    )
    wrong: list[str] = []
    with opened() as matrix:
        for fault, provider in itertools.product(chosen, ("groq", "bedrock")):
            wrong += _print_row(matrix, fault, provider)
    print(f"\n{len(chosen)} faults; not as promised: {len(wrong)}", *wrong, sep="\n")
    return bool(wrong)


def _print_row(matrix: Matrix, fault: FaultCase, provider: str) -> list[str]:
    kinds = (provider, f"{provider} async")
    cells = [Cell(fault, *rest) for rest in itertools.product(kinds, FORMS, PATTERNS)]
    found = {cell: matrix.run(cell) for cell in cells}
    forms = " | ".join(_described(fault.outcome(provider, form)) for form in FORMS)
    right = f"{sum(not each for each in found.values())} of {len(cells)}"
    print(f"| {fault.name} | {provider} | {forms} | {right} |", flush=True)
    return [
        f"{fault.name}, {cell.kind}, {cell.form}, {cell.pattern}: {what}"
        for cell, each in found.items()
        for what in each
    ]


def _described(outcome: Outcome) -> str:
    if outcome.error is None:
        return "an answer"
    name = outcome.error.__name__.removesuffix("Error")
    times = f" after {outcome.most}" if outcome.most > 1 else ""
    return f"{name}{times}{' with what came' if outcome.partial else ''}"


if __name__ == "__main__":
    logging.disable(logging.WARNING)  # of what the client has learnt, and of sockets that are gone
    sys.exit(main(sys.argv[1:]))
