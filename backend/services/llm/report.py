"""The command that shows a ledger: `python -m services.llm.report --help`."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence

from .errors import ConfigurationError
from .ledger.opening import ledger_at, place_of
from .ledger.report_page import as_page
from .ledger.report_text import as_csv, as_json, as_table
from .ledger.sqlite_usage import holds_usage
from .ledger.usage_report import checked_groups, days_until, report
from .settings import host
from .stores import StoreError, utc_day
from .stores.files import absolute_path

FORMATS = ("table", "csv", "json", "html")


def main(arguments: Sequence[str] | None = None) -> int:
    """Write a report to standard output; return 0, 1 where there is none, 2 for wrong arguments."""
    parsed = _parser().parse_args(arguments)
    try:
        by = checked_groups(parsed.by)
        days = days_until(utc_day(time.time()), parsed.days)
        if parsed.url is None:
            url = _url_of_settings()
            ledger = ledger_at(url)
        else:
            url = parsed.url
            ledger = ledger_at(url, "--url")
        _check_exists(url)
        entries = ledger.read(*days)
    except (ConfigurationError, StoreError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    shown = report(entries, by, *days)
    if parsed.format == "html":
        text = as_page(shown, entries)
    else:
        text = {"table": as_table, "csv": as_csv, "json": as_json}[parsed.format](shown)
    return _write(text, "xmlcharrefreplace" if parsed.format == "html" else "backslashreplace")


def _url_of_settings() -> str:
    url = host.read(host.current()).LLM_LEDGER_URL
    if not url:
        raise ConfigurationError(
            "LLM_LEDGER_URL is not set: name the ledger there, or with --url, as sqlite:path,"
            " json:path or redis://host:port/db"
        )
    return url


def _check_exists(url: str) -> None:
    """Raise ConfigurationError where there is no ledger: to read a missing one would create it."""
    kind, place = place_of(url)
    if kind == "memory":
        raise ConfigurationError(
            "memory: is the ledger of one process alone, which shows it by client.usage_report():"
            " name that of others as sqlite:path, json:path or redis://host:port/db"
        )
    if kind in ("sqlite", "json"):
        path = absolute_path(place)
        # Unlike Path.exists, this raises nothing for a name that is too long.
        if not os.path.exists(path) or (kind == "sqlite" and not holds_usage(path)):
            raise ConfigurationError(f"there is no ledger at {place}")


def _write(text: str, errors: str) -> int:
    """Write *text*, with what standard output cannot encode as *errors* says; return as main."""
    if sys.stdout is None:
        print("error: the report cannot be written: standard output is closed", file=sys.stderr)
        return 1
    encoding = "ascii" if errors == "xmlcharrefreplace" else sys.stdout.encoding
    try:
        sys.stdout.write(text.encode(encoding, errors).decode(encoding))
        sys.stdout.flush()
    except OSError as error:
        # What is buffered would fail again at the interpreter's exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):  # else whoever read has seen enough
            print(f"error: the report cannot be written: {error.strerror}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m services.llm.report", description="Show what calls have used and cost."
    )
    parser.add_argument("--url", help="the ledger; by default the settings' LLM_LEDGER_URL")
    parser.add_argument("--days", type=int, default=30, help="UTC days, today included (30)")
    parser.add_argument(
        "--by", default="day,model", help="day, provider, model, tier, tag:NAME (day,model)"
    )
    parser.add_argument("--format", choices=FORMATS, default="table")
    return parser


if __name__ == "__main__":
    sys.exit(main())
