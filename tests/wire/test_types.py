"""What a host's own type checkers, and its readers, see of the clients."""

from __future__ import annotations

import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from services.groq_compliant.client import CompliantClient
from services.llm_client import BedrockClient, GroqClient, LLMClient

BACKEND = Path(__file__).parents[2] / "backend"
HOST = """\
from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, Optional, TypedDict

from pydantic import BaseModel, Field
from services.groq_compliant.client import CompliantClient
from services.llm_client import (
    BedrockClient, GroqClient, Image, LLMClient, Message, Reply, StructuredReply,
    create_llm_client, tool_results,
)
from typing_extensions import reveal_type


class Answer(BaseModel):
    code: str


@dataclass
class Point:
    x: int


class Row(TypedDict):
    name: str


class Fake(LLMClient):
    def generate(self, prompt: str, system_prompt: Optional[str] = None,
                 temperature: Optional[float] = None, model: Optional[str] = None,
                 max_tokens: Optional[int] = None) -> str:
        return ""

    def generate_structured(self, prompt: str, schema: dict[str, object],
                            system_prompt: Optional[str] = None,
                            model: Optional[str] = None) -> dict[str, object]:
        return {}

    def generate_with_retry(self, prompt: str, max_retries: int = 3,
                            system_prompt: Optional[str] = None,
                            temperature: Optional[float] = None,
                            model: Optional[str] = None) -> str:
        return ""


client = create_llm_client()
chat: list[Message] = [{"role": "user", "content": "hi"}]
reveal_type(client.generate("hi"))
reveal_type(client.respond("hi", messages=chat).usage.total_tokens)
picture: list[Message] = [{"role": "user", "content": ["What is this?", Image("chair.png")]}]
reveal_type(client.respond(messages=picture, stop=["x"], seed=7, top_p=0.5, tools=[{"type": "x"}],
            tool_choice="auto", reasoning_effort="low", service_tier="flex", metadata={"a": "b"},
            guardrail={"id": "a", "version": "1"}, extra_headers={"a": "b"}, new=5).message)
client.respond("hi", seed="7")  # type: ignore[arg-type]  # what is misused is an error
client.generate("hi", reasoning_effort="lots")  # type: ignore[arg-type]  # so is this
client.stream("hi", guardrail={"id": "a"})  # type: ignore[arg-type]  # and this
client.generate_structured("hi", Answer, seed="7")  # type: ignore[call-overload]  # and this
reveal_type(client.stream("hi", seed=7).reply.citations)
reveal_type(tool_results(client.respond("hi"), {"a": {"b": 1}}))
reveal_type(client.generate_structured("hi", Answer))
reveal_type(client.generate_structured("hi", Point))
reveal_type(client.generate_structured("hi", Row)["name"])
reveal_type(client.generate_structured("hi", list[int]))
reveal_type(client.generate_structured("hi", Annotated[int, Field(gt=0)]))
reveal_type(client.generate_structured("hi", Optional[Answer]))
reveal_type(client.generate_structured("hi", Literal["a"]))
reveal_type(client.generate_structured("hi", {"type": "object"}))
reveal_type(client.generate_structured(schema=Answer, messages=chat))
reveal_type(client.respond_structured("hi", Answer).value)
reveal_type(client.respond_structured("hi", {}).value)
reveal_type(client.respond_structured("hi", Answer).cost)


async def ask(groq: GroqClient, bedrock: BedrockClient, keys: CompliantClient) -> None:
    reveal_type(await groq.agenerate("hi"))
    reveal_type(await groq.agenerate(messages=chat))
    reveal_type(await groq.agenerate_structured("hi", Answer))
    reveal_type(await bedrock.agenerate_structured("hi", {}))
    reveal_type(await bedrock.arespond_structured("hi", list[Answer]))
    reveal_type((await keys.respond_structured(chat, Answer)).value)
    for result in groq.generate_batch(["hi", chat]):
        reveal_type(result.value)
    async for answer in bedrock.agenerate_batch(["hi"], schema=Answer):
        reveal_type(answer.value)
    reveal_type(next(groq.generate_batch(["hi"], schema={"type": "object"})).value)
"""
REVEALED = [
    *("str", "int", "dict[str, Any]", "tuple[Citation, ...]", "list[Mapping[str, Any]]"),
    *("Answer", "Point", "str", "list[int]", "int", "Answer | None"),
    *("Literal['a']", "dict[str, Any]", "Answer", "Answer", "dict[str, Any]", "float | None"),
    *("str", "str", "Answer", "dict[str, Any]", "StructuredReply[list[Answer]]", "Answer"),
    *("str", "Answer", "dict[str, Any]"),
]


