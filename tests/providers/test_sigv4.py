"""Our signatures are botocore's, whatever is signed."""

from __future__ import annotations

import hmac
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from hypothesis import given
from hypothesis import strategies as st

from services.llm.providers.bedrock import sigv4
from services.llm.providers.bedrock.sigv4 import Payload, Signer

VISIBLE = st.characters(min_codepoint=32, max_codepoint=126)
NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,12}", fullmatch=True).map(lambda name: f"X-Own-{name}")
MODELS = st.from_regex(r"(?:[A-Za-z0-9._~-]|%3A|%2F|%20){1,24}", fullmatch=True).filter(
    lambda model: model.strip(".")
)


def _signed_by_botocore(url: str, headers: dict[str, str], body: bytes, keys: Any) -> AWSRequest:
    request = AWSRequest("POST", url, headers, body)
    request.context.update(payload_signing_enabled=True)
    SigV4Auth(keys, "bedrock", "eu-west-1").add_auth(request)
    return request


@given(
    st.dictionaries(NAMES, st.text(VISIBLE, min_size=1), max_size=5),
    MODELS,
    st.binary(max_size=200),
    st.text(VISIBLE, min_size=1, max_size=60),
    st.sampled_from([None, "a-session's token"]),
)
def test_a_signature_is_the_one_that_botocore_computes(
    headers: dict[str, str], model: str, body: bytes, secret: str, token: str | None
) -> None:
    keys = ReadOnlyCredentials("AKIDEXAMPLE", secret, token)
    url = f"https://bedrock.example/model/{model}/converse"
    theirs = dict(_signed_by_botocore(url, {**headers, "User-Agent": "x"}, body, keys).headers)

    signer = Signer.of(theirs)
    assert signer is not None
    payload = Payload("POST", urlsplit(url).path, body)
    for _ in range(2):  # with the key of the day made anew, and kept
        ours = signer.authorization(
            payload, {**theirs, "Host": "bedrock.example"}, theirs["X-Amz-Date"], keys
        )
        assert theirs["Authorization"] == ours


def test_the_key_of_a_day_is_derived_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def digest(key: bytes, message: bytes, kind: str) -> bytes:
        made.append(kind)
        return hmac.digest(key, message, kind)

    monkeypatch.setattr(sigv4, "hmac", SimpleNamespace(digest=digest))
    signer = Signer("eu-west-1", "bedrock", frozenset())
    keys = SimpleNamespace(access_key="A", secret_key="a")
    counts = []
    for second in range(3):
        moment = f"20261122T00000{second}Z"
        signer.authorization(Payload("POST", "/", b""), {"X-Amz-Date": moment}, moment, keys)
        counts.append(len(made))
    assert [5, 6, 7] == counts


def test_another_day_or_other_credentials_have_a_key_of_their_own() -> None:
    signer = Signer("eu-west-1", "bedrock", frozenset())
    first, second = (SimpleNamespace(access_key="A", secret_key=secret) for secret in "ab")
    told = [
        signer.authorization(Payload("POST", "/", b""), {}, f"{day}T000000Z", keys)
        for day, keys in (("20260101", first), ("20260102", first), ("20260101", second))
    ]
    again = signer.authorization(Payload("POST", "/", b""), {}, "20260101T000000Z", first)
    assert 3 == len(set(told))
    assert told[0] == again


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer abc"}])
def test_a_request_without_such_a_signature_has_no_signer(headers: dict[str, str]) -> None:
    assert Signer.of(headers) is None
