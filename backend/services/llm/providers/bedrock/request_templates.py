"""Requests made as botocore made the first one: by its serializer, without most of the rest.

After it botocore emits a dozen events, resolves the endpoint and writes the user agent, for every
call anew and with the same outcome. So the first request of a client's method goes all of that
way, and is then made once more in the short one: where the two are alike, the next ones take that.
Likewise its signature: where ours is the same, ours signs the next ones.
"""

from __future__ import annotations

import logging
import os
import time
import uuid
from collections.abc import Mapping
from functools import lru_cache
from importlib import import_module
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from .plain_request import PlainRequests
from .sigv4 import Payload, Signer

_log = logging.getLogger("botocore")

#: The headers that the signer adds, or that are another call's of their own; the length comes last.
_VARYING = frozenset(
    {"authorization", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256"}
    | {"amz-sdk-invocation-id", "content-length"}
)

#: Parts of an operation's model that would let the request's address or its headers depend on what
#: is asked. The runtime's operations have none of them; were that to change, botocore does it all.
_VARIABLE = (
    *("context_parameters", "static_context_parameters", "operation_context_parameters"),
    *("idempotent_members", "http_checksum", "request_compression", "endpoint_operation"),
)


class PreparedRequest(NamedTuple):
    """A request that is ready to be sent, with the members that botocore's own has."""

    method: str
    url: str
    headers: Mapping[str, Any]
    body: bytes

    def __repr__(self) -> str:
        return f"<a request to {self.url}>"


class RequestTemplate:
    """What a client's requests of one operation have in common."""

    def __init__(
        self, client: Any, arguments: Any, request: Any, operation: Any, context: Any
    ) -> None:
        self.operation = operation
        self._context = dict(context)
        serialized = client._serializer.serialize_to_request(arguments, operation)
        path = _target(serialized)
        self._base = request.url[: -len(path)]
        self._base_path = urlsplit(self._base).path
        self._host = host_of(request.url)
        self._headers = {
            name: _text(value)
            for name, value in request.headers.items()
            if name.lower() not in _VARYING and name not in serialized["headers"]
        }
        self._signer = self._signer_like(client, request)
        self._plain = PlainRequests(client._serializer)

    def _signer_like(self, client: Any, request: Any) -> Signer | None:
        """The signer whose signature of *request* is what botocore's is."""
        headers = {name: _text(value) for name, value in request.headers.items()}
        signer, credentials = Signer.of(headers), _credentials_of(client)
        if signer is None or credentials is None:
            return None
        theirs, moment = headers["Authorization"], headers["X-Amz-Date"]
        payload = Payload(request.method, urlsplit(request.url).path, request.body)
        ours = signer.authorization(payload, {**headers, "Host": self._host}, moment, credentials)
        return signer if ours == theirs else None

    def made(self, client: Any, arguments: Any) -> tuple[PreparedRequest, dict[str, Any]]:
        """Return the request of *arguments*, signed, and the context to read its answer in."""
        known = self._plain.serialized(client, self.operation, arguments)
        target, body, context = _target(known), known["body"], dict(self._context)
        headers = {**known["headers"], **self._headers, "amz-sdk-invocation-id": str(uuid.uuid4())}
        unsigned = PreparedRequest(known["method"], self._base + target, headers, body)
        credentials = _credentials_of(client)
        if self._signer is None or credentials is None:
            signed = self._signed_by_botocore(client, unsigned, context)
        else:
            path = self._base_path + target
            signed = self._signed(self._signer, unsigned, path, credentials)
        return unsigned._replace(headers={**signed, "Content-Length": str(len(body))}), context

    def _signed(
        self, signer: Signer, unsigned: PreparedRequest, path: str, credentials: Any
    ) -> dict[str, str]:
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        headers = {"Host": self._host, **unsigned.headers, "X-Amz-Date": moment}
        if credentials.token:
            headers["X-Amz-Security-Token"] = credentials.token
        payload = Payload(unsigned.method, path, unsigned.body)
        signature = signer.authorization(payload, headers, moment, credentials)
        return {**headers, "Authorization": signature}

    def _signed_by_botocore(
        self, client: Any, unsigned: PreparedRequest, context: dict[str, Any]
    ) -> dict[str, str]:
        method, url, headers, body = unsigned
        request = _request_class()(method=method, url=url, headers=headers, data=body)
        request.context = context
        client._request_signer.sign(self.operation.name, request)
        signed = {name: _text(value) for name, value in request.headers.items()}
        return {"Host": self._host, **signed}


#: By client and method: how its requests are made; None: as botocore makes them.
_known: WeakKeyDictionary[Any, dict[str, RequestTemplate | None]] = WeakKeyDictionary()


def template_for(client: Any, method: str) -> RequestTemplate | None:
    """How *client*'s requests of *method* are made, if that is known and nobody looks on."""
    if _log.isEnabledFor(logging.DEBUG) or "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
        return None  # there each invocation has a trace of its own
    return _known.get(client, _NOTHING).get(method)


def learn(
    client: Any, method: str, arguments: Any, request: Any, operation: Any, context: Any
) -> None:
    """Keep how *request* was made, if the same is made in the short way."""
    known = _known.setdefault(client, {})
    if method in known:
        return
    known[method] = None
    if any(getattr(operation, name, None) for name in _VARIABLE):
        return
    try:
        template = RequestTemplate(client, arguments, request, operation, context)
        again, _ = template.made(client, arguments)
    except (AttributeError, KeyError, TypeError):
        return  # a botocore of other parts
    if _sent(again) == _sent(request):
        known[method] = template


_NOTHING: Mapping[str, RequestTemplate | None] = {}


def _sent(request: Any) -> tuple[Any, ...]:
    """What a request says, but when and for which attempt."""
    headers = {
        name.lower(): None if name.lower() in _VARYING else _text(value)
        for name, value in request.headers.items()
        if name.lower() != "host"  # which the connection adds to botocore's
    }
    return request.method, request.url, request.body, headers


@lru_cache(maxsize=64)
def host_of(url: str) -> str:
    """The host as botocore signs it: without a user, without the scheme's own port."""
    parts = urlsplit(url)
    own = f":{ {'http': 80, 'https': 443}.get(parts.scheme) }"
    return parts.netloc.rpartition("@")[2].removesuffix(own)


def _credentials_of(client: Any) -> Any:
    """What *client* signs with now, None where it has no keys; they may be refreshed first."""
    keys = client._request_signer._credentials
    return None if keys is None else keys.get_frozen_credentials()


def _target(serialized: Mapping[str, Any]) -> str:
    if serialized["query_string"]:
        raise KeyError("a request with a query is botocore's to make")
    return str(serialized["url_path"])


def _text(value: str | bytes) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else value


@lru_cache(maxsize=1)
def _request_class() -> Any:
    """botocore's request, whose body is what it was given: bytes."""
    known: Any = import_module("botocore.awsrequest").AWSRequest
    return type("Request", (known,), {"body": property(lambda self: self.data)})
