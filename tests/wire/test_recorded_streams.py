"""Recorded streams through the client over the real SDKs: LLM_RECORDINGS names their folder.

Each is cut at every frame. Where a network may divide one is tried for one of each kind, up to its
640th byte; with LLM_RECORDINGS_ALL for all of them, at every byte of the first 1,024. With
FEWER_EXAMPLES, at one of so many of these places.
"""

from __future__ import annotations

import base64
import json
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from botocore.eventstream import EventStreamBuffer

from services import llm_client
from services.llm.errors import LLMError
from services.llm.providers.bedrock import INVOKE_MODELS
from services.llm.providers.bedrock.invoke_stream import InvokeReader
from services.llm.providers.bedrock.stream import ConverseReader
from services.llm.providers.groq.stream import ChunkReader
from services.llm.types import Reply, Request
from tests.conftest import FEWER
from tests.http.servers import Server, serving
from tests.wire.faces import settings
from tests.wire.streaming import Read

FOLDER = os.environ.get("LLM_RECORDINGS", "")
ALL = bool(os.environ.get("LLM_RECORDINGS_ALL"))
pytestmark = pytest.mark.skipif(not FOLDER, reason="LLM_RECORDINGS names no folder of recordings")

#: Models that the client asks through InvokeModel, by what their names have in common.
FAMILIES = {"claude": INVOKE_MODELS[0], "llama": INVOKE_MODELS[3], "mistral": INVOKE_MODELS[5]}
KINDS = ("groq", "converse-stream", "invoke-stream")


@cache
def recordings(kind: str) -> list[dict[str, Any]]:
    """The recorded streams of one wire."""
    file = Path(FOLDER) / ("groq.jsonl" if kind == "groq" else "bedrock.jsonl")
    kept = []
    for line in file.read_text(encoding="utf-8").splitlines():
        one = json.loads(line)
        is_stream = "stream" in one["kind"] or "sse_error_event" in one["tags"]
        is_wanted = is_stream if kind == "groq" else one["kind"] == kind
        if is_wanted and one["response"]["status"] == 200 and model_of(one, kind):
            kept.append(one)
    return kept


def model_of(recording: dict[str, Any], kind: str) -> str | None:
    """The model to ask; None for one that the client never asks over this wire."""
    if kind != "invoke-stream":
        return "sandbox/ok"
    return next((FAMILIES[name] for name in FAMILIES if name in recording["model"]), None)


def frames_of(recording: dict[str, Any], kind: str) -> list[bytes]:
    """The recorded body, event by event."""
    if kind == "groq":
        body = recording["response"]["body_text"].encode()
        return [part + b"\n\n" for part in body.split(b"\n\n") if part.strip()]
    body, frames = base64.b64decode(recording["response"]["body_b64"]), []
    while body:
        size = int.from_bytes(body[:4], "big")
        frames.append(body[:size])
        body = body[size:]
    return frames


def said_in(frames: Sequence[bytes], kind: str) -> str:
    """The text in some frames, read here in another way than by the client."""
    if kind == "groq":
        said = ""
        for frame in frames:
            for line in frame.splitlines():
                if line.startswith(b"data: {"):
                    for choice in json.loads(line[6:]).get("choices", []):
                        said += choice["delta"].get("content") or ""
        return said
    buffer, words = EventStreamBuffer(), []
    buffer.add_data(b"".join(frames))
    for message in buffer:
        payload = json.loads(message.payload)
        if "bytes" in payload:
            payload = json.loads(base64.b64decode(payload["bytes"]))
            words += [payload.get("generation") or "", payload.get("completion") or ""]
            words += [one["text"] for one in payload.get("outputs", [])]
        delta = payload.get("delta")
        words.append((delta or {}).get("text") or "")
    return "".join(words)


@contextmanager
def client_of(kind: str, frames: list[bytes]) -> Iterator[Any]:
    """A client whose provider answers with *frames* as they are at that moment."""
    media = "text/event-stream" if kind == "groq" else "application/vnd.amazon.eventstream"
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {media}\r\ntransfer-encoding: chunked\r\n\r\n"

    def answer(server: Server, connection: socket.socket) -> None:
        while server.read_request(connection):
            chunks = b"".join(b"%x\r\n%s\r\n" % (len(one), one) for one in frames)
            connection.sendall(head.encode() + chunks + b"0\r\n\r\n")

    with serving(answer) as server, pytest.MonkeyPatch.context() as patched:
        known = settings(
            server.url, GROQ_REQUESTS_PER_MINUTE=10**6, BEDROCK_REQUESTS_PER_MINUTE=10**6
        )
        patched.setattr(llm_client, "settings", known)
        client: Any = llm_client.GroqClient() if kind == "groq" else llm_client.BedrockClient()
        with client:
            yield client


