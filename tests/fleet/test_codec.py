"""What the script is told, and what is believed of its answer."""

from __future__ import annotations

import json

import pytest

from services.llm.quota.shared import Add, Granted, KnownLimit, Outcome, Pause, Refused, SetCounting
from services.llm.quota.shared_codec import decode, encode
from tests.fleet.shared_quotas import MODEL, requests, take, tokens


def test_all_keys_of_an_account_begin_with_its_hash_slot() -> None:
    call, spent = take("1", tokens(3), requests()), Add("2", (tokens(1),))
    keys, _ = encode("llm-quota:{abc}:", [call, Pause("b", 3.0), spent])
    assert [
        "llm-quota:{abc}:epoch",
        "llm-quota:{abc}:retired",
        "llm-quota:{abc}:lease:1",
        f"llm-quota:{{abc}}:limit:{MODEL}\ntokens/60",
        f"llm-quota:{{abc}}:scope:{MODEL}",
        "llm-quota:{abc}:limit:\nrequests/60",
        "llm-quota:{abc}:scope:",
        "llm-quota:{abc}:scope:b",
        "llm-quota:{abc}:lease:2",
    ] == keys


def test_a_wait_without_end_is_told_as_a_number() -> None:
    _, told = encode("", [take("1", max_wait=float("inf"))])
    assert 1e12 == json.loads(told)["operations"][0]["max_wait"]


def test_an_answer_is_read() -> None:
    asked = [take("1", tokens(3)), take("2", tokens(3)), take("3", tokens(3))]
    decisions = [
        ["0.5", ["1"], True],
        ["9", ["2"], "4", "tokens"],
        ["inf", {}, "inf", "tokens"],
    ]
    limits = [[0, "requests/60", "30"], [0, "tokens/60", "100"]]
    notes = [[0, "tokens/60", False]]
    answer = json.dumps(["e", 0, decisions, limits, [["gone", "7"]], notes])
    expected = Outcome(
        "e",
        decisions=(
            Granted(0.5, (1.0,), is_first=True),
            Refused(9.0, 4.0, "tokens", (2.0,)),
            Refused(float("inf"), float("inf"), "tokens", ()),
        ),
        limits=(KnownLimit(MODEL, "requests", 60.0, 30.0),),
        retired=(("gone", 7.0),),
        counting=(SetCounting(MODEL, "tokens/60", False),),
    )
    assert expected == decode(answer, asked)
    assert Outcome("e", is_lost=True) == decode('["e", 1]', asked)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "7",
        '["e"]',
        '["e", 0]',
        '["e", 0, [], {}, {}, {}]',
        '["e", 0, [["x", []]], {}, {}, {}]',
        '["e", 0, [["1", [], "2", "3", "4"]], {}, {}, {}]',
        '["e", 0, [["1", [], []]], [], [], []]',
        '["e", 0, [["1", []]], [[3, "tokens/60", "1"]], {}, {}]',
        '["e", 0, [["1", []]], [[0, "tokens/60", "x"]], {}, {}]',
        "[" * 100_000,
    ],
)
def test_what_the_script_never_says_is_an_error(answer: str) -> None:
    with pytest.raises(ValueError, match="the shared quota's script answered"):
        decode(answer, [take("1", requests())])
