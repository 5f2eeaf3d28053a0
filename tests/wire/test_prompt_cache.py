"""A prompt that is to be cached reaches Bedrock with its cache points, through the real SDK."""

from __future__ import annotations

import pytest

from sandbox import Sandbox
from services.llm_client import InvalidRequestError
from tests.wire.conftest import OpenFace

TOOL = {"name": "f", "parameters": {"type": "object"}}
EPHEMERAL = {"type": "ephemeral"}


@pytest.mark.parametrize("kind", ["bedrock", "bedrock async"])
def test_cache_points_are_sent(open_client: OpenFace, sandbox: Sandbox, kind: str) -> None:
    part = {"type": "text", "text": "long", "cache_control": {**EPHEMERAL, "ttl": "1h"}}
    own = {"cachePoint": {"type": "default"}}
    tool = {"type": "function", "function": TOOL, "cache_control": EPHEMERAL}
    open_client(kind).respond(
        messages=[
            {"role": "system", "content": "Be brief.", "cache_control": EPHEMERAL},
            {"role": "user", "content": [part, {"type": "text", "text": "short"}, own]},
        ],
        tools=[tool],
    )
    body = sandbox.exchanges[0].body
    assert [{"text": "Be brief."}, own] == body["system"]
    assert [
        {"text": "long"},
        {"cachePoint": {"type": "default", "ttl": "1h"}},
        {"text": "short"},
        own,
    ] == body["messages"][0]["content"]
    assert own == body["toolConfig"]["tools"][1]


@pytest.mark.parametrize("kind", ["bedrock", "bedrock async"])
def test_a_key_that_bedrock_has_no_word_for_costs_no_slot(
    open_client: OpenFace, sandbox: Sandbox, kind: str
) -> None:
    face = open_client(kind)
    part = {"type": "text", "text": "long", "cacheControl": EPHEMERAL}
    for _ in range(40):
        with pytest.raises(InvalidRequestError, match=r"messages\[0\]\.content\[0\]\.cacheControl"):
            face.respond(messages=[{"role": "user", "content": [part]}])
    assert ([], []) == (sandbox.exchanges, list(face.client._request_times))
