"""Reports of a ledger: grouped, and shown as a table, CSV, JSON and a page."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from services.llm import report as command
from services.llm.errors import ConfigurationError
from services.llm.ledger.report_page import as_page
from services.llm.ledger.report_text import as_csv, as_json, as_table
from services.llm.ledger.sqlite_usage import SqliteUsage
from services.llm.ledger.store import UsageBatch
from services.llm.ledger.usage import UsageEntry, UsageKey, UsageSums
from services.llm.ledger.usage_report import (
    UsageReport,
    checked_groups,
    days_between,
    days_until,
    report,
)
from services.llm.settings import host

ENTRIES = [
    UsageEntry(
        UsageKey("2026-11-25", "groq", "openai/gpt-oss-120b", "", (("tenant", "acme"),)),
        UsageSums(2, 1, 0, 3, 1, 0, 1_000, 500, 100, 0, 50, 1_500_000),
    ),
    UsageEntry(
        UsageKey("2026-11-26", "groq", "<b>=new\x1b[31m", "batch", (("tenant", "=cmd()"),)),
        UsageSums(1, 0, 0, 1, 0, 1, 10, 5),
    ),
]
DAYS = ("2026-11-25", "2026-11-26")


def grouped(*by: str) -> UsageReport:
    return report(ENTRIES, by, *DAYS)


def test_rows_are_grouped_and_summed() -> None:
    assert [(("groq",), 3)] == [(row.group, row.sums.calls) for row in grouped("provider").rows]
    by_tenant = [(row.group, row.sums.calls) for row in grouped("tag:tenant", "tier").rows]
    assert [(("=cmd()", "batch"), 1), (("acme", ""), 2)] == by_tenant
    assert [("",)] == [row.group for row in grouped("tag:user").rows]
    assert UsageSums(3, 1, 0, 4, 1, 1, 1_010, 505, 100, 0, 50, 1_500_000) == grouped("day").total


@pytest.mark.parametrize("by", ["", "days", "tag:", "day,day", [], [1], None, 5, ["day", "day"]])
def test_what_cannot_be_grouped_by_is_refused(by: object) -> None:
    with pytest.raises(ConfigurationError, match="by is "):
        checked_groups(by)  # type: ignore[arg-type]  # what a caller may give all the same


def test_what_is_wrong_is_shown_cut_short() -> None:
    for wrong in ("x" * 5_000, ["x" * 5_000]):
        with pytest.raises(ConfigurationError) as caught:
            checked_groups(wrong)
        assert len(str(caught.value)) < 200


def test_groups_may_be_one_text() -> None:
    assert ("day", "tag:tenant") == checked_groups(" day, tag:tenant")


@pytest.mark.parametrize("days", [0, -1, 4_001, True, 1.0, "30"])
def test_days_out_of_bounds_are_refused(days: object) -> None:
    with pytest.raises(ConfigurationError, match=r"days is .*: give a whole number from 1 to 4000"):
        days_until("2026-11-26", days)  # type: ignore[arg-type]  # as above


def test_today_is_one_of_the_days() -> None:
    assert ("2026-11-26", "2026-11-26") == days_until("2026-11-26", 1)
    assert ("2026-10-28", "2026-11-26") == days_until("2026-11-26", 30)


def test_a_table_lines_up_and_says_what_its_cost_leaves_out() -> None:
    lines = as_table(grouped("model")).splitlines()
    heads = [
        *("model", "calls", "failed", "cached", "attempts", "input", "of it cached", "output"),
        *("of it reasoning", "US$"),
    ]
    assert heads == [each.strip() for each in lines[0].split("  ") if each.strip()]
    assert 1 == len({len(line) for line in lines[1:5]})
    assert lines[2].startswith("<b>=new\\u001b[31m")
    assert lines[4].startswith("total ")
    assert ["unknown", "0.001500", "0.001500+"] == [each.split()[-1] for each in lines[2:5]]
    assert [
        "Not in the cost: 1 attempt(s) of models whose price is not known: a sum that lacks some"
        " has a +, one that lacks all is unknown.",
        "Not counted: the tokens of 1 attempt(s) that failed or were cancelled before the provider"
        " said what they used.",
    ] == lines[5:]


def test_a_cost_that_is_not_zero_is_never_shown_as_zero() -> None:
    entries = [UsageEntry(UsageKey("2026-11-26", "groq", "m"), UsageSums(cost=7))]
    shown = report(entries, ("model",), *DAYS)
    assert all(line.endswith("  0.000000007") for line in as_table(shown).splitlines()[2:])
    assert as_csv(shown).endswith(",0.000000007\n")
    page = as_page(shown, entries)
    assert "0.000000007</td>" in page
    assert "0.000000007</text>" in page
    assert "US$ 0.000000007." in page


def test_csv_has_all_counts_and_no_formula() -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv(grouped("tag:tenant", "day")))))
    assert ["'=cmd()", "acme"] == [row["tag:tenant"] for row in rows]
    assert ("1000", "0.001500000", "1") == (
        rows[1]["input_tokens"],
        rows[1]["cost_usd"],
        rows[1]["unreported"],
    )


@pytest.mark.parametrize(
    "tag", ["=1", "+1", "-1", "@a", " =1", "\t=1", "\r\n=1", "\uff1d1", "\uff0d1"]
)
def test_csv_has_no_tag_that_a_spreadsheet_takes_for_a_formula(tag: str) -> None:
    entries = [UsageEntry(UsageKey("2026-11-26", "groq", "m", "", (("t", tag),)), UsageSums())]
    rows = list(csv.reader(io.StringIO(as_csv(report(entries, ("tag:t",), *DAYS)))))
    assert "'" == rows[1][0][0]


@pytest.mark.parametrize("tag", ["a\nb", "a\u2028b", "a\u202eb", "a\ud800b", "a\x00b"])
def test_a_tag_is_shown_in_one_line_and_in_its_own_order(tag: str) -> None:
    entries = [UsageEntry(UsageKey("2026-11-26", "groq", "m", "", (("t", tag),)), UsageSums())]
    shown = report(entries, ("tag:t",), *DAYS)
    written = f"a\\u{ord(tag[1]):04x}b"
    assert as_table(shown).splitlines()[2].startswith(written)
    assert f">{written}</td>" in as_page(shown, entries)


def test_json_has_rows_and_total() -> None:
    document = json.loads(as_json(grouped("day")))
    assert ["2026-11-25", "2026-11-26"] == [row["day"] for row in document["rows"]]
    assert (3, 0.0015) == (document["total"]["calls"], document["total"]["cost_usd"])


class _Links(HTMLParser):
    """Notes each tag, and each attribute that would load something."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.loaded += [name for name, _ in attributes if name in ("src", "href", "srcset")]


