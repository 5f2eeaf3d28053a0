"""botocore's errors for what our own connections raise: a host catches the same of both."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from ...http.http1_connections import UnconnectedError


@contextmanager
def botocore_errors(url: str) -> Iterator[None]:
    """Raise botocore's exception for what a connection raises in the block, from it."""
    try:
        yield
    except Exception as error:
        if (made := _botocore_error(error, url)) is error:
            raise
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
