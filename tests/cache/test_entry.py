"""An entry as bytes: what may be its key and its value, and what is read back."""

from __future__ import annotations

import pytest

from services.llm.stores.entry import (
    check_key,
    decode_entry,
    encode_entry,
    has_valid_checksum,
    peek,
)
from tests.cache.support import key_of

BAD_KEYS = ["", "a" * 63, "a" * 65, "A" * 64, "g" * 64, "a" * 64 + "\n", b"a" * 64, 5, None]


@pytest.mark.parametrize("key", BAD_KEYS, ids=range(len(BAD_KEYS)))
def test_a_key_is_a_hash_of_64_digits(key: object) -> None:
    check_key(key_of(1))
    with pytest.raises(ValueError, match="key must be a SHA-256 hash, 64 lowercase hex digits"):
        check_key(key)
    with pytest.raises(ValueError, match="key must be a SHA-256 hash"):
        encode_entry(key, {}, 1.0)  # type: ignore[arg-type]  # it is what is refused


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, b"x"])
def test_what_json_cannot_hold_is_no_value(value: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        encode_entry(key_of(1), {"n": value}, 1.0)


def test_a_line_says_its_key_and_its_expiry_and_is_read_as_it_was_written() -> None:
    line = encode_entry(key_of(1), {"text": "ü"}, 1_795_305_600.0004)
    assert line.isascii()
    assert (key_of(1), 1_795_305_600.0) == peek(line) == peek(b"xx" + line, 2)
    assert has_valid_checksum(line)
    assert {"text": "ü"} == decode_entry(line, key_of(1))


def test_what_is_damaged_or_anothers_is_a_miss_with_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    line = encode_entry(key_of(1), {"n": 1}, 1.0)
    for damaged in (line[:-1], line.replace(b'"n":1', b'"n":2'), b"", None, line.decode()):
        assert decode_entry(damaged, key_of(1)) is None
    assert decode_entry(line, key_of(2)) is None
    assert 6 == len(caplog.records)