def test_a_page_loads_nothing_and_escapes_names() -> None:
    page = as_page(grouped("model", "tag:tenant"), ENTRIES)
    reader = _Links()
    reader.feed(page)
    assert [] == reader.loaded
    assert not {"script", "link", "img", "b"} & reader.tags
    assert "url(" not in page
    assert "@import" not in page
    assert "&lt;b&gt;=new" in page
    drawings = [part.partition("</svg>")[0] for part in page.split("<svg")[1:]]
    assert 3 == len([ElementTree.fromstring(f"<svg{each}</svg>") for each in drawings])


def test_a_page_of_no_usage_and_one_of_many_models_are_drawn() -> None:
    assert "0 calls" in as_page(report([], ("day",), *DAYS), [])
    many = [
        UsageEntry(UsageKey("2026-11-26", "groq", f"m{n}"), UsageSums(cost=n)) for n in range(15)
    ]
    assert "3 others" in as_page(report(many, ("model",), *DAYS), many)


def test_a_page_says_of_which_models_no_price_is_known() -> None:
    page = as_page(grouped("model"), ENTRIES)
    assert 2 == page.count("unknown</t")
    assert "<td>unknown</td>" in page
    assert "<td>0.001500+</td>" in page
    priced = [UsageEntry(UsageKey("2026-11-26", "groq", "m"), UsageSums(cost=1))]
    assert "unknown" not in as_page(report(priced, ("model",), *DAYS), priced)


def test_the_longest_cost_fits_beside_the_longest_bar() -> None:
    entries = [UsageEntry(UsageKey("2026-11-26", "groq", "m"), UsageSums(cost=900_000_123_456_789))]
    page = as_page(report(entries, ("model",), *DAYS), entries)
    drawing = page.split('<svg class="models"')[1].partition("</svg>")[0]
    *_, label = re.findall(r'<text x="([\d.]+)" y="16">([\d,.]+)</text>', drawing)
    # A digit is some 7 pixels wide.
    assert float(label[0]) + 7 * len(label[1]) <= 720


