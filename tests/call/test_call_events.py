"""What a call tells its hooks, event by event: no wire, no clock."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import asdict, fields, replace
from functools import partial
from typing import Any

import pytest

from services.llm.account.account import Account
from services.llm.account.cache import Cache
from services.llm.account.single_flight import SingleFlight
from services.llm.call import lifecycle, retry, streaming, structured
from services.llm.call.call import Call
from services.llm.call.call_events import CallIds
from services.llm.call.call_policy import CallPolicy
from services.llm.call.output_forms import StructuredSpec
from services.llm.call.reporting import events_of
from services.llm.call.usage_recorder import UsageRecorder
from services.llm.effects import Effects, Join, Open, Pull, Send, Sleep
from services.llm.errors import (
    ConfigurationError,
    LLMError,
    ModelNotFoundError,
    RateLimitError,
    StructuredOutputError,
    TruncatedError,
)
from services.llm.events import (
    AttemptEnded,
    AttemptStarted,
    CacheHit,
    CallEnded,
    CallJoined,
    CallStarted,
    Event,
    FirstPiece,
    Hooks,
    ModelSwitched,
    OutageBegan,
    RepairPlanned,
    RetryPlanned,
    ScopePaused,
    WaitEnded,
    WaitStarted,
    hooks,
)
from services.llm.frozen import FrozenDict, FrozenList
from services.llm.ledger.ledger import Ledger
from services.llm.ledger.store import MemoryUsageStore
from services.llm.ledger.usage import UsageEntry
from services.llm.quota import Quota, TokenBucketLimit
from services.llm.runtime import fork
from services.llm.stores.memory import MemoryStore
from services.llm.stream_types import TextPiece
from services.llm.structured import Schema
from services.llm.telemetry.call_counts import CallCounts
from services.llm.telemetry.metrics import Distribution
from services.llm.types import Citation, Reply, Request, StructuredReply, Usage
from tests.call.asking import GOOD, HS_CODE
from tests.call.calls import MODEL, REQUEST, call, limited, unavailable
from tests.call.scripted import Clock, Drive, account, says


@pytest.fixture(autouse=True)
def _no_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "JITTER", 0.0)


class Heard:
    """Makes calls with one hook, and keeps what it was told."""

    def __init__(self, *, has_content: bool = False, **policy: Any) -> None:
        self.events: list[Event] = []
        self.hooks = Hooks(has_content=has_content)
        self.hooks.add(self.events.append)
        self.policy = CallPolicy(
            lambda: retry.transient_errors(3),
            **{"timeout": 120.0, "tags": FrozenDict(tenant="acme"), **policy},
        )

    def call(self, to: Account, request: Request = REQUEST) -> Effects[Reply]:
        events = events_of(self.hooks, "respond", request, to, self.policy.tags)
        return lifecycle.run_call(self.policy, to, partial(lifecycle.fetch_reply, request), events)

    @property
    def kinds(self) -> list[type[Event]]:
        return [type(event) for event in self.events]

    def only(self, kind: type[Any]) -> Any:
        (event,) = (event for event in self.events if isinstance(event, kind))
        return event

    @property
    def ended(self) -> CallEnded:
        event = self.events[-1]
        assert isinstance(event, CallEnded)
        return event


def test_a_call_tells_its_beginning_its_attempt_and_its_end() -> None:
    clock, heard = Clock(), Heard()
    reply = Drive(clock, [says("Yes.")]).run(heard.call(account(clock)))
    assert [CallStarted, AttemptStarted, AttemptEnded, CallEnded] == heard.kinds
    assert 1 == len({event.call.id for event in heard.events})
    info = heard.events[0].call
    assert ("groq", MODEL, "respond", 1_000.0) == (
        info.provider,
        info.model,
        info.operation,
        info.started_at,
    )
    assert {"tenant": "acme"} == info.tags
    assert {"temperature": 0.7, "max_tokens": 100} == info.parameters
    assert (1, MODEL, MODEL) == (
        heard.only(AttemptStarted).number,
        heard.only(AttemptStarted).model,
        heard.only(AttemptStarted).scope,
    )
    assert AttemptEnded(info, 1_000.0, reply.attempts[0], True) == heard.only(AttemptEnded)
    assert replace(reply, text="") == heard.ended.reply
    assert (MODEL, None, None) == (heard.ended.model, heard.ended.error, heard.ended.error_type)
    assert (10, False) == (heard.ended.usage.total_tokens, heard.ended.is_cached)
    assert reply.attempts == heard.ended.attempts
    assert reply.cost == heard.ended.cost


def test_a_call_without_hooks_has_no_events() -> None:
    clock = Clock()
    assert None is events_of(Hooks(), "respond", REQUEST, account(clock), FrozenDict())


def test_hooks_of_the_process_hear_before_those_of_the_client() -> None:
    clock, heard, order = Clock(), Heard(), list[str]()
    heard.hooks.add(lambda _: order.append("client"))
    hook = hooks.add(lambda _: order.append("process"))
    try:
        Drive(clock, [says("Yes.")]).run(heard.call(account(clock)))
    finally:
        hooks.remove(hook)
    assert ["process", "client"] * 4 == order


def test_a_call_keeps_the_hooks_that_it_began_with() -> None:
    clock, heard, late = Clock(), Heard(), list[Event]()
    flow = heard.call(account(clock))
    next(flow)
    heard.hooks.add(late.append)
    heard.hooks.remove(heard.events.append)
    flow.close()
    assert ([], CallEnded) == (late, heard.kinds[-1])


def test_a_failure_tells_of_the_retry_and_its_backoff() -> None:
    clock, heard = Clock(), Heard()
    Drive(clock, [unavailable(), says("Yes.")]).run(heard.call(account(clock)))
    assert [
        CallStarted,
        AttemptStarted,
        AttemptEnded,
        RetryPlanned,
        WaitStarted,
        WaitEnded,
        AttemptStarted,
        AttemptEnded,
        CallEnded,
    ] == heard.kinds
    planned, waited = heard.only(RetryPlanned), heard.only(WaitEnded)
    assert (1, "ProviderUnavailableError", 0.5) == (planned.attempt, planned.error, planned.seconds)
    assert ("backoff", 0.5, "") == (waited.limit, waited.seconds, waited.scope)
    assert {"backoff": 0.5} == heard.ended.waited
    assert 0.5 == heard.ended.seconds


def test_a_call_that_fails_tells_its_error_without_its_cause_and_frames() -> None:
    clock, heard = Clock(), Heard()
    error = limited()
    error.__cause__ = OSError("Authorization: gsk_secret")
    with pytest.raises(RateLimitError):
        Drive(clock, [error]).run(heard.call(account(clock)))
    told = heard.ended.error
    assert isinstance(told, RateLimitError)
    assert (str(error), 429, "RateLimitError") == (str(told), told.status, heard.ended.error_type)
    assert (None, None, None) == (told.__cause__, told.__context__, told.__traceback__)
    assert error.attempts == told.attempts == heard.ended.attempts
    assert None is heard.ended.reply
    assert (0, 0.0) == (heard.ended.usage.total_tokens, heard.ended.cost)


@pytest.mark.parametrize(
    ("interruption", "name"),
    [(GeneratorExit, "Cancelled"), (KeyboardInterrupt, "KeyboardInterrupt")],
)
def test_a_cancelled_call_tells_that_its_attempt_and_itself_have_ended(
    interruption: type[BaseException], name: str
) -> None:
    clock, heard = Clock(), Heard()
    flow = heard.call(account(clock))
    assert isinstance(next(flow), Send)
    clock.now += 2.0
    with pytest.raises(interruption):
        flow.throw(interruption)
    assert [CallStarted, AttemptStarted, AttemptEnded, CallEnded] == heard.kinds
    attempt = heard.only(AttemptEnded)
    assert (True, 1, 2.0, name) == (
        attempt.is_sent,
        attempt.attempt.number,
        attempt.attempt.latency,
        attempt.attempt.error,
    )
    assert (None, None, name, (attempt.attempt,)) == (
        heard.ended.reply,
        heard.ended.error,
        heard.ended.error_type,
        heard.ended.attempts,
    )


def test_a_call_that_is_cancelled_as_it_waits_for_the_ledger_tells_its_end() -> None:
    clock, heard = Clock(), Heard()
    to = account(clock)
    to.ledger = Ledger(MemoryUsageStore())
    flow = heard.call(to)
    assert isinstance(next(flow), Send)
    assert isinstance(flow.send(says("Yes.")), Sleep)
    flow.close()
    assert [CallStarted, AttemptStarted, AttemptEnded, CallEnded] == heard.kinds
    to.ledger.close()


class Metered:
    """A hook that counts by its meter alone."""

    heard_events: frozenset[type[Event]] = frozenset()

    def __init__(self) -> None:
        self.meter = CallCounts(Distribution)

    def __call__(self, event: Event, /) -> None:
        """Do nothing."""


def interrupting(kind: type[Event]) -> Callable[[Event], None]:
    def hook(event: Event, /) -> None:
        if type(event) is kind:
            raise KeyboardInterrupt

    return hook


@pytest.mark.parametrize(
    ("kind", "attempts"),
    [
        (CallStarted, 0),
        (AttemptStarted, 1),
        (AttemptEnded, 1),
        (WaitStarted, 1),
        (WaitEnded, 1),
        (ModelSwitched, 2),
        (CallEnded, 2),
    ],
)
def test_what_interrupts_one_hook_keeps_no_other_and_no_ledger_from_the_end(
    kind: type[Event], attempts: int
) -> None:
    clock, heard, metered = Clock(), Heard(max_quota_wait=100.0), Metered()
    ledger, counts = Ledger(MemoryUsageStore()), CallCounts(Distribution)
    to = account(clock, requests=1, ledger=ledger)
    heard.hooks.registered = ()
    for hook in (interrupting(kind), heard.events.append, counts.note, metered):
        heard.hooks.add(hook)
    gone = ModelNotFoundError("gone", provider="groq", status=404)
    gone.end_of_life = True
    request = replace(REQUEST, model="llama3-70b-8192")
    with pytest.raises(KeyboardInterrupt):
        Drive(clock, [gone, says("Yes.")]).run(heard.call(to, request))
    assert [CallStarted, CallEnded] == [heard.kinds[0], heard.kinds[-1]]
    for begun, ended in ((WaitStarted, WaitEnded), (AttemptStarted, AttemptEnded)):
        assert heard.kinds.count(begun) == heard.kinds.count(ended)
    assert (0, 0) == (len(to.window.pending), to.window.pending.in_flight_amount)
    for each in (counts, metered.meter):
        assert {0.0} == set(each.totals().levels.values())
    sums = [entry.sums for entry in ledger.read("0000-00-00", "9999-99-99")]
    assert (1, attempts) == (sum(each.calls for each in sums), sum(each.attempts for each in sums))


class Interrupting(Ledger):
    """A ledger that is interrupted where the given one of all additions begins."""

    def __init__(self, number: int) -> None:
        super().__init__(MemoryUsageStore())
        self._left = number

    def add(self, entry: UsageEntry) -> Future[None] | None:
        self._left -= 1
        if self._left == 0:
            raise KeyboardInterrupt
        return super().add(entry)


@pytest.mark.parametrize("outcome", [says("Yes."), SystemExit()])
@pytest.mark.parametrize("number", [1, 2])
def test_what_interrupts_the_ledger_keeps_no_hook_from_the_end(
    number: int, outcome: Reply | SystemExit
) -> None:
    clock, heard = Clock(), Heard()
    with pytest.raises(KeyboardInterrupt):
        Drive(clock, [outcome]).run(heard.call(account(clock, ledger=Interrupting(number))))
    assert [CallStarted, AttemptStarted, AttemptEnded, CallEnded] == heard.kinds


def test_an_interruption_at_the_very_beginning_is_told_with_its_time() -> None:
    clock, heard = Clock(), Heard()
    to = account(clock)
    events = events_of(heard.hooks, "respond", REQUEST, to, heard.policy.tags)
    assert events is not None
    events.call_failed(KeyboardInterrupt(), (), 0.0)
    assert clock() == heard.ended.call.started_at


def test_a_call_that_a_hook_is_interrupted_in_has_learnt_what_the_provider_said() -> None:
    clock, heard = Clock(), Heard()
    to = account(clock)
    heard.hooks.add(interrupting(AttemptEnded))
    with pytest.raises(KeyboardInterrupt):
        Drive(clock, [limited(7.0)]).run(heard.call(to))
    assert 7.0 == to.quota.paused_for(MODEL, clock())


class Hanging(Ledger):
    """A ledger in which no write ends."""

    def add(self, entry: UsageEntry) -> Future[None]:
        return Future()


@pytest.mark.parametrize(("left", "waits"), [(100.0, 2.0), (0.5, 0.5), (0.1, 0.2), (-3.0, 0.2)])
def test_the_wait_for_the_ledger_ends_with_the_call(left: float, waits: float) -> None:
    recorder = UsageRecorder(Hanging(MemoryUsageStore()), account(Clock()), {})
    recorder.call_ended(None)
    wait = next(recorder.wait_until_written(left))
    assert isinstance(wait, Sleep)
    assert waits == wait.seconds


def test_an_attempt_that_was_never_sent_is_told_as_such() -> None:
    clock, heard = Clock(), Heard()
    with pytest.raises(ConfigurationError):
        Drive(clock, [ConfigurationError("No.")]).run(heard.call(account(clock)))
    assert not heard.only(AttemptEnded).is_sent
    assert () == heard.ended.attempts


def test_a_wait_names_the_limit_that_is_full() -> None:
    clock, heard = Clock(), Heard(max_quota_wait=100.0)
    to = account(clock, requests=1)
    for _ in range(2):
        Drive(clock, [says("Yes.")]).run(heard.call(to))
    started, ended = heard.only(WaitStarted), heard.only(WaitEnded)
    assert ("requests", 60.0, MODEL) == (started.limit, started.seconds, started.scope)
    assert ("requests", 60.0, MODEL) == (ended.limit, ended.seconds, ended.scope)


def test_a_wait_for_tokens_says_so() -> None:
    clock, heard = Clock(), Heard(max_quota_wait=100.0)
    to = account(clock)
    to.quota = Quota((to.window,), lambda: [TokenBucketLimit(150, 60.0)])
    for _ in range(2):
        # As much as was reserved: nobody has counted.
        Drive(clock, [replace(says("Yes."), usage=Usage())]).run(heard.call(to))
    assert "tokens" == heard.only(WaitStarted).limit


def test_a_pause_is_told_when_it_begins_and_while_it_is_waited_for() -> None:
    clock, heard = Clock(), Heard(max_quota_wait=100.0)
    Drive(clock, [limited(7.0), says("Yes.")]).run(heard.call(account(clock)))
    paused, waited = heard.only(ScopePaused), heard.only(WaitEnded)
    assert (MODEL, 7.0) == (paused.scope, paused.seconds)
    assert ("pause", 7.0) == (waited.limit, waited.seconds)
    kinds = heard.kinds
    assert kinds.index(AttemptEnded) < kinds.index(ScopePaused) < kinds.index(RetryPlanned)


def test_a_limit_that_names_no_wait_begins_no_pause() -> None:
    clock, heard = Clock(), Heard()
    with pytest.raises(RateLimitError):
        Drive(clock, [limited()]).run(heard.call(account(clock)))
    assert ScopePaused not in heard.kinds


def test_a_wait_behind_earlier_calls_is_one_for_a_turn() -> None:
    clock, heard = Clock(), Heard(max_quota_wait=100.0)
    to = account(clock)
    to.quota = Quota((to.window,), lambda: [TokenBucketLimit(100, 60.0, "output_tokens")])
    for _ in range(2):
        to.quota.reserve(MODEL, {"output_tokens": 100.0}, clock.now, 100.0)
    flow = heard.call(to, replace(REQUEST, max_tokens=None))
    assert isinstance(next(flow), Sleep)
    assert "turn" == heard.only(WaitStarted).limit
    flow.close()
    assert ("Cancelled", 0.0) == (heard.ended.error_type, heard.only(WaitEnded).seconds)


def test_an_outage_is_told_when_it_begins_and_while_it_is_waited_for() -> None:
    clock, heard = Clock(), Heard()
    to = account(clock)
    with pytest.raises(LLMError):
        Drive(clock, [unavailable(500.0)]).run(heard.call(to))
    assert (MODEL, 500.0) == (heard.only(OutageBegan).scope, heard.only(OutageBegan).seconds)
    later = Heard(timeout=1_000.0)
    Drive(clock, [says("Yes.")]).run(later.call(to))
    assert ("outage", 500.0, MODEL) == (
        later.only(WaitEnded).limit,
        later.only(WaitEnded).seconds,
        later.only(WaitEnded).scope,
    )


def test_a_full_limiter_is_waited_for_as_concurrency() -> None:
    clock, heard = Clock(), Heard()
    to = account(clock)
    held = [to.concurrency.acquire() for _ in range(8)]
    flow = heard.call(to)
    assert isinstance(next(flow), Sleep)
    assert ("concurrency", 120.0) == (
        heard.only(WaitStarted).limit,
        heard.only(WaitStarted).seconds,
    )
    for permit in held:
        to.concurrency.release(permit)
    clock.now += 3.0
    assert isinstance(flow.send(None), Send)
    assert 3.0 == heard.only(WaitEnded).seconds
    flow.close()


def test_a_switch_of_models_is_told_before_the_successor_is_asked() -> None:
    clock, heard = Clock(), Heard()
    gone = ModelNotFoundError("The model has been decommissioned", status=404)
    gone.end_of_life = True
    request = replace(REQUEST, model="llama3-70b-8192")
    reply = Drive(clock, [gone, says("Yes.")]).run(heard.call(account(clock), request))
    switched = heard.only(ModelSwitched)
    sent = [event.model for event in heard.events if isinstance(event, AttemptStarted)]
    assert ["llama3-70b-8192", switched.model] == sent
    assert "llama3-70b-8192" == switched.previous == heard.ended.call.model
    assert reply.model == heard.ended.model


def cached_account(clock: Clock) -> Account:
    cache = Cache(MemoryStore(ttl=60.0), "groq", "http://127.0.0.1:9")
    return account(clock, cache=cache, single_flight=SingleFlight())


def test_a_kept_answer_is_told_as_a_hit() -> None:
    clock, heard = Clock(), Heard()
    to = cached_account(clock)
    for _ in range(2):
        Drive(clock, [says("Yes.")]).run(heard.call(to))
    assert [CallStarted, CacheHit, CallEnded] == heard.kinds[-3:]
    assert heard.ended.is_cached
    assert (0.0, ()) == (heard.ended.cost, heard.ended.attempts)


def test_an_answer_that_another_leader_has_just_kept_is_told_as_a_hit() -> None:
    clock, heard = Clock(), Heard()
    to = cached_account(clock)
    assert to.cache is not None
    first, kept = [True], replace(says("Yes."), cached=True)

    class Late(Cache):
        def get(self, key: str) -> Reply | None:
            return None if first.pop() else kept

    first = [False, True]
    to.cache = Late(to.cache.store, "groq", "http://127.0.0.1:9")
    Drive(clock, []).run(heard.call(to))
    assert [CallStarted, CacheHit, CallEnded] == heard.kinds


def test_a_call_that_joins_another_says_so_and_sends_nothing() -> None:
    clock, leading, joining = Clock(), Heard(), Heard()
    to = cached_account(clock)
    leader = leading.call(to)
    assert isinstance(next(leader), Send)
    follower = joining.call(to)
    assert isinstance(next(follower), Join)
    with pytest.raises(StopIteration):
        follower.send(says("Yes."))
    assert [CallStarted, CallJoined, CallEnded] == joining.kinds
    assert joining.ended.is_cached
    leader.close()


class _Pieces:
    """A stream of two pieces."""

    answer_has_ended = True

    def whole(self) -> Reply:
        return says("Yes.")

    so_far = whole

    def close(self) -> None: ...


def test_a_stream_tells_its_first_piece_inside_its_attempt() -> None:
    clock, heard = Clock(), Heard()
    to = account(clock)
    events = events_of(heard.hooks, "stream", REQUEST, to, FrozenDict())
    flow = streaming.stream(REQUEST, heard.policy, to, 30.0, events)
    assert isinstance(next(flow), Open)
    assert isinstance(flow.send(_Pieces()), Pull)
    clock.now += 1.5
    flow.send([TextPiece("Yes")])
    flow.send(None)
    flow.send([TextPiece(".")])
    flow.send(None)
    with pytest.raises(StopIteration):
        flow.send(None)
    assert [CallStarted, AttemptStarted, FirstPiece, AttemptEnded, CallEnded] == heard.kinds
    assert 1.5 == heard.only(FirstPiece).seconds
    assert heard.ended.reply is not None
    assert 1.5 == heard.ended.reply.time_to_first_token


def structured_call(heard: Heard, to: Account) -> Effects[StructuredReply[Any]]:
    def get_reply(call: Call) -> Effects[StructuredReply[Any]]:
        spec = StructuredSpec(Schema.of(HS_CODE), repairs=1)
        return StructuredReply.of(*(yield from structured.structured(REQUEST, spec, call)))

    events = events_of(heard.hooks, "structured", REQUEST, to, FrozenDict())
    return lifecycle.run_call(heard.policy, to, get_reply, events)


def test_a_repair_tells_its_turn_and_how_many_violations_there_were() -> None:
    clock, heard = Clock(), Heard()
    reply = Drive(clock, [says('{"hs_code": "x"}'), says(GOOD)]).run(
        structured_call(heard, account(clock))
    )
    assert (2, 1) == (heard.only(RepairPlanned).turn, heard.only(RepairPlanned).violations)
    assert 2 == len(heard.ended.attempts)
    assert reply.usage == heard.ended.usage
    assert isinstance(heard.ended.reply, StructuredReply)
    assert (None, "") == (heard.ended.reply.value, heard.ended.reply.text)


def test_no_repair_is_told_where_none_follows() -> None:
    clock, heard = Clock(), Heard()
    with pytest.raises(StructuredOutputError):
        Drive(clock, [says('{"hs_code": "secret"}')] * 2).run(
            structured_call(heard, account(clock))
        )
    assert 1 == heard.kinds.count(RepairPlanned)
    told = heard.ended.error
    assert isinstance(told, StructuredOutputError)
    assert ("LLM did not return valid JSON: 0 violations", "", ()) == (
        str(told).replace("1 violations", "0 violations"),
        told.raw,
        told.errors,
    )


SECRET = "the confidential Mr. Kaczmarek"


def secretive() -> Reply:
    """A reply whose every field for words or structures holds the secret."""
    reply, about_the_call = says(SECRET), {"attempts", "usage", "provider", "model", "cost"}
    about_the_call |= {"finish_reason", "request_id", "latency", "processing", "service_tier"}
    about_the_call |= {"cached", "time_to_first_token", "limits"}
    hidden = {each.name for each in fields(Reply)} - about_the_call
    words: dict[str, Any] = dict.fromkeys(hidden, SECRET)
    return replace(reply, **words)


def outcomes() -> Iterator[tuple[str, Reply | LLMError]]:
    reply = secretive()
    yield "answer", reply
    cut = TruncatedError("It was cut off", status=200)
    cut.text, cut.partial = SECRET, reply
    yield "cut off", cut
    new = LLMError("It has more to say", status=400, retry_after=2.0)
    new.said_by_the_model, new.tokens = [SECRET], 12  # type: ignore[attr-defined]  # of a class to come
    yield "new", new


@pytest.mark.parametrize("has_content", [False, True])
@pytest.mark.parametrize("outcome", [each for _, each in outcomes()], ids=dict(outcomes()))
def test_what_was_asked_and_answered_is_in_events_only_where_the_host_wants_it(
    outcome: Reply | LLMError, has_content: bool
) -> None:
    clock, heard = Clock(), Heard(has_content=has_content)
    request = replace(REQUEST, messages=({"role": "user", "content": SECRET},), key="gsk_secret")
    with suppress(LLMError):
        Drive(clock, [outcome]).run(heard.call(account(clock), request))
    shown = "".join(f"{event!r}{json.dumps(asdict(event), default=vars)}" for event in heard.events)
    assert has_content is (SECRET in shown)
    pickled = [pickle.loads(pickle.dumps(event)) for event in heard.events]
    assert has_content is any(SECRET.encode() in pickle.dumps(event) for event in heard.events)
    assert [type(event) for event in pickled] == heard.kinds
    assert "gsk_secret" not in shown
    assert (request.messages if has_content else None) == heard.events[0].call.messages


def test_parameters_are_the_numbers_of_the_request_and_nothing_that_was_asked() -> None:
    clock, heard = Clock(), Heard()
    options = {"top_p": 0.9, "stop": ["END"], "documents": [SECRET], "extra_headers": {"k": SECRET}}
    request = replace(REQUEST, temperature=None, options=options)
    Drive(clock, [says("Yes.")]).run(heard.call(account(clock), request))
    assert {"max_tokens": 100, "top_p": 0.9, "stop": ["END"]} == heard.events[0].call.parameters


def changeable(value: Any) -> list[Any]:
    """The dicts and lists in *value*, in objects of ours too, that can be changed."""
    if isinstance(value, (dict, list)):
        found = [] if isinstance(value, (FrozenDict, FrozenList)) else [value]
        return found + changeable(tuple(value.values() if isinstance(value, dict) else value))
    if isinstance(value, tuple):
        return [one for each in value for one in changeable(each)]
    return changeable(tuple(vars(value).values())) if hasattr(value, "__dict__") else []


@pytest.mark.parametrize("has_content", [False, True])
def test_nothing_that_hooks_share_can_be_changed_by_one_of_them(has_content: bool) -> None:
    clock, heard = Clock(), Heard(has_content=has_content)
    asked = ({"role": "user", "content": [{"type": "text", "text": "Hi"}]},)
    request = replace(REQUEST, messages=asked, options={"stop": ["END"]})
    answer = says("Yes.").replace(
        parts=({"text": ["Yes."]},),
        citations=(Citation("Yes.", location={"page": [1]}),),
        guardrail_trace={"found": []},
    )
    broken = TruncatedError("cut off")
    broken.partial = answer
    outcomes: list[Reply | BaseException] = [unavailable(), answer, broken]
    drive, to = Drive(clock, iter(outcomes)), account(clock)
    reply = drive.run(heard.call(to, request))
    with pytest.raises(TruncatedError):
        drive.run(heard.call(to, request))
    assert [] == changeable(tuple(heard.events))
    assert {"END"} == {stop for one in heard.events for stop in one.call.parameters["stop"]}
    ends = [one for one in heard.events if isinstance(one, CallEnded)]
    assert (asked if has_content else None) == ends[0].call.messages
    assert not has_content or reply == ends[0].reply
    assert changeable(answer.parts)


def test_an_event_is_written_as_plain_data_and_read_again() -> None:
    clock, heard = Clock(), Heard(has_content=True)
    options = {"stop": ["END"]}
    Drive(clock, [says("Yes.")]).run(heard.call(account(clock), replace(REQUEST, options=options)))
    for event in heard.events:
        assert event == pickle.loads(pickle.dumps(event)) == copy.deepcopy(event)
        assert {"tenant": "acme"} == json.loads(json.dumps(asdict(event)["call"]["tags"]))


def test_the_cost_of_a_call_is_unknown_where_that_of_an_attempt_is() -> None:
    clock, heard = Clock(), Heard()
    request = replace(REQUEST, model="sandbox/unknown")
    Drive(clock, [says("Yes.", "sandbox/unknown")]).run(heard.call(account(clock), request))
    assert None is heard.ended.cost
    assert Usage(6, 4, 10, reported=True) == heard.ended.usage


def test_ids_are_new_in_a_child_process() -> None:
    ids = CallIds()
    first, second = ids.next(), ids.next()
    assert first != second
    fork._resets[ids](ids)
    assert first.partition("-")[0] != ids.next().partition("-")[0]


def test_a_scope_whose_hooks_hear_of_an_attempt_is_one_whose_limits_are_observed() -> None:
    clock, heard = Clock(), Heard()
    to = account(clock)
    Drive(clock, [says("Yes.")]).run(call(to))
    assert set() == to.observed_scopes
    Drive(clock, [says("Yes.")]).run(heard.call(to))
    assert {MODEL} == to.observed_scopes
