"""The null model: constant answers, on all wires, whole or in frames."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

import groq
import pytest

from sandbox.handler import Handler
from sandbox.server.null import NullModel
from tests.sandbox.bedrock_calls import converse
from tests.sandbox.groq_calls import GPT, ask
from tests.sandbox.stream_calls import converse_events, converse_text, groq_chunks, groq_text

TEXT = "word0 word1 word2 "


def handler() -> Handler:
    return Handler(None, None, time.monotonic, time.time, date(2026, 11, 22), journal_size=1)


@pytest.fixture
def null_model() -> Iterator[NullModel]:
    with NullModel(handler()) as running:
        yield running


@pytest.fixture
def client(null_model: NullModel) -> Iterator[groq.Groq]:
    url = null_model.environment["GROQ_BASE_URL"]
    with groq.Groq(api_key="k", base_url=url, max_retries=0, timeout=5) as made:
        yield made


def test_it_answers_whole_and_in_frames(client: groq.Groq) -> None:
    for _ in range(3):
        assert TEXT == ask(client).choices[0].message.content
        assert TEXT == groq_text(groq_chunks(client))


def test_it_speaks_bedrock_too(null_model: NullModel, make_bedrock: Callable[..., Any]) -> None:
    client = make_bedrock(null_model.url)
    for _ in range(2):
        assert TEXT == converse(client)["output"]["message"]["content"][-1]["text"]
        assert TEXT == converse_text(converse_events(client))


def test_each_model_has_its_own_answer(client: groq.Groq) -> None:
    models = [GPT, "openai/gpt-oss-20b"] * 2
    assert models == [ask(client, model).model for model in models]


def test_an_error_is_not_kept(client: groq.Groq) -> None:
    with pytest.raises(groq.NotFoundError):
        ask(client, "nonsense")
    assert TEXT == ask(client).choices[0].message.content


def test_it_serves_many_at_once(client: groq.Groq) -> None:
    with ThreadPoolExecutor(16) as pool:
        texts = list(pool.map(lambda _: ask(client).choices[0].message.content, range(64)))
    assert {TEXT} == set(texts)


def test_frames_may_come_one_by_one() -> None:
    with (
        NullModel(handler(), pieces=5, every=0.01) as model,
        groq.Groq(api_key="k", base_url=model.url, max_retries=0, timeout=5) as client,
    ):
        started = time.monotonic()
        chunks = [groq_chunks(client) for _ in range(2)]
        assert time.monotonic() - started >= 0.1
    assert {"word0 word1 word2 word3 word4 "} == {groq_text(each) for each in chunks}


def test_what_makes_no_answer_is_refused() -> None:
    with pytest.raises(ValueError, match="pieces=0"):
        NullModel(handler(), pieces=0)
    NullModel(handler()).stop()
