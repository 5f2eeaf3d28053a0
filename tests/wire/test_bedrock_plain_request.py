"""Requests that are written as JSON are what botocore writes, and none that it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ParamValidationError
from hypothesis import given, settings
from hypothesis import strategies as st

from services.llm.providers.bedrock import plain_request
from services.llm.providers.bedrock.plain_request import PlainRequests
from tests.conftest import FEWER

TEXTS = st.text(max_size=12)
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
BLOCKS = st.one_of(
    st.fixed_dictionaries({"text": TEXTS}),
    st.fixed_dictionaries(
        {"toolUse": st.fixed_dictionaries({"toolUseId": TEXTS, "name": TEXTS, "input": DOCUMENTS})}
    ),
    st.fixed_dictionaries(
        {
            "image": st.fixed_dictionaries(
                {"format": st.just("png"), "source": st.fixed_dictionaries({"bytes": st.binary()})}
            )
        }
    ),
)
MESSAGES = st.fixed_dictionaries({"role": st.just("user"), "content": st.lists(BLOCKS, max_size=3)})
ARGUMENTS = st.fixed_dictionaries(
    {
        "modelId": st.text(min_size=1, max_size=20),
        "messages": st.lists(MESSAGES, max_size=3),
    },
    optional={
        "system": st.lists(st.fixed_dictionaries({"text": TEXTS}), max_size=2),
        "inferenceConfig": st.fixed_dictionaries(
            {},
            optional={
                "maxTokens": st.integers(-1, 99),
                "temperature": st.floats(-1, 2),
                "stopSequences": st.lists(TEXTS, max_size=2),
            },
        ),
        "additionalModelRequestFields": DOCUMENTS,
        "noSuchMember": TEXTS,
    },
)


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    made = boto3.client(
        "bedrock-runtime", "us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
    )
    yield made
    made.close()


@pytest.fixture(scope="module")
def requests(client: Any) -> PlainRequests:
    """One for all examples, so that each may be of the shape of another."""
    return PlainRequests(client._serializer)


def _outcome(write: Any, *arguments: Any) -> Any:
    try:
        return write(*arguments)
    except ParamValidationError as error:
        return str(error)


@settings(max_examples=60 // FEWER)
@given(ARGUMENTS)
def test_what_is_written_is_what_botocore_writes(
    client: Any, requests: PlainRequests, arguments: dict[str, Any]
) -> None:
    operation = client.meta.service_model.operation_model("Converse")
    theirs = _outcome(client._serializer.serialize_to_request, arguments, operation)
    for _ in range(2):
        assert theirs == _outcome(requests.serialized, client, operation, arguments)


def _arguments(model: str = "a.b-v1:0", text: str = "Hello there", **more: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": [{"text": text}]}]
    return {"modelId": model, "messages": messages, **more}


def test_botocore_is_asked_once_for_each_shape(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    operation, asked = client.meta.service_model.operation_model("Converse"), []
    original = client._serializer.serialize_to_request

    def serialize(arguments: Any, operation: Any) -> Any:
        asked.append(arguments["modelId"])
        return original(arguments, operation)

    serializer = SimpleNamespace(serialize_to_request=serialize)
    client = SimpleNamespace(_serializer=serializer)
    requests = PlainRequests(serializer)
    monkeypatch.setattr(plain_request, "_MOST", 1)
    for arguments, expected in (
        (_arguments("model-one"), ["model-one"]),
        (_arguments("model/two", "Hello again, and more"), ["model-one"]),
        (_arguments("model-three", ""), ["model-one", "model-three"]),
        (_arguments("model-four"), ["model-one", "model-three", "model-four"]),  # one is kept
        (
            {**_arguments("model-five"), "noMember": b""},
            ["model-one", "model-three", "model-four", "model-five"],
        ),
    ):
        _outcome(requests.serialized, client, operation, arguments)
        assert expected == asked
    client._serializer = SimpleNamespace(serialize_to_request=serialize)
    requests.serialized(client, operation, _arguments("model-six"))
    assert "model-six" == asked[-1]
