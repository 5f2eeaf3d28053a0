"""Serves each recorded exchange from loopback, so that the real SDKs read it as they would."""

from __future__ import annotations

import base64
import json
import os
import threading
from collections.abc import Iterator
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import boto3
import groq
import pytest
from botocore.config import Config

Record = dict[str, Any]

#: Which recordings a test's argument stands for: the file, and the kinds in it.
ARGUMENTS = {
    "groq_answer": ("groq", {"chat", "json", "tools"}),
    "groq_stream": ("groq", {"stream"}),
    "groq_error": ("groq", {"error"}),
    "groq_models": ("groq", {"models"}),
    "converse_answer": ("bedrock", {"converse"}),
    "converse_stream": ("bedrock", {"converse-stream"}),
    "invoke_answer": ("bedrock", {"invoke"}),
    "invoke_stream": ("bedrock", {"invoke-stream"}),
    "bedrock_error": ("bedrock", {"error"}),
}
_FOLDER = os.environ.get("LLM_RECORDINGS")
_ABSENT = pytest.mark.skip(reason="LLM_RECORDINGS names no folder with recorded exchanges")

# What a proxy must not repeat: the bodies were decompressed, and they are sent whole.
_DROPPED = {"content-length", "content-encoding", "transfer-encoding", "connection", "keep-alive"}


@cache
def _recordings(provider: str) -> list[Record]:
    path = Path(str(_FOLDER)) / f"{provider}.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    for name in ARGUMENTS.keys() & set(metafunc.fixturenames):
        provider, kinds = ARGUMENTS[name]
        if not _FOLDER:
            metafunc.parametrize(name, [pytest.param(None, marks=_ABSENT)])
            continue
        chosen = [record for record in _recordings(provider) if record["kind"] in kinds]
        metafunc.parametrize(name, chosen, ids=[record["id"] for record in chosen])


@pytest.fixture(scope="session")
def everything() -> dict[str, list[Record]]:
    """All recordings, by provider."""
    if not _FOLDER:
        pytest.skip("LLM_RECORDINGS names no folder with recorded exchanges")
    return {provider: _recordings(provider) for provider in ("groq", "bedrock")}


def _body(record: Record) -> bytes:
    response = record["response"]
    if "body_b64" in response:
        return base64.b64decode(response["body_b64"])
    return str(response["body_text"]).encode()


class _Replay(BaseHTTPRequestHandler):
    """Answers with the recording that a header (Groq) or the model's id (Bedrock) names."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer, as to a POST."""
        self._answer()

    def do_POST(self) -> None:
        """Answer with the recording."""
        self._answer()

    def _answer(self) -> None:
        sent = self.rfile.read(int(self.headers.get("content-length", 0)))
        provider = "groq" if "x-recording" in self.headers else "bedrock"
        named = self.headers.get("x-recording") or unquote(self.path.split("/")[2])
        record = next(one for one in _recordings(provider) if one["id"] == named)
        SENT[named] = json.loads(sent) if sent else None
        self.send_response_only(record["response"]["status"])
        for name, value in record["response"]["headers"].items():
            if name not in _DROPPED:
                self.send_header(name, value)
        body = _body(record)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


#: What the server received, by recording.
SENT: dict[str, Any] = {}


@pytest.fixture(scope="session")
def sent() -> dict[str, Any]:
    """The request bodies that the server received, by recording."""
    return SENT


@pytest.fixture(scope="session")
def replay() -> Iterator[str]:
    """The server's address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Replay)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    server.daemon_threads = True
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="session")
def groq_client(replay: str) -> Iterator[groq.Groq]:
    """The real SDK, without its own retries."""
    with groq.Groq(api_key="none", base_url=replay, max_retries=0) as client:
        yield client


@pytest.fixture(scope="session")
def bedrock_client(replay: str) -> Iterator[Any]:
    """The real SDK, without its own retries."""
    client = boto3.client(
        "bedrock-runtime",
        endpoint_url=replay,
        region_name="us-east-1",
        aws_access_key_id="none",
        aws_secret_access_key="none",
        config=Config(retries={"total_max_attempts": 1}, signature_version="v4"),
    )
    yield client
    client.close()
