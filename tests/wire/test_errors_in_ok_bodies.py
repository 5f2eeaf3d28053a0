"""What comes under a status of 200 and is no answer, through the real SDKs."""

from __future__ import annotations

import json

import pytest

from sandbox import Fault, Sandbox
from services.llm.errors import Retry
from services.llm_client import (
    InvalidRequestError,
    LLMError,
    ProviderUnavailableError,
    RateLimitError,
)
from tests.wire.conftest import OpenFace
from tests.wire.faces import Face

CONVERSE = "us.anthropic.claude-sonnet-4-6"
INVOKE = "anthropic.claude-3-opus-20240229-v1:0"
CORAL = {
    "Output": {"__type": "com.amazon.coral.service#UnknownOperationException"},
    "Version": "1.0",
}


@pytest.mark.parametrize("model", [CONVERSE, INVOKE])
@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        (json.dumps(CORAL), InvalidRequestError, "UnknownOperationException"),
        (json.dumps({"error": {"message": "Upstream is sad"}}), LLMError, "Upstream is sad"),
        ("<html>Sign in</html>", LLMError, "from a proxy before Bedrock"),
        ("Sign in.", LLMError, "no JSON but text/html"),
    ],
)
def test_bedrocks_front_end_is_read_as_the_error_that_it_sends(
    open_client: OpenFace, sandbox: Sandbox, model: str, body: str, kind: type[LLMError], words: str
) -> None:
    sandbox.script(Fault.html(200, body))
    with pytest.raises(kind, match=words):
        open_client("bedrock").generate("hi", model=model, max_retries=0)


def test_a_converse_body_that_was_cut_off_is_told_from_an_error(
    open_client: OpenFace, sandbox: Sandbox
) -> None:
    sandbox.script(Fault.html(200, '{"output": {"mess'))
    with pytest.raises(ProviderUnavailableError, match="may have been cut off"):
        open_client("bedrock").generate("hi", model=CONVERSE, max_retries=0)


def test_a_gateways_error_is_shown(face: Face, sandbox: Sandbox) -> None:
    body = json.dumps({"error": {"message": "Upstream is sad"}}).encode()
    fault = Fault(status=200, body=body, headers={"content-type": "application/json"})
    sandbox.script(fault)
    with pytest.raises(LLMError, match="Upstream is sad"):
        face.generate("hi", max_retries=0)


#: JSON in which botocore looks for members that are not there, or of another type.
ODD = ["[1]", "null", '"x"', "7", '{"__type": 5}', '{"code": [1]}', "\udcff", "[" * 100_000]


@pytest.mark.parametrize("body", ODD)
@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, InvalidRequestError), (429, RateLimitError), (503, ProviderUnavailableError)],
)
def test_bedrocks_status_counts_where_its_body_is_no_error_of_the_api(
    open_client: OpenFace, sandbox: Sandbox, status: int, kind: type[LLMError], body: str
) -> None:
    raw = body.encode("utf-8", "surrogateescape")
    sandbox.script(Fault(status=status, body=raw, headers={"content-type": "application/json"}))
    with pytest.raises(kind) as caught:
        open_client("bedrock").generate("hi", model=CONVERSE, max_retries=0)
    assert status == caught.value.status


@pytest.mark.parametrize(
    "body", ["[1]", "null", '{"output": {"message": 7}}', '{"output": 1, "trace": "x"}']
)
def test_a_converse_answer_of_other_types_is_told_from_a_bug(
    open_client: OpenFace, sandbox: Sandbox, body: str
) -> None:
    json_kind = {"content-type": "application/json"}
    sandbox.script(Fault(status=200, body=body.encode(), headers=json_kind))
    with pytest.raises(LLMError, match="no answer of the runtime's API") as caught:
        open_client("bedrock").generate("hi", model=CONVERSE, max_retries=0)
    assert (200, 1) == (caught.value.status, len(caught.value.attempts))


def test_a_converse_answer_that_is_no_text_was_mangled_on_its_way(
    open_client: OpenFace, sandbox: Sandbox
) -> None:
    json_kind = {"content-type": "application/json"}
    sandbox.script(Fault(status=200, body=b"\x1f\x8b\x08\x00", headers=json_kind))
    with pytest.raises(ProviderUnavailableError, match="not whole JSON"):
        open_client("bedrock").generate("hi", model=CONVERSE, max_retries=0)


@pytest.mark.parametrize("body", [b"null", b"[]", b"5", b'"sorry"', b"{}"])
def test_json_that_is_no_answer_is_the_same_error_in_a_streams_place(
    open_client: OpenFace, sandbox: Sandbox, body: bytes
) -> None:
    client = open_client("groq").client
    fault = Fault(status=200, body=body, headers={"content-type": "application/json"})
    for ask in (client.respond, lambda *args, **how: list(client.stream(*args, **how))):
        sandbox.script(fault)
        with pytest.raises(LLMError, match="no chat completion") as caught:
            ask("hi", max_retries=0)
        assert caught.value.retry is Retry.IF_REQUESTED
