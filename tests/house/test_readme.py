"""What README and docs/streams.md show is so: examples run, tables are complete."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from sandbox import Sandbox
from services import llm_client
from services.llm.errors import LLMError
from services.llm.settings import host
from services.llm.settings.knobs import Knobs

from . import knob_table

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
STREAMS = (ROOT / "docs" / "streams.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", README + STREAMS, re.MULTILINE | re.DOTALL)


@pytest.fixture(params=[True, False], ids=["groq", "bedrock"])
def configured(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    use_groq: bool = request.param
    with Sandbox() as sandbox:
        settings = Knobs(
            USE_GROQ=use_groq,
            GROQ_API_KEY=SecretStr("gsk-of-the-sandbox"),
            GROQ_BASE_URL=sandbox.url,
            AWS_ACCESS_KEY_ID=SecretStr("AKIASANDBOX"),
            AWS_SECRET_ACCESS_KEY=SecretStr("of-the-sandbox"),
            AWS_ENDPOINT_URL_BEDROCK_RUNTIME=sandbox.url,
        )
        monkeypatch.setattr(llm_client, "settings", settings)
        yield sandbox.url
        host.configure(None)


def test_the_readme_has_its_examples() -> None:
    assert len(EXAMPLES) >= 5


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
@pytest.mark.usefixtures("configured")
def test_an_example_runs_as_it_stands(number: int) -> None:
    exec(compile(EXAMPLES[number], f"example {number + 1}", "exec"), {"__name__": "example"})


def test_the_table_of_knobs_is_that_of_the_knobs() -> None:
    _, rows, _ = knob_table.in_readme()
    assert knob_table.table() == rows, "run: make knobs"


def test_the_table_of_errors_names_every_error() -> None:
    def all_below(kind: type[LLMError]) -> set[str]:
        return {kind.__name__}.union(*(all_below(each) for each in kind.__subclasses__()))

    named = set(re.findall(r"^\| `(\w+)`", README, re.MULTILINE))
    assert {name for name in all_below(LLMError) if hasattr(llm_client, name)} <= named


def test_the_layout_names_what_is_there() -> None:
    paths = re.findall(r"`(backend/[\w./]+)`", README)
    assert [] == [path for path in paths if not (ROOT / path).exists()]


def test_the_layout_names_every_file_and_package_of_the_engine() -> None:
    engine = ROOT / "backend" / "services" / "llm"
    _, layout = README.split("## Where things are")
    there = {path.name + "/" * path.is_dir() for path in engine.glob("[!_]*")}
    named = {name.rpartition("llm/")[2] for name in re.findall(r"`([\w./]+)`", layout)}
    assert [] == sorted(there - named)


def test_every_knob_of_the_example_environment_is_one() -> None:
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    named = {found[1] for line in lines if (found := re.match(r"(?:# )?([A-Z0-9_]+)=", line))}
    assert set(Knobs.model_fields) == named
