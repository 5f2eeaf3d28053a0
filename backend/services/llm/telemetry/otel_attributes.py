"""What spans and metrics of a call have in common, made once for all calls that are alike."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from ..events import CallInfo

_PROVIDERS = {"groq": "groq", "bedrock": "aws.bedrock"}
_PORTS = {"https": 443, "http": 80}


def attributes_of(call: CallInfo, *further: tuple[str, str]) -> Mapping[str, Any]:
    """Return the attributes of *call*, and *further* ones: the same object for those alike."""
    return _attributes(call.provider, call.model, call.endpoint, further)


# More than the models, outcomes and kinds of tokens that an application has.
@lru_cache(maxsize=1024)
def _attributes(
    provider: str, model: str, endpoint: str, further: tuple[tuple[str, str], ...]
) -> Mapping[str, Any]:
    attributes: dict[str, Any] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": _PROVIDERS[provider],
        "gen_ai.request.model": model,
    }
    parts = urlsplit(endpoint)
    if parts.hostname:
        attributes["server.address"] = parts.hostname
        attributes["server.port"] = parts.port or _PORTS[parts.scheme]
    return MappingProxyType({**attributes, **dict(further)})
