"""A temperature of None is left to the provider, everywhere; what nobody gave is a default."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from groq_client_compliant import GroqClient as CompliantClient
from sandbox import Fault, Sandbox
from services.llm_client import BedrockClient, GroqClient, InvalidRequestError
from tests.wire.conftest import OpenFace
from tests.wire.faces import Face

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
#: By the name of the method: what it is asked with, and the temperature that it has by itself.
METHODS: dict[str, tuple[dict[str, Any], float]] = {
    "generate": ({"prompt": "hi"}, 0.7),
    "respond": ({"prompt": "hi"}, 0.7),
    "generate_with_retry": ({"prompt": "hi"}, 0.7),
    "generate_structured": ({"prompt": "hi", "schema": SCHEMA}, 0.3),
}


def sent(sandbox: Sandbox) -> list[object]:
    """The temperature of every request, None where there was none."""
    bodies: list[Any] = [exchange.body for exchange in sandbox.exchanges]
    return [body.get("inferenceConfig", body).get("temperature") for body in bodies]


@pytest.mark.parametrize("method", METHODS)
def test_none_leaves_it_out_and_nothing_given_does_not(
    face: Face, sandbox: Sandbox, method: str
) -> None:
    arguments, own = METHODS[method]
    for given in ({}, {"temperature": 0.5}, {"temperature": None}):
        getattr(face, method.replace("generate_structured", "structured"))(**arguments, **given)
    assert [own, 0.5, None] == sent(sandbox)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["groq", "bedrock"])
def test_a_client_may_leave_it_out_for_all_its_calls(
    open_client: OpenFace, sandbox: Sandbox, kind: str, method: str
) -> None:
    face = open_client(kind)
    face.client.default_temperature = None
    getattr(face, method.replace("generate_structured", "structured"))(**METHODS[method][0])
    assert [None] == sent(sandbox)


@pytest.mark.parametrize("kind", [GroqClient, BedrockClient])
def test_none_is_a_temperature_to_the_types(kind: Any) -> None:
    for method in (kind.__init__, *(getattr(kind, name) for name in METHODS)):
        assert "float | None" == inspect.signature(method).parameters["temperature"].annotation
    assert "the client's default" in str(inspect.signature(kind.generate))


ASKS: dict[str, Callable[..., Any]] = {
    "chat": lambda client, **given: client.chat([{"role": "user", "content": "hi"}], **given),
    "respond": lambda client, **given: client.respond([{"role": "user", "content": "hi"}], **given),
    "structured": lambda client, **given: client.structured(
        [{"role": "user", "content": "hi"}], SCHEMA, **given
    ),
}


@pytest.mark.anyio
@pytest.mark.parametrize("ask", ASKS)
async def test_so_may_the_compliant_client(sandbox: Sandbox, ask: str) -> None:
    async with CompliantClient("key", cache_path=None, base_url=sandbox.url) as client:
        for given in ({}, {"temperature": 0.5}, {"temperature": None}):
            await ASKS[ask](client, **given)
    assert [0.7, 0.5, None] == sent(sandbox)


@pytest.mark.anyio
async def test_the_compliant_clients_own_is_left_out_where_the_model_refuses_it(
    sandbox: Sandbox,
) -> None:
    refused = Fault.error(400, "`temperature` is not supported by this model.")
    sandbox.script(refused)
    async with CompliantClient("key", cache_path=None, base_url=sandbox.url) as client:
        await ASKS["chat"](client)
        assert [("temperature",)] == list(client.learned().refused_options.values())
        client.forget()
        assert {} == client.learned().refused_options
    assert [0.7, None] == sent(sandbox)


def test_a_single_attempt_may_fail_of_a_default_and_the_next_does_not(
    face: Face, sandbox: Sandbox
) -> None:
    sandbox.script(Fault.error(400, "`temperature` is not supported by this model."))
    with pytest.raises(InvalidRequestError) as caught:
        face.generate("hi", max_retries=0)
    assert 1 == len(caught.value.attempts)
    face.generate("hi", max_retries=0)
    assert [0.7, None] == sent(sandbox)
