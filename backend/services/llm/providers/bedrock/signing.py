"""botocore's own steps of a call, without a connection: to a signed request, and back.

`_make_api_call` is one blocking function from arguments to answer. A handler of its `before-send`
event leaves it when the request is ready to be sent: credentials, endpoint rules, serializer and
signer have done their work by then. botocore's endpoint reads the answer, from the same event.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit

from ...errors import LLMError, ProviderUnavailableError, Retry
from . import request_templates
from .request_templates import host_of

if TYPE_CHECKING:
    from ...http.http1 import Answer

#: So much is shown of an error's body that is none of the API's, in bytes.
_SHOWN = 1000


class _SignedError(BaseException):
    """Leaves botocore with the request; no `except Exception` on the way holds it up."""


class Signed:
    """A request that is ready to be sent, and what botocore needs to read its answer."""

    def __init__(self) -> None:
        self.request: Any = None
        self.operation: Any = None
        self.context: Any = None
        #: What is read while botocore asks for it.
        self.answer: Any = None
        #: botocore's own answer where nothing is to be sent, as with its Stubber.
        self.response: Any = None
        #: Nobody looks on while it is made and read.
        self.is_templated = False

    def encode(self) -> memoryview | None:
        """What is to be sent, as `http1.encode` returns it."""
        from ...http.http1 import encode  # pays for h11 only where it is used

        url = urlsplit(self.request.url)
        target = (url.path or "/") + (f"?{url.query}" if url.query else "")
        headers = {"Host": host_of(self.request.url), "Accept-Encoding": "identity"}
        headers |= {name: _text(value) for name, value in self.request.headers.items()}
        return encode(self.request.method, target, [*headers.items()], self.request.body or b"")


#: Headers that the caller adds to the call which this thread or task makes.
_extra: ContextVar[Mapping[str, str] | None] = ContextVar("_extra", default=None)


@contextmanager
def adding(headers: Mapping[str, str]) -> Iterator[None]:
    """Have botocore put *headers* into the request that it makes meanwhile, and sign them."""
    if not headers:
        yield
        return
    token = _extra.set(headers)
    try:
        yield
    finally:
        _extra.reset(token)


#: The call whose request this thread or task has botocore make ready, or whose answer it reads.
_current: ContextVar[Signed | None] = ContextVar("_current", default=None)


def listen(client: Any) -> None:
    """Take part in *client*'s calls, by events that botocore documents."""
    events = client.meta.events
    events.register("before-call.bedrock-runtime", _on_call, unique_id="llm-on-call")
    events.register("before-send.bedrock-runtime", _on_send, unique_id="llm-on-send")


def sign(
    client: Any, method: str, arguments: Mapping[str, Any], headers: Mapping[str, str]
) -> Signed:
    """Have *client* make the request of *method* ready, which may look for credentials.

    *headers* are the caller's own. Raises what botocore raises for arguments, credentials and
    endpoints.
    """
    signed = Signed()
    if not headers and (known := request_templates.template_for(client, method)) is not None:
        signed.is_templated, signed.operation = True, known.operation
        signed.request, signed.context = known.made(client, arguments)
        return signed
    token = _current.set(signed)
    try:
        with adding(headers):
            signed.response = getattr(client, method)(**arguments)
    except _SignedError:
        if not headers:
            request_templates.learn(
                client, method, arguments, signed.request, signed.operation, signed.context
            )
    finally:
        _current.reset(token)
    return signed


def read(client: Any, signed: Signed, answer: Answer) -> dict[str, Any]:
    """What *client* makes of *answer*; raises its ClientError for an error of the service."""
    made: Any = import_module("botocore.awsrequest").AWSResponse
    headers: dict[str, str] = {}
    for name, text in answer.headers:
        headers[name] = f"{headers[name]}, {text}" if name in headers else text
    signed.answer = made(signed.request.url, answer.status, headers, _Body(answer.body))
    token = _current.set(signed)
    try:
        # What stands where a failure to send would stand is nothing: all has come.
        (_, found), _ = client._endpoint._get_response(
            signed.request, signed.operation, signed.context
        )
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise _unreadable(signed, answer, headers, error) from error
    finally:
        _current.reset(token)
    parsed: dict[str, Any] = found
    if answer.status >= 300:
        _refuse(client, signed, parsed)
    return parsed


def _unreadable(
    signed: Signed, answer: Answer, headers: Mapping[str, str], error: Exception
) -> Exception:
    """What an answer means on which botocore breaks: it takes each member's type for granted."""
    if answer.status < 300 and isinstance(error, UnicodeDecodeError):
        return ProviderUnavailableError(
            f"Bedrock API error: the reply is not whole JSON: {error}",
            provider="bedrock",
            status=answer.status,
        )
    if answer.status < 300:
        return LLMError(
            "Bedrock API error: the reply is no answer of the runtime's API, though it is JSON;"
            " check the endpoint and what stands between",
            provider="bedrock",
            status=answer.status,
            retry=Retry.IF_REQUESTED,
        )
    lowered = {name.lower(): text for name, text in headers.items()}
    named = lowered.get("x-amzn-errortype", "").partition(":")[0]
    words = answer.body[:_SHOWN].decode("utf-8", "replace")
    response: Any = {
        "Error": {"Code": named or str(answer.status), "Message": words},
        "ResponseMetadata": {"HTTPStatusCode": answer.status, "HTTPHeaders": lowered},
    }
    made: Exception = import_module("botocore.exceptions").ClientError(
        response, signed.operation.name
    )
    return made


def _refuse(client: Any, signed: Signed, parsed: dict[str, Any]) -> NoReturn:
    known = signed.context.get("error_code_override") or parsed.get("Error", {}).get("Code")
    raise client.exceptions.from_code(known)(parsed, signed.operation.name)


def _on_call(model: Any, params: Any, context: Any, **_: object) -> None:
    if (headers := _extra.get()) is not None:
        params["headers"] = {**params["headers"], **headers}
    if (signed := _current.get()) is not None:
        signed.operation, signed.context = model, context


def _on_send(request: Any, **_: object) -> Any:
    if (signed := _current.get()) is None:
        return None
    if signed.answer is None:
        signed.request = request
        raise _SignedError
    return signed.answer


def _text(value: str | bytes) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else value


class _Body(io.BytesIO):
    """A body that botocore reads as it reads urllib3's."""

    def stream(self) -> Iterator[bytes]:
        """Yield it whole."""
        yield self.read()
