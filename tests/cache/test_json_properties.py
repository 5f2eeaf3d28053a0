"""The log under arbitrary cuts, flips and interleavings."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from services.llm.stores import StoreError, json_log
from services.llm.stores.entry import decode_entry, encode_entry, peek
from services.llm.stores.file_formats import resembles_log
from services.llm.stores.json_log import JsonStore
from services.llm.stores.log_index import HEADER_SIZE, LogIndex, new_header
from tests.cache.support import Clock, key_of
from tests.conftest import FEWER

KEYS = [key_of(n) for n in range(4)]
NAMES = st.sampled_from(KEYS)
VALUES = st.dictionaries(st.text(max_size=3), st.text(max_size=8) | st.integers(), max_size=2)
PUTS = st.lists(st.tuples(NAMES, VALUES), min_size=1, max_size=8)
quick = settings(max_examples=60 // FEWER, deadline=None)


@contextmanager
def a_log(puts: list[tuple[str, dict[str, Any]]]) -> Iterator[tuple[Path, Clock]]:
    with tempfile.TemporaryDirectory() as folder:
        path, clock = Path(folder) / "log", Clock()
        store = JsonStore(path, ttl=60, clock=clock)
        for key, value in puts:
            store.put(key, value)
        yield path, clock


def found(store: JsonStore) -> dict[str, Any]:
    return {key: value for key in KEYS if (value := store.get(key)) is not None}


def test_the_header_has_its_size() -> None:
    assert HEADER_SIZE == len(new_header())
    assert new_header() != new_header()


@given(NAMES, VALUES, st.integers(0, 10**14))
def test_a_line_gives_back_what_was_sealed(key: str, value: dict[str, Any], expires: int) -> None:
    line = encode_entry(key, value, expires / 1000)
    assert value == decode_entry(line, key)
    assert (key, expires / 1000) == peek(line)
    assert b"\n" not in line


@quick
@given(PUTS, st.data())
def test_a_log_cut_at_any_byte_loses_the_line_that_was_cut_and_no_other(
    puts: list[tuple[str, dict[str, Any]]], data: st.DataObject
) -> None:
    with a_log(puts) as (path, clock):
        whole = path.read_bytes()
        cut = data.draw(st.integers(HEADER_SIZE, len(whole)))
        path.write_bytes(whole[:cut])
        kept = dict(puts[: whole[:cut].count(b"\n") - 1])
        store = JsonStore(path, ttl=60, clock=clock)
        assert kept == found(store)
        store.put(key_of("new"), {"n": 1})
        reread = found(JsonStore(path, ttl=60, clock=clock))
        # A line cut from its newline alone is whole again once the next put brings one.
        assert reread in (kept, dict(puts[: whole[: cut + 1].count(b"\n") - 1]))
        assert {"n": 1} == store.get(key_of("new"))


@quick
@given(PUTS, st.lists(st.tuples(st.integers(0), st.integers(1, 255)), min_size=1, max_size=5))
def test_no_flipped_bits_ever_give_a_wrong_value(
    puts: list[tuple[str, dict[str, Any]]], flips: list[tuple[int, int]]
) -> None:
    with a_log(puts) as (path, clock):
        spoilt = bytearray(path.read_bytes())
        for position, bits in flips:
            spoilt[position % len(spoilt)] ^= bits
        path.write_bytes(spoilt)
        store = JsonStore(path, ttl=60, clock=clock)
        if not resembles_log(bytes(spoilt)):  # every sign of ours was hit
            with pytest.raises(StoreError, match="it is not a cache of answers"):
                store.put(KEYS[0], {"n": 1})
            return
        assert [] == [entry for entry in found(store).items() if entry not in puts]
        store.put(KEYS[0], {"n": 1})
        assert {"n": 1} == store.get(KEYS[0])


@quick
@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_may_be_in_the_file(content: bytes, after_a_header: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        path.write_bytes(new_header() + content if after_a_header else content)
        store = JsonStore(path, ttl=60)
        if not after_a_header and not resembles_log(content):
            with pytest.raises(StoreError, match="it is not a cache of answers"):
                store.put(KEYS[0], {"n": 1})
            assert content == path.read_bytes()
            return
        assert {} == found(store)
        store.put(KEYS[0], {"n": 1})
        assert {KEYS[0]: {"n": 1}} == found(JsonStore(path, ttl=60))


@given(
    st.lists(st.tuples(NAMES, st.integers(0, 20), st.booleans()), max_size=12),
    st.integers(0, 20),
    st.lists(st.integers(1, 400), max_size=30),
)
def test_an_index_does_not_depend_on_how_its_log_is_cut_into_reads(
    lines: list[tuple[str, int, bool]], now: int, sizes: list[int]
) -> None:
    log = b"".join(
        (encode_entry(key, {"n": n}, expires)[: None if whole else -5]) + b"\n"
        for n, (key, expires, whole) in enumerate(lines)
    )
    at_once, in_parts = LogIndex(), LogIndex()
    at_once.index_lines(log, now)
    end = 0
    for size in [*sizes, len(log)]:
        end = min(len(log), end + size)
        in_parts.index_lines(log[in_parts.position : end], now)
    assert vars(at_once) == vars(in_parts)
    slots = at_once.slots(now)
    assert at_once.live == sum(size + 1 for _, _, size, _ in slots)
    assert len(log) == at_once.live + at_once.garbage
    assert [(key, expires) for expires, _, _, key in slots] == [
        peek(log, offset) for _, offset, _, _ in slots
    ]
    at_once.expire(21, at_most=99)
    assert ([], 0, len(log)) == (at_once.slots(0), at_once.live, at_once.garbage)


class TwoProcesses(RuleBasedStateMachine):
    """Two stores on one file, with kills amid puts, against a dict; compaction comes early."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path, self.clock = Path(self.folder.name) / "log", Clock()
        self.early = patch.object(json_log, "_LEAST_GARBAGE", 300)
        self.early.start()
        self.stores = [JsonStore(self.path, ttl=60, clock=self.clock) for _ in range(2)]
        self.model: dict[str, tuple[float, dict[str, Any]]] = {}

    def teardown(self) -> None:
        self.early.stop()
        self.folder.cleanup()

    @rule(who=st.integers(0, 1), key=NAMES, value=VALUES)
    def put(self, who: int, key: str, value: dict[str, Any]) -> None:
        self.stores[who].put(key, value)
        self.model[key] = (self.clock.now + 60, value)

    @rule(who=st.integers(0, 1), key=NAMES)
    def get(self, who: int, key: str) -> None:
        expires, value = self.model.get(key, (0.0, None))
        assert (value if expires > self.clock.now else None) == self.stores[who].get(key)

    @rule(seconds=st.sampled_from([1, 20, 59, 60]))
    def time_passes(self, seconds: int) -> None:
        self.clock.now += seconds

    @rule(who=st.integers(0, 1))
    def restart(self, who: int) -> None:
        self.stores[who] = JsonStore(self.path, ttl=60, clock=self.clock)

    @precondition(lambda self: self.path.exists())
    @rule(key=NAMES, size=st.integers(1, 140))
    def die_amid_a_put(self, key: str, size: int) -> None:
        line = encode_entry(key, {"never": "acknowledged"}, self.clock.now + 60)
        with self.path.open("ab") as file:
            file.write(line[: min(size, len(line) - 1)])

    @precondition(lambda self: self.path.exists())
    @rule()
    def die_amid_a_compaction(self) -> None:
        self.path.with_name("log.tmp").write_bytes(new_header() + b'{"sum"')

    @rule()
    def remove_the_log(self) -> None:
        self.path.unlink(missing_ok=True)
        self.model.clear()

    @invariant()
    def nothing_was_set_aside(self) -> None:
        assert [] == list(self.path.parent.glob("*.damaged-*"))


test_two_processes_on_one_log_agree_with_a_dict = TwoProcesses.TestCase
test_two_processes_on_one_log_agree_with_a_dict.settings = settings(
    max_examples=40 // FEWER, stateful_step_count=30, deadline=None
)
