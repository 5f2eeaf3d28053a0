"""Estimates of prompts come to be near what a provider counts, for any kind of text."""

from __future__ import annotations

import inspect
import json
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import services.llm.account.token_estimator as estimator_module
from services.llm.account import token_estimate
from services.llm.account.token_estimate import input_estimate
from services.llm.account.token_estimator import MOST_MODELS, Estimate, TokenEstimator, features_of
from services.llm.limit_types import LimitReport
from services.llm.types import Request

WORDS = re.findall(
    r"\w+",
    "the of and to in is that it was for on are with as his they be at one have this from had "
    "by some what there we can out other were all your when up use word how said an each "
    "which do their time if will way about many then them write would like these her long "
    "make thing see him two has look more day could go come did sound no most number who over "
    "know water than people first down side been now find any new work part take get place "
    "made live where after government international understanding particularly information "
    "development ",
)
CODE = inspect.getsource(token_estimate)
# Like those of the models: a word with its blank, three digits, two marks, a character or two.
TOKEN = re.compile(r" ?[A-Za-z]+|\d{1,3}|[^\sA-Za-z\d\x80-\uffff]{1,2}| +|\n+|[\x80-\uffff]")


def counted(text: str) -> int:
    """What a provider counts of *text*: four tokens are its template's."""
    tokens = 4.0
    for piece in TOKEN.findall(text):
        word = piece.strip()
        if not piece.isascii():
            tokens += 0.7
        else:
            tokens += 1 + (len(word) > 8 and word.isalpha())
    return round(tokens)


def english(luck: random.Random) -> str:
    return " ".join(luck.choices(WORDS, k=luck.randrange(20, 400))) + "."


def json_text(luck: random.Random) -> str:
    rows = [
        {"id": luck.randrange(10**6), "name": luck.choice(WORDS), "ok": True, "x": luck.random()}
        for _ in range(luck.randrange(3, 30))
    ]
    return json.dumps(rows)


def code(luck: random.Random) -> str:
    size = luck.randrange(800, 3_000)
    begin = luck.randrange(len(CODE) - size)
    return CODE[begin : begin + size]


def chinese(luck: random.Random) -> str:
    return "".join(chr(luck.randrange(0x4E00, 0x9FA5)) for _ in range(luck.randrange(50, 600)))


KINDS: tuple[Callable[[random.Random], str], ...] = (english, json_text, code, chinese)


def asks(text: str, model: str = "m") -> Request:
    return Request(model, ({"role": "user", "content": text},))


def taught(estimator: TokenEstimator, texts: list[str]) -> None:
    for text in texts:
        estimator.learn(estimator.estimate(asks(text)), counted(text))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("is_mixed", [False, True])
def test_after_twenty_calls_an_estimate_is_within_fifteen_percent(
    kind: Callable[[random.Random], str], is_mixed: bool
) -> None:
    luck, estimator = random.Random(7), TokenEstimator()
    kinds = [KINDS[place % 4] if is_mixed else kind for place in range(20)]
    taught(estimator, [each(luck) for each in kinds])
    off = sorted(
        abs(estimator.estimate(asks(text)).tokens / counted(text) - 1)
        for text in [kind(luck) for _ in range(40)]
    )
    # One piece of code in twenty, cut out anywhere, is far from the usual.
    assert off[37] <= 0.15
    assert off[-1] <= 0.25


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_provider_adds_to_each_request_is_told_from_what_it_adds_to_each_message(
    kind: Callable[[random.Random], str],
) -> None:
    luck, estimator = random.Random(5), TokenEstimator()
    for place in range(200):
        texts = [kind(luck)[: luck.choice([5, 50, 500])] for _ in range(luck.randrange(1, 8))]
        messages = tuple({"role": "user", "content": text} for text in texts)
        count = 72 + sum(map(counted, texts))
        estimate = estimator.estimate(Request("m", messages))
        assert place < 20 or abs(estimate.tokens / count - 1) <= 0.2
        estimator.learn(estimate, count)


def test_what_tools_take_is_told_from_what_other_prompts_take() -> None:
    luck, estimator = random.Random(5), TokenEstimator()
    for place in range(200):
        text, tools = english(luck), [tool(luck) for _ in range(luck.randrange(4))]
        request = replace(asks(text), options={"tools": tools} if tools else {})
        count = 72 + counted(text) + (600 + counted(json.dumps(tools)) if tools else 0)
        estimate = estimator.estimate(request)
        assert place < 20 or 0.9 <= estimate.tokens / count <= 1.3
        estimator.learn(estimate, count)


