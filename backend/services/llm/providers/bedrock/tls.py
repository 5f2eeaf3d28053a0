"""Connections secured as botocore secures them."""

from __future__ import annotations

import os
import ssl
from functools import lru_cache
from importlib import import_module
from typing import Any


def context_of(verify: Any) -> ssl.SSLContext:
    """What *verify* of a botocore session asks for: its own list, that of a file, or no check.

    It takes milliseconds to make, and is made anew where the file has changed. Raises OSError for
    a file that is not there or holds no certificates.
    """
    stamp = os.stat(verify).st_mtime_ns if isinstance(verify, str) else 0
    return _made(verify, stamp)


@lru_cache(maxsize=4)
def _made(verify: Any, stamp: int) -> ssl.SSLContext:
    session: Any = import_module("botocore.httpsession")
    context: ssl.SSLContext = session.create_urllib3_context()
    context.set_alpn_protocols(["http/1.1"])
    if verify:
        context.load_verify_locations(session.get_cert_path(verify))
    context.verify_mode = ssl.CERT_REQUIRED if verify else ssl.CERT_NONE
    context.check_hostname = bool(verify)
    return context
