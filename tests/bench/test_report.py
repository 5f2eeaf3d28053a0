"""What the benches say of what they have measured."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from bench.__main__ import BEGIN, END, between
from bench.chart import chart
from bench.rounds import Rounds, ratios
from bench.rows import CROWDS, Row, rows, sweep
from bench.table import table


def crowd(rate: float, p99: float = 60.0, failed: float = 0.0) -> dict[str, float]:
    return {"rps": rate, "p50": 50.0, "p99": p99, "failed": failed, "us": 400.0}


def row(name: str) -> Row:
    return next(each for each in rows(1.0, 10, 100) if each.name == name)


def cells(found: dict[Row, Rounds]) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in table(found).splitlines()]


def test_a_ratio_is_of_the_rounds_in_which_both_took_turns() -> None:
    found = {"SDK": [crowd(100), crowd(200), crowd(50)], "ours": [crowd(300), crowd(400)]}
    assert ratios(found, "ours", "rps") == (2.5, 2.0, 3.0)


def test_a_line_shows_the_sdk_as_it_is_and_all_others_as_ratios_to_it() -> None:
    found: Rounds = {"SDK": [crowd(100)], "ours": [crowd(300)], "LiteLLM": [crowd(80, 90, 2)]}
    _, _, compared, waits, cpu = cells({row("groq-async-64"): found})
    title = "async Groq, 64 in flight, calls/s (`groq-async-64`)"
    assert compared == [
        *(title, "100", "**3.00 ×** (3.00-3.00)", "≥ 2.5", "", "", "0.80 ×", "", "", ""),
    ]
    assert waits[1:4] == ["50 / 60", "50 / 60", "p99 < 3 p50"]
    assert cpu[:4] == ["its CPU of a call, µs", "400", "400", ""]
    assert waits[6] == "50 / 90, 2 failed"


def test_a_client_that_could_not_be_measured_is_left_blank() -> None:
    _, _, compared, _, _ = cells({row("bedrock-async-512"): {"SDK": [crowd(100)]}})
    assert compared[1:] == ["100", "", "≥ 1.2", "", "", "", "", "", ""]


def test_an_import_is_shown_without_the_settings_library_that_a_host_has_anyway() -> None:
    found: Rounds = {"ours": [{"ms": 90.0}, {"ms": 110.0}], "pydantic-settings": [{"ms": 60.0}] * 2}
    lines = cells({row("groq-import"): found})
    assert lines[-1][:4] == [
        *("ours beyond pydantic-settings, ms", "", "**40** (30-50)", "< 40"),
    ]


def test_what_many_calls_left_behind_is_shown_with_its_unit() -> None:
    left = {"rps": 900.0, "MB +": 0.25, "descriptors +": 0.0, "tasks +": 0.0, "threads +": -1.0}
    assert cells({row("groq-soak"): {"ours": [left]}})[-1][2] == (
        "MB +0.2, descriptors +0, tasks +0, threads -1"
    )


def test_every_row_has_a_name_of_its_own() -> None:
    names = [each.name for each in rows(1.0, 10, 100)]
    assert sorted(set(names)) == sorted(names)


def test_the_picture_is_an_svg_with_a_line_for_each_client() -> None:
    rising = [(callers, 18.0 * callers**0.8) for callers in CROWDS]
    picture = chart({"Groq": {"ours": rising, "SDK": rising}, "Bedrock": {"ours": rising}})
    lines = ET.fromstring(picture).iter("{http://www.w3.org/2000/svg}polyline")
    assert [len(CROWDS)] * 3 == [len(line.attrib["points"].split()) for line in lines]


def test_the_rows_of_the_picture_ask_for_each_crowd_on_both_providers() -> None:
    assert [each.callers for each in sweep(1.0)] == [*CROWDS, *CROWDS]


def test_the_table_stands_between_the_marks_and_nothing_else_is_touched() -> None:
    text = f"before\n{BEGIN}old\n{END}\nafter\n"
    assert between(text, "new\n") == f"before\n{BEGIN}new\n{END}\nafter\n"
    with pytest.raises(SystemExit, match="bench"):
        between("no marks", "new\n")


def test_a_first_call_is_shown_beside_a_host_that_reads_settings() -> None:
    found: Rounds = {"SDK": [{"ms": 100.0}], "ours": [{"ms": 120.0}]}
    assert len(cells({row("groq-first-call"): found})) == 3
    lines = cells({row("groq-first-call"): {**found, "SDK + settings": [{"ms": 160.0}]}})
    assert lines[-1][:4] == [
        *("beside the SDK in a host with pydantic-settings", "160"),
        *("**0.75 ×** (0.75-0.75)", "≤ 1.00"),
    ]


def test_of_many_streams_the_pieces_are_counted_and_what_was_wrong() -> None:
    grown = {"MB +": 1.25, "descriptors +": 0.0}
    found: Rounds = {"ours": [{"pieces": 12_000.0, "wrong": 0.0, **grown}]}
    assert cells({row("groq-1000-streams"): found})[-1][2] == (
        "12,000 pieces/s, 0 wrong, MB +1.2, descriptors +0"
    )
    found = {"SDK": [{"us": 100.0, "first": 50.0}], "ours": [{"us": 25.0, "first": 50.0}]}
    assert cells({row("groq-stream"): found})[-1][2] == "**0.25 ×** (0.25-0.25)"