def tool(luck: random.Random) -> dict[str, Any]:
    properties = {luck.choice(WORDS): {"type": "string"} for _ in range(luck.randrange(1, 20))}
    parameters = {"type": "object", "properties": properties, "required": [*properties]}
    return {"type": "function", "function": {"name": "do", "parameters": parameters}}


def test_texts_that_differ_in_what_their_bytes_do_not_show_keep_estimates_between_them() -> None:
    luck, estimator, off = random.Random(3), TokenEstimator(), list[float]()
    for place in range(400):
        per_letter = luck.choice([0.2, 0.4])  # as of two languages in one script
        text = "".join(luck.choices("abcdefgh", k=luck.choice([20, 100, 2_000])))
        count = 72 + round(per_letter * len(text))
        estimate = estimator.estimate(asks(text))
        off += [estimate.tokens / count] if place >= 20 else []
        estimator.learn(estimate, count)
    assert 0.4 <= min(off)
    assert max(off) <= 2.5


def test_an_estimate_is_below_the_count_never_for_long() -> None:
    luck, estimator, low = random.Random(3), TokenEstimator(), 0
    for _ in range(200):
        text = KINDS[luck.randrange(4)](luck)
        estimate = estimator.estimate(asks(text))
        low = low + 1 if estimate.tokens < 0.95 * counted(text) else 0
        assert low <= 2
        estimator.learn(estimate, counted(text))


@pytest.mark.parametrize("counted_as", [lambda _: 2, lambda text: round(len(text) / 4)])
def test_short_prompts_that_are_much_alike_do_not_make_estimates_grow(
    counted_as: Callable[[str], int],
) -> None:
    luck, estimator = random.Random(0), TokenEstimator()
    for place in range(500):
        text = f"{luck.choice(['step', 'after'])} {luck.randrange(80)}"
        estimate = estimator.estimate(asks(text))
        assert place < 4 or estimate.tokens <= 2 * counted_as(text)
        estimator.learn(estimate, counted_as(text))


