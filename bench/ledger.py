"""What a ledger has after its writers were killed: all that was acknowledged, or the run fails.

    PYTHONPATH=backend python -m bench.ledger [kills]

Each writer adds one call after another, and says so on its output once it is written; it is killed
with SIGKILL at a moment that is drawn at random. SQLite and JSON lines, half of the kills each.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from services.llm.ledger.opening import ledger_at

_WRITER = """
import sys
from services.llm.ledger.opening import ledger_at
from services.llm.ledger.usage import UsageEntry, UsageKey, UsageSums
entry = UsageEntry(UsageKey("2026-11-26", "groq", "m"), UsageSums(calls=1, input_tokens=7))
ledger = ledger_at(sys.argv[1])
while True:
    ledger.add(entry).result()
    sys.stdout.write(".")
    sys.stdout.flush()
"""
#: The most additions that a writer acknowledges before it is killed.
_MOST = 300


def killed_writer(url: str, after: int) -> int:
    """Kill a writer once it has acknowledged *after* additions; return how many it has in all."""
    command = [sys.executable, "-c", _WRITER, url]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        acknowledged = len(writer.stdout.read(after))
        writer.kill()
        return acknowledged + len(writer.stdout.read())


def run(url: str, kills: int, seed: int) -> str:
    """Kill so many writers of the ledger at *url*, and return a row of the table."""
    draw = random.Random(seed)
    acknowledged = sum(killed_writer(url, draw.randint(1, _MOST)) for _ in range(kills))
    kept = sum(entry.sums.calls for entry in ledger_at(url).read("2026-11-26", "2026-11-26"))
    # What was being written when its writer died may be there or not.
    lost, more = max(0, acknowledged - kept), max(0, kept - acknowledged)
    row = f"| {url.partition(':')[0]} | {kills} | {acknowledged} | {kept} | {lost} | {more} |"
    if lost or more > kills:
        raise SystemExit(f"{row}\nacknowledged usage is lost, or usage was made up")
    return row


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kills", type=int, nargs="?", default=200)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    print("| ledger | kills | acknowledged | kept | lost | written, not acknowledged |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("sqlite", "json"):
            place = f"{kind}:{Path(folder, kind)}"
            print(run(place, arguments.kills // 2, arguments.seed), flush=True)


if __name__ == "__main__":
    main()
