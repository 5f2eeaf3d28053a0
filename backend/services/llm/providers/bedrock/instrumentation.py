"""Which road a call takes: a connection of ours, or the SDK's own as it comes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import lru_cache
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from ...http.untouched import is_untouched
from ...runtime.real_sdk import is_real_sdk

#: The events of one call; whoever has registered for one of them is called as always.
_EVENTS = (
    *("provide-client-params", "before-parameter-build", "before-endpoint-resolution"),
    *("before-call", "request-created", "choose-signer", "before-sign", "before-send"),
    *("before-parse", "response-received", "needs-retry", "after-call", "after-call-error"),
)

_OPERATIONS = {
    "converse": "Converse",
    "converse_stream": "ConverseStream",
    "invoke_model": "InvokeModel",
    "invoke_model_with_response_stream": "InvokeModelWithResponseStream",
}

_OF_ENDPOINT = ("make_request", "_send_request", "prepare_request", "_get_response", "_send")

#: botocore's handlers are its own, and so are ours.
_OWN = ("botocore.", __name__.partition("providers.")[0])

#: For each emitter and operation, the look-ups of its handlers when all of them were our own.
_plain: WeakKeyDictionary[Any, dict[str, object]] = WeakKeyDictionary()


def why_the_sdks_own(client: Any, method: str) -> str | None:
    """Why a call of *method* has to go through the SDK's own transport; None where it need not.

    Whatever a host or a test has put in the SDK's place is to be called as it always was: a mock,
    a patched method, an instrumented one, an event's handler, a session of its own. A proxy and a
    client's certificate are left to urllib3, which knows how to deal with both.
    """
    if not is_real_sdk(client, "botocore"):
        return "the client is not botocore's"
    try:
        if not _has_h11():
            return "there is no h11"
        session = client._endpoint.http_session
        if strange := next(_strange(client, method, session), None):
            return f"{strange} is not botocore's own"
        if session._proxy_config.proxy_url_for(client.meta.endpoint_url):
            return "a proxy lies between"
        if session._cert_file:
            return "the client shows a certificate"
        if handler := _foreign_handler(client.meta.events._emitter, _OPERATIONS[method]):
            return f"{handler} listens to its events"
    except (AttributeError, KeyError) as missing:
        return f"botocore is not as it is known: {missing}"
    return None


@lru_cache(maxsize=1)
def _has_h11() -> bool:
    """Whether rare answers can be read; it comes with httpx, and is imported with the first."""
    return find_spec("h11") is not None


def _strange(client: Any, method: str, session: Any) -> Iterator[str]:
    """The parts of the SDK on this call's way that are not as botocore made them."""
    parts = (
        (client, (method, "_make_api_call")),
        (client._endpoint, _OF_ENDPOINT),
        (session, ("send",)),
    )
    for owner, names in parts:
        for name in names:
            if not is_untouched(owner, name, sys.modules["botocore"]):
                yield name
    pool = session._pool_classes_by_scheme[urlsplit(client.meta.endpoint_url).scheme]
    if not is_untouched(pool, "urlopen", sys.modules["urllib3"]):
        yield "urlopen"
    kind = getattr(pool.ConnectionCls, "tracks", pool.ConnectionCls)
    if kind.__module__ != "botocore.awsrequest":
        yield "the connection's class"


def _foreign_handler(emitter: Any, operation: str) -> str | None:
    """The name of a handler of the call's events that is neither botocore's nor ours."""
    known = _plain.setdefault(emitter, {})
    # botocore replaces it with every registration.
    lookups = emitter._lookup_cache
    if known.get(operation) is lookups:
        return None
    for event in _EVENTS:
        for handler in emitter._handlers.prefix_search(f"{event}.bedrock-runtime.{operation}"):
            module = getattr(handler, "__module__", None) or type(handler).__module__
            if not module.startswith(_OWN):
                return f"a handler of {module}"
    known[operation] = lookups
    return None