def outcome(got: Read) -> Reply:
    """The reply, or as much of it as the error carries."""
    reply = got.reply or (got.error.partial if got.error else None)
    assert reply is not None, got.error
    return reply


def read_with(client: Any, model: str) -> Read:
    got = Read()
    got.read(client.stream("hi", model=model, max_retries=0))
    return got


@pytest.mark.parametrize("kind", KINDS)
def test_every_recorded_stream_is_read_as_it_was_written(kind: str) -> None:
    frames: list[bytes] = []
    assert recordings(kind)
    with client_of(kind, frames) as client:
        for recording in recordings(kind):
            frames[:] = frames_of(recording, kind)
            got = read_with(client, model_of(recording, kind) or "")
            reply = outcome(got)
            assert said_in(frames, kind) == got.text == reply.text, recording["id"]
            is_error = any(tag.startswith(("sse_", "exception_")) for tag in recording["tags"])
            if is_error:
                assert got.error is not None, recording["id"]
            else:
                assert reply.finish_reason, recording["id"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_recorded_stream_that_is_cut_is_an_error_with_the_text_so_far(kind: str) -> None:
    frames: list[bytes] = []
    with client_of(kind, frames) as client:
        for recording in recordings(kind):
            model, whole = model_of(recording, kind) or "", frames_of(recording, kind)
            frames[:] = whole
            wanted = outcome(read_with(client, model))
            # Over the wire where they differ most; the next test cuts at every frame.
            for cut in sorted({0, 1, len(whole) // 2, len(whole) - 1}):
                frames[:] = whole[:cut]
                got = read_with(client, model)
                reply = outcome(got)
                assert said_in(frames, kind) == got.text == reply.text, (recording["id"], cut)
                is_whole = reply.finish_reason is not None
                assert is_whole or got.error is not None, (recording["id"], cut)
                if is_whole:
                    assert wanted.finish_reason == reply.finish_reason, (recording["id"], cut)


READERS: dict[str, Callable[[Request], Any]] = {
    "groq": ChunkReader,
    "converse-stream": ConverseReader,
    "invoke-stream": InvokeReader,
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_has_come_by_each_frame_is_what_was_written_until_then(kind: str) -> None:
    for recording in recordings(kind):
        request = Request(model_of(recording, kind) or "", ({"role": "user", "content": "hi"},))
        reader, said, ended = READERS[kind](request), "", ""
        for place, frame in enumerate(frames_of(recording, kind)):
            said += said_in([frame], kind)
            _, _, ended = fed(reader, frame)
            if ended:
                break
            assert said == reader.so_far().text, (recording["id"], place)
        is_error = any(tag.startswith(("sse_", "exception_")) for tag in recording["tags"])
        assert is_error == bool(ended), recording["id"]


def fed(reader: Any, *parts: bytes) -> tuple[str, Reply, str]:
    said, error = "", ""
    try:
        for part in parts:
            said += "".join(getattr(event, "text", "") for event in reader.feed(part))
            if reader.failure is not None:
                raise reader.failure
    except LLMError as failure:
        error = str(failure)
    except Exception as failure:
        error = repr(failure)
    return said, reader.so_far(), error


def in_pieces(body: bytes, size: int) -> list[bytes]:
    """*body* as a network brings it that divides it after every *size* bytes."""
    return [body[start : start + size] for start in range(0, len(body), size)]


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_all_one_how_often_the_network_divides_a_stream(kind: str) -> None:
    for recording in recordings(kind):
        body = b"".join(frames_of(recording, kind))
        request = Request(model_of(recording, kind) or "", ({"role": "user", "content": "hi"},))
        for part, sizes in ((body, (61, 1021)), (body[:1024], (1, 2, 3, 5))):
            _, reply, error = fed(READERS[kind](request), part)
            for size in sizes:
                _, again, error_again = fed(READERS[kind](request), *in_pieces(part, size))
                assert (reply, error) == (again, error_again), (recording["id"], size)


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_all_one_where_the_network_divides_a_stream(kind: str) -> None:
    # Recordings of the same tags have their parts in the same order.
    one_each = {tuple(sorted(one["tags"])): one for one in recordings(kind)}.values()
    for recording in recordings(kind) if ALL else one_each:
        body = b"".join(frames_of(recording, kind))[:1280]
        request = Request(model_of(recording, kind) or "", ({"role": "user", "content": "hi"},))
        _, reply, error = fed(READERS[kind](request), body)
        for place in range(1, min(len(body), 1025 if ALL else 640), FEWER):
            _, again, error_again = fed(READERS[kind](request), body[:place], body[place:])
            assert (reply, error) == (again, error_again), (recording["id"], place)
