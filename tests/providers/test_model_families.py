"""What follows from a model's id alone: whose it is, how it thinks, and what it takes of a form."""

from __future__ import annotations

import re
from typing import Any

import pytest

from services.llm.models.capabilities import (
    abilities,
    lacking,
    modes_for,
    most_image_tokens,
    provider_of,
    split_profile,
)
from services.llm.models.successors import advice, successors
from services.llm.types import Request

ARN = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/1arbu5hu2sjr"


@pytest.mark.parametrize(
    ("model", "provider"),
    [
        ("openai/gpt-oss-120b", "groq"),
        ("llama-3.3-70b-versatile", "groq"),
        ("anthropic-like.model", "groq"),
        ("openai.gpt-oss-20b-1:0", "bedrock"),
        ("us.anthropic.claude-sonnet-4-6", "bedrock"),
        ("deepseek.r1-v1:0", "bedrock"),
        (ARN, "bedrock"),
    ],
)
def test_a_models_provider_is_known_by_the_form_of_its_id(model: str, provider: str) -> None:
    assert provider == provider_of(model)
    assert provider == abilities(model).provider


@pytest.mark.parametrize(
    ("model", "thinks"),
    [
        ("openai/gpt-oss-999b", True),
        ("qwen-qwq-32b", True),
        ("deepseek-r1-distill-llama-70b", True),
        ("llama-3.3-70b-versatile", False),
        ("somebody/unknown", False),
        ("us.deepseek.r1-v1:0", True),
        ("moonshot.kimi-k2-thinking", True),
        ("openai.gpt-oss-20b-1:0", True),
        ("deepseek.v3-v1:0", False),
        ("amazon.nova-pro-v1:0", False),
        ("anthropic.claude-opus-5-4", False),
        ("anthropic.claude-opus-5-5", True),
        ("anthropic.claude-fable-5-1", True),
    ],
)
def test_whether_a_model_thinks_unless_told_not_to_is_known_by_its_name(
    model: str, thinks: bool
) -> None:
    assert thinks is abilities(model).thinks


@pytest.mark.parametrize(
    ("model", "modes", "only_one_sampling"),
    [
        ("anthropic.claude-sonnet-4-4", ("tool", "prompt"), False),
        ("anthropic.claude-sonnet-4-5", ("strict", "tool", "prompt"), True),
        ("anthropic.claude-opus-5-4", ("strict", "tool", "prompt"), True),
        ("anthropic.claude-opus-5-5", ("strict", "prompt"), True),
        ("amazon.nova-lite-v1:0", ("tool", "prompt"), False),
        ("meta.llama3-3-70b-instruct-v1:0", ("prompt",), False),
    ],
)
def test_a_family_has_its_forms_of_output(
    model: str, modes: tuple[str, ...], only_one_sampling: bool
) -> None:
    able = abilities(model)
    assert (modes, only_one_sampling) == (able.modes, able.only_one_sampling)


@pytest.mark.parametrize(
    ("model", "temperature"),
    [("anthropic.claude-opus-4-6", True), ("anthropic.claude-opus-4-7", False)],
)
def test_from_opus_4_7_on_claude_takes_no_temperature(model: str, temperature: bool) -> None:
    assert temperature is abilities(model).temperature


def test_of_what_no_table_holds_nothing_but_its_family_is_believed() -> None:
    for model in ("mistral.unheard-of-v9:0", "somebody/unknown"):
        able = abilities(model)
        assert (False, None, None, None, None, 1) == (
            *(able.known, able.context, able.max_output, able.price, able.free),
            able.burndown,
        )
        assert able.temperature
        assert not able.only_one_sampling


@pytest.mark.parametrize(
    ("model", "tokens"),
    [
        ("anthropic.claude-opus-4-6-v1", 1_600),
        ("us.anthropic.claude-opus-4-7", 4_800),
        ("anthropic.claude-3-haiku-20240307-v1:0", 1_600),
        ("anthropic.claude-opus-5", 4_800),
        ("amazon.nova-pro-v1:0", None),
        ("openai/gpt-oss-120b", None),
    ],
)
def test_an_image_takes_as_many_tokens_as_the_claude_that_sees_it(
    model: str, tokens: int | None
) -> None:
    assert tokens == most_image_tokens(model)


