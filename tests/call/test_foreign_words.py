"""A host's exception may fail where its text is asked for; ours tells of it all the same."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from services.llm.account.copied_errors import copied_error
from services.llm.account.daily_budget import BudgetReservation, DailyBudget
from services.llm.errors import ConfigurationError, LLMError
from services.llm.providers.foreign_errors import describe, from_bare_exception
from services.llm.redaction.printable import words_of
from services.llm.settings.host import read as read_settings
from services.llm.stores import StoreError
from services.llm.stores.fault_tolerant import FaultTolerantStore

TOLD = "a message that cannot be shown (ZeroDivisionError)"


class UnshownError(StoreError):
    """As a host writes it who formats what is not there."""

    def __str__(self) -> str:
        return str(1 / 0)


def test_the_words_of_an_error_are_its_own_where_it_has_any() -> None:
    assert ("No.", TOLD) == (words_of(ValueError("No.")), words_of(UnshownError()))


def test_an_unexpected_error_is_described() -> None:
    assert f"UnshownError: {TOLD}" == describe(UnshownError())
    assert LLMError is from_bare_exception(UnshownError())[0]


def test_a_store_that_fails_so_fails_no_call(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        def get(self, key: str) -> str:
            raise UnshownError

    broken: Any = Broken()
    with caplog.at_level(logging.WARNING):
        assert FaultTolerantStore(broken).get("key") is None
    assert TOLD in caplog.text


def test_a_counter_that_fails_so_is_an_error_of_ours() -> None:
    class Broken:
        def add(self, tokens: int, now: float, *, day: str | None = None) -> int:
            raise UnshownError

    counter: Any = Broken()
    with pytest.raises(LLMError, match="cannot be kept: a message that cannot be shown"):
        DailyBudget(100, counter).reserve(BudgetReservation(5), 0.0)


def test_followers_are_given_such_an_error_too() -> None:
    assert isinstance(copied_error(UnshownError("x")), UnshownError)


def test_settings_that_fail_so_are_named() -> None:
    def settings() -> Any:
        raise UnshownError

    with pytest.raises(ConfigurationError, match="UnshownError: a message that cannot be shown"):
        read_settings(settings)
