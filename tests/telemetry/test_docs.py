"""docs/events.md names all that there is, and its examples run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sandbox import Sandbox
from services import llm_client
from services.llm import events
from services.llm.telemetry.metrics import METRICS
from tests.wire.faces import settings

DOCUMENT = (Path(__file__).parents[2] / "docs" / "events.md").read_text(encoding="utf-8")


def test_every_kind_of_event_is_named() -> None:
    kinds = {each.__name__ for each in events.Event.__subclasses__()}
    assert set() == {kind for kind in kinds if f"`{kind}`" not in DOCUMENT}
    assert kinds <= set(events.__all__)


def test_every_metric_is_named_with_its_labels() -> None:
    rows = re.findall(r"^\| (`llm_.*?) \| (.*) \|$", DOCUMENT, re.MULTILINE)
    named = {
        name.removesuffix("_total"): labels
        for names, labels in rows
        for name in re.findall(r"llm_\w+", names)
    }
    assert {metric.name for metric in METRICS} == set(named)
    for metric in METRICS:
        assert set(metric.labels) == set(re.findall(r"`(\w+)`", named[metric.name])), metric.name


def test_the_first_example_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (example, *_) = re.findall(r"^```python\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
    with Sandbox() as sandbox:
        monkeypatch.setattr(llm_client, "settings", settings(sandbox.url, USE_GROQ=True))
        exec(compile(example, "docs/events.md", "exec"), {"__name__": "example"})
    assert capsys.readouterr().out.startswith("{'tenant': 'acme'} sandbox/ok ")
