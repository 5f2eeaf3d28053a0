"""A call that nobody waits for is cut off where it stands, and no other with it."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import closing
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ConnectionError as BotoConnectionError
from botocore.exceptions import ConnectTimeoutError, HTTPClientError

from services.llm.errors import LLMTimeoutError
from services.llm.providers.bedrock.abort import AbortableCall, track
from services.llm.providers.bedrock.transport import _in_time


def a_call() -> AbortableCall:
    """One with an hour left."""
    return AbortableCall(time.monotonic() + 3600, 1024)


class Connection:
    """As urllib3's: connected when it first has to be."""

    def __init__(self) -> None:
        self.sock: socket.socket | None = None
        self.asked: list[str] = []

    def connect(self) -> None:
        self.sock, self.other = socket.socketpair()

    def request(self, method: str) -> None:
        if self.sock is None:
            self.connect()
        self.asked.append(method)


class Pool:
    """As urllib3's: knows the class of its connections."""

    ConnectionCls: Any = Connection


class Kept:
    """All connections of a test, so that they can be closed."""

    def __init__(self) -> None:
        session = SimpleNamespace(_pool_classes_by_scheme={"http": Pool})
        client = SimpleNamespace(_endpoint=SimpleNamespace(http_session=session))
        assert client is track(client)
        self._pool = session._pool_classes_by_scheme["http"]
        self.all: list[Any] = []

    def connection(self) -> Any:
        """A new one of the class that the client's pool has now."""
        self.all.append(self._pool.ConnectionCls())
        return self.all[-1]


@pytest.fixture
def kept() -> Iterator[Kept]:
    connections = Kept()
    yield connections
    for each in connections.all:
        if each.sock is not None:
            each.sock.close()
            each.other.close()


def is_open(connection: Any) -> bool:
    """Whether the other end can still be reached."""
    try:
        connection.sock.send(b"x")
    except OSError:
        return False
    return True


def test_a_call_on_the_wire_is_cut_off(kept: Kept) -> None:
    abortable, connection = a_call(), kept.connection()

    def call() -> None:
        connection.request("POST")
        abortable.abort()  # as another thread would
        assert not is_open(connection)

    abortable.run(call)
    assert ["POST"] == connection.asked


def test_a_call_that_connects_later_is_cut_off_as_it_does(kept: Kept) -> None:
    abortable, connection = a_call(), kept.connection()

    def call() -> None:
        abortable.abort()
        connection.request("POST")

    abortable.run(call)
    assert not is_open(connection)


def test_a_call_that_was_cut_before_it_began_is_not_made() -> None:
    abortable = a_call()
    abortable.abort()
    with pytest.raises(ConnectionAbortedError):
        abortable.run(lambda: pytest.fail("it was made"))


def test_a_call_may_be_cut_off_more_than_once(kept: Kept) -> None:
    abortable, connection = a_call(), kept.connection()

    def call() -> None:
        connection.request("POST")
        abortable.abort()
        abortable.abort()

    abortable.run(call)
    assert not is_open(connection)


def test_a_call_that_has_ended_leaves_its_connection_to_others(kept: Kept) -> None:
    abortable, connection = a_call(), kept.connection()
    abortable.run(lambda: connection.request("POST"))
    abortable.abort()
    assert is_open(connection)


def test_a_connection_that_carries_another_call_by_now_is_left_alone(kept: Kept) -> None:
    abortable, other, connection = a_call(), a_call(), kept.connection()

    def call() -> None:
        connection.request("POST")
        # Back in the pool before the call has ended, and taken out of it by another.
        other.run(lambda: connection.request("GET"))
        abortable.abort()

    abortable.run(call)
    assert is_open(connection)


def test_a_connection_that_the_server_has_closed_needs_no_cut(kept: Kept) -> None:
    abortable, connection = a_call(), kept.connection()

    def call() -> None:
        connection.request("POST")
        connection.sock.close()
        abortable.abort()

    abortable.run(call)


def test_connections_of_others_are_not_noted(kept: Kept) -> None:
    connection = kept.connection()
    connection.request("POST")  # by a thread that is on no blocking
    assert is_open(connection)
    assert connection.call is None


@pytest.mark.parametrize(
    "client", [object(), SimpleNamespace(_endpoint=SimpleNamespace(http_session=object()))]
)
def test_a_client_without_pools_is_returned_as_it_is(client: Any) -> None:
    assert client is track(client)


@pytest.fixture
def sdk() -> Iterator[Any]:
    """A client of boto3's own that is tracked, and would connect to this machine."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        made = boto3.client(
            "bedrock-runtime",
            region_name="us-east-1",
            endpoint_url=f"http://127.0.0.1:{listener.getsockname()[1]}",
            aws_access_key_id="AKIA",
            aws_secret_access_key="secret",
            config=Config(retries={"total_max_attempts": 1}, proxies={}),
        )
        yield track(made)
        made.close()


def test_a_call_whose_time_is_over_does_not_connect(sdk: Any) -> None:
    late = AbortableCall(time.monotonic() - 1, 1024)
    with pytest.raises(ConnectTimeoutError):
        late.run(lambda: sdk.converse(modelId="m", messages=[]))


def test_a_call_that_is_cut_off_before_it_connects_sends_nothing(sdk: Any) -> None:
    abortable = a_call()

    def call() -> None:
        abortable.abort()
        sdk.converse(modelId="m", messages=[])

    with pytest.raises((HTTPClientError, BotoConnectionError)):
        abortable.run(call)


def test_whatever_a_call_raises_once_it_is_aborted_is_its_deadline() -> None:
    call = a_call()
    call.abort()
    with pytest.raises(LLMTimeoutError, match=r"within 1\.5 seconds"), _in_time(1.5, call):
        raise BotoConnectionError(error=OSError("Bad file descriptor"))