def test_a_long_name_leaves_its_bar_free_and_is_shown_in_full_elsewhere() -> None:
    name = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abcdefghijkl"
    entries = [UsageEntry(UsageKey("2026-11-26", "bedrock", name), UsageSums(cost=1))]
    page = as_page(report(entries, ("model",), *DAYS), entries)
    assert f">arn:aws:bedrock:\u2026ile/abcdefghijkl<title>{name}</title></text>" in page
    assert f'<td class="text" title="{name}">{name}</td>' in page


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A ledger with the entries, read two days later."""
    store = SqliteUsage(tmp_path / "usage.db")
    store.add(UsageBatch(tuple(ENTRIES)))
    store.close()
    monkeypatch.setattr(time, "time", lambda: 1_795_780_000.0)  # 2026-11-27
    return f"sqlite:{store.path}"


@pytest.mark.parametrize("form", command.FORMATS)
def test_the_command_shows_a_ledger_in_each_form(
    url: str, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == command.main(["--url", url, "--format", form, "--by", "model"])
    out = capsys.readouterr().out
    assert "openai/gpt-oss-120b" in out
    assert "\x1b" not in out or form != "table"


def test_the_command_asks_the_settings_for_the_ledger(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(host, "current", lambda: {"LLM_LEDGER_URL": url})
    assert 0 == command.main(["--by", "provider", "--days", "3"])
    assert "groq" in capsys.readouterr().out


def test_the_command_names_the_setting_whose_ledger_has_no_known_form(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(host, "current", lambda: {"LLM_LEDGER_URL": "nowhere"})
    assert 1 == command.main([])
    assert "error: LLM_LEDGER_URL: give sqlite:path" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--by", "week"], "by is 'week'"),
        (["--days", "0"], "days is 0"),
        ([], "LLM_LEDGER_URL is not set: name the ledger"),
        (["--url", "memory:"], "memory: is the ledger of one process alone"),
        (["--url", "nowhere"], "error: --url: give sqlite:path"),
        (["--url", ""], "error: --url: give sqlite:path"),
        (["--url", "sqlite:/nonexistent/usage.db"], "there is no ledger at /nonexistent/usage.db"),
        (["--url", "json:/proc/version"], "cannot be used"),
        (["--url", f"json:/{'x' * 300}"], "there is no ledger at /xxx"),
    ],
)
def test_the_command_says_what_is_wrong_in_one_line(
    arguments: list[str],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(host, "current", lambda: {"USE_GROQ": "true"})
    assert 1 == command.main(arguments)
    err = capsys.readouterr().err
    assert words in err
    assert 1 == err.count("\n")


def test_the_command_leaves_a_database_without_a_ledger_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "host.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE users (name)")
    before = path.read_bytes()
    assert 1 == command.main(["--url", f"sqlite:{path}"])
    assert f"error: there is no ledger at {path}\n" == capsys.readouterr().err
    assert (before, ["host.db"]) == (path.read_bytes(), os.listdir(tmp_path))


def test_the_command_shows_the_ledger_of_a_fleet(
    redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == command.main(["--url", redis_url, "--days", "1"])
    assert capsys.readouterr().out.splitlines()[-1].startswith("total ")


def test_the_command_says_of_a_file_that_is_no_database_that_it_is_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes").write_text("mine")
    assert 1 == command.main(["--url", f"sqlite:{tmp_path}/notes"])
    assert "it is not an SQLite database with a table of usage" in capsys.readouterr().err
    (tmp_path / "folder").mkdir()
    assert 1 == command.main(["--url", f"sqlite:{tmp_path}/folder"])
    assert f"{tmp_path}/folder cannot be used: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("form", "shown"), [("csv", "M\\xfcller"), ("table", "M\\xfcller"), ("html", "M&#252;ller")]
)
def test_what_the_output_cannot_encode_is_escaped(
    form: str, shown: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SqliteUsage(tmp_path / "usage.db")
    today = time.strftime("%Y-%m-%d", time.gmtime())
    key = UsageKey(today, "groq", "Müller")
    store.add(UsageBatch((UsageEntry(key, UsageSums(calls=1)),)))
    store.close()
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    # It may be the next day by now.
    assert 0 == command.main(["--url", f"sqlite:{store.path}", "--format", form, "--days", "2"])
    assert shown in written.getvalue().decode("ascii")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no full device")
def test_the_command_says_that_it_could_not_write(tmp_path: Path) -> None:
    store = SqliteUsage(tmp_path / "usage.db")
    store.add(UsageBatch(tuple(ENTRIES)))
    store.close()
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "services.llm.report", "--url", f"sqlite:{tmp_path}/usage.db"],
            stdout=full,
            stderr=subprocess.PIPE,
            cwd=Path(command.__file__).parents[2],
            check=False,
            text=True,
        )
    assert (1, "error: the report cannot be written: No space left on device\n") == (
        done.returncode,
        done.stderr,
    )


def test_the_command_ends_quietly_where_nobody_reads_on(tmp_path: Path) -> None:
    store = SqliteUsage(tmp_path / "usage.db")
    store.add(UsageBatch(tuple(ENTRIES)))
    store.close()
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "services.llm.report", "--url", f"sqlite:{store.path}"],
        stdout=write,
        stderr=subprocess.PIPE,
        cwd=Path(command.__file__).parents[2],
        check=False,
    )
    os.close(write)
    assert (1, b"") == (done.returncode, done.stderr)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (BrokenPipeError(), ""),
        (
            OSError(28, "No space left on device"),
            "error: the report cannot be written: No space left on device\n",
        ),
    ],
)
def test_what_cannot_be_written_is_told_but_to_a_reader_that_has_gone(
    error: OSError,
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Full(io.StringIO):
        encoding = "utf-8"

        def flush(self) -> None:
            raise error

        def fileno(self) -> int:
            return file.fileno()

    with (tmp_path / "output").open("w") as file, monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", Full())
        assert 1 == command._write("a table", "backslashreplace")
        file.write("what was buffered goes nowhere")
    assert (told, "") == (capsys.readouterr().err, (tmp_path / "output").read_text())


def test_a_closed_output_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", None)
        assert 1 == command._write("a table", "backslashreplace")
    told = "error: the report cannot be written: standard output is closed\n"
    assert told == capsys.readouterr().err


def test_a_page_has_each_day_of_its_report() -> None:
    assert ["2026-11-29", "2026-11-30", "2026-12-01"] == days_between("2026-11-29", "2026-12-01")
    assert ["2026-11-29"] == days_between("2026-11-29", "2026-11-29")
