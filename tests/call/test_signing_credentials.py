"""Whether botocore, when it signs, may have to ask the network for credentials first."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.credentials import Credentials, DeferredRefreshableCredentials
from botocore.credentials import RefreshableCredentials as Refreshable
from botocore.tokens import FrozenAuthToken

from services.llm.providers.bedrock.credentials import may_block


def client(keys: object = None, token: object = None) -> Any:
    return SimpleNamespace(_request_signer=SimpleNamespace(_credentials=keys, _auth_token=token))


def temporary(hours: float) -> Refreshable:
    """Keys that expire after so many hours."""
    ends = datetime.now(timezone.utc) + timedelta(hours=hours)
    return Refreshable("AKIA", "secret", "token", ends, dict, "sts")


@pytest.mark.parametrize(
    ("client", "expected"),
    [
        (client(), False),
        (client(Credentials("AKIA", "secret")), False),
        (client(temporary(1)), False),
        (client(temporary(-1)), True),
        (client(DeferredRefreshableCredentials(dict, "sts")), True),
        (client(SimpleNamespace(access_key="AKIA")), True),
        (client(token=FrozenAuthToken("bearer")), False),
        (client(token=SimpleNamespace(token="bearer")), True),
        (SimpleNamespace(), True),
    ],
    ids=[
        *("no keys", "lasting", "fresh", "stale", "never fetched", "of a host's own kind"),
        *("a bearer token", "one that is fetched", "another botocore"),
    ],
)
def test_only_what_is_read_at_once_is_signed_with_on_an_event_loop(
    client: Any, expected: bool
) -> None:
    assert expected == may_block(client)
