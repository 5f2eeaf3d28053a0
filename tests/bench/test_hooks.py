"""The bench of hooks: each setting is set up and taken down, and the table compares turns."""

from __future__ import annotations

import pytest

from bench.hooks import SETTINGS, table
from services.llm.events import AttemptEnded, AttemptStarted, CallStarted
from services.llm.telemetry.logs import log
from tests.telemetry.ended import ATTEMPT, INFO, MODEL, answered


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_gives_a_hook_that_takes_an_event(name: str) -> None:
    with SETTINGS[name]() as hook:
        assert (hook is None) is name.startswith("none")
        if hook is not None:
            hook(CallStarted(INFO, 1.0))
            hook(AttemptStarted(INFO, 1.0, 1, MODEL, MODEL))
            hook(AttemptEnded(INFO, 1.0, ATTEMPT, True))
            hook(answered())
    assert ([], True, 0) == (log.handlers, log.propagate, log.level)


def test_the_table_compares_each_turn_with_none_of_its_round() -> None:
    shown = table({"none": [100_000, 110_000, 900_000], "logs": [121_000, 132_000, 1_062_000]})
    assert "| logs | 1.200 | +22.0 µs |" == shown.splitlines()[-1]