def _checked(tool: list[str], folder: Path) -> str:
    (folder / "host.py").write_text(HOST)
    # Nobody counts the lines of a type checker.
    known = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    done = subprocess.run(
        [sys.executable, "-m", *tool],
        cwd=folder,
        env={**known, "MYPYPATH": str(BACKEND)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert 0 == done.returncode, done.stdout + done.stderr
    return done.stdout


def _plain(revealed: str) -> str:
    """Drop the modules of a name, which one of the checkers shows."""
    return re.sub(r"\b\w+(?:\.\w+)*\.(?=\w)", "", revealed)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What mypy has found out of the packages and of the engine."""
    return str(tmp_path_factory.mktemp("mypy"))


def test_mypy_without_plugins_sees_right_types_and_no_error_in_our_files(
    tmp_path: Path, cache: str
) -> None:
    (tmp_path / "mypy.ini").write_text("[mypy]\nstrict = True\nexplicit_package_bases = True\n")
    printed = _checked(["mypy", "--cache-dir", cache, "host.py"], tmp_path)
    assert REVEALED == [_plain(each) for each in re.findall(r'type is "(.*)"', printed)]


def test_mypy_sees_no_error_in_the_readmes_examples(tmp_path: Path, cache: str) -> None:
    pages = ("README.md", "docs/calls.md")
    text = "".join((BACKEND.parent / page).read_text(encoding="utf-8") for page in pages)
    (tmp_path / "mypy.ini").write_text("[mypy]\nstrict = True\nexplicit_package_bases = True\n")
    for number, example in enumerate(re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S)):
        (tmp_path / f"example_{number}.py").write_text(example)
    _checked(["mypy", "--cache-dir", cache, "."], tmp_path)


def test_pyright_sees_right_types_and_no_error_in_our_files(tmp_path: Path) -> None:
    engine = [str(BACKEND / "services" / name) for name in ("llm", "groq_compliant")]
    settings = {
        "include": ["host.py", str(BACKEND / "services" / "llm_client.py"), *engine],
        "extraPaths": [str(BACKEND)],
        "typeCheckingMode": "standard",
    }
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    printed = _checked(["pyright", "--pythonpath", sys.executable], tmp_path)
    # It takes double quotes for a literal's text.
    shown = re.findall(r'Type of ".*" is "(.*)"', printed)
    assert REVEALED == [_plain(each.replace('"', "'")) for each in shown]


@pytest.mark.parametrize("kind", [GroqClient, BedrockClient])
@pytest.mark.parametrize(
    ("name", "returned"),
    [
        ("generate", "str"),
        ("generate_with_retry", "str"),
        ("generate_structured", "Any"),
        ("respond", "Reply"),
        ("respond_structured", "StructuredReply[Any]"),
    ],
)
def test_a_signature_shows_what_a_caller_gets(
    kind: type[LLMClient], name: str, returned: str
) -> None:
    for each in (name, f"a{name}"):
        method = getattr(kind, each)
        assert returned == inspect.signature(method).return_annotation
        assert returned == method.__annotations__["return"]
        assert each == method.__name__
        assert "temperature" in inspect.signature(method).parameters


def test_help_says_nothing_of_the_inside(capsys: pytest.CaptureFixture[str]) -> None:
    for kind in (GroqClient, BedrockClient, LLMClient, CompliantClient):
        help(kind)
    assert "Effects" not in capsys.readouterr().out


@pytest.mark.parametrize("name", ["generate", "agenerate"])
def test_async_methods_are_told_apart(name: str) -> None:
    method: Any = getattr(GroqClient, name)
    assert name.startswith("a") == inspect.iscoroutinefunction(method)
