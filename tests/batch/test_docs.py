"""What docs/batches.md shows is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sandbox import Sandbox
from services import llm_client
from tests.wire.faces import settings

DOCS = (Path(__file__).parents[2] / "docs" / "batches.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", DOCS, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_runs_as_it_stands(
    number: int, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = settings(sandbox.url, USE_GROQ=True, GROQ_REQUESTS_PER_MINUTE=1_000)
    monkeypatch.setattr(llm_client, "settings", known)
    exec(compile(EXAMPLES[number], f"docs/batches.md {number + 1}", "exec"), {"__name__": "x"})
