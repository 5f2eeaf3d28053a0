"""No key and no organisation in what a failure of the compliant client lets a reporter see."""

from __future__ import annotations

import traceback
from collections.abc import Iterator

import pytest

from sandbox import Fault, Sandbox
from services.llm.errors import ConfigurationError, LLMError
from tests.compliant.support import KEYS, MODEL, ask

ORGANISATION = "org_01NotToBeSeenAnywhere"
HIDDEN = (*KEYS, ORGANISATION)

FAULTS = {
    "400": Fault.error(400),
    "401": Fault.error(401),
    "403": Fault.error(403),
    "429": Fault.error(429),
    "500": Fault.error(500),
    "reset": Fault.reset(),
    "malformed": Fault.malformed_json(),
    "quoting": Fault.error(400, message=f"keys {' '.join(KEYS)} of {ORGANISATION}"),
}


def chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def shown(error: BaseException) -> list[str]:
    """A traceback as it is printed, and the variables of our own frames."""
    texts = traceback.format_exception(error)
    for each in chain(error):
        texts += [str(each), repr(each)]
        for frame, _ in traceback.walk_tb(each.__traceback__):
            if frame.f_globals["__name__"].startswith(("services", "groq_client_compliant")):
                texts += [repr(value) for value in frame.f_locals.values()]
    return texts


def seen_in(error: BaseException) -> list[tuple[str, str]]:
    return [(secret, text) for text in shown(error) for secret in HIDDEN if secret in text]


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_failure_shows_none(fault: Fault, caplog: pytest.LogCaptureFixture) -> None:
    with Sandbox(keys=dict.fromkeys(KEYS, ORGANISATION)) as sandbox:
        sandbox.script(*[fault] * len(KEYS))
        with pytest.raises(LLMError) as caught:
            ask(sandbox.url, max_retries=0, max_quota_wait=0)
    assert [] == seen_in(caught.value)
    assert not any(secret in caplog.text for secret in HIDDEN)


def test_nor_does_an_address_that_cannot_be_one() -> None:
    with pytest.raises(ConfigurationError, match="base_url") as caught:
        ask("http://999.1.1.1", model=MODEL)
    assert [] == seen_in(caught.value)
