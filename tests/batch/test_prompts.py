"""A prompt is copied as it is read: its owner may go on with its lists and dicts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from services.llm.batch.prompts import copy_of
from tests.batch.reading import BOTH, Read

PICTURE = object()


def test_lists_and_dicts_are_its_own_and_all_else_is_shared() -> None:
    prompt: Any = {"messages": [{"content": ["a", PICTURE]}], "stop": ("b", ["c"])}
    copy = copy_of(prompt)
    prompt["messages"][0]["content"][0] = "z"
    prompt["stop"][1].append("z")
    prompt["tags"] = {}
    assert {"messages": [{"content": ["a", PICTURE]}], "stop": ("b", ["c"])} == copy
    assert PICTURE is copy["messages"][0]["content"][1]


def test_what_holds_itself_keeps_its_shape() -> None:
    around: list[Any] = ["a"]
    around += [around, around]
    copy = copy_of(around)
    assert copy is not around
    assert copy is copy[1] is copy[2]


def test_what_is_too_deep_to_be_copied_is_itself() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert deep is copy_of(deep)


@pytest.mark.parametrize("prompt", ["a", 7, None, PICTURE])
def test_what_is_no_container_is_itself(prompt: object) -> None:
    assert prompt is copy_of(prompt)


def test_a_chat_in_place_of_a_list_of_chats_is_told(client: Any) -> None:
    (result,) = client.generate_batch([{"role": "user", "content": "Say it."}])
    assert "a prompt is one message: give a chat as a list of them" == str(result.error)


@pytest.mark.parametrize("read", BOTH)
def test_a_chat_that_grows_between_two_prompts_is_asked_as_it_was(client: Any, read: Read) -> None:
    def prompts() -> Iterator[list[dict[str, str]]]:
        chat: list[dict[str, str]] = []
        for number in range(3):
            chat.append({"role": "user", "content": f"Say {number}."})
            yield chat

    results = read(client, prompts(), concurrency=3)
    assert [1, 2, 3] == [len(each.prompt) for each in results]
    assert [f"Sandbox: Say {number}." for number in range(3)] == [each.value for each in results]


def test_so_is_one_of_an_async_source(client: Any) -> None:
    async def prompts() -> AsyncIterator[list[dict[str, str]]]:
        chat: list[dict[str, str]] = []
        for number in range(2):
            chat.append({"role": "user", "content": f"Say {number}."})
            yield chat

    async def asked() -> list[Any]:
        return [each.value async for each in client.agenerate_batch(prompts(), concurrency=2)]

    assert ["Sandbox: Say 0.", "Sandbox: Say 1."] == asyncio.run(asked())
