"""The options that both providers share under one name, as Converse's and InvokeModel's members."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from ..fields import member, text
from ..request_checks import invalid_request

#: Groq's word for what Bedrock calls its default.
_TIERS = {"on_demand": "default"}
_NOT_HERE = ("auto", "performance")
#: botocore 1.44.5, RequestMetadata.
_MOST_METADATA = 16
_GUARDRAIL = frozenset({"id", "version", "trace"})


def converse_members(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members that the common ones of *options* stand for.

    Raises InvalidRequestError for a value that Bedrock has no form for, and for one given twice.
    """
    members: dict[str, Any] = {}
    for name, (own, write) in _CONVERSE.items():
        if name in options:
            _check_alone(name, own, options)
            members[own] = write(options[name])
    return members


def invoke_members(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keywords of `invoke_model` that the common ones of *options* stand for."""
    call: dict[str, Any] = {}
    for name, own in _KEYWORDS.items():
        _check_alone(name, own, options)
    if "service_tier" in options:
        call["serviceTier"] = _tier(options["service_tier"])
    if "guardrail" in options:
        config = _guardrail(options["guardrail"])
        trace = {"trace": "ENABLED"} if config.pop("trace", None) else {}
        call |= config | trace
    if "metadata" in options:
        call["requestMetadata"] = json.dumps(_metadata(options["metadata"]))
    return call


def _check_alone(name: str, own: str, options: Mapping[str, Any]) -> None:
    if name in options and own in options:
        raise invalid_request("bedrock", f"{name} and {own} are one: give either")


def _tier(value: object) -> str:
    if not isinstance(value, str) or value in _NOT_HERE:
        raise invalid_request(
            "bedrock",
            f"Bedrock has no service_tier {value!r:.40}: give default, priority, flex or reserved",
        )
    return _TIERS.get(value, value)


def _service_tier(value: object) -> dict[str, Any]:
    return {"type": _tier(value)}


def _guardrail(value: object) -> dict[str, Any]:
    identity, version = text(value, "id"), text(value, "version")
    if (
        not isinstance(value, Mapping)
        or not (identity and version)
        or not value.keys() <= _GUARDRAIL
    ):
        raise invalid_request(
            "bedrock",
            'guardrail must be {"id": ..., "version": ...}, with "trace": True if need be',
        )
    config = {"guardrailIdentifier": identity, "guardrailVersion": version}
    return config | ({"trace": "enabled"} if member(value, "trace") else {})


def _metadata(value: object) -> dict[str, str]:
    metadata = value if isinstance(value, Mapping) else {}
    of_texts = all(isinstance(each, str) for each in metadata.values())
    if not of_texts or not 1 <= len(metadata) <= _MOST_METADATA:
        raise invalid_request(
            "bedrock",
            f"metadata must be a mapping of texts to texts, 1 to {_MOST_METADATA} of them",
        )
    return dict(metadata)


_CONVERSE: dict[str, tuple[str, Callable[[object], Any]]] = {
    "service_tier": ("serviceTier", _service_tier),
    "guardrail": ("guardrailConfig", _guardrail),
    "metadata": ("requestMetadata", _metadata),
}
#: The keywords of InvokeModel for the same.
_KEYWORDS = {
    "service_tier": "serviceTier",
    "guardrail": "guardrailIdentifier",
    "metadata": "requestMetadata",
}
#: Their names.
COMMON = frozenset(_CONVERSE)
