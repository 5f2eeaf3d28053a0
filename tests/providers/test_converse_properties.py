from __future__ import annotations

import base64
from itertools import pairwise
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.stub import Stubber
from hypothesis import given, settings
from hypothesis import strategies as st

from services.llm.providers.bedrock import from_converse, to_converse
from services.llm.types import Output, Request

MODEL = "us.anthropic.claude-sonnet-4-6"
PIXEL = base64.b64encode(b"pixel").decode()


def _request(*messages: Any, **changes: Any) -> Request:
    asked = messages or ({"role": "user", "content": "Hello"},)
    return Request(**{"model": MODEL, "messages": asked, **changes})


def _response(**changes: Any) -> dict[str, Any]:
    content = changes.pop("content", [{"text": "Hi"}])
    return {
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 5, "outputTokens": 2, "totalTokens": 7},
        "metrics": {"latencyMs": 1500},
        **changes,
    }


@pytest.fixture(scope="module")
def client() -> Any:
    """boto3's own check of parameters, without a network."""
    made = boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        aws_access_key_id="none",
        aws_secret_access_key="none",
        config=Config(retries={"total_max_attempts": 1}),
    )
    yield made
    made.close()


_TEXTS = st.text(min_size=1)
_PARTS = st.one_of(
    _TEXTS,
    st.lists(
        st.one_of(
            st.fixed_dictionaries({"type": st.just("text"), "text": _TEXTS}),
            st.just({"type": "image_url", "image_url": f"data:image/gif;base64,{PIXEL}"}),
        ),
        min_size=1,
        max_size=3,
    ),
)
_ANY_TALK = st.lists(
    st.one_of(
        st.fixed_dictionaries({"role": st.just("system"), "content": _TEXTS}),
        st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant"]), "content": _PARTS}),
        st.fixed_dictionaries(
            {"role": st.just("tool"), "tool_call_id": st.just("t1"), "content": _TEXTS}
        ),
    ),
    min_size=1,
    max_size=6,
)


@settings(deadline=None)
@given(talk=_ANY_TALK, mode=st.sampled_from([None, "strict", "tool", "prompt"]))
def test_boto3_accepts_whatever_a_talk_becomes(client: Any, talk: list[Any], mode: Any) -> None:
    output = Output(mode, {"type": "object"}) if mode else None
    call = to_converse(_request(*talk, output=output))
    with Stubber(client) as stub:
        stub.add_response("converse", _response(), call)
        reply = from_converse(client.converse(**call), _request(*talk))

    roles = [message["role"] for message in call["messages"]]
    assert reply.text == "Hi"
    assert all(one != following for one, following in pairwise(roles))


_MARK = {"cache_control": {"type": "ephemeral"}}
_URLS = st.sampled_from(
    [f"data:text/csv;base64,{PIXEL}", f"data:application/pdf;base64,{PIXEL}", "s3://bucket/a.md"]
)
_FILES = st.builds(
    lambda name, url, cited: {
        "type": "file",
        "file": {"filename": name, "file_data": url},
        "citations": {"enabled": cited},
    },
    st.text(),
    _URLS,
    st.booleans(),
)
_THOUGHTS = st.one_of(
    st.builds(
        lambda text, sign: {"type": "reasoning", "text": text, "signature": sign}, *[_TEXTS] * 2
    ),
    st.just({"type": "reasoning", "redacted": PIXEL}),
)
_PICTURES = st.sampled_from(["s3://bucket/a.png", f"data:image/png;base64,{PIXEL}"])
_CALLS = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.sampled_from(["t1", "functions.f:0"]),
            "function": st.fixed_dictionaries(
                {"name": st.just("f"), "arguments": st.sampled_from(["", "{}", '{"a": [1]}'])}
            ),
        }
    ),
    min_size=1,
    max_size=2,
)
_RICH_TALK = st.lists(
    st.one_of(
        st.builds(
            lambda parts: {"role": "user", "content": parts, **_MARK}, st.lists(_FILES, min_size=1)
        ),
        st.builds(
            lambda url: {
                "role": "user",
                "content": [{"type": "image_url", "image_url": url, **_MARK}],
            },
            _PICTURES,
        ),
        st.builds(
            lambda thoughts, calls: {"role": "assistant", "content": thoughts, "tool_calls": calls},
            st.lists(_THOUGHTS, max_size=2),
            _CALLS,
        ),
    ),
    min_size=1,
    max_size=5,
)
_OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "stop": st.sampled_from(["x", ["x", "y"]]),
        "top_p": st.floats(0, 1),
        "reasoning_effort": st.sampled_from(["none", "low", "high", "max"]),
        "service_tier": st.sampled_from(["default", "on_demand", "flex"]),
        "guardrail": st.just({"id": "abc", "version": "1", "trace": True}),
        "metadata": st.just({"a": "b"}),
        "extra_headers": st.just({"X-A": "b"}),
        "tools": st.just([{"function": {"name": "f"}, **_MARK}]),
    },
)


@settings(deadline=None)
@given(talk=_RICH_TALK, options=_OPTIONS)
def test_boto3_accepts_whatever_a_call_carries(
    client: Any, talk: list[Any], options: dict[str, Any]
) -> None:
    call = to_converse(_request(*talk, options=options))
    with Stubber(client) as stub:
        stub.add_response("converse", _response(), call)
        client.converse(**call)


@settings(deadline=None)
@given(talk=_ANY_TALK)
def test_every_word_of_a_talk_reaches_the_wire_once_and_in_order(talk: list[Any]) -> None:
    call = to_converse(_request(*talk))
    blocks = [block for message in call["messages"] for block in message["content"]]
    results = [block.get("toolResult", {}).get("content", [block])[0] for block in blocks]
    sent = [block["text"] for block in [*call.get("system", []), *results] if "text" in block]

    assert sent == _words(talk, system=True) + _words(talk, system=False)


def _words(talk: list[Any], *, system: bool) -> list[str]:
    said = [one["content"] for one in talk if (one["role"] == "system") is system]
    lists = [[{"text": one}] if isinstance(one, str) else one for one in said]
    return [part["text"] for parts in lists for part in parts if "text" in part]
