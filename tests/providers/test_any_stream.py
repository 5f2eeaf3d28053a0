"""Whatever a provider's stream says, it is read as a reply or as an error of ours."""

from __future__ import annotations

import asyncio
import base64
import json
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.llm.errors import LLMError, LLMTimeoutError
from services.llm.providers.bedrock import INVOKE_MODELS
from services.llm.providers.bedrock import classify as of_bedrock
from services.llm.providers.bedrock.invoke_stream import InvokeReader
from services.llm.providers.bedrock.stream import ConverseReader
from services.llm.providers.channel import AsyncChannel, Channel
from services.llm.providers.groq import classify as of_groq
from services.llm.providers.groq.stream import ChunkReader
from services.llm.providers.sources import Iterated
from services.llm.types import Request
from tests.conftest import FEWER
from tests.wire import bent
from tests.wire.test_any_answer import CONVERSE_EVENTS, GROQ_CHUNKS, assert_right, claude_events

WORDS = "please try again in 167h"

#: A header's value as any type of the event stream: a truth, numbers, bytes, text, a time, an id.
VALUES = st.sampled_from(
    [
        *(b"\0", b"\1", b"\2\x80", b"\3\0\1", b"\4\0\0\0\1", b"\5" + bytes(8), b"\x08" + bytes(8)),
        *(b"\6\0\2\xff\xfe", b"\7\0\1\xff", b"\7\0\0", b"\x09" + bytes(16), b"\xfe"),
        *(
            struct.pack("!BH", 7, len(word)) + word
            for word in (b"event", b"exception", b"error", b"chunk", b"throttlingException")
        ),
    ]
)
NAMES = st.sampled_from(
    [":message-type", ":event-type", ":exception-type", ":error-code", ":error-message"]
)
HEADERS = st.dictionaries(NAMES, VALUES, max_size=4)


def frame(headers: dict[str, bytes], payload: bytes) -> bytes:
    head = b"".join(bytes([len(name)]) + name.encode() + it for name, it in headers.items())
    lengths = struct.pack("!II", 16 + len(head) + len(payload), len(head))
    start = lengths + struct.pack("!I", zlib.crc32(lengths)) + head + payload
    return start + struct.pack("!I", zlib.crc32(start))


@st.composite
def bent_events(draw: st.DrawFn, events: list[Any]) -> list[Any]:
    """The events, with other JSON somewhere."""
    found = draw(bent.bent(events))
    return found if isinstance(found, list) else [found]


@st.composite
def frames(draw: st.DrawFn, events: list[Any], *, encoded: bool = False) -> bytes:
    """An event stream: its frames may have any headers, and other JSON somewhere."""
    sent = []
    for one in draw(bent_events(events)):
        kind, inner = next(iter(one.items())) if isinstance(one, dict) and one else ("", one)
        if encoded:
            kind, inner = "chunk", {"bytes": base64.b64encode(json.dumps(one).encode()).decode()}
        named = kind.encode("utf-8", "replace")[:99]
        known = {":event-type": struct.pack("!BH", 7, len(named)) + named}
        headers = known | draw(HEADERS) if draw(st.booleans()) else known
        sent.append(frame(headers, json.dumps(inner).encode()))
    return b"".join(sent)


@st.composite
def lines(draw: st.DrawFn) -> bytes:
    """Server-sent events, with lines among them that are none."""
    chunks = draw(bent_events(GROQ_CHUNKS))
    sent = [b"data: " + json.dumps(one).encode() + b"\n\n" for one in chunks]
    noise = draw(
        st.lists(st.sampled_from([b"data: {\n\n", b"\0\xff\n", b"event: error\n", b"\r\n"]))
    )
    return b"".join(draw(st.permutations([*sent, *noise])))


def outcome(reader: Any, meaning: Callable[..., LLMError], body: bytes, size: int) -> None:
    """Read *body* in pieces through a channel, to its end or its error."""
    pieces: Iterator[bytes] = (body[at : at + size] for at in range(0, len(body), size))
    told = partial(meaning, model="m", wall=0.0)
    channel = Channel(Iterated(ExitStack(), pieces), reader, reader.feed, told)
    wait = 0.0
    try:
        while channel.pull(5.0) is not None:
            pass
        assert_right(channel.whole())
    except LLMError as error:
        wait = error.retry_after or 0.0
        channel.so_far()
    assert channel.is_closed
    assert 0 <= wait <= 86_400


ASKED = ({"role": "user", "content": "hi"},)


@settings(max_examples=150 // FEWER)
@given(body=lines(), size=st.sampled_from([1, 40, 10**6]))
def test_any_stream_of_groq(body: bytes, size: int) -> None:
    outcome(ChunkReader(Request("m", ASKED)), of_groq, body, size)


@settings(max_examples=150 // FEWER)
@given(body=frames(CONVERSE_EVENTS), size=st.sampled_from([13, 10**6]))
def test_any_stream_of_converse(body: bytes, size: int) -> None:
    outcome(ConverseReader(Request("m", ASKED)), of_bedrock, body, size)


@settings(max_examples=100 // FEWER)
@given(body=frames(claude_events(), encoded=True), size=st.sampled_from([13, 10**6]))
def test_any_stream_of_invoke_model(body: bytes, size: int) -> None:
    outcome(InvokeReader(Request(INVOKE_MODELS[0], ASKED)), of_bedrock, body, size)


@pytest.mark.parametrize("code", [None, "tool_use_failed", "rate_limit_exceeded"])
def test_a_wait_that_a_stream_names_counts_where_it_is_a_limits_alone(code: str | None) -> None:
    body = b"data: " + json.dumps({"error": {"message": WORDS, "code": code}}).encode() + b"\n\n"
    reader = ChunkReader(Request("m", ASKED))
    meaning = partial(of_groq, model="m", wall=0.0)
    channel = Channel(Iterated(ExitStack(), iter([body])), reader, reader.feed, meaning)
    with pytest.raises(LLMError) as caught:
        channel.pull(5.0)
    is_limits = code == "rate_limit_exceeded"
    assert (86_400.0 if is_limits else None) == caught.value.retry_after


class Endless:
    """A source of empty lines that never makes anybody wait."""

    def __init__(self) -> None:
        self.reads = 0

    def read(self, until: float) -> bytes:
        self.reads += 1
        return b"\n"

    def close(self, *, is_done: bool = False) -> None:
        """Nothing is held."""

    def abort(self) -> None:
        """It never waits."""


class AsyncEndless(Endless):
    async def read(self, until: float) -> bytes:  # type: ignore[override]  # it never waits either
        return super().read(until)

    async def aclose(self, *, is_done: bool = False) -> None:
        """Nothing is held."""


def test_a_stream_that_says_nothing_without_end_is_left_at_its_time() -> None:
    meaning = partial(of_groq, model="m", wall=0.0)
    reader = ChunkReader(Request("m", ASKED))
    with pytest.raises(LLMTimeoutError, match="stood still for"):
        Channel(Endless(), reader, reader.feed, meaning).pull(0.1)


def test_a_stream_that_says_nothing_without_end_lets_an_event_loop_go_on() -> None:
    async def both() -> int:
        reader, turns = ChunkReader(Request("m", ASKED)), 0
        meaning = partial(of_groq, model="m", wall=0.0)
        channel = AsyncChannel(AsyncEndless(), reader, reader.feed, meaning)
        reading = asyncio.ensure_future(channel.pull(0.1))
        while not reading.done():
            turns += 1
            await asyncio.sleep(0)
        assert isinstance(reading.exception(), LLMTimeoutError)
        return turns

    assert asyncio.run(both()) > 10
