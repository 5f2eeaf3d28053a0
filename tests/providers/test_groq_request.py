from __future__ import annotations

import inspect
import json
from typing import Any

import groq
import httpx
import pytest
from groq.resources.chat.completions import Completions
from hypothesis import given, settings
from hypothesis import strategies as st

from services.llm.errors import InvalidRequestError
from services.llm.providers.groq import from_chat_completion, to_chat_completion
from services.llm.providers.groq.request import _KEYWORDS
from services.llm.types import Output, Request

ASKED = ({"role": "user", "content": "What is red teaming?"},)
SCHEMA = {"type": "object", "properties": {"code": {"type": "string"}}}


def _request(**changes: Any) -> Request:
    return Request(**{"model": "m", "messages": ASKED, **changes})


def test_a_plain_request_is_four_keywords() -> None:
    wire = to_chat_completion(_request(temperature=0.7, max_tokens=4096))

    assert wire == {"model": "m", "messages": list(ASKED), "temperature": 0.7, "max_tokens": 4096}


def test_what_nobody_said_is_left_to_the_provider() -> None:
    assert to_chat_completion(_request()) == {"model": "m", "messages": list(ASKED)}


def test_an_option_that_old_sdks_do_not_know_goes_through_the_body() -> None:
    wire = to_chat_completion(_request(options={"top_p": 0.5, "reasoning_effort": "low"}))

    assert wire["top_p"] == 0.5
    assert wire["extra_body"] == {"reasoning_effort": "low"}


def test_the_callers_own_extra_body_wins() -> None:
    options = {"service_tier": "flex", "extra_body": {"service_tier": "auto", "x": 1}}

    assert to_chat_completion(_request(options=options))["extra_body"] == {
        "service_tier": "auto",
        "x": 1,
    }


def test_the_newer_name_of_max_tokens_replaces_the_old_one() -> None:
    wire = to_chat_completion(_request(max_tokens=4096, options={"max_completion_tokens": 9}))

    assert "max_tokens" not in wire
    assert wire["extra_body"] == {"max_completion_tokens": 9}


def test_an_option_replaces_a_parameter() -> None:
    wire = to_chat_completion(
        _request(temperature=0.7, options={"temperature": 0.1, "max_tokens": 5})
    )

    assert (wire["temperature"], wire["max_tokens"]) == (0.1, 5)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"guardrail": {"id": "g", "version": "1"}}, "Groq has no guardrails: leave out guardrail"),
        ({"guardrailConfig": {}}, "Groq has no guardrails: leave out guardrailConfig"),
        ({"service_tier": "priority"}, "Groq has no service_tier 'priority': give default, flex"),
        ({"service_tier": "reserved"}, "Groq has no service_tier 'reserved': give default, flex"),
    ],
)
def test_what_bedrock_alone_has_is_refused_by_name(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidRequestError, match=problem):
        to_chat_completion(_request(options=options))


@pytest.mark.parametrize("name", ["model", "messages", "stream", "timeout"])
def test_what_is_no_option_is_refused_by_name(name: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"'{name}' cannot be given as an option"):
        to_chat_completion(_request(options={name: 1}))


@pytest.mark.parametrize(
    ("mode", "added"),
    [
        (
            "strict",
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True},
                }
            },
        ),
        (
            "schema",
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "answer", "schema": SCHEMA, "strict": False},
                }
            },
        ),
        ("object", {"response_format": {"type": "json_object"}}),
        (
            "tool",
            {
                "tools": [
                    {"type": "function", "function": {"name": "answer", "parameters": SCHEMA}}
                ],
                "tool_choice": {"type": "function", "function": {"name": "answer"}},
            },
        ),
        ("prompt", {}),
    ],
)
def test_each_mode_of_output_has_its_keywords(mode: Any, added: dict[str, Any]) -> None:
    plain = to_chat_completion(_request())

    assert to_chat_completion(_request(output=Output(mode, SCHEMA))) == plain | added


def test_every_keyword_is_known_to_the_sdk() -> None:
    known = inspect.signature(Completions.create).parameters

    assert set(known) > _KEYWORDS


def _body(**changes: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": "Attacking oneself."} | changes.pop("message", {})
    choice = {"index": 0, "message": message, "finish_reason": "stop"} | changes.pop("choice", {})
    usage = {"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14, "total_time": 0.25}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m-2",
        "choices": [choice],
        "usage": usage,
        "x_groq": {"id": "req_1"},
        **changes,
    }


_MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["system", "user", "assistant"]), "content": st.text()}
    ),
    min_size=1,
)


@settings(deadline=None)
@given(
    messages=_MESSAGES,
    temperature=st.none() | st.floats(0, 2),
    max_tokens=st.none() | st.integers(1, 65_536),
    options=st.dictionaries(
        st.sampled_from(["top_p", "seed", "user", "reasoning_effort", "service_tier", "new_one"]),
        st.integers() | st.text(),
    ),
)
def test_the_sdk_sends_exactly_what_was_asked(
    messages: list[dict[str, str]],
    temperature: float | None,
    max_tokens: int | None,
    options: dict[str, Any],
) -> None:
    received: list[dict[str, Any]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        received.append(json.loads(request.content))
        return httpx.Response(200, json=_body())

    request = Request("m", tuple(messages), temperature, max_tokens, options=options)
    with httpx.Client(transport=httpx.MockTransport(answer)) as http:
        client = groq.Groq(api_key="none", http_client=http, max_retries=0)
        reply = from_chat_completion(
            client.chat.completions.create(**to_chat_completion(request)), request
        )

    said = {"temperature": temperature, "max_tokens": max_tokens}
    given_ = {name: value for name, value in said.items() if value is not None}
    assert received == [{"model": "m", "messages": messages, **given_, **options}]
    assert reply.text == "Attacking oneself."
