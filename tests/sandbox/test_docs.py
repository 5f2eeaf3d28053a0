"""What docs/sandbox.md shows is so."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

import sandbox
from sandbox.model_names import step_named
from sandbox.server.control import _ACTIONS, PREFIX
from sandbox.streams import BreakKind

DOCS = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", DOCS, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_runs_as_it_stands(number: int) -> None:
    exec(compile(EXAMPLES[number], f"docs/sandbox.md {number + 1}", "exec"), {"__name__": "x"})


def test_every_name_that_is_shown_is_known() -> None:
    rows = DOCS.partition("## Faults by")[2].partition("## Streams")[0]
    named = [name.removeprefix("sandbox/") for name in re.findall(r"`([^`]+)`", rows)]
    shown = [name for name in named if name not in ("model", "times=n")]
    assert len(shown) > 20
    for name in shown:
        step_named(f"sandbox/{name}")


def test_every_control_and_every_break_is_shown() -> None:
    for name, (method, _) in _ACTIONS.items():
        assert f"{method} {PREFIX}/{name}".rstrip("/") in DOCS
    for kind in get_args(BreakKind):
        assert f"`{kind}`" in DOCS
        assert f"stream-{kind}" in DOCS
        assert f"stream-{kind}" in (sandbox.__doc__ or "")
