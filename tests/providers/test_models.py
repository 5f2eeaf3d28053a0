from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.llm.models import abilities, cost, fit_to_model, is_alive, successor
from services.llm.models.capabilities import split_profile
from services.llm.models.catalogue import (
    AS_OF,
    BEDROCK,
    DISCONTINUED,
    GROQ,
    REPLACEMENTS,
    FreePlan,
    Price,
)
from services.llm.providers.bedrock import INVOKE_MODELS
from services.llm.types import Request, Usage

IDS = st.sampled_from(sorted({*GROQ, *BEDROCK, *REPLACEMENTS}))
REGIONS = st.none() | st.sampled_from(
    ["us-east-1", "us-gov-west-1", "eu-west-1", "ap-northeast-1", "ap-southeast-2", "sa-east-1"]
)


@settings(deadline=None)
@given(model=IDS, region=REGIONS)
def test_a_successor_is_alive_and_lives_where_its_predecessor_did(
    model: str, region: str | None
) -> None:
    replacement = successor(model, region)

    if replacement is not None:
        assert is_alive(replacement)
        assert split_profile(replacement)[0] != model
        assert abilities(replacement).provider == abilities(model).provider
    else:
        lives_elsewhere = successor(model, "us-east-1") is not None
        assert split_profile(model)[0] not in REPLACEMENTS or (
            lives_elsewhere and region != "us-east-1"
        )


@settings(deadline=None)
@given(model=IDS, region=REGIONS)
def test_following_successors_ends(model: str, region: str | None) -> None:
    seen = [model]
    while (replacement := successor(seen[-1], region)) is not None:
        assert replacement not in seen
        seen.append(replacement)

    assert is_alive(seen[-1]) or len(seen) == 1


def test_every_model_that_was_shut_down_leads_to_one_in_service_or_is_known_to_lead_nowhere() -> (
    None
):
    gone = {model for model in REPLACEMENTS if not is_alive(model)}

    assert {model for model in gone if successor(model, "us-east-1") is None} == set()
    assert all(not is_alive(model) and successor(model) is None for model in DISCONTINUED)


def test_the_knowledge_has_a_day() -> None:
    assert AS_OF == "2026-11-22"
    assert is_alive("anthropic.claude-opus-4-1-20250805-v1:0"), "it ends after that day"
    assert not is_alive("mixtral-8x7b-32768")


@pytest.mark.parametrize(
    ("model", "region", "replacement"),
    [
        ("mixtral-8x7b-32768", None, "openai/gpt-oss-120b"),
        ("llama3-8b-8192", None, "openai/gpt-oss-20b"),
        ("gemma-7b-it", None, "openai/gpt-oss-20b"),
        ("llava-v1.5-7b-4096-preview", None, "qwen/qwen3.8-27b"),
        ("groq/compound", None, None),
        ("openai/gpt-oss-120b", None, None),
        ("nobody/knows-it", None, None),
        (INVOKE_MODELS[0], None, "us.anthropic.claude-sonnet-4-6"),
        (INVOKE_MODELS[0], "eu-central-1", "eu.anthropic.claude-sonnet-4-6"),
        (INVOKE_MODELS[0], "us-gov-west-1", "us-gov.anthropic.claude-sonnet-4-6"),
        (INVOKE_MODELS[0], "ap-northeast-1", "jp.anthropic.claude-sonnet-4-6"),
        (INVOKE_MODELS[0], "ap-southeast-2", "au.anthropic.claude-sonnet-4-6"),
        (INVOKE_MODELS[0], "sa-east-1", "global.anthropic.claude-sonnet-4-6"),
        (f"global.{INVOKE_MODELS[0]}", "eu-west-1", "global.anthropic.claude-sonnet-4-6"),
        (f"apac.{INVOKE_MODELS[0]}", "ap-northeast-3", "jp.anthropic.claude-sonnet-4-6"),
        (
            "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu." + INVOKE_MODELS[1],
            None,
            "eu.anthropic.claude-haiku-4-5-20251001-v1:0",
        ),
        (
            f"arn:aws:bedrock:us-west-2::foundation-model/{INVOKE_MODELS[2]}",
            None,
            "us.anthropic.claude-opus-4-6-v1",
        ),
        (
            f"arn:aws:bedrock:eu-west-1::foundation-model/{INVOKE_MODELS[0]}",
            None,
            "eu.anthropic.claude-sonnet-4-6",
        ),
        (INVOKE_MODELS[3], "us-east-1", "us.meta.llama3-3-70b-instruct-v1:0"),
        (INVOKE_MODELS[3], "eu-west-1", None),
        (INVOKE_MODELS[5], "eu-west-1", "mistral.mistral-large-3-675b-instruct"),
    ],
)
def test_a_successor_is_named_as_it_is_called_there(
    model: str, region: str | None, replacement: str | None
) -> None:
    assert successor(model, region) == replacement


