"""Real SDK clients that talk to the sandbox, with their own retries off."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import groq
import pytest
from botocore.config import Config

from sandbox import Sandbox
from sandbox.pytest_plugin import sandbox

__all__ = ["sandbox"]

HELLO = [{"role": "user", "content": "hello"}]
HELLO_CONVERSE = [{"role": "user", "content": [{"text": "hello"}]}]


@pytest.fixture
def groq_client(sandbox: Sandbox) -> Iterator[groq.Groq]:
    with groq.Groq(api_key="gsk_test", base_url=sandbox.url, max_retries=0, timeout=30) as client:
        yield client


@pytest.fixture
def make_bedrock() -> Iterator[Callable[..., Any]]:
    """Builds bedrock-runtime clients for a URL and an access key id; closes them afterwards."""
    clients = []

    def make(url: str, key: str = "AKIATEST", timeout: float = 30) -> Any:
        client = boto3.client(
            "bedrock-runtime",
            region_name="us-east-1",
            endpoint_url=url,
            aws_access_key_id=key,
            aws_secret_access_key="secret",
            config=Config(retries={"total_max_attempts": 1}, read_timeout=timeout),
        )
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def bedrock_client(sandbox: Sandbox, make_bedrock: Callable[..., Any]) -> Any:
    return make_bedrock(sandbox.url)
