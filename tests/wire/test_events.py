"""What hooks are told by the clients themselves: in which thread and context, and with what."""

from __future__ import annotations

import asyncio
import contextvars
import pickle
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from groq_client_compliant import GroqClient as CompliantClient
from sandbox import Answer, Fault, Sandbox
from services.llm.call import reporting
from services.llm.errors import ConfigurationError, LLMError
from services.llm.events import CallEnded, CallStarted, Event, EventHook, FirstPiece, hooks
from tests.wire.conftest import OpenFace
from tests.wire.faces import SECRETS, Face
from tests.wire.streaming import open_stream, read

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
PROMPT = "the confidential prompt about Mr. Kaczmarek"
TAGS = {"tenant": "acme"}


@pytest.fixture
def heard() -> Iterator[list[Event]]:
    """What a hook of the process is told."""
    events: list[Event] = []
    hooks.add(events.append)
    yield events
    hooks.remove(events.append)


def ends(events: list[Event]) -> list[CallEnded]:
    return [event for event in events if isinstance(event, CallEnded)]


def test_every_kind_of_call_tells_its_operation_and_tags(
    face: Face, sandbox: Sandbox, heard: list[Event]
) -> None:
    face.generate("hi", tags=TAGS)
    face.respond("hi", tags=TAGS)
    face.generate_with_retry("hi", tags=TAGS)
    sandbox.script(*[Answer(text='{"a": 1}')] * 2)
    face.structured("hi", SCHEMA, tags=TAGS)
    face.respond_structured("hi", SCHEMA, tags=TAGS)
    read(face, "hi", tags=TAGS)
    ended = ends(heard)
    operations = [event.call.operation for event in ended]
    assert [*["respond"] * 3, *["structured"] * 2, "stream"] == operations
    assert [TAGS] * 6 == [event.call.tags for event in ended]
    assert {face.provider} == {event.call.provider for event in ended}
    assert 6 == len({event.call.id for event in ended})
    assert all(event.usage.reported for event in ended)


