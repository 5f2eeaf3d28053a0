"""Whatever goes wrong ends as promised and leaves the client healthy: a part of `make faults`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import pytest

from services.llm.errors import LLMError
from services.llm.ledger.usage import UsageEntry, UsageKey, UsageSums
from services.llm.types import Usage
from tests.faults.__main__ import main
from tests.faults.accounts import Accounts
from tests.faults.catalogue import ANSWERED, FAULTS, FaultCase, Outcome
from tests.faults.matrix import FORMS, PATTERNS, Cell, Matrix, cells, opened, pairwise
from tests.wire.faces import KINDS

NAMED = {fault.name: fault for fault in FAULTS}


@pytest.fixture(scope="module")
def matrix() -> Iterator[Matrix]:
    with opened() as running:
        yield running


@pytest.mark.parametrize("number", range(len(FAULTS)), ids=list(NAMED))
def test_a_fault_ends_as_promised_and_leaves_the_client_healthy(
    matrix: Matrix, number: int
) -> None:
    found = {
        f"{cell.kind}, {cell.form}, {cell.pattern}": matrix.run(cell) for cell in pairwise(number)
    }
    assert {} == {cell: wrong for cell, wrong in found.items() if wrong}


def test_the_cells_of_the_suite_are_some_of_all_and_have_every_pair() -> None:
    every, chosen = set(cells()), [set(pairwise(number)) for number in range(len(FAULTS))]
    assert (len(FAULTS) * 4 * 3 * 3, True) == (len(every), every >= set().union(*chosen))
    for some in chosen:
        assert set(KINDS) == {cell.kind for cell in some}
        assert set(product((True, False), FORMS)) == {
            (cell.kind.endswith("async"), cell.form) for cell in some
        }
    for of, wanted in (("kind", KINDS), ("form", FORMS)):
        met = {(getattr(cell, of), cell.pattern) for some in chosen for cell in some}
        assert set(product(wanted, PATTERNS)) == met


def test_every_fault_has_a_name_of_its_own_and_there_are_enough() -> None:
    assert len(FAULTS) == len(NAMED) >= 40


PASSING, BROKEN = NAMED["503, Retry-After: 7"], NAMED["cut in the middle"]


@pytest.mark.parametrize(
    ("fault", "promised", "complaint"),
    [
        (PASSING, ANSWERED, "instead of an answer"),
        (PASSING, replace(PASSING.usual, error=LLMError), "instead of <class"),
        (PASSING, replace(PASSING.usual, retry_after=None), "says retry_after=7.0"),
        (PASSING, replace(PASSING.usual, retry_after=8.0), "waited 7.0 s before attempt 2"),
        (PASSING, replace(PASSING.usual, most=2), "sent 3 requests instead of 2"),
        (NAMED["end at the first frame"], BROKEN.usual, "has the partial reply"),
        (NAMED["no usage"], BROKEN.usual, "instead of <class"),
    ],
)
def test_what_is_not_as_promised_is_told(
    matrix: Matrix, fault: FaultCase, promised: Outcome, complaint: str
) -> None:
    told = matrix.run(
        Cell(FaultCase(fault.name, fault.step, promised), "groq", "stream", "persistent")
    )
    assert any(complaint in each for each in told), told


def test_what_the_ledger_holds_otherwise_is_told(matrix: Matrix) -> None:
    accounts, model = Accounts(), "openai/gpt-oss-120b"
    used = UsageSums(calls=1, attempts=1, input_tokens=7, output_tokens=2)
    accounts.ledger.add(UsageEntry(UsageKey("2026-11-26", "groq", model), used))
    cell = Cell(NAMED["no [DONE]"], "groq", "plain", "once")
    face = matrix._face(cell.kind, is_below_http=False)
    ended = matrix._meet(cell, face, 1)
    attempts = (replace(ended.attempts[0], usage=Usage(7, 1, 8, reported=True)),)
    (told,) = accounts.expect(model, ended.exchanges, attempts, is_answered=True)
    assert "as the sandbox has counted" in told
    told_of = [each.partition(" of ")[0] for each in accounts.differences()]
    assert ["the ledger has 0 cost", "the ledger has 2 output_tokens"] == [
        each for each in told_of if "cost" in each or "output" in each
    ]
    assert ["1 requests more than attempts"] == accounts.expect(
        model, ended.exchanges, (), is_answered=False
    )
    accounts.catch_up()
    assert [] == accounts.differences()
    matrix._unhealthy(face)
    matrix.accounts.catch_up()


def test_the_table_has_a_row_for_each_provider(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == main(["no HTTP"])
    shown = "ProviderUnavailable after 3 | " * 3
    assert f"| no HTTP | groq | {shown}18 of 18 |" in capsys.readouterr().out


def test_a_word_that_no_fault_has_is_no_success(capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == main(["no such fault"])
    assert capsys.readouterr().out.startswith("no such fault: no such fault; there are ")
