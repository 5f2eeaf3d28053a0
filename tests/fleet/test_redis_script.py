"""The script on a server that forgets it, refuses it, or holds something else under its keys."""

from __future__ import annotations

from uuid import uuid4

import pytest
import redis

from services.llm.quota.shared import Granted, Pause, Retire
from services.llm.stores import StoreError
from services.llm.stores.redis_script import RedisScript
from services.llm.stores.redis_server import RedisServer
from tests.fleet.shared_quotas import MODEL, Clock, ScriptSharedQuota, requests, take, tokens
from tests.redis_server import PASSWORD


def test_a_script_that_the_server_has_lost_is_sent_again(redis_url: str) -> None:
    script = RedisScript(RedisServer(redis_url), "return KEYS[1] .. ARGV[1]")
    assert b"ab" == script.run(["a"], "b")
    with redis.Redis.from_url(redis_url) as client:
        client.script_flush()
    assert b"ac" == script.run(["a"], "c")


def test_a_script_that_fails_is_an_error(redis_url: str) -> None:
    script = RedisScript(RedisServer(redis_url), "return redis.call('GET')")
    for _ in ("unknown", "known"):
        with pytest.raises(
            StoreError, match=r"cannot be used: .*[Ww]rong number of args"
        ) as caught:
            script.run([])
        assert PASSWORD not in str(caught.value)


def test_what_another_program_has_put_there_is_dropped(redis_url: str) -> None:
    account, clock = uuid4().hex, Clock()
    prefix = f"llm-quota:{{{account}}}:"
    with redis.Redis.from_url(redis_url) as client:
        client.hset(f"{prefix}epoch", "a", "b")
        client.set(f"{prefix}retired", "x")
        client.rpush(f"{prefix}limit:{MODEL}\ntokens/60", "x")
        client.set(f"{prefix}limit:\nrequests/60", "x")
        client.set(f"{prefix}scope:{MODEL}", "x")
        client.hset(f"{prefix}scope:", "requests/60", "nan inf")
        client.rpush(f"{prefix}lease:1", "x")
    shared_quota = ScriptSharedQuota(redis_url, account, clock)
    asked = take("1", tokens(100), requests())
    assert (Granted(0.0, (0.0, 0.0)),) == shared_quota.exchange([asked]).decisions
    shared_quota.exchange([Pause(MODEL, 1.0), Retire("old", 5.0)])
    assert (("old", 5.0),) == shared_quota.exchange([]).retired


def test_bytes_that_are_no_text_are_dropped(redis_url: str) -> None:
    account, clock = uuid4().hex, Clock()
    prefix = f"llm-quota:{{{account}}}:"
    with redis.Redis.from_url(redis_url) as client:
        client.set(f"{prefix}epoch", b"\xff nan")
        client.hset(f"{prefix}retired", b"\xff", "2e9")
        client.hset(f"{prefix}scope:{MODEL}", b"keeps \xff", "1")
        client.hset(f"{prefix}scope:{MODEL}", b"\xff", "7 2e9")
    shared_quota = ScriptSharedQuota(redis_url, account, clock)
    first = shared_quota.exchange([take("1", requests())])
    assert (Granted(0.0, (0.0,)),) == first.decisions
    assert () == first.limits
    again = shared_quota.exchange([take("2", requests())], first.epoch)
    assert (Granted(0.0, (1.0,)),) == again.decisions


def test_every_key_of_an_account_expires(redis_url: str) -> None:
    account, clock = uuid4().hex, Clock()
    shared_quota = ScriptSharedQuota(redis_url, account, clock)
    shared_quota.exchange(
        [take("1", tokens(10), requests()), Pause("b", 9.0), Pause("b", 400.0), Retire("old", 5.0)]
    )
    with redis.Redis.from_url(redis_url) as client:
        left = {key: client.ttl(key) for key in client.scan_iter(f"llm-quota:{{{account}}}:*")}
    assert 8 == len(left)
    assert {True} == {0 < seconds <= 2 * 86_400 for seconds in left.values()}


def test_the_server_s_own_clock_counts(redis_url: str) -> None:
    account = uuid4().hex
    shared_quota = ScriptSharedQuota(redis_url, account, Clock(float("nan")))
    asked = take("1", tokens(100, window=6_000.0))
    assert (Granted(0.0, (0.0,)),) == shared_quota.exchange([asked]).decisions
    (again,) = shared_quota.exchange([take("2", tokens(1, window=6_000.0), max_wait=0.0)]).decisions
    assert 55.0 < again.wait <= 60.0
