"""Two servers that the sandbox is too well-behaved to be."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager


@contextmanager
def dripping_headers(every: float) -> Iterator[str]:
    """Serve headers without end, a byte *every* so many seconds, at the URL."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        thread = threading.Thread(target=_drip, args=(listener, every))
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


def _drip(listener: socket.socket, every: float) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:  # shut down: the test is over
            return
        with connection:
            connection.recv(65536)
            try:
                for byte in b"HTTP/1.1 200 OK\r\n" + b"x-more: and more\r\n" * 1000:
                    connection.send(bytes([byte]))
                    time.sleep(every)
            except OSError:  # the client has left, as it should
                continue


@contextmanager
def slowly_reading(every: float) -> Iterator[str]:
    """Take what is sent to the URL in small pieces, one *every* so many seconds."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        sated = threading.Event()
        thread = threading.Thread(target=_sip, args=(listener, every, sated))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            sated.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _sip(listener: socket.socket, every: float, sated: threading.Event) -> None:
    try:
        connection, _ = listener.accept()
    except OSError:  # shut down: nobody came
        return
    with connection:
        try:
            while not sated.wait(every) and connection.recv(32768):
                pass
        except OSError:  # the client has left, as it should
            return


@contextmanager
def never_accepting() -> Iterator[str]:
    """Let every connection to the URL hang: the queue for it is full."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(address)
        yield f"http://127.0.0.1:{address[1]}"
