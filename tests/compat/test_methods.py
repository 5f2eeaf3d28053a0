"""The three methods, by position and by name, and a host's own fake of them."""

from __future__ import annotations

import asyncio
import inspect
import json
from typing import Any
from unittest.mock import Mock

import pytest

from services.llm_client import BedrockClient, GroqClient, LLMClient
from tests.compat.support import LLAMA, claude, completion, invocation

SCHEMA = {"type": "object", "properties": {"code": {"type": "string"}}}
SAID = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello?"}]

CALLS: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "by position": (("Hello?", "Be brief.", 0.1, "gemma-7b-it", 50), {}),
    "by name": (
        (),
        {
            "max_tokens": 50,
            "model": "gemma-7b-it",
            "temperature": 0.1,
            "system_prompt": "Be brief.",
            "prompt": "Hello?",
        },
    ),
}
RETRY_CALLS: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "by position": (("Hello?", 2, "Be brief.", 0.1, "gemma-7b-it"), {}),
    "by name": (
        (),
        {
            "model": "gemma-7b-it",
            "temperature": 0.1,
            "system_prompt": "Be brief.",
            "max_retries": 2,
            "prompt": "Hello?",
        },
    ),
}


@pytest.mark.parametrize(("args", "kwargs"), CALLS.values(), ids=CALLS)
def test_generate_takes_its_arguments(
    groq_client: GroqClient, create: Mock, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    assert groq_client.generate(*args, **kwargs) == "Hello!"
    create.assert_called_once_with(
        model="gemma-7b-it", messages=SAID, temperature=0.1, max_tokens=50
    )


@pytest.mark.parametrize(("args", "kwargs"), RETRY_CALLS.values(), ids=RETRY_CALLS)
def test_generate_with_retry_takes_its_arguments(
    groq_client: GroqClient,
    create: Mock,
    sleep: Mock,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> None:
    create.side_effect = [Exception("Temporary error"), completion("Hello!")]

    assert groq_client.generate_with_retry(*args, **kwargs) == "Hello!"
    expected = {"model": "gemma-7b-it", "messages": SAID, "temperature": 0.1, "max_tokens": 4096}
    assert [call.kwargs for call in create.call_args_list] == [expected] * 2


@pytest.mark.parametrize("by_name", [False, True])
def test_generate_structured_takes_its_arguments(
    groq_client: GroqClient, create: Mock, by_name: bool
) -> None:
    create.return_value = completion('{"code": "8471"}')
    values: tuple[Any, ...] = ("Hello?", SCHEMA, "Be brief.", "gemma-7b-it")
    names = ("prompt", "schema", "system_prompt", "model")

    if by_name:
        found = groq_client.generate_structured(**dict(zip(names, values, strict=True)))
    else:
        found = groq_client.generate_structured(*values)

    assert found == {"code": "8471"}
    sent = create.call_args.kwargs
    assert (sent["model"], sent["temperature"]) == ("gemma-7b-it", 0.3)
    assert "Be brief." in json.dumps(sent["messages"])


def test_bedrock_takes_the_same_arguments(bedrock_client: BedrockClient, invoke: Mock) -> None:
    invoke.side_effect = lambda **_: invocation({"generation": "Hello!"})
    assert bedrock_client.generate("Hello?", "Be brief.", 0.1, LLAMA, 50) == "Hello!"

    sent = invoke.call_args.kwargs
    assert sent["modelId"] == LLAMA
    body = json.loads(sent["body"])
    assert (body["temperature"], body["max_gen_len"]) == (0.1, 50)


def test_the_clients_defaults_are_used(groq_client: GroqClient, create: Mock) -> None:
    groq_client.default_temperature, groq_client.default_max_tokens = 0.25, 77
    groq_client.default_model = "gemma-7b-it"
    groq_client.generate("Hello?")

    sent = create.call_args.kwargs
    assert (sent["temperature"], sent["max_tokens"]) == (0.25, 77)
    assert sent["model"] == "gemma-7b-it"


def test_a_temperature_of_zero_is_not_the_default(groq_client: GroqClient, create: Mock) -> None:
    groq_client.generate("Hello?", temperature=0)

    assert create.call_args.kwargs["temperature"] == 0


@pytest.mark.parametrize("system_prompt", [None, ""])
def test_without_a_system_prompt_there_is_one_message(
    groq_client: GroqClient, create: Mock, system_prompt: str | None
) -> None:
    groq_client.generate("Hello?", system_prompt)

    assert create.call_args.kwargs["messages"] == [{"role": "user", "content": "Hello?"}]


class Fake(LLMClient):
    """A host's fake: three methods and no more."""

    def generate(self, prompt: str, *_: Any, **__: Any) -> str:
        return f"You said {prompt}"

    def generate_structured(self, prompt: str, schema: Any, *_: Any, **__: Any) -> dict[str, Any]:
        return {"prompt": prompt}

    def generate_with_retry(self, prompt: str, *_: Any, **__: Any) -> str:
        return f"You said {prompt} again"


def test_a_fake_with_three_methods_is_a_whole_client() -> None:
    async def ask(fake: Fake) -> list[Any]:
        async with fake:
            return [
                await fake.agenerate("x"),
                await fake.agenerate_structured("x", SCHEMA),
                await fake.agenerate_with_retry("x"),
            ]

    with Fake() as fake:
        assert fake.generate("x") == "You said x"
        assert asyncio.run(ask(fake)) == ["You said x", {"prompt": "x"}, "You said x again"]


def test_a_fake_knows_no_more_than_its_text() -> None:
    with pytest.raises(NotImplementedError, match="Fake knows an answer's text alone"):
        Fake().respond("x")
    with pytest.raises(NotImplementedError, match="Fake knows an answer's text alone"):
        asyncio.run(Fake().arespond("x"))


def test_only_the_three_are_abstract() -> None:
    assert inspect.isabstract(LLMClient)
    assert LLMClient.__abstractmethods__ == {
        "generate",
        "generate_structured",
        "generate_with_retry",
    }


def test_a_fake_without_one_of_the_three_is_refused() -> None:
    class Half(LLMClient):
        def generate(self, prompt: str, *_: Any, **__: Any) -> str:
            return prompt

    with pytest.raises(TypeError, match="generate_structured"):
        Half()  # type: ignore[abstract]  # that it cannot be built is what is tested


def test_a_synchronous_call_works_inside_a_coroutine(
    client: GroqClient | BedrockClient, sdk_call: Mock, sleep: Mock
) -> None:
    groq = isinstance(client, GroqClient)
    found = completion('{"code": "1"}') if groq else invocation(claude('{"code": "1"}'))
    hello = completion("Hello!") if groq else invocation(claude("Hello!"))
    sdk_call.side_effect = [hello, found, Exception("Temporary error"), hello]

    async def route() -> list[Any]:
        return [
            client.generate(prompt="x"),
            client.generate_structured(prompt="x", schema=SCHEMA),
            client.generate_with_retry(prompt="x"),
        ]

    assert asyncio.run(route()) == ["Hello!", {"code": "1"}, "Hello!"]
