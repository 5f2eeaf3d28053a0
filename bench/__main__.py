"""Measure everything beside other clients, and write the table and the picture for the README.

    make bench                        all rows; writes README.md and docs/bench.svg
    make bench BENCH='groq-async-64'  one row, or several, which are just printed
    make bench BENCH='--quick'        ours beside the SDKs and the floor, in three minutes
    make bench BENCH='--soak'         200,000 calls where 20,000 are made otherwise

Every figure comes from rounds in which all clients take turns, each in a process of its own,
against a server in another; a ratio is the median of those of the rounds, with the least and the
largest behind it. With few processors the server takes from the client: ratios are nearer to one.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from importlib.metadata import version
from pathlib import Path
from platform import python_version

from .ceiling import ceiling
from .chart import chart
from .loopback import allow_many_files, server
from .rounds import Machine, Rounds, middle, run
from .rows import LATENCY, Row, rows, sweep
from .table import of_row, table

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- bench -->\n", "<!-- /bench -->"
PACKAGES = ("groq", "boto3", "litellm", "langchain-aws", "instructor", "pydantic-ai-slim")


def main() -> None:
    """Measure what was asked for."""
    asked = _arguments()
    allow_many_files()
    machine = Machine({("LangChain", "groq"): asked.langchain} if asked.langchain else {})
    all_rows = rows(asked.seconds, asked.calls, 200_000 if asked.soak else 20_000)
    swept = sweep(asked.seconds)
    names = {row.name for row in (*all_rows, *swept)}
    if unknown := set(asked.rows) - names:
        raise SystemExit(f"no such row: {', '.join(unknown)}; there are {', '.join(sorted(names))}")
    wanted = set(asked.rows) or names
    with server() as url:
        about = _about(ceiling(url))
    print(about, flush=True)
    if asked.quick:
        all_rows = [row for row in all_rows if row.order["measure"] not in ("soak", "import")]
        swept = [row for row in swept if row.callers in (1, 64, 1024)]
    chosen = [_with(row, asked.clients) for row in all_rows if row.name in wanted]
    found = _run(machine, chosen, asked.rounds)
    curves = _run(machine, (row for row in swept if row.name in wanted), min(2, asked.rounds))
    text = f"{about}\n\n{table(found)}\n\n{_rising(curves)}\n"
    print(text)
    if not asked.rows and not asked.clients:
        _write(text, chart(_panels(curves)))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make bench", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("rows", nargs="*", help="names of rows; without any, all")
    parser.add_argument("--rounds", type=int, default=3, help="how often all take turns")
    parser.add_argument("--seconds", type=float, default=1.5, help="a crowd's round lasts")
    parser.add_argument("--calls", type=int, default=200, help="a single caller's round has")
    parser.add_argument("--clients", help="those to measure, as SDK,ours; the picture has its own")
    parser.add_argument("--quick", action="store_true", help="few clients, short rounds")
    parser.add_argument("--soak", action="store_true", help="200,000 calls where 20,000 are made")
    parser.add_argument("--langchain", help="the interpreter of langchain-groq's environment")
    asked = parser.parse_args()
    if asked.quick:
        asked.rounds, asked.seconds, asked.calls = 2, 0.7, 100
        asked.clients = asked.clients or "SDK,SDK + settings,ours,floor"
    return asked


def _with(row: Row, clients: str | None) -> Row:
    """Return *row* with just those of its clients that are named."""
    named = clients.split(",") if clients else row.clients
    return replace(row, clients=tuple(client for client in row.clients if client in named))


def _run(machine: Machine, wanted: Iterable[Row], rounds: int) -> dict[Row, Rounds]:
    found = {}
    for row in wanted:
        # What is left behind shows in one long round.
        is_long = row.order["measure"] in ("soak", "many")
        found[row] = run(machine, row, 1 if is_long else rounds)
        print(*of_row(row, found[row]), sep="\n", flush=True)
    return found


def _about(most: float) -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"Measured on {date.today()} with Python {python_version()} on {os.cpu_count()} processors;"
        f" {packages}. The server answers {most:,.0f} calls a second at most, and after"
        f" {LATENCY} ms where callers wait."
    )


def _panels(curves: dict[Row, Rounds]) -> dict[str, dict[str, list[tuple[int, float]]]]:
    panels: dict[str, dict[str, list[tuple[int, float]]]] = {}
    for row, rounds in curves.items():
        panel = panels.setdefault(f"{row.provider.title()}: calls a second", {})
        for client, figures in rounds.items():
            panel.setdefault(client, []).append((row.callers, middle(figures, "rps")))
    return panels


def _rising(curves: dict[Row, Rounds]) -> str:
    lines = []
    for title, panel in _panels(curves).items():
        ours = panel.get("ours", [])
        rates = ", ".join(f"{rate:,.0f}" for _, rate in ours)
        callers = ", ".join(f"{number:,}" for number, _ in ours)
        lines.append(f"{title} of ours at {callers} callers: {rates}.")
    return "\n".join(lines)


def _write(text: str, picture: str) -> None:
    (ROOT / "docs" / "bench.svg").write_text(picture, encoding="utf-8")
    readme = ROOT / "README.md"
    shown = f"![Calls a second, by the number of callers](docs/bench.svg)\n\n{text}"
    readme.write_text(between(readme.read_text(encoding="utf-8"), shown), encoding="utf-8")


def between(page: str, text: str) -> str:
    """Put *text* between the marks in *page*, in place of what stands there."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"README.md has no {BEGIN.strip()} and {END} to write between")
    return f"{before}{begin}{text}{end}{after}"


if __name__ == "__main__":
    main()
