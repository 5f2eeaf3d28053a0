"""Connections secured as botocore secures them."""

from __future__ import annotations

import ssl
from importlib import import_module
from typing import Any


def context_of(verify: Any) -> ssl.SSLContext:
    """What *verify* of a botocore session asks for: its own list, that of a file, or no check.

    Raises OSError for a file that is not there or holds no certificates.
    """
    session: Any = import_module("botocore.httpsession")
    context: ssl.SSLContext = session.create_urllib3_context()
    context.set_alpn_protocols(["http/1.1"])
    if verify:
        context.load_verify_locations(session.get_cert_path(verify))
    context.verify_mode = ssl.CERT_REQUIRED if verify else ssl.CERT_NONE
    context.check_hostname = bool(verify)
    return context