@pytest.mark.parametrize(
    ("model", "options", "modes"),
    [
        ("us.anthropic.claude-sonnet-4-6", {}, ("strict", "tool", "prompt")),
        (
            "us.anthropic.claude-sonnet-4-6",
            {"reasoning_effort": "none"},
            ("strict", "tool", "prompt"),
        ),
        ("us.anthropic.claude-sonnet-4-6", {"reasoning_effort": "low"}, ("strict", "prompt")),
        ("anthropic.claude-sonnet-4-20250514-v1:0", {"reasoning_effort": "low"}, ("prompt",)),
        ("amazon.nova-2-lite-v1:0", {"reasoning_effort": "low"}, ("tool", "prompt")),
        (
            "openai/gpt-oss-120b",
            {"reasoning_effort": "low"},
            ("strict", "schema", "tool", "object", "prompt"),
        ),
    ],
)
def test_a_claude_that_is_asked_to_think_is_forced_to_no_tool(
    model: str, options: dict[str, Any], modes: tuple[str, ...]
) -> None:
    assert modes == modes_for(Request(model, (), options=options))


def test_what_a_model_is_known_not_to_do_is_told_before_it_is_asked() -> None:
    tools = {"tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}]}
    assert "" == lacking(Request("us.anthropic.claude-sonnet-4-6", (), options=tools))
    assert "" != lacking(Request("amazon.titan-text-express-v1", (), options=tools))


@pytest.mark.parametrize(
    ("model", "name", "profile"),
    [
        ("us.meta.llama3-v1:0", "meta.llama3-v1:0", "us"),
        ("us.", "us.", None),
        ("useful.model", "useful.model", None),
        ("a/us.meta.llama3-v1:0", "a/us.meta.llama3-v1:0", None),
        ("arn:aws:bedrock:::x/us.meta.llama3-v1:0", "meta.llama3-v1:0", "us"),
    ],
)
def test_a_profile_is_a_prefix_of_a_whole_id(model: str, name: str, profile: str | None) -> None:
    assert (name, profile) == split_profile(model)


IMAGE = ({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:x"}}]},)


@pytest.mark.parametrize(
    ("model", "provider", "hint"),
    [
        ("groq/openai/gpt-oss-120b", "groq", r"here its id is openai/gpt-oss-120b, without groq/"),
        (
            "bedrock/us.anthropic.claude-sonnet-4-6",
            "bedrock",
            r"here its id is us\.anthropic\.claude-sonnet-4-6, without bedrock/",
        ),
        (
            "openai/gpt-oss-120b",
            "bedrock",
            r"it is a model of Groq's; choose a model, such as",
        ),
        ("us.anthropic.claude-sonnet-4-6", "groq", r"it is a model of Bedrock's; choose a model"),
        ("mixtral-8x7b-32768", "groq", r"^ \(choose a model, such as openai/gpt-oss-120b"),
        ("anthropic.claude-v2", "bedrock", r"^ \(choose a model, such as us\.anthropic\."),
        ("openai/gpt-oss-120b", "groq", r"^$"),
        ("nobody/knows-it", "groq", r"^$"),
        ("groq/nobody-knows-it", "groq", r"^$"),
    ],
)
def test_a_model_that_is_missing_comes_with_a_hint_where_one_is_known(
    model: str, provider: Any, hint: str
) -> None:
    assert re.search(hint, advice(Request(model, ()), provider))


def test_who_shows_an_image_is_led_to_models_that_see_one() -> None:
    request = Request("mixtral-8x7b-32768", IMAGE)
    assert " (choose a model that sees images, such as qwen/qwen3.8-27b)" == advice(request, "groq")
    assert [] == list(successors(request, "groq"))


@pytest.mark.parametrize(
    ("asked", "has_one"),
    [
        ({}, True),
        ({"max_tokens": 10**6}, False),
        ({"max_tokens": 10**6, "defaulted": frozenset({"max_tokens"})}, True),
        ({"max_tokens": 1_000}, True),
        ({"temperature": 0.5}, True),
    ],
)
def test_a_successor_can_write_as_much_as_was_asked_for(
    asked: dict[str, Any], has_one: bool
) -> None:
    found = list(successors(Request("anthropic.claude-v2", (), **asked), "bedrock"))
    assert (["us.anthropic.claude-sonnet-4-6"] if has_one else []) == found


@pytest.mark.parametrize(
    ("asked", "first"),
    [
        ({}, "us.anthropic.claude-haiku-5-5"),
        ({"temperature": 0.5}, "us.anthropic.claude-opus-4-6-v1"),
        (
            {"temperature": 0.5, "defaulted": frozenset({"temperature"})},
            "us.anthropic.claude-haiku-5-5",
        ),
    ],
)
def test_no_model_is_named_that_refuses_what_was_asked_for(
    asked: dict[str, Any], first: str
) -> None:
    told = advice(Request("anthropic.claude-v2", (), **asked), "bedrock")
    assert told.startswith(f" (choose a model, such as {first},")
