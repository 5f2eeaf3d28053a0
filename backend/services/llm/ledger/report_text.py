"""A usage report as a table for a terminal, as CSV and as JSON; pure."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Sequence
from typing import Any

from .usage import COUNTS, UsageSums, in_dollars
from .usage_report import UsageReport

#: The columns of a table: heading, and the sum's name.
COLUMNS = (
    ("calls", "calls"),
    ("failed", "failed"),
    ("cached", "cached"),
    ("attempts", "attempts"),
    ("input", "input_tokens"),
    ("of it cached", "cached_input_tokens"),
    ("output", "output_tokens"),
    ("of it reasoning", "reasoning_tokens"),
)


#: What a spreadsheet takes for a formula, in a full-width form too, or strips before it looks.
_is_formula = re.compile("\\s*[=+@\uff1d\uff0b\uff0d\uff20-]").match


def as_table(report: UsageReport) -> str:
    """Return *report* as lines of columns, and what its cost leaves out."""
    heads = [*report.by, *(head for head, _ in COLUMNS), "US$"]
    rows = [[*map(one_line, row.group), *_cells(row.sums)] for row in report.rows]
    rows.append(["total", *[""] * (len(report.by) - 1), *_cells(report.total)])
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    texts = len(report.by)

    def line(cells: Sequence[str]) -> str:
        padded = [
            cell.ljust(width) if n < texts else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return "  ".join(padded).rstrip()

    ruled = "  ".join("-" * width for width in widths)
    return "\n".join([line(heads), ruled, *map(line, rows), *left_out(report.total)]) + "\n"


def left_out(total: UsageSums) -> list[str]:
    """Return a sentence for each kind of attempts whose cost is not in the sum."""
    sentences = []
    if total.unpriced:
        sentences.append(
            f"Not in the cost: {total.unpriced:,} attempt(s) of models whose price is not known:"
            " a sum that lacks some has a +, one that lacks all is unknown."
        )
    if total.unreported:
        sentences.append(
            f"Not counted: the tokens of {total.unreported:,} attempt(s) that failed or were"
            " cancelled before the provider said what they used."
        )
    return sentences


def as_csv(report: UsageReport) -> str:
    """Return *report* as CSV with a head, one line a row, without the total.

    A cost has all its digits, down to the nano-dollar: many small ones are added up from here. A
    text that a spreadsheet would take for a formula begins with an apostrophe.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*report.by, *COUNTS[:-1], "cost_usd"])
    for row in report.rows:
        group = [f"'{each}" if _is_formula(each) else each for each in row.group]
        counts = [getattr(row.sums, name) for name in COUNTS[:-1]]
        writer.writerow([*group, *counts, in_dollars(row.sums.cost, 9).replace(",", "")])
    return text.getvalue()


def as_json(report: UsageReport) -> str:
    """Return *report* as one JSON object; costs are in US dollars."""

    def sums(of: UsageSums) -> dict[str, Any]:
        return {name: getattr(of, name) for name in COUNTS[:-1]} | {"cost_usd": of.dollars}

    rows = [dict(zip(report.by, row.group, strict=True)) | sums(row.sums) for row in report.rows]
    days = {"first_day": report.first_day, "last_day": report.last_day, "by": list(report.by)}
    return json.dumps({**days, "rows": rows, "total": sums(report.total)}, indent=2) + "\n"


def shown_cost(cost: int, unpriced: int) -> str:
    """Return *cost*, in nano-dollars, as US dollars, marked where *unpriced* attempts lack."""
    if unpriced and not cost:
        return "unknown"
    return in_dollars(cost) + ("+" if unpriced else "")


def one_line(text: str) -> str:
    """Return *text* with each character that cannot be seen, or moves others, written out."""
    return "".join(each if each.isprintable() else f"\\u{ord(each):04x}" for each in text)


def _cells(sums: UsageSums) -> list[str]:
    counts = [f"{getattr(sums, name):,}" for _, name in COLUMNS]
    return [*counts, shown_cost(sums.cost, sums.unpriced)]
