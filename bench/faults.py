"""How long a call takes, whatever phase of it hangs: each mode and phase against its timeout.

    PYTHONPATH=backend python -m bench.faults [timeout]

The last two phases end before the timeout, with an error that names LLM_MAX_RESPONSE_MB, or with
one of the gateway's answer where nothing is unpacked.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

MODES = ("groq", "groq async", "bedrock", "bedrock async")
Talk = Callable[[socket.socket], None]
KEYS = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "s" * 40}

_OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
_PACKED = gzip.compress(b" " * 100_000_000)
_CHUNK = b"10000\r\n" + b"x" * 65536 + b"\r\n"


def _silent(_: socket.socket) -> None:
    time.sleep(60)


def _continues(connection: socket.socket) -> None:
    while True:
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        time.sleep(0.01)


def _drips(connection: socket.socket) -> None:
    connection.sendall(_OK + b"content-length: 100000\r\n\r\n")
    while True:
        connection.sendall(b" ")
        time.sleep(0.01)


def _endless(connection: socket.socket) -> None:
    connection.sendall(_OK + b"transfer-encoding: chunked\r\n\r\n")
    while True:
        connection.sendall(_CHUNK)


def _bomb(connection: socket.socket) -> None:
    head = f"content-encoding: gzip\r\ncontent-length: {len(_PACKED)}\r\n\r\n"
    connection.sendall(_OK + head.encode() + _PACKED)


@contextmanager
def _server(talk: Talk, *, reads: bool = True) -> Iterator[str]:
    """Have *talk* answer every connection to the address, after a first read."""
    listener = socket.create_server(("127.0.0.1", 0))

    def answer(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            if reads:
                connection.recv(65536)
            talk(connection)

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=answer, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield f"127.0.0.1:{listener.getsockname()[1]}"
    listener.close()


@contextmanager
def _black_hole() -> Iterator[str]:
    """An address whose queue for new connections is full."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    waiting = [socket.socket() for _ in range(4)]
    for each in waiting:
        each.setblocking(False)
        each.connect_ex(listener.getsockname())
    yield f"127.0.0.1:{listener.getsockname()[1]}"
    for each in (listener, *waiting):
        each.close()


@contextmanager
def _silent_names() -> Iterator[str]:
    """A host that no name server tells of; numeric addresses are told as always."""
    known = socket.getaddrinfo

    def asked(host: Any, *args: Any, **kwargs: Any) -> Any:
        if kwargs.get("flags", 0) & socket.AI_NUMERICHOST or host != "nowhere.invalid":
            return known(host, *args, **kwargs)
        time.sleep(30)
        raise socket.gaierror("no name server has answered")

    with patch("socket.getaddrinfo", asked):
        yield "nowhere.invalid:80"


PHASES: dict[str, tuple[str, Callable[[], Any]]] = {
    "DNS silent": ("http", _silent_names),
    "black-holed connect": ("http", _black_hole),
    "TLS stall": ("https", lambda: _server(_silent, reads=False)),
    "100-continue flood": ("http", lambda: _server(_continues)),
    "header stall": ("http", lambda: _server(_silent)),
    "body drip": ("http", lambda: _server(_drips)),
    "endless body": ("http", lambda: _server(_endless)),
    "gzip bomb": ("http", lambda: _server(_bomb)),
}


def took(mode: str, url: str, timeout: float) -> tuple[float, str]:
    """The seconds that a call of *mode* took, and how it ended."""
    from services import llm_client

    provider, _, manner = mode.partition(" ")
    llm_client.settings = SimpleNamespace(
        GROQ_API_KEY="gsk_" + "a" * 40, GROQ_BASE_URL=url, **KEYS, LLM_MAX_RETRIES=0
    )
    client: Any = (
        llm_client.GroqClient(model="openai/gpt-oss-20b")
        if provider == "groq"
        else llm_client.BedrockClient("us-east-1", "us.amazon.nova-lite-v1:0", endpoint_url=url)
    )
    begun = time.perf_counter()
    try:
        if manner:
            asyncio.run(client.agenerate("Hello", timeout=timeout))
        else:
            client.generate("Hello", timeout=timeout)
        ended = "an answer"
    except llm_client.LLMError as error:
        ended = type(error).__name__
    seconds = time.perf_counter() - begun
    client.close()
    return seconds, ended


def main() -> None:
    """Print a row for each phase, a column for each mode."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("timeout", nargs="?", type=float, default=1.0, help="seconds of a call")
    timeout = parser.parse_args().timeout
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    print(f"seconds that a call with timeout={timeout:g} took\n")
    print("| phase | " + " | ".join(MODES) + " |\n|---|" + "---|" * len(MODES))
    for phase, (scheme, opened) in PHASES.items():
        cells = []
        for mode in MODES:
            with opened() as address:
                seconds, ended = took(mode, f"{scheme}://{address}", timeout)
            cells.append(f"{seconds:.2f} {ended}")
        print(f"| {phase} | " + " | ".join(cells) + " |", flush=True)
    os._exit(0)  # threads of the silent servers are still asleep


if __name__ == "__main__":
    main()
