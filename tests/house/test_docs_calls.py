"""What docs/calls.md shows is so: its example runs, and each row of its table is what is sent."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from services.llm.errors import InvalidRequestError
from services.llm.models import lacking
from services.llm.providers.bedrock import to_converse, to_invoke
from services.llm.providers.groq import to_chat_completion
from services.llm.types import Request

from .test_readme import configured as configured

PAGE = (Path(__file__).parents[2] / "docs" / "calls.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if re.match(r"\| `", line)
]
FAMILIES = {
    "Claude": "anthropic.claude-3-haiku-20240307-v1:0",
    "Mistral": "mistral.mixtral-8x7b-instruct-v0:1",
    "Llama": "meta.llama3-8b-instruct-v1:0",
}
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
VALUES: dict[str, Any] = {
    "stop": ["END"],
    "top_p": 0.5,
    "seed": 7,
    "tools": TOOLS,
    "tool_choice": "required",
    "reasoning_effort": "low",
    "service_tier": "flex",
    "guardrail": {"id": "g", "version": "1"},
    "metadata": {"a": "b"},
    "extra_headers": {"x": "y"},
}


@pytest.mark.usefixtures("configured")
def test_the_example_runs_as_it_stands() -> None:
    (example,) = EXAMPLES
    exec(compile(example, "docs/calls.md", "exec"), {"__name__": "example"})


def test_the_table_has_a_row_for_each_option() -> None:
    assert [f"`{name}`" for name in VALUES] == [row[0] for row in ROWS]


def sent(name: str, model: str, to: Callable[[Request], dict[str, Any]]) -> dict[str, Any]:
    options = {name: VALUES[name]}
    if name == "tool_choice":
        options["tools"] = TOOLS
    request = Request(model, ({"role": "user", "content": "hi"},), options=options)
    if problem := lacking(request):
        raise InvalidRequestError(problem)
    call = to(request)
    return {**call, **json.loads(call["body"])} if isinstance(call.get("body"), str) else call


def assert_sent(cell: str, call: Callable[[], dict[str, Any]]) -> None:
    """What a cell of the table says of one way to a model."""
    if cell.startswith("an error"):
        with pytest.raises(InvalidRequestError):
            call()
        return
    found: Any = call()
    if cell.startswith("a header"):
        assert "x" not in found
    elif path := re.match(r"`([\w.]+)`", cell):
        for step in path[1].split("."):
            assert step in found
            found = found[step]


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_a_row_of_the_table_is_what_is_sent(row: list[str]) -> None:
    name, groq, converse, invoke = row
    name = name.strip("`")
    assert_sent(groq, lambda: sent(name, "m", to_chat_completion))
    assert_sent(converse, lambda: sent(name, "m", to_converse))
    told = {
        family: re.search(rf"(`\w+`) \([^)]*{family}|{family}: (an error)", invoke)
        for family in FAMILIES
    }
    others = re.search("others: (an error)", invoke)
    for family, model in FAMILIES.items():
        found = told[family] or others
        cell = (found[1] or found[found.lastindex or 0]) if found else invoke
        assert_sent(cell, lambda model=model: sent(name, model, to_invoke))  # type: ignore[misc]  # a default binds it