@pytest.mark.parametrize(
    ("model", "name", "profile"),
    [
        ("openai/gpt-oss-120b", "openai/gpt-oss-120b", None),
        ("us.meta.llama3-3-70b-instruct-v1:0", "meta.llama3-3-70b-instruct-v1:0", "us"),
        ("us-gov.anthropic.claude-x", "anthropic.claude-x", "us-gov"),
        (
            "arn:aws:bedrock:us-east-1:1:inference-profile/eu.amazon.nova-pro-v1:0",
            *("amazon.nova-pro-v1:0", "eu"),
        ),
        ("arn:aws:bedrock:us-east-1:1:application-inference-profile/1ab", "1ab", None),
    ],
)
def test_an_id_is_opened(model: str, name: str, profile: str | None) -> None:
    assert split_profile(model) == (name, profile)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (
            "openai/gpt-oss-120b",
            {
                "provider": "groq",
                "known": True,
                "context": 131_072,
                "max_output": 65_536,
                "modes": ("strict", "schema", "tool", "object", "prompt"),
                "thinks": True,
                "free": FreePlan(30, 1_000, 8_000, 200_000),
            },
        ),
        (
            "nobody/knows-it",
            {"provider": "groq", "known": False, "modes": ("tool", "object", "prompt")},
        ),
        (INVOKE_MODELS[0], {"provider": "bedrock", "modes": ("prompt",), "max_output": 4_096}),
        (INVOKE_MODELS[3], {"modes": ("prompt",), "max_output": 2_048, "context": 8_192}),
        (INVOKE_MODELS[5], {"modes": ("prompt",), "max_output": 4_096}),
        (
            "eu.anthropic.claude-sonnet-4-6",
            {
                "modes": ("strict", "tool", "prompt"),
                "temperature": True,
                "only_one_sampling": True,
                "thinks": False,
                "burndown": 5,
            },
        ),
        (
            "anthropic.claude-haiku-5-5",
            {"modes": ("strict", "prompt"), "temperature": False, "thinks": True},
        ),
        ("anthropic.claude-fable-5-1", {"temperature": False, "thinks": True, "burndown": 10}),
        (
            "global.anthropic.claude-opus-4-8",
            {"temperature": False, "burndown": 15, "thinks": False},
        ),
        ("us.anthropic.claude-opus-4-6-v1", {"temperature": True, "only_one_sampling": True}),
        ("us.anthropic.claude-opus-4-7", {"temperature": False, "burndown": 5}),
        ("anthropic.claude-opus-4-7-20260401-v1:0", {"temperature": False, "known": False}),
        (
            "us.anthropic.claude-sonnet-5",
            {"temperature": False, "modes": ("strict", "tool", "prompt")},
        ),
        (
            "anthropic.claude-3-5-haiku-20241022-v1:0",
            {"modes": ("tool", "prompt"), "only_one_sampling": False, "temperature": True},
        ),
        ("anthropic.claude-sonnet-4-20250514-v1:0", {"only_one_sampling": False}),
        ("us.anthropic.claude-opus-6", {"known": False, "temperature": False, "thinks": True}),
        ("amazon.nova-pro-v1:0", {"modes": ("tool", "prompt"), "provider": "bedrock"}),
        ("openai.gpt-oss-20b-1:0", {"provider": "bedrock", "thinks": True, "modes": ("prompt",)}),
        (
            "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/1arbu5hu2sjr",
            {"provider": "bedrock", "known": False, "modes": ("prompt",)},
        ),
    ],
)
def test_abilities_are_those_of_the_model_or_its_family(
    model: str, expected: dict[str, Any]
) -> None:
    able = abilities(model)

    assert {name: getattr(able, name) for name in expected} == expected


@settings(deadline=None)
@given(model=st.text() | IDS)
def test_something_is_said_of_any_id(model: str) -> None:
    able = abilities(model)

    assert able.modes[-1] == "prompt"
    assert able.burndown >= 1


def _request(model: str, **changes: Any) -> Request:
    plain: dict[str, Any] = {"temperature": 0.7, "max_tokens": 4_096}
    defaulted = frozenset({"temperature", "max_tokens"})
    return Request(model, (), **{**plain, "defaulted": defaulted, **changes})


