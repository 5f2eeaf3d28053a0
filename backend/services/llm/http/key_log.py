"""SSLKEYLOGFILE, into which Python writes the secrets of TLS connections for a developer."""

from __future__ import annotations

import os
import sys

from ..errors import ConfigurationError
from ..redaction.secrets import redacted


def check_key_log() -> None:
    """Raise ConfigurationError where SSLKEYLOGFILE names a file that cannot be written.

    Python would raise the same error as for certificates that cannot be read.
    """
    path = os.environ.get("SSLKEYLOGFILE")
    # Python ignores the variable then, too.
    if not path or sys.flags.ignore_environment:
        return
    try:
        with open(path, "ab"):
            pass
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"SSLKEYLOGFILE is {redacted(path)!r}, which cannot be written:"
            f" {getattr(error, 'strerror', None) or error}"
        ) from error
