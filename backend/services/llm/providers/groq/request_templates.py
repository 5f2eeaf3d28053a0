"""Requests made after the one that the SDK has sent: all but the body, its length and the time.

The SDK and httpx spend more on building a request than everything else of a call costs. What they
put around the first body of a client they put around every other. So that is kept, and sent over
our own connections, as long as nothing else is to see the call on its way: a hook, a log, a mock,
an instrumentation.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary

import httpx

from ...http.http1 import Answer, encode
from ...http.httpx_parts import decoded, httpx_error, raw
from ...http.origin import Origin
from ...http.untouched import is_untouched
from .json_answer import read_json
from .sdk_parts import STATUS_ERROR, accepts

#: What of the SDK, and of httpx, is on the way that is left out.
_OF_SDK = (
    *("post", "request", "_build_request", "_build_headers", "_validate_headers"),
    *("_prepare_options", "_prepare_request", "_process_response"),
)
_OF_HTTP = ("send", "build_request")
#: The arguments of `create` that are not members of the body.
_OPTIONS = ("extra_headers", "extra_query", "extra_body")
#: The headers that differ from one request to the next.
_VARYING = ("content-length", "x-stainless-read-timeout", "x-stainless-raw-response")

#: Writes a body as the SDK writes it.
_write = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode

_sdk_log, _http_log = logging.getLogger("groq"), logging.getLogger("httpx")


class RequestTemplate:
    """A client's request without its body; it shows nothing of itself, since a key is in it."""

    def __init__(self, sdk: Any, origin: Origin, sent: httpx.Request) -> None:
        known = [(name.decode("ascii"), text.decode("latin-1")) for name, text in sent.headers.raw]
        self.origin = origin
        self.url = sent.url
        self.target = sent.url.raw_path.decode("ascii")
        self.headers = [pair for pair in known if pair[0].lower() not in _VARYING]
        self.has_timeout = any(name.lower() == _VARYING[1] for name, _ in known)
        #: The head without its last line, checked once for all requests; None if it cannot be sent.
        whole = encode("POST", self.target, self.headers, b"")
        self.head = None if whole is None else whole[:-2]
        #: What a host can change about the SDK's client, as it was.
        self.settings = _settings_of(sdk)
        self._base_url = sdk.base_url

    def fits(self, sdk: Any) -> bool:
        """Whether *sdk* would put the same around a body now."""
        # To compare URLs costs httpx as much as a call: a host can but put another in its place.
        return sdk.base_url is self._base_url and _settings_of(sdk) == self.settings


class TemplatedRequest:
    """One request, which shows nothing of itself."""

    def __init__(self, template: RequestTemplate, body: Mapping[str, Any], timeout: float) -> None:
        self._template = template
        self._body = body
        self._timeout = timeout

    def encode(self) -> memoryview | None:
        """What is to be sent, as `http1.encode` returns it."""
        template, body = self._template, self.content
        if template.head is None:
            return None
        own = f"Content-Length: {len(body)}\r\n"
        if template.has_timeout:
            own += f"X-Stainless-Read-Timeout: {self._timeout}\r\n"
        return memoryview(b"".join((template.head, own.encode(), b"\r\n", body)))

    @property
    def content(self) -> bytes:
        """The body, as the SDK writes it."""
        return _write(self._body).encode()

    def as_httpx(self) -> httpx.Request:
        """The same for an error of the SDK's."""
        template = self._template
        return httpx.Request(
            "POST", template.url, headers=raw(template.headers), content=self.content
        )


def body_of(arguments: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The body of `create`'s *arguments*; None where they say more than a body."""
    if arguments.get("extra_headers") or arguments.get("extra_query"):
        return None
    body = {name: value for name, value in arguments.items() if name not in _OPTIONS}
    return {**body, **(arguments.get("extra_body") or {})}


#: The requests of each of the SDK's clients.
_templates: WeakKeyDictionary[Any, RequestTemplate] = WeakKeyDictionary()


def learn(sdk: Any, sent: httpx.Request) -> None:
    """Keep what *sdk* has put around the body of *sent*, a request without extra headers."""
    with suppress(AttributeError):  # an SDK of other parts
        transport = getattr(sdk._client, "original_transport", None)
        if transport is None or (origin := transport.pool.origin_of(sent.url)).is_forwarded:
            return
        _templates[sdk] = RequestTemplate(sdk, origin, sent)


def template_for(sdk: Any) -> RequestTemplate | None:
    """What is known of *sdk*'s requests; None where they have to go through the SDK."""
    known = _templates.get(sdk)
    try:
        return known if known is not None and _is_unseen(sdk) and known.fits(sdk) else None
    except AttributeError:  # one of the SDK's parts is gone
        return None


def _settings_of(sdk: Any) -> tuple[object, ...]:
    http = sdk._client
    # groq 0.4.2 names its query apart.
    query = sdk.default_query if hasattr(sdk, "default_query") else sdk._custom_query
    return sdk.default_headers, query, http.headers.raw, http.params


def _is_unseen(sdk: Any) -> bool:
    """Whether nobody is to see a request of *sdk* on its way."""
    http = sdk._client
    return not (
        http._transport is not http.original_transport
        or _http_log.isEnabledFor(logging.INFO)
        or _sdk_log.isEnabledFor(logging.DEBUG)
        or any(http.event_hooks.values())
        or http.original_transport.pool.is_replaced()
        or not all(is_untouched(sdk, name, sys.modules["groq"]) for name in _OF_SDK)
        or not all(is_untouched(http, name, httpx) for name in _OF_HTTP)
        or not accepts(type(sdk)._make_status_error_from_response, STATUS_ERROR)
    )


async def send(sdk: Any, template: RequestTemplate, body: Mapping[str, Any], timeout: float) -> Any:
    """Send *body* in at most *timeout* seconds; return the answer, or raise the SDK's errors."""
    until, own = time.monotonic() + timeout, sdk._client.original_transport
    templated = TemplatedRequest(template, body, timeout)
    try:
        answer = decoded(await own.exchange(template.origin, templated, until), own.pool.limit)
    except Exception as error:
        failure = error
    else:
        return read_answer(sdk, templated, answer)
    raise as_groq(failure, templated)


def read_answer(sdk: Any, templated: TemplatedRequest, answer: Answer) -> Any:
    """The answer's JSON; raises the SDK's error of its status."""
    if 200 <= answer.status < 300:
        return read_json(answer.body, dict(answer.headers))
    response = httpx.Response(
        answer.status,
        headers=raw(answer.headers),
        content=answer.body,
        request=templated.as_httpx(),
    )
    raise sdk._make_status_error_from_response(response)


def as_groq(failure: Exception, templated: TemplatedRequest) -> Exception:
    """The SDK's error of a connection for *failure*, by way of httpx's, as it comes from there."""
    groq = sys.modules["groq"]
    request, cause = templated.as_httpx(), httpx_error(failure)
    kind = (
        groq.APITimeoutError
        if isinstance(cause, httpx.TimeoutException)
        else groq.APIConnectionError
    )
    made: Exception = kind(request=request)
    made.__cause__ = cause
    return made
