"""Servers of raw bytes, each connection answered by a function of the test's."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.timing import wait_until

Handle = Callable[[socket.socket], None]


class Server:
    """What a test sees of it: its URL, the connections it took, the requests it read."""

    def __init__(self, port: int, scheme: str) -> None:
        self.url = f"{scheme}://localhost:{port}"
        self.port = port
        self.taken: list[socket.socket] = []
        #: How many of them are closed: the kernel has sent what tells the client so.
        self.closed = 0
        self.requests: list[bytes] = []

    def wait_until_closed(self) -> None:
        """Wait until the thread of each connection has closed it.

        A second `close`, of the test's, would return while the first still runs. What the client
        then sends is received before the end, and the client is told so by another error.
        """
        wait_until(lambda: self.closed >= len(self.taken))

    def read_request(self, connection: socket.socket) -> bytes:
        """One request, head and body; b"" where the client has left."""
        data = b""
        while b"\r\n\r\n" not in data:
            more = connection.recv(65536)
            if not more:
                return b""
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                while len(body) < int(line.partition(b":")[2]):
                    body += connection.recv(65536)
        self.requests.append(head + b"\r\n\r\n" + body)
        return self.requests[-1]


def answer(body: bytes = b'{"ok": true}', *headers: str, status: str = "200 OK") -> bytes:
    """A whole answer of HTTP."""
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def tunnelling_to(port: int) -> Callable[[Server, socket.socket], None]:
    """What a proxy does that connects whoever asks to this *port* of the machine."""

    def talk(server: Server, connection: socket.socket) -> None:
        server.read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        with socket.create_connection(("127.0.0.1", port)) as beyond:
            returning = threading.Thread(target=_pass_on, args=(beyond, connection))
            returning.start()
            _pass_on(connection, beyond)
            returning.join(5)

    return talk


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)


@contextmanager
def serving(
    handle: Callable[[Server, socket.socket], None], context: ssl.SSLContext | None = None
) -> Iterator[Server]:
    """Serve each connection in a thread with *handle*, which may leave with any OSError."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    server = Server(listener.getsockname()[1], "https" if context else "http")
    threads: list[threading.Thread] = []
    counting = threading.Lock()

    def talk(raw: socket.socket) -> None:
        with contextlib.suppress(OSError), raw:
            connection = raw
            if context is not None:
                connection = context.wrap_socket(raw, server_side=True)
            server.taken.append(connection)
            with connection:
                handle(server, connection)
        with counting:
            server.closed += 1

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                raw, _ = listener.accept()
                thread = threading.Thread(target=talk, args=(raw,), daemon=True)
                threads.append(thread)
                thread.start()

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield server
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for each in list(server.taken):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        accepting.join(5)
        for thread in threads:
            thread.join(5)


def once(server: Server, connection: socket.socket) -> None:
    """Answer one request of a connection, and close it."""
    server.read_request(connection)
    connection.sendall(answer())


def forever(server: Server, connection: socket.socket) -> None:
    """Answer every request of a connection."""
    while server.read_request(connection):
        connection.sendall(answer())


def answering(*answers: bytes) -> Callable[[Server, socket.socket], None]:
    """Give one answer after the other, over one connection or several."""
    left = iter(answers)

    def handle(server: Server, connection: socket.socket) -> None:
        while server.read_request(connection):
            if (said := next(left, None)) is None:
                return
            connection.sendall(said)

    return handle
