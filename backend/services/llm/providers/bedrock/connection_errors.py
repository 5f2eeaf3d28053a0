"""botocore's errors for what our own connections raise, so that both roads fail alike."""

from __future__ import annotations

import ssl
from importlib import import_module
from typing import Any, NoReturn

from ...http.http1_connections import UnconnectedError


def raise_as_botocore(error: Exception, url: str) -> NoReturn:
    """Raise botocore's exception for *error*, from it; *error* itself where there is none."""
    made = _botocore_error(error, url)
    if made is error:
        raise error
    raise made from error


def _botocore_error(error: Exception, url: str) -> Exception:
    """botocore's exception for *error*; a timeout stays what it is."""
    errors: Any = import_module("botocore.exceptions")
    # With the first failure: a first call waits for no h11.
    h11: Any = import_module("h11")
    cause = error.__cause__ if isinstance(error, UnconnectedError) else None
    made = error
    if isinstance(cause or error, TimeoutError):
        made = TimeoutError("timed out")
    elif isinstance(cause, ssl.SSLError):
        made = errors.SSLError(endpoint_url=url, error=cause)
    elif cause is not None:
        made = errors.EndpointConnectionError(endpoint_url=url, error=cause)
    elif isinstance(error, h11.LocalProtocolError):
        made = errors.HTTPClientError(error=error)
    elif isinstance(error, (OSError, h11.ProtocolError)):
        made = errors.ConnectionClosedError(endpoint_url=url, error=error)
    return made
