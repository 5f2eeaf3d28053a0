"""Sums of usage, and how they are written and read."""

from __future__ import annotations

from decimal import Decimal
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.llm.ledger.usage import (
    COUNTS,
    NANO,
    UsageEntry,
    UsageKey,
    UsageSums,
    checked_key,
    checked_sums,
    combined,
    decode_tags,
    encode_tags,
    in_dollars,
    sums_of_attempt,
    tags_of,
)
from services.llm.types import Usage

COUNT = st.integers(0, 10**12)
SUMS = st.builds(UsageSums, *[COUNT] * len(COUNTS))
TAGS = st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3).map(tags_of)
KEYS = st.builds(UsageKey, st.just("2026-11-26"), *[st.sampled_from("abc")] * 3, TAGS)
ENTRIES = st.lists(st.builds(UsageEntry, KEYS, SUMS), max_size=8)


@given(ENTRIES, st.randoms())
def test_the_order_of_additions_makes_no_difference(
    entries: list[UsageEntry], random: Random
) -> None:
    shuffled = list(entries)
    random.shuffle(shuffled)
    assert combined(entries) == combined(shuffled)
    whole = [sum(getattr(each.sums, name) for each in entries) for name in COUNTS]
    parts = combined(entries).values()
    assert whole == [sum(getattr(each, name) for each in parts) for name in COUNTS]


@given(TAGS)
def test_tags_are_read_as_they_were_written(tags: tuple[tuple[str, str], ...]) -> None:
    assert tags == decode_tags(encode_tags(tags))


@given(SUMS)
def test_counts_are_read_as_they_were_written(sums: UsageSums) -> None:
    assert sums == checked_sums(sums.counts())


@pytest.mark.parametrize(
    "counts", [{"calls": -1}, {"calls": True}, {"calls": 1.0}, {"calls": 10**19}, {"guests": 1}]
)
def test_what_is_no_count_is_refused(counts: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="is no plausible count"):
        checked_sums(counts)


@pytest.mark.parametrize("key", [(1, "groq", "m", "", "{}"), ("d", "groq", "m", "", "[]")])
def test_what_is_no_key_is_refused(key: tuple[object, ...]) -> None:
    with pytest.raises(ValueError, match=r"no text|no JSON object"):
        checked_key(*key)


def test_an_attempt_has_its_tokens_and_its_price_in_nano_dollars() -> None:
    usage = Usage(10, 5, 15, cached_input_tokens=4, reasoning_tokens=2, reported=True)
    expected = UsageSums(
        attempts=1,
        input_tokens=10,
        output_tokens=5,
        cached_input_tokens=4,
        reasoning_tokens=2,
        cost=1_500,
    )
    assert expected == sums_of_attempt(usage, 1.5e-6)
    assert 1.5e-6 == expected.dollars


def test_what_is_not_known_is_counted_as_such() -> None:
    counted = Usage(10, 5, 15, reported=True)
    assert (0, 1) == (
        sums_of_attempt(counted, None).unreported,
        sums_of_attempt(counted, None).unpriced,
    )
    assert (1, 0) == (
        sums_of_attempt(Usage(), None).unreported,
        sums_of_attempt(Usage(), None).unpriced,
    )


def test_the_same_tags_are_one_text_in_whatever_order_they_come() -> None:
    tags = (("b", "2"), ("a", "1"))
    assert '{"a":"1","b":"2"}' == encode_tags(tags) == encode_tags(tags[::-1])


@pytest.mark.parametrize(
    ("nano", "digits", "text"),
    [
        (0, 6, "0.000000"),
        (1, 6, "0.000000001"),
        (1_500_000_000, 6, "1.500000"),
        (0, 0, "0"),
        (1, 0, "0.000000001"),
        (10**18 + 10**7, 0, "1,000,000,000.01"),
    ],
)
def test_dollars_are_shown_with_all_their_digits(nano: int, digits: int, text: str) -> None:
    assert text == in_dollars(nano, digits)


@given(st.integers(0, 10**20), st.integers(0, 9))
def test_shown_dollars_are_those_that_were_given(nano: int, digits: int) -> None:
    shown = in_dollars(nano, digits)
    assert Decimal(nano) / NANO == Decimal(shown.replace(",", ""))
    assert len(shown.partition(".")[2]) >= digits
