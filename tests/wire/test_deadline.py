"""A deadline covers everything: the queue, the backoff, the connection, the body, a drip."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from sandbox import Fault, Sandbox
from services.llm_client import LLMError, LLMTimeoutError, ProviderUnavailableError, RateLimitError
from tests.timing import with_more_time
from tests.wire.clock import VirtualTime
from tests.wire.conftest import OpenFace
from tests.wire.faces import Face
from tests.wire.servers import dripping_headers, never_accepting, slowly_reading

TIMEOUT = 0.15
#: A hang ends here; what is expected is the deadline itself.
HANG = 30.0

LATE = {
    "silence": Fault.silent(60),
    "slow body": Fault.slow_body(60),
    "dripped body": Fault.dripped(size=1, every=0.03),
}
SILENCE = "sandbox/silence?seconds=60"
#: Through InvokeModel, whose body boto3 leaves to be read by its caller.
INVOKED = "meta.llama3-70b-instruct-v1:0"


def seconds_until_timeout(call: Callable[[], object]) -> float:
    began = time.monotonic()
    with pytest.raises(LLMTimeoutError) as caught:
        call()
    assert 1 >= len(caught.value.attempts)  # a slow machine has not sent it by then
    return time.monotonic() - began


@pytest.mark.parametrize("fault", LATE)
def test_a_server_that_is_late_is_left_at_the_deadline(
    face: Face, sandbox: Sandbox, fault: str
) -> None:
    sandbox.script(LATE[fault])
    assert TIMEOUT <= seconds_until_timeout(lambda: face.generate("hi", timeout=TIMEOUT)) < HANG
    assert 1 >= len(sandbox.exchanges)


@pytest.mark.parametrize("kind", ["bedrock", "bedrock async"])
@pytest.mark.parametrize("fault", LATE)
def test_so_is_one_that_is_asked_through_invoke_model(
    open_client: OpenFace, sandbox: Sandbox, kind: str, fault: str
) -> None:
    face = open_client(kind)
    sandbox.script(LATE[fault])
    passed = seconds_until_timeout(lambda: face.generate("hi", model=INVOKED, timeout=TIMEOUT))
    assert TIMEOUT <= passed < HANG


def test_a_drip_on_a_connection_from_the_pool_is_left_too(face: Face, sandbox: Sandbox) -> None:
    def scene(seconds: float) -> None:
        sandbox.clear()
        face.generate("hi")
        sandbox.script(LATE["dripped body"])
        assert seconds <= seconds_until_timeout(lambda: face.generate("hi", timeout=seconds))
        first, second = sandbox.exchanges
        assert first.connection == second.connection

    with_more_time(scene)


def test_dripped_headers_are_left_at_the_deadline(open_face: OpenFace) -> None:
    with dripping_headers(0.03) as url:
        face = open_face(GROQ_BASE_URL=url, AWS_ENDPOINT_URL_BEDROCK_RUNTIME=url)
        assert TIMEOUT <= seconds_until_timeout(lambda: face.generate("hi", timeout=TIMEOUT)) < HANG


def test_a_server_that_takes_its_time_to_read_is_left_at_the_deadline(
    open_face: OpenFace,
) -> None:
    with slowly_reading(0.5) as url:
        face = open_face(GROQ_BASE_URL=url, AWS_ENDPOINT_URL_BEDROCK_RUNTIME=url)
        # More than the system's buffers hold; to send it all would take minutes.
        prompt = "a long story " * 1_200_000
        passed = seconds_until_timeout(lambda: face.generate(prompt, timeout=2 * TIMEOUT))
        assert 2 * TIMEOUT <= passed < HANG


def test_a_connection_that_is_never_made_is_given_up_at_the_deadline(open_face: OpenFace) -> None:
    with never_accepting() as url:
        face = open_face(
            GROQ_BASE_URL=url, AWS_ENDPOINT_URL_BEDROCK_RUNTIME=url, LLM_TIMEOUT=TIMEOUT
        )
        # Whose timeout comes first, ours or the SDK's own, is a race that nobody can see.
        began = time.monotonic()
        with pytest.raises(LLMTimeoutError):
            face.generate("hi")
        assert TIMEOUT <= time.monotonic() - began < HANG


def test_calls_that_were_left_do_not_hold_up_later_ones(open_face: OpenFace) -> None:
    face = open_face(LLM_MAX_CONCURRENCY=2)
    # By the model, since a call may be left before the provider has seen it.
    for _ in range(4):
        seconds_until_timeout(lambda: face.generate("hi", model=SILENCE, timeout=0.05))
    assert "Sandbox: hi" == face.generate("hi", timeout=HANG)


@pytest.mark.parametrize("fault", LATE)
@pytest.mark.parametrize("kind", ["bedrock", "bedrock async"])
def test_the_thread_of_a_call_that_was_left_ends(
    open_client: OpenFace, sandbox: Sandbox, kind: str, fault: str
) -> None:
    before = set(threading.enumerate())  # with threads of clients that no one has collected yet
    face = open_client(kind)
    # Whoever listens to the SDK's events has it called as it comes.
    face.client.client.meta.events.register("before-send.bedrock-runtime", lambda **_: None)
    face.generate("hi")  # starts the thread
    sandbox.script(LATE[fault])
    seconds_until_timeout(lambda: face.generate("hi", timeout=0.05))
    started = set(threading.enumerate()) - before
    workers = [each for each in started if each.name.startswith("bedrock")]
    assert (kind == "bedrock async") == bool(workers)
    face.client.close()
    for worker in workers:
        worker.join(HANG)
    assert not any(worker.is_alive() for worker in workers)


def test_a_call_may_take_longer_than_its_client_was_made_for(
    open_face: OpenFace, sandbox: Sandbox
) -> None:
    face = open_face(LLM_TIMEOUT=0.1)
    sandbox.script(Fault.silent(0.3))
    assert "Sandbox: hi" == face.generate("hi", timeout=HANG)
    assert 1 == len(sandbox.exchanges)


@pytest.mark.usefixtures("long_backoff")
def test_a_backoff_that_would_end_after_the_deadline_is_not_begun(
    face: Face, sandbox: Sandbox, virtual: VirtualTime
) -> None:
    sandbox.script(*[Fault.error(503)] * 9)
    with pytest.raises(ProviderUnavailableError) as caught:
        face.generate("hi", timeout=10.0)
    assert (2, 1) == (len(sandbox.exchanges), len(virtual.naps))
    assert (503, 2) == (caught.value.status, len(caught.value.attempts))


def test_a_queue_that_is_longer_than_the_deadline_is_not_joined(
    open_face: OpenFace, sandbox: Sandbox, virtual: VirtualTime
) -> None:
    face = open_face(LLM_MAX_QUOTA_WAIT=1000.0)
    face.client._max_requests_per_window = 1
    face.generate("hi")
    with pytest.raises(RateLimitError, match=r"Please wait 60\.0 seconds"):
        face.generate("hi", timeout=59.0)
    assert [] == virtual.naps
    face.generate("hi", timeout=90.0)
    assert [60.0] == virtual.naps


def test_what_was_waited_leaves_less_for_the_answer(
    open_face: OpenFace, sandbox: Sandbox, virtual: VirtualTime
) -> None:
    face = open_face(LLM_MAX_QUOTA_WAIT=1000.0)
    face.client._max_requests_per_window = 1
    face.generate("hi")
    sandbox.script(Fault.silent(60))
    with pytest.raises(LLMTimeoutError):  # after 0.25 s, for all that the whole is 60.25 s
        face.generate("hi", timeout=60.25)


def test_a_place_on_the_wire_is_not_waited_for_beyond_the_deadline(
    open_face: OpenFace, sandbox: Sandbox
) -> None:
    face = open_face(LLM_MAX_CONCURRENCY=1)
    place = face.client._account.concurrency.acquire()
    began = time.monotonic()
    with pytest.raises(LLMError, match=r"No answer within 0\.15 seconds"):
        face.generate("hi", timeout=TIMEOUT)
    assert TIMEOUT <= time.monotonic() - began < HANG
    face.client._account.concurrency.release(place)
    assert "Sandbox: hi" == face.generate("hi")
    assert 1 == len(face.client._request_times)