@pytest.mark.parametrize(
    ("model", "changes", "temperature", "length"),
    [
        ("openai/gpt-oss-120b", {}, 0.7, 4_096),
        ("us.anthropic.claude-opus-4-7", {}, None, 4_096),
        ("us.anthropic.claude-opus-4-7", {"defaulted": frozenset()}, 0.7, 4_096),
        ("us.anthropic.claude-opus-5-5", {}, None, 4_096),
        ("us.anthropic.claude-opus-5-5", {"defaulted": frozenset()}, 0.7, 4_096),
        ("us.anthropic.claude-sonnet-4-6", {}, 0.7, 4_096),
        ("us.anthropic.claude-sonnet-4-6", {"options": {"top_p": 1}}, None, 4_096),
        ("us.anthropic.claude-sonnet-4-6", {"options": {"topP": 1}}, None, 4_096),
        (INVOKE_MODELS[0], {"options": {"top_p": 1}}, 0.7, 4_096),
        (INVOKE_MODELS[3], {}, 0.7, 2_048),
        (INVOKE_MODELS[3], {"defaulted": frozenset()}, 0.7, 4_096),
        (INVOKE_MODELS[3], {"max_tokens": None}, 0.7, None),
        (INVOKE_MODELS[3], {"max_tokens": 5}, 0.7, 5),
    ],
)
def test_what_nobody_asked_for_is_fitted_to_the_model(
    model: str, changes: dict[str, Any], temperature: float | None, length: int | None
) -> None:
    request = _request(model, **changes)
    wanted = (fit_to_model(request).temperature, fit_to_model(request).max_tokens)

    assert wanted == (temperature, length)


def _usage(given_: int, written: int, cached: int = 0, stored: int = 0) -> Usage:
    return Usage(
        given_,
        written,
        given_ + written,
        cached,
        reported=True,
        cache_write_input_tokens=stored,
    )


@pytest.mark.parametrize(
    ("model", "usage", "dollars"),
    [
        ("openai/gpt-oss-120b", _usage(1_000_000, 1_000_000), 0.75),
        ("openai/gpt-oss-120b", _usage(1_000_000, 0, 1_000_000), 0.075),
        ("openai/gpt-oss-120b", _usage(1_000_000, 0, 0, 1_000_000), 0.15),
        ("llama-guard-x", _usage(1, 1), None),
        ("mixtral-8x7b-32768", _usage(1, 1), None),
        ("openai/gpt-oss-120b", Usage(), None),
        ("qwen/qwen3.8-27b", _usage(1_000_000, 0, 500_000), 0.8),
        ("global.anthropic.claude-haiku-4-5-20251001-v1:0", _usage(1_000_000, 0), 1.0),
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", _usage(1_000_000, 0), 1.1),
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", _usage(0, 1_000_000), 5.5),
        ("global.anthropic.claude-opus-5-5", _usage(1_000_000, 0, 800_000, 100_000), 1.06),
        (INVOKE_MODELS[0], _usage(1_000_000, 1_000_000), 18.0),
    ],
)
def test_a_cost_is_the_list_prices(model: str, usage: Usage, dollars: float | None) -> None:
    assert cost(model, usage) == (None if dollars is None else pytest.approx(dollars))


@settings(deadline=None)
@given(
    model=IDS,
    read=st.integers(0, 10**6),
    rest=st.integers(0, 10**6),
    written=st.integers(0, 10**6),
)
def test_a_cost_grows_with_every_token_and_reading_the_cache_never_costs_more(
    model: str, read: int, rest: int, written: int
) -> None:
    dollars = cost(model, _usage(read + rest, written, read))
    if dollars is None:
        return
    plain = cost(model, _usage(read + rest, written))
    more = cost(model, _usage(read + rest + 1, written + 1, read))
    assert plain is not None
    assert more is not None
    assert 0 <= dollars < more
    assert dollars <= plain * (1 + 1e-12)


def test_prices_are_sane() -> None:
    prices = [row[3] for row in GROQ.values()] + [row[2] for row in BEDROCK.values()]

    for price in filter(None, prices):
        assert isinstance(price, Price)
        assert 0 < (price.cached_input or price.input) <= price.input <= price.output
        assert (price.cache_write or price.input) >= price.input


def test_a_cost_shows_none_of_the_noise_of_floats() -> None:
    used = [
        Usage(input_tokens=3, output_tokens=n, total_tokens=n + 3, reported=True) for n in range(99)
    ]
    shown = [repr(cost("openai/gpt-oss-120b", each)) for each in used]
    assert [] == [each for each in shown if len(each) > len("1.23456e-05")]


@pytest.mark.parametrize(
    ("model", "takes"),
    [
        ("anthropic.claude-3-haiku-20240307-v1:0", True),
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", True),
        ("us.anthropic.claude-sonnet-4-6", False),
        ("global.anthropic.claude-opus-5-5", False),
        ("anthropic.claude-v2:1", False),
        ("amazon.nova-pro-v1:0", False),
        ("llama-3.3-70b-versatile", True),
        ("openai/gpt-oss-120b", False),
        ("somebody/unknown", False),
    ],
)
def test_some_models_go_on_from_the_beginning_of_an_answer(model: str, takes: bool) -> None:
    assert takes is abilities(model).features.prefill
