"""What the table knows of a model's eyes, tools and reasoning, and what a request needs of them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.llm.models import abilities, lacking, modes_for
from services.llm.models.features import NOTHING_KNOWN, claude_version
from services.llm.types import Message, Request

THREE = ("low", "medium", "high")
IMAGE = {"type": "image_url", "image_url": {"url": "https://a.example/b.png"}}
TOOL = {"type": "function", "function": {"name": "f"}}


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("openai/gpt-oss-120b", {"sees": False, "efforts": THREE, "calls_tools": None}),
        (
            "qwen/qwen3.8-27b",
            {"sees": True, "images": 3, "efforts": ("none", "default", *THREE)},
        ),
        ("qwen/qwen3-32b", {"efforts": ("none", "default")}),
        ("llama-3.3-70b-versatile", {"sees": False, "efforts": ()}),
        ("meta-llama/llama-4-scout-17b-16e-instruct", {"sees": True, "efforts": ()}),
        ("mixtral-8x7b-32768", {"efforts": ()}),
        ("deepseek-r1-distill-llama-70b", {"efforts": None}),
        ("meta-llama/llama-prompt-guard-2-22m", {"calls_tools": False, "efforts": ()}),
        ("us.anthropic.claude-v2", {"sees": None, "efforts": None}),
        ("anthropic.claude-2-1", {"sees": False, "reads": True, "efforts": (), "prefill": False}),
        (
            "anthropic.claude-3-haiku-20240307-v1:0",
            {"sees": True, "reads": True, "efforts": (), "prefill": True},
        ),
        ("us.anthropic.claude-3-5-haiku-20241022-v1:0", {"sees": False, "efforts": ()}),
        ("anthropic.claude-3-7-sonnet-20250219-v1:0", {"reasoning_control": "budget"}),
        (
            "us.anthropic.claude-haiku-4-5-20251001-v1:0",
            {
                "reasoning_control": "budget",
                "efforts": ("none", *THREE),
                "reads": True,
                "prefill": True,
            },
        ),
        (
            "us.anthropic.claude-sonnet-4-6",
            {"reasoning_control": "adaptive", "efforts": ("none", *THREE, "xhigh", "max")},
        ),
        ("amazon.nova-micro-v1:0", {"sees": False, "reads": False, "efforts": ()}),
        ("us.amazon.nova-pro-v1:0", {"sees": True, "reads": None, "efforts": ()}),
        ("us.amazon.nova-2-lite-v1:0", {"sees": None, "reasoning_control": "reasoning_config"}),
        (
            "openai.gpt-oss-20b-1:0",
            {"sees": False, "efforts": THREE, "reasoning_control": "effort"},
        ),
        ("meta.llama3-8b-instruct-v1:0", {"calls_tools": False, "efforts": ()}),
        ("us.meta.llama3-1-8b-instruct-v1:0", {"calls_tools": None, "efforts": ()}),
        ("mistral.mistral-large-3-675b-instruct", {"sees": True, "efforts": ()}),
        ("mistral.pixtral-large", {"sees": None, "efforts": None}),
    ],
)
def test_what_is_known_of_a_model(model: str, expected: dict[str, Any]) -> None:
    features = abilities(model).features
    assert expected == {name: getattr(features, name) for name in expected}


@pytest.mark.parametrize(
    ("model", "version"),
    [
        ("anthropic.claude-opus-5", (5, 0)),
        ("anthropic.claude-sonnet-4-20250514-v1:0", (4, 0)),
        ("anthropic.claude-3-5-haiku-20241022-v1:0", (3, 5)),
        ("anthropic.claude-haiku-4-10", (4, 10)),
        ("anthropic.claude-v2", None),
        ("amazon.nova-2-lite-v1:0", None),
    ],
)
def test_a_claudes_version_is_in_its_name(model: str, version: tuple[int, int] | None) -> None:
    assert version == claude_version(model)


@given(model=st.text())
def test_of_another_model_nothing_is_known(model: str) -> None:
    hidden = "arn:aws:bedrock:us-east-1:1:application-inference-profile/abc"
    assert NOTHING_KNOWN == abilities("nobody/knows-it").features == abilities(hidden).features
    assert "" == lacking(Request(model, ({"role": "user", "content": "hi"},)))


def request(model: str, *parts: Any, **options: Any) -> Request:
    message: Message = {"role": "user", "content": list(parts) or "hi"}
    return Request(model, (message,), options=options)


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        (request("openai/gpt-oss-20b", IMAGE), "sees no images"),
        (request("openai/gpt-oss-20b", {"image": {}}), "sees no images"),
        (
            request("qwen/qwen3.8-27b", *[IMAGE] * 4),
            "takes at most 3 images in a call, not 4",
        ),
        (request("qwen/qwen3.8-27b", *[IMAGE] * 3), ""),
        (request("amazon.nova-micro-v1:0", {"type": "file"}), "reads no documents"),
        (request("amazon.nova-micro-v1:0", {"type": "document"}), "reads no documents"),
        (request("amazon.nova-lite-v1:0", {"type": "file"}), ""),
        (
            request("meta.llama3-8b-instruct-v1:0", tools=[TOOL]),
            "calls no tools: leave out tools",
        ),
        (request("meta.llama3-8b-instruct-v1:0", tools=[TOOL], tool_choice="none"), ""),
        (request("meta.llama3-8b-instruct-v1:0", tools=[]), ""),
        (
            request("mixtral-8x7b-32768", reasoning_effort="low"),
            "does not reason: leave out reasoning_effort",
        ),
        (
            request("openai/gpt-oss-20b", reasoning_effort="none"),
            "knows no reasoning_effort 'none', only low, medium, high",
        ),
        (request("openai/gpt-oss-20b", reasoning_effort="low"), ""),
        (request("openai/gpt-oss-20b", reasoning_effort=5), ""),
        (request("nobody/knows-it", IMAGE, reasoning_effort="x", tools=[TOOL]), ""),
        (request("openai/gpt-oss-20b", "x", {"type": "text"}), ""),
    ],
    ids=range(16),
)
def test_what_a_model_lacks_is_said(asked: Request, problem: str) -> None:
    assert problem == lacking(asked)


@pytest.mark.parametrize(
    ("model", "effort", "has_tool"),
    [
        ("us.anthropic.claude-sonnet-4-6", None, True),
        ("us.anthropic.claude-sonnet-4-6", "none", True),
        ("us.anthropic.claude-sonnet-4-6", "low", False),
        ("anthropic.claude-opus-4-1-20250805-v1:0", "low", False),
        ("amazon.nova-2-lite-v1:0", "low", True),
        ("openai/gpt-oss-20b", "low", True),
    ],
)
def test_claude_is_not_made_to_call_a_tool_while_it_thinks(
    model: str, effort: str | None, has_tool: bool
) -> None:
    options = {} if effort is None else {"reasoning_effort": effort}
    assert has_tool == ("tool" in modes_for(request(model, **options)))


@pytest.mark.parametrize("kind", [["image"], {"a": 1}, None, 7])
def test_a_part_of_a_kind_that_is_no_text_needs_nothing(kind: Any) -> None:
    message: Message = {"role": "user", "content": [{"type": kind}]}
    assert "" == lacking(Request("openai/gpt-oss-120b", (message,)))
