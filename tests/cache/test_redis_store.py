"""The Redis store, against a real server."""

from __future__ import annotations

import socket
import sys
import time
import traceback
from contextlib import AbstractContextManager

import pytest
import redis

from services.llm.stores import StoreError
from services.llm.stores.redis_store import RedisStore
from tests.cache.support import key_of
from tests.http.servers import Server, serving
from tests.redis_server import PASSWORD


def test_the_server_ends_an_entry(redis_url: str) -> None:
    store = RedisStore(redis_url, ttl=0.03)
    store.put(key_of("short"), {"n": 1})
    deadline = time.monotonic() + 10
    while store.get(key_of("short")) is not None:
        assert time.monotonic() < deadline
        time.sleep(0.002)
    store.close()


def test_an_entry_has_a_name_of_its_own_and_its_ttl(
    redis_url: str, redis_store: RedisStore
) -> None:
    redis_store.put(key_of("named"), {"n": 1})
    with redis.Redis.from_url(redis_url) as client:
        assert 30_000 < client.pttl(f"llm-answers:{key_of('named')}") <= 60_000


@pytest.mark.parametrize("spoilt", ["", "[]", '{"n":1}', "\xff\xfe"])
def test_a_value_that_others_changed_is_a_miss(
    redis_url: str, redis_store: RedisStore, spoilt: str, caplog: pytest.LogCaptureFixture
) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.set(f"llm-answers:{key_of('spoilt')}", spoilt)
    assert redis_store.get(key_of("spoilt")) is None
    assert "a cached answer is damaged" in caplog.text


def test_a_url_may_ask_for_decoded_responses(redis_url: str) -> None:
    store = RedisStore(f"{redis_url}?decode_responses=true", ttl=60)
    store.put(key_of("decoded"), {"text": "né"})
    assert {"text": "né"} == store.get(key_of("decoded"))
    store.close()


def test_closing_disturbs_nobody_who_is_being_answered(redis_store: RedisStore) -> None:
    pool = redis_store._server.client.connection_pool
    connection = pool.get_connection()
    connection.send_command("PING")
    redis_store.close()
    assert b"PONG" == connection.read_response()
    pool.release(connection)


def test_a_server_that_is_gone_makes_the_store_unavailable() -> None:
    store = RedisStore("redis://:hush@127.0.0.1:1/0", ttl=60)
    with pytest.raises(StoreError, match=r"redis://127\.0\.0\.1:1/0 cannot be used") as caught:
        store.get(key_of(1))
    assert "hush" not in str(caught.value)
    with pytest.raises(StoreError, match=r"redis://127\.0\.0\.1:1/0 cannot be used"):
        store.put(key_of(1), {})
    store.close()


def test_a_refused_password_makes_the_store_unavailable(redis_url: str) -> None:
    store = RedisStore(redis_url.replace(PASSWORD, "a-wrong-one"), ttl=60)
    with pytest.raises(StoreError) as caught:
        store.get(key_of(1))
    assert "a-wrong-one" not in f"{caught.value} {store!r}"
    store.close()


@pytest.mark.parametrize(
    "url",
    [
        *("redis://:pa/ss@host:1/0", "redis://host:port/0", "redis://h:70000", "redis://h:0"),
        *("redis://h:1/name", "rediss://h/0/1", "redis://h/-1"),
    ],
)
def test_a_url_that_redis_cannot_read_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ValueError, match="is not a Redis URL") as caught:
        RedisStore(url, ttl=60)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert "ss@" not in str(caught.value)


def test_without_the_package_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(ImportError, match="pip install redis"):
        RedisStore("redis://localhost", ttl=60)


def test_its_repr_tells_the_place_alone() -> None:
    assert "RedisStore('redis://host:1/2')" == repr(RedisStore("redis://me:hush@host:1/2", ttl=1))


def answering(answer: bytes) -> AbstractContextManager[Server]:
    """A server that always says the same."""

    def say(_: Server, connection: socket.socket) -> None:
        while connection.recv(65_536):
            connection.sendall(answer)

    return serving(say)


@pytest.mark.parametrize("answer", [b":5\r\n", b"*1\r\n" * 20_000, b"%-5\r\n", b"HTTP/1.1 400\r\n"])
def test_what_is_no_redis_server_makes_the_store_unavailable(answer: bytes) -> None:
    with answering(answer) as server:
        store = RedisStore(f"redis://127.0.0.1:{server.port}/0", ttl=60.0)
        with pytest.raises(StoreError):
            store.get("0" * 64)
        store.close()


def test_a_server_that_quotes_the_password_in_its_error_is_not_quoted() -> None:
    with answering(b"-ERR unknown command 'AUTH', with args beginning with: 'hu sh'\r\n") as server:
        store = RedisStore(f"redis://:hu%20sh@127.0.0.1:{server.port}/0", ttl=60.0)
        with pytest.raises(StoreError, match="it quotes the password in its error") as caught:
            store.get("0" * 64)
        store.close()
    assert "hu sh" not in "".join(traceback.format_exception(caught.value))