def test_where_there_is_no_hook_or_none_any_more_nothing_of_an_event_is_made(
    face: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = list[Event]()
    hooks.add(told.append)
    face.generate("hi")
    hooks.remove(told.append)
    number = len(told)
    monkeypatch.setattr(reporting, "_call_events", None)
    face.generate("hi")
    read(face, "hi")
    assert number == len(told)
    hooks.add(told.append)
    try:
        with pytest.raises(TypeError, match="NoneType"):
            face.generate("hi")
    finally:
        hooks.remove(told.append)


def test_a_client_has_hooks_of_its_own(open_client: OpenFace) -> None:
    one, other = open_client("groq"), open_client("groq")
    told: list[Event] = []
    one.client.hooks.add(told.append)
    other.generate("hi")
    assert [] == told
    one.generate("hi")
    assert [CallStarted, CallEnded] == [type(told[0]), type(told[-1])]


def test_the_compliant_client_tells_the_same(sandbox: Sandbox, heard: list[Event]) -> None:
    async def calls() -> None:
        how: Any = {"cache_path": None, "base_url": sandbox.url}
        async with CompliantClient("gsk-one,gsk-two", **how) as client:
            asked = [{"role": "user", "content": "hi"}]
            client.hooks.add(lambda event: own.append(event))
            await client.chat(asked, tags=TAGS)
            await client.respond(asked, tags=TAGS)
            sandbox.script(Answer(text='{"a": 1}'))
            await client.respond_structured(asked, SCHEMA, tags=TAGS)
            async with client.stream(asked, tags=TAGS) as stream:
                assert [piece async for piece in stream]
            with pytest.raises(ConfigurationError, match="tags is"):
                await client.chat(asked, tags=["acme"])  # type: ignore[arg-type]  # a caller's mistake

    own: list[Event] = []
    asyncio.run(calls())
    assert heard == own
    ended = ends(heard)
    operations = [event.call.operation for event in ended]
    assert ["respond", "respond", "structured", "stream"] == operations
    assert [TAGS] * 4 == [event.call.tags for event in ended]


def test_a_hook_that_fails_fails_no_call(face: Face) -> None:
    def broken(event: Event, /) -> None:
        raise RuntimeError("no")

    face.client.hooks.add(broken)
    assert "Sandbox: hi" == face.generate("hi")
    assert read(face, "hi").texts


def test_a_hook_runs_in_the_thread_and_the_context_of_its_call(
    face: Face, heard: list[Event]
) -> None:
    tenant: contextvars.ContextVar[str] = contextvars.ContextVar("tenant")
    seen: set[tuple[str, int]] = set()
    face.client.hooks.add(lambda _: seen.add((tenant.get(), threading.get_ident())))

    def call(name: str) -> tuple[str, int]:
        tenant.set(name)
        face.generate(name)
        return name, threading.get_ident()

    async def acall(name: str) -> tuple[str, int]:
        tenant.set(name)
        await face.client.agenerate(name)
        return name, threading.get_ident()

    async def all_calls() -> list[tuple[str, int]]:
        return await asyncio.gather(*map(acall, "abc"))

    if face.loop is None:
        with ThreadPoolExecutor(3) as threads:
            called = list(threads.map(call, "abc"))
    else:
        called = face.run(all_calls())
    assert set(called) == seen
    for event in ends(heard):
        one = [each for each in heard if each.call.id == event.call.id]
        assert [CallStarted, CallEnded] == [type(one[0]), type(one[-1])]
        assert [each.at for each in one] == sorted(each.at for each in one)


def test_a_stream_that_is_left_has_ended(face: Face, sandbox: Sandbox, heard: list[Event]) -> None:
    sandbox.script(Answer.streams("a", "b", "c"))
    stream = open_stream(face, "hi")
    if face.loop is None:
        next(stream)
        stream.close()
    else:
        face.run(stream.__anext__())
        face.run(stream.aclose())
    assert [FirstPiece] == [type(event) for event in heard if isinstance(event, FirstPiece)]
    (ended,) = ends(heard)
    assert (None, None, "Cancelled") == (ended.reply, ended.error, ended.error_type)


@pytest.mark.parametrize("content", [False, True])
def test_no_key_and_no_prompt_is_in_any_event(
    open_face: OpenFace, sandbox: Sandbox, heard: list[Event], content: bool
) -> None:
    face = open_face(LLM_EVENTS_CONTENT=content, LLM_MAX_REPAIRS=0, LLM_MAX_RETRIES=0)
    echo = Answer(text=f'{{"a": "{PROMPT}"}}')
    faults = [Fault.error(500), Fault.invalid_key(), Fault.error(400, f"no: {PROMPT}")]
    sandbox.script(echo, Answer.truncated(PROMPT), echo, *faults)
    for ask in (face.generate, face.generate, *[face.structured] * 4):
        with suppress(LLMError):
            ask(PROMPT, *([SCHEMA] if ask == face.structured else []))
    assert 6 == len(ends(heard))
    texts = [repr(event) + repr(pickle.dumps(event)) for event in heard]
    assert [] == [text for text in texts if any(secret in text for secret in SECRETS)]
    assert content is any(PROMPT in text for text in texts)


def test_a_hook_of_a_class_of_the_hosts_is_one(face: Face) -> None:
    class Counting:
        calls = 0

        def __call__(self, event: Event, /) -> None:
            self.calls += isinstance(event, CallEnded)

    hook = Counting()
    typed: EventHook = hook
    face.client.hooks.add(typed)
    face.generate("hi")
    assert 1 == hook.calls


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ("acme", 'tags is \'acme\': give a mapping such as {"tenant": "acme"}'),
        ({1: "a"}, "a name in tags is 1: give a str"),
        ({"a": 1}, r"tags\['a'\] is 1: give a str"),
        ({"a": None}, r"tags\['a'\] is None: give a str"),
        ({"": "a"}, "a name in tags is '': give 1 to 64 printable characters"),
        ({"a": ""}, r"tags\['a'\] is '': give 1 to 256 printable characters"),
        ({"a": "b\nc"}, r"tags\['a'\] is 'b\\nc': give 1 to 256 printable"),
        ({"a": "\ud800"}, r"tags\['a'\] is .*: give 1 to 256 printable"),
        ({"a" * 65: "b"}, "a name in tags is 'a"),
        ({"a": "b" * 257}, r"tags\['a'\] is 'b"),
        ({str(n): "b" for n in range(17)}, "tags has 17 tags: give at most 16"),
    ],
)
def test_tags_that_no_report_could_show_are_refused(
    open_client: OpenFace, sandbox: Sandbox, tags: Any, words: str
) -> None:
    client = open_client("groq").client
    for ask in (client.generate, client.respond, client.generate_with_retry, client.stream):
        with pytest.raises(ConfigurationError, match=words):
            ask("hi", tags=tags)
    with pytest.raises(ConfigurationError, match=words):
        client.generate_structured("hi", SCHEMA, tags=tags)
    assert [] == sandbox.exchanges


@pytest.mark.parametrize("tags", [None, {}, {"a" * 64: "b" * 256}, {"ä": "ö ß"}])
def test_tags_that_a_report_can_show_are_taken(open_client: OpenFace, tags: Any) -> None:
    assert "Sandbox: hi" == open_client("groq").client.generate("hi", tags=tags)


def test_tags_are_no_part_of_what_is_sent_or_kept(open_face: OpenFace, sandbox: Sandbox) -> None:
    face = open_face(LLM_CACHE_URL="memory:")
    first, second = (face.respond("hi", tags={"tenant": name}) for name in ("a", "b"))
    assert (False, True) == (first.cached, second.cached)
    assert "tenant" not in str(sandbox.exchanges)


def test_a_misspelt_tags_is_told(open_client: OpenFace) -> None:
    with pytest.raises(ConfigurationError, match="did you mean tags"):
        open_client("groq").client.generate("hi", tag={"tenant": "acme"})


def test_a_call_that_a_hook_makes_is_told_to_all_hooks_but_that_one(
    open_client: OpenFace, heard: list[Event]
) -> None:
    client, made = open_client("groq").client, list[str]()

    def judge(event: Event, /) -> None:
        if isinstance(event, CallEnded):
            made.append(client.generate("Was that right?"))

    client.hooks.add(judge)
    client.generate("hi")
    assert ["Sandbox: Was that right?"] == made
    assert 2 == len(ends(heard))
    client.generate("hi")
    assert 2 == len(made)
