"""What Groq's SDK is asked, and which part of a mock's answer is believed."""

from __future__ import annotations

from types import SimpleNamespace
from unittest.mock import MagicMock, Mock, call

import pytest

from services.llm_client import GroqClient, TruncatedError
from tests.compat.support import completion


def test_only_the_plain_create_is_called_and_by_keywords_alone(
    groq_client: GroqClient, create: Mock
) -> None:
    create.return_value = SimpleNamespace(
        choices=[SimpleNamespace(message=SimpleNamespace(content="Hello!"))]
    )
    groq_client.generate("Hello?", system_prompt="Be brief.")

    asked = call.chat.completions.create(
        model="llama3-70b-8192",
        messages=[
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hello?"},
        ],
        temperature=0.7,
        max_tokens=4096,
    )
    assert groq_client.client.mock_calls == [asked]


def test_of_a_mock_only_what_has_its_type_is_believed(
    groq_client: GroqClient, create: Mock
) -> None:
    reply = groq_client.respond("Hello?")

    assert (reply.text, reply.model, reply.provider) == ("Hello!", "llama3-70b-8192", "groq")
    assert (reply.finish_reason, reply.request_id, reply.reasoning) == (None, None, None)
    assert not reply.usage.reported
    assert (reply.usage.total_tokens, reply.tool_calls, reply.cost) == (0, (), None)


def test_a_magic_mock_is_an_answer_too(groq_client: GroqClient, create: Mock) -> None:
    reply = MagicMock()
    reply.choices[0].message.content = "Hello!"
    create.return_value = reply

    assert groq_client.generate("Hello?") == "Hello!"
    assert groq_client.respond("Hello?").usage.total_tokens == 0


def test_what_a_mock_sets_of_the_right_type_is_believed(
    groq_client: GroqClient, create: Mock
) -> None:
    told = completion("Hello!")
    told.choices[0].finish_reason = "stop"
    told.model = "openai/gpt-oss-120b"
    told.usage.prompt_tokens, told.usage.completion_tokens, told.usage.total_tokens = 5, 2, 7
    create.return_value = told

    reply = groq_client.respond("Hello?")

    assert (reply.model, reply.finish_reason) == ("openai/gpt-oss-120b", "stop")
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (5, 2)
    assert reply.usage.total_tokens == 7


@pytest.mark.parametrize("empty", ["", "  \n", None])
def test_an_empty_answer_is_no_success(
    groq_client: GroqClient, create: Mock, empty: str | None
) -> None:
    told = completion("")
    told.choices[0].message.content = empty
    create.return_value = told

    with pytest.raises(Exception, match="Groq API error: the answer is empty"):
        groq_client.generate("Hello?")


def test_a_cut_answer_is_no_success(groq_client: GroqClient, create: Mock) -> None:
    told = completion("Once upon")
    told.choices[0].finish_reason = "length"
    create.return_value = told

    with pytest.raises(TruncatedError, match=r"cut off .*raise max_tokens") as caught:
        groq_client.generate("Hello?")
    assert caught.value.text == "Once upon"


def test_an_answer_without_choices_is_no_success(groq_client: GroqClient, create: Mock) -> None:
    create.return_value = SimpleNamespace(choices=[])

    with pytest.raises(Exception, match="Groq API error: the reply is no chat completion"):
        groq_client.generate("Hello?")


def test_the_sdk_client_may_be_replaced_after_construction(groq_client: GroqClient) -> None:
    groq_client.client = MagicMock()
    groq_client.client.chat.completions.create.return_value = completion("Replaced")

    assert groq_client.generate("Hello?") == "Replaced"
