"""How boto3's client of the runtime's API is built."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import field
from importlib import import_module
from typing import Any

from ...frozen import dataclass
from ...runtime.fork import ForkLock
from ...runtime.real_sdk import is_real_sdk
from .configuration import configured
from .converse_answer import RAW_BODY
from .default_session import make_default_session
from .transport import adopted

#: So much is kept of a body that is no answer, in bytes.
_KEPT = 64 * 1024

#: Seconds until another service answers, or sends the next bytes.
_SHORT = 60.0

# Held while boto3 makes a client, which it cannot do in two threads at once.
_connecting = ForkLock()


@contextmanager
def connecting() -> Iterator[None]:
    """Let boto3 read its configuration, in one thread at a time.

    Raises ConfigurationError for a configuration that boto3 cannot use.
    """
    with _connecting, configured():
        yield


@dataclass(frozen=True)
class BedrockConnection:
    """Where and how Bedrock is called; *find_boto3* looks up what stands for that module now.

    *timeout* is in seconds, *limit* the largest answer in MiB; None as *endpoint_url* is AWS's.
    """

    find_boto3: Callable[[], Any]
    region_name: str
    endpoint_url: str | None
    credentials: Mapping[str, str] = field(repr=False)
    timeout: float
    max_connections: int
    limit: float

    def connect(self) -> Any:
        """Build the SDK's client, or what a test has put in its place."""
        config = import_module("botocore.config").Config(
            # Retries have one owner, and it is not the SDK.
            retries={"total_max_attempts": 1},
            connect_timeout=self.timeout,
            read_timeout=self.timeout,
            max_pool_connections=self.max_connections,
            tcp_keepalive=True,
        )
        with connecting():
            boto3 = self.find_boto3()
            make_default_session(boto3)
            sdk = boto3.client(
                "bedrock-runtime",
                region_name=self.region_name,
                endpoint_url=self.endpoint_url,
                config=config,
                **self.credentials,
            )
            return _prepared(sdk) if is_real_sdk(sdk, "botocore") else sdk


def connect_service(connection: BedrockConnection, service: str, endpoint_url: str) -> Any:
    """Build boto3's client of another *service*; "" as *endpoint_url* is AWS's own."""
    config = import_module("botocore.config").Config(
        retries={"total_max_attempts": 1}, connect_timeout=_SHORT, read_timeout=_SHORT
    )
    with connecting():
        return connection.find_boto3().client(
            service,
            region_name=connection.region_name,
            endpoint_url=endpoint_url or None,
            config=config,
            **connection.credentials,
        )


def _prepared(sdk: Any) -> Any:
    prepared = adopted(sdk)
    prepared.meta.events.register("response-received.bedrock-runtime.Converse", _keep_raw_body)
    return prepared


def _keep_raw_body(
    response_dict: dict[str, Any] | None, parsed_response: dict[str, Any] | None, **_: Any
) -> None:
    """Keep the body of a reply of which botocore knows no member, and which it would drop."""
    if response_dict and parsed_response and parsed_response.keys() <= {"ResponseMetadata"}:
        head = response_dict["body"][:_KEPT]
        parsed_response[RAW_BODY] = head.decode("utf-8", "replace")
