"""No key, organisation or prompt is in a log record, an error, its causes or a client's repr."""

from __future__ import annotations

import json
import logging
import pickle
import traceback
from collections.abc import Iterator

import pytest

from sandbox import Answer, Fault, Sandbox
from services.llm_client import ConfigurationError, LLMError
from tests.wire.clock import VirtualTime
from tests.wire.conftest import OpenFace
from tests.wire.faces import SECRETS, Face

PROMPT = "the confidential prompt about Mr. Kaczmarek"
SYSTEM = "the confidential instructions of the house"
ORGANISATION = "org_00000000000000000000sandbox"  # which every 429 of the sandbox names
HIDDEN = (*SECRETS, PROMPT, SYSTEM, ORGANISATION, ORGANISATION.removeprefix("org_"))

FAULTS: dict[str, Answer | Fault] = {
    "429": Fault.rate_limited("9"),
    "413": Fault.too_large(),
    "401": Fault.invalid_key(),
    "403": Fault.error(403, "User: arn:aws:iam::123456789012:user/eve may not do this."),
    "400": Fault.error(400, f"Invalid key {SECRETS[0]} of {ORGANISATION}"),
    "an echo": Fault.error(400, json.dumps([{"msg": "No.", "said": f"{SYSTEM}\n{PROMPT}"}])),
    "an echo under a 200": Fault.html(200, json.dumps({"error": {"message": f"No: {PROMPT}"}})),
    "500": Fault.error(500),
    "reset": Fault.reset(),
    "cut": Fault.cut_off(),
    "broken": Fault.malformed_json(),
    "page": Fault.html(502, f"<html>{SECRETS[0]} {ORGANISATION}</html>"),
    "length": Answer.truncated("Half of a"),
    "not found": Fault.model_not_found(),
}


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """All that our own loggers say, at their most talkative."""
    with caplog.at_level(logging.DEBUG, "services"):
        yield caplog


def ours(logged: pytest.LogCaptureFixture) -> list[str]:
    """Our own log lines, formatted as a handler would."""
    form = logging.Formatter()
    return [form.format(each) for each in logged.records if each.name.startswith("services")]


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and all that it came from."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def variables_of_ours(error: BaseException) -> list[str]:
    """What a reporter of errors sends along with a traceback, of our own frames."""
    shown = [
        repr(value)
        for each in chain(error)
        for frame, _ in traceback.walk_tb(each.__traceback__)
        if frame.f_globals["__name__"].startswith("services")
        for value in frame.f_locals.values()
    ]
    assert shown
    return shown


def assert_hidden(*texts: str) -> None:
    """Nothing hidden is in any of the texts."""
    assert [] == [(secret, text) for text in texts for secret in HIDDEN if secret in text]


@pytest.mark.parametrize("fault", FAULTS)
def test_an_error_and_its_causes_hold_no_secret(
    face: Face,
    sandbox: Sandbox,
    virtual: VirtualTime,
    logged: pytest.LogCaptureFixture,
    fault: str,
) -> None:
    sandbox.script(*[FAULTS[fault]] * 9)
    with pytest.raises(LLMError) as caught:
        face.generate(PROMPT, SYSTEM)
    for error in chain(caught.value):
        assert_hidden(str(error), repr(error), repr(error.args))
    assert_hidden("".join(traceback.format_exception(caught.value)))
    assert_hidden(str(pickle.dumps(caught.value)))
    assert_hidden(repr(caught.value.attempts), caught.value.label, *ours(logged))


@pytest.mark.parametrize("fault", ["429", "401", "500", "reset"])
def test_no_variable_of_ours_in_a_traceback_shows_a_key(
    open_face: OpenFace, sandbox: Sandbox, fault: str
) -> None:
    sandbox.script(FAULTS[fault])
    with pytest.raises(LLMError) as caught:
        open_face(LLM_MAX_RETRIES=0).generate("hi")
    shown = variables_of_ours(caught.value)
    assert [] == [(secret, text) for text in shown for secret in SECRETS if secret in text]


def test_nor_does_one_of_a_key_that_cannot_be_sent(open_client: OpenFace) -> None:
    with pytest.raises(ConfigurationError, match="GROQ_API_KEY") as caught:
        open_client("groq", GROQ_API_KEY=f"{SECRETS[0]} ")
    assert [] == [text for text in variables_of_ours(caught.value) if SECRETS[0] in text]


@pytest.mark.parametrize("kind", ["groq", "groq async"])
def test_a_key_of_any_form_is_hidden_where_a_gateway_quotes_it(
    open_client: OpenFace, sandbox: Sandbox, kind: str
) -> None:
    key = "a.gateways-own-key"
    sandbox.script(Fault.error(400, f"We do not know the key {key}."))
    with pytest.raises(LLMError, match=r"the key \*\*\*") as caught:
        open_client(kind, GROQ_API_KEY=key).generate("hi")
    assert all(key not in repr(error) for error in chain(caught.value))


def test_nor_does_one_that_botocore_raises_before_it_sends(open_client: OpenFace) -> None:
    with pytest.raises(LLMError) as caught:
        open_client("bedrock").generate(PROMPT, SYSTEM, stop=[SYSTEM, 7])
    for error in chain(caught.value):
        assert_hidden(str(error), repr(error), repr(error.args))


def test_a_client_shows_no_secret(face: Face) -> None:
    face.generate(PROMPT, SYSTEM)
    client = face.client
    assert_hidden(repr(client), str(client), repr(client._account), repr(client._account.quota))
    assert_hidden(repr(client._knobs), repr(client.client))


def test_a_successful_call_logs_no_secret(
    face: Face, sandbox: Sandbox, virtual: VirtualTime, logged: pytest.LogCaptureFixture
) -> None:
    sandbox.script(Fault.error(503))
    face.generate(PROMPT, SYSTEM)
    gone = {"groq": "mixtral-8x7b-32768", "bedrock": "anthropic.claude-v2"}
    face.generate(PROMPT, SYSTEM, model=gone[face.provider])
    assert_hidden(*ours(logged))


def test_the_key_reaches_the_provider_and_nobody_else(face: Face, sandbox: Sandbox) -> None:
    face.generate(PROMPT, SYSTEM)
    exchange = sandbox.exchanges[0]
    assert exchange.organisation
    assert PROMPT in str(exchange.body)
    for secret in SECRETS:
        assert secret not in repr(exchange)
