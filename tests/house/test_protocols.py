"""Protocols that are said once: what each effect does, what a child resets, what a stand-in is."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from services.llm.account.concurrency import ConcurrencyLimiter
from services.llm.account.daily_budget import BudgetReservation, DailyBudget, MemoryDayCounter
from services.llm.quota import Quota, Reservation

SERVICES = Path(__file__).parents[2] / "backend" / "services"
LLM = SERVICES / "llm"

#: Who may look at where something is defined, and for what; a stand-in is told by the first alone.
LOOKS_AT_MODULES = {
    "runtime/real_sdk.py": "whether an SDK made it, or a test",
    "client/snapshot.py": "how an error names a type",
    "providers/bedrock/instrumentation.py": "whether a part of botocore was replaced",
    "providers/foreign_errors.py": "whether an error's class is one of an SDK's",
    "settings/plain_values.py": "whether a setting is a mock, and so no value",
    "structured/annotations.py": "whether an annotation is one of typing's",
}


@cache
def _trees() -> list[tuple[str, ast.Module]]:
    return [
        (path.relative_to(LLM).as_posix(), ast.parse(path.read_text(encoding="utf-8")))
        for path in sorted(LLM.rglob("*.py"))
    ]


def _calls(tree: ast.AST, name: str) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name:
            yield node


def test_whoever_performs_effects_is_checked_for_every_kind() -> None:
    matching = {
        function.name: function
        for _, tree in _trees()
        for function in ast.walk(tree)
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
        if any(
            isinstance(each, ast.Match) and ast.unparse(each.subject) == "effect"
            for each in function.body
        )
    }
    assert {"perform", "aperform"} == matching.keys()
    unchecked = [
        name
        for name, function in matching.items()
        if ast.unparse(function.body[-1]) != "assert_never(effect)"
    ]
    assert [] == unchecked


def test_only_one_file_says_what_happens_at_a_fork() -> None:
    hooked = [
        path.relative_to(SERVICES).as_posix()
        for path in sorted(SERVICES.rglob("*.py"))
        if "register_at_fork" in path.read_text(encoding="utf-8")
    ]
    assert ["llm/runtime/fork.py"] == hooked


def test_what_runs_in_a_forked_child_is_named_for_it_and_is_no_constructor() -> None:
    registered = {
        f"{path}: {ast.unparse(call.args[1])}"
        for path, tree in _trees()
        for call in _calls(tree, "on_fork_in_child")
    }
    assert len(registered) > 15
    assert [] == sorted(each for each in registered if not each.endswith("reset_in_child"))


def test_a_stand_in_is_told_from_an_sdk_by_one_function() -> None:
    looking = {
        path
        for path, tree in _trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr == "__module__"
    }
    assert LOOKS_AT_MODULES.keys() == looking


def test_no_state_of_ours_is_kept_in_an_object_of_another_library() -> None:
    # `vars(x)[...] =` with an x that is not our own `self`, nor a copy or a function made here.
    kept = [
        f"{path}: {ast.unparse(target)}"
        for path, tree in _trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if re.match(r"vars\((?!self\)|copy\)|method\))", ast.unparse(target))
    ]
    assert [] == kept


def _permit() -> Callable[[], None]:
    limiter = ConcurrencyLimiter(1)
    permit = limiter.acquire()
    return lambda: limiter.release(permit)


def _reservation() -> tuple[Quota, Reservation]:
    quota = Quota()
    reservation = quota.reserve("m", {}, 0.0)
    assert isinstance(reservation, Reservation)
    return quota, reservation


def _waiting_reservation() -> Callable[[], None]:
    quota, reservation = _reservation()
    return lambda: quota.cancel(reservation, 0.0)


def _started_reservation() -> Callable[[], None]:
    quota, reservation = _reservation()
    quota.try_start(reservation, 0.0)
    return lambda: quota.settle(reservation, {}, 0.0, 0.0)


def _share_of_a_budget() -> Callable[[], None]:
    budget, share = DailyBudget(100, MemoryDayCounter()), BudgetReservation(60)
    budget.reserve(share, 0.0)

    def settle() -> None:
        budget.settle(share, 60, 0.0)

    return settle


@pytest.mark.parametrize(
    "held", [_permit, _waiting_reservation, _started_reservation, _share_of_a_budget]
)
def test_what_is_given_back_twice_is_an_error(held: Callable[[], Callable[[], None]]) -> None:
    give_back = held()
    give_back()
    with pytest.raises(RuntimeError):
        give_back()
