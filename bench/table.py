"""The table: what was found, in Markdown, for a person and for the README."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping
from functools import partial

from .measures import Figures
from .rounds import Rounds, middle, ratios
from .rows import Row

COLUMNS = (
    *("SDK", "ours", "goal", "SDK + aiohttp", "LangChain", "LiteLLM", "instructor", "pydantic-ai"),
    "floor",
)
Line = Mapping[str, str]


def table(found: Mapping[Row, Rounds]) -> str:
    """Return the table of all rows that were run."""
    heads = ("what, and its name", *COLUMNS)
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    return "\n".join(
        [*lines, *(line for row, rounds in found.items() for line in of_row(row, rounds))]
    )


def of_row(row: Row, rounds: Rounds) -> list[str]:
    """Return the table's lines of one row."""
    return [
        f"| {title} | " + " | ".join(cells.get(column, "") for column in COLUMNS) + " |"
        for title, cells in _lines(row, rounds)
    ]


def _lines(row: Row, rounds: Rounds) -> Iterator[tuple[str, Line]]:
    title = f"{row.title} (`{row.name}`)"
    match row.order["measure"]:
        case "crowd":
            yield title, _compared(row, rounds)
            yield "its p50 / p99, ms", {**_each(rounds, _waits), "goal": "p99 < 3 p50"}
            # Of a busy machine, an SDK's many threads get more than one that awaits.
            yield "its CPU of a call, µs", _each(rounds, partial(_amount, "us"))
        case "pieces" | "paced":
            yield title, _compared(row, rounds)
        case "many":
            yield title, {**_each(rounds, _streamed), "goal": "all in order"}
        case "once":
            yield title, _compared(row, rounds)
            if hosted := _in_a_host(rounds):
                yield "beside the SDK in a host with pydantic-settings", hosted
        case "cost":
            yield title, _compared(row, rounds)
        case "import":
            yield title, _each(rounds, partial(_amount, "ms"))
            if beyond := _beyond_settings(rounds):
                yield "ours beyond pydantic-settings, ms", beyond
        case "memory":
            yield title, {**_each(rounds, partial(_amount, "kB")), "goal": "< 100"}
        case "soak":
            yield title, {**_each(rounds, _left), "goal": "flat"}


def _compared(row: Row, rounds: Rounds) -> dict[str, str]:
    """The SDK's own figure, and of all others the ratio to it."""
    if "SDK" not in rounds:
        return _each(rounds, partial(_amount, row.figure))
    cells = {"SDK": f"{middle(rounds['SDK'], row.figure):,.0f}", "goal": row.goal}
    for client in rounds:
        if client != "SDK":
            ratio, least, most = ratios(rounds, client, row.figure)
            cells[client] = f"{ratio:.2f} ×"
            if client == "ours":
                cells[client] = f"**{ratio:.2f} ×** ({least:.2f}-{most:.2f})"
    return cells


def _each(rounds: Rounds, show: Callable[[list[Figures]], str]) -> dict[str, str]:
    return {client: show(figures) for client, figures in rounds.items() if figures}


def _amount(name: str, figures: list[Figures]) -> str:
    return f"{middle(figures, name):,.0f}"


def _waits(figures: list[Figures]) -> str:
    failed = sum(each["failed"] for each in figures)
    shown = f"{middle(figures, 'p50'):,.0f} / {middle(figures, 'p99'):,.0f}"
    return f"{shown}, {failed:.0f} failed" if failed else shown


def _streamed(figures: list[Figures]) -> str:
    last = figures[-1]
    return f"{last['pieces']:,.0f} pieces/s, {last['wrong']:.0f} wrong, {_left(figures)}"


def _left(figures: list[Figures]) -> str:
    last = figures[-1]
    kept = (
        f"{name[:-1]}{value:+.1f}" if name == "MB +" else f"{name[:-1]}{value:+.0f}"
        for name, value in last.items()
        if name.endswith("+")
    )
    return ", ".join(kept)


def _in_a_host(rounds: Rounds) -> Line:
    """The ratio of ours to the SDK where a host has read its settings before."""
    if not rounds.get("SDK + settings") or not rounds.get("ours"):
        return {}
    pairs = zip(rounds["ours"], rounds["SDK + settings"], strict=False)
    each = [ours["ms"] / hosted["ms"] for ours, hosted in pairs]
    shown = f"**{statistics.median(each):.2f} ×** ({min(each):.2f}-{max(each):.2f})"
    return {"SDK": _amount("ms", rounds["SDK + settings"]), "ours": shown, "goal": "≤ 1.00"}


def _beyond_settings(rounds: Rounds) -> Line:
    """What is left of our own import without the settings library, which a host has anyway."""
    if not rounds.get("pydantic-settings") or not rounds.get("ours"):
        return {}
    pairs = zip(rounds["ours"], rounds["pydantic-settings"], strict=False)
    each = [ours["ms"] - settings["ms"] for ours, settings in pairs]
    shown = f"**{statistics.median(each):.0f}** ({min(each):.0f}-{max(each):.0f})"
    return {"ours": shown, "goal": "< 40"}
