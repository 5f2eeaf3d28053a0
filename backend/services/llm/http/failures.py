"""httpcore's failures as httpx's, without the frames that hold a request's headers."""

from __future__ import annotations

import httpcore
import httpx

from ..runtime.signals import handler_traceback

#: What httpcore raises; httpx has a class of the same name for each.
HTTPCORE_ERRORS = (
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.UnsupportedProtocol,
)


def as_httpx(error: BaseException, request: httpx.Request) -> httpx.RequestError:
    """httpx's exception for httpcore's *error*, which becomes its cause."""
    kind: type[httpx.RequestError] = getattr(httpx, type(error).__name__, httpx.TransportError)
    translated = kind(str(error), request=request)
    translated.__cause__ = without_traceback(error)
    return translated


def without_traceback(error: BaseException) -> BaseException:
    """*error* itself, once it and its causes have forgotten where they were raised.

    Reporters show the variables of each frame, and in httpcore's and h11's these are headers:
    the key is among them. A signal handler's own frames stay: by them its error is known.
    """
    step: BaseException | None = error
    seen: set[int] = set()
    while step is not None and id(step) not in seen:
        seen.add(id(step))
        step.__traceback__ = handler_traceback(step)
        step = step.__cause__ or step.__context__
    return error