def test_counts_without_sense_leave_estimates_within_bounds() -> None:
    luck, estimator = random.Random(0), TokenEstimator()
    for _ in range(1_000):
        text = luck.choice(["step 1", "after 17", "x" * luck.randrange(1, 3_000), "a 1 b 2 " * 40])
        estimate = estimator.estimate(asks(text))
        assert 0 <= estimate.tokens <= 600 + 5 * len(text)
        estimator.learn(estimate, max(1, len(text) // luck.choice([1, 3, 30])))


def test_the_first_estimate_is_the_cautious_one() -> None:
    request = asks("Why is the sky blue? " * 20)
    assert abs(TokenEstimator().estimate(request).tokens - input_estimate(request)) <= 1


def test_a_refusal_tells_what_a_prompt_costs() -> None:
    estimator, request = TokenEstimator(), asks("word " * 100)
    for _ in range(20):
        reports = [LimitReport("tokens", 60.0, 6_000, requested=1_000 + 300)]
        estimator.learn_from_refusal(estimator.estimate(request), reports, 1_000)
    assert abs(estimator.estimate(request).tokens - 300) <= 0.15 * 300
    for _ in range(20):  # less than the declared answer: that is no part of it
        reports = [LimitReport("tokens", 60.0, 6_000, requested=700), LimitReport("requests", 60.0)]
        estimator.learn_from_refusal(estimator.estimate(request), reports, 1_000)
    assert abs(estimator.estimate(request).tokens - 700) <= 0.15 * 700


def test_images_and_empty_counts_teach_nothing() -> None:
    estimator = TokenEstimator()
    image = Request("m", ({"role": "user", "content": [{"image_url": {"url": "data:x"}}]},))
    before = estimator.estimate(image)
    estimator.learn(before, 10)
    estimator.learn(estimator.estimate(asks("x")), 0)
    estimator.learn(estimator.estimate(Request("m", ())), 50)
    assert before == estimator.estimate(image)
    assert before.tokens >= 2_048


def test_what_is_known_of_models_is_bounded_and_can_be_forgotten() -> None:
    estimator = TokenEstimator()
    first = estimator.estimate(asks("word " * 99, "0"))
    for number in range(MOST_MODELS + 1):
        estimator.learn(estimator.estimate(asks("word " * 99, str(number))), 40)
    assert first.tokens == estimator.estimate(asks("word " * 99, "0")).tokens
    assert first.tokens > 1.5 * estimator.estimate(asks("word " * 99, "1")).tokens
    estimator.clear()
    assert first.tokens == estimator.estimate(asks("word " * 99, "1")).tokens


@given(st.text(max_size=200), st.integers(1, 10**7))
def test_any_count_leaves_estimates_that_are_finite_and_not_negative(
    text: str, tokens: int
) -> None:
    estimator = TokenEstimator()
    for _ in range(5):
        estimator.learn(estimator.estimate(asks(text)), tokens)
    assert 0 <= estimator.estimate(asks(text)).tokens < 10**10


def test_bytes_are_counted_by_their_kind() -> None:
    request = asks("Ab 1,é\n")
    assert (2 + 4, 2, 2, 2, 0, 1, 0, 0) == features_of(request)  # with the role's four letters
    assert (0, 0, 0, 0, 0, 0, 0, 0) == features_of(Request("m", ()))


def test_an_estimate_that_is_off_by_its_rounding_teaches_seldom(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    learnt: list[float] = []
    learn = estimator_module._Model.learn

    def counted(self: Any, features: Sequence[float], tokens: float) -> None:
        learnt.append(tokens)
        learn(self, features, tokens)

    monkeypatch.setattr(estimator_module._Model, "learn", counted)
    estimator, request = TokenEstimator(), Request("m", ({"role": "user", "content": "Hello"},))
    for _ in range(112):
        estimator.learn(estimator.estimate(request), 9)

    assert 10 == estimator.estimate(request).tokens
    assert 32 + 80 // 8 == len(learnt)


def after_counts(*counts: int) -> int:
    """The estimate of four hundred words that were so many tokens, one time after the other."""
    estimator, request = TokenEstimator(), asks("word " * 400)
    for count in counts:
        estimator.learn(estimator.estimate(request), count)
    return estimator.estimate(request).tokens


def test_an_estimate_is_the_higher_the_more_the_counts_differ() -> None:
    assert 400 <= after_counts(*[400] * 40) <= 408
    assert 410 <= after_counts(*[350, 450] * 20) <= 450
    assert 400 <= after_counts(*[350, 450] * 5, *[400] * 60) <= 408


@pytest.mark.parametrize(
    ("estimated", "is_learnt"), [(100, False), (111, False), (112, True), (89, False), (88, True)]
)
def test_of_many_observations_one_that_is_far_off_is_learnt_from_at_once(
    estimated: int, is_learnt: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    estimator, request = TokenEstimator(), asks("word " * 100)
    features = estimator.estimate(request).features
    for _ in range(40):
        estimator.learn(Estimate("m", features, 100), 100)
    learnt: list[float] = []
    monkeypatch.setattr(
        estimator_module._Model, "learn", lambda _, __, tokens: learnt.append(tokens)
    )
    estimator.learn(Estimate("m", features, estimated), 100)
    assert ([100.0] if is_learnt else []) == learnt


@pytest.mark.parametrize(
    "report",
    [
        LimitReport("requests", 60.0, 30, requested=5_000),
        LimitReport("tokens", 60.0, 6_000),
        LimitReport("output_tokens", 60.0, 6_000, requested=5_000),
    ],
)
def test_what_tells_nothing_of_the_prompt_teaches_nothing(report: LimitReport) -> None:
    estimator, request = TokenEstimator(), asks("word " * 100)
    before = estimator.estimate(request)
    estimator.learn_from_refusal(before, [report], 1_000)
    assert before == estimator.estimate(request)


def weights_after(seen: int, features: Sequence[float], tokens: float) -> list[float]:
    """The weights of a model of which so much had been *seen* before this was."""
    model = estimator_module._Model()
    model.seen = seen
    model.learn(features, tokens)
    return model.weights


def test_a_surprise_shakes_the_trust_in_many_observations_and_not_in_the_first() -> None:
    settled, surprise = estimator_module._SETTLED, ([100.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0], 300.0)
    assert weights_after(0, *surprise) == weights_after(settled, *surprise)
    assert weights_after(0, *surprise) != weights_after(settled + 1, *surprise)


def test_what_a_text_does_not_hold_is_not_learnt_from_it() -> None:
    before = estimator_module._Model().weights
    after = weights_after(0, [300.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], 60.0)
    assert after[0] < before[0]
    assert before[1:] == after[1:]


@pytest.mark.parametrize(("tokens", "is_learnt"), [(0.5, False), (1.0, True)])
def test_a_prompt_of_one_token_is_one_to_learn_from(tokens: float, is_learnt: bool) -> None:
    estimator, request = TokenEstimator(), asks("word " * 100)
    before = estimator.estimate(request)
    estimator.learn(before, tokens)
    assert is_learnt is (before != estimator.estimate(request))


def test_the_first_error_is_that_of_the_first_observation() -> None:
    model = estimator_module._Model()
    features = [300.0, 60.0, 0.0, 0.0, 1.0, 1.0, 0.0]
    model.learn(features, model.expected(features) / 0.75)
    assert pytest.approx(0.25) == model.error
