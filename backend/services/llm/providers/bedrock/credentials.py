"""Whether signing may have to ask the network for credentials first."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def may_block(client: Any) -> bool:
    """Whether *client* may look for new credentials when it signs, which can take any time.

    Keys that stay as they are, and temporary ones that are fresh, are only read.
    """
    try:
        token = client._request_signer._auth_token
        keys = client._request_signer._credentials
        if token is not None and type(token).__name__ != "FrozenAuthToken":
            return True
        known: Any = import_module("botocore.credentials")
        if keys is None or type(keys) is known.Credentials:
            return False
        return not isinstance(keys, known.RefreshableCredentials) or keys.refresh_needed()
    except AttributeError:
        return True  # a botocore that keeps them elsewhere
