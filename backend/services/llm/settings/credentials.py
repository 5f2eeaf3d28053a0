"""Checks of API keys; an error names the variable and never shows the key."""

from __future__ import annotations

import os

from pydantic import SecretStr

from ..errors import ConfigurationError
from .knobs import Knobs

#: What boto3 reads for itself, before any other credentials.
_TOKEN = "AWS_BEARER_TOKEN_BEDROCK"


def secret(name: str, value: object, *, is_set: bool = False) -> str:
    """Return the text of a secret, or "" where it is not set or blank.

    Raises `ConfigurationError`, which names the variable and not the value, for what cannot be
    sent in a header, and where *is_set* for a placeholder too: it stands in settings that are to
    be used. In an argument, or before a test's stand-in, it is as good as any other.
    """
    # No variable here holds the text: reporters of errors show those of a traceback.
    if problem := _fault_of(_text_of(value), is_set=is_set):
        raise ConfigurationError(f"{name} {problem}")
    return _text_of(value)


def aws_credentials(knobs: Knobs, *, is_real: bool = True) -> dict[str, str]:
    """Return what boto3 takes of the credentials that are set; nothing leaves it its own chain.

    *is_real* tells boto3 from a test's stand-in. Raises `ConfigurationError` for half a pair of
    keys, for a token of the environment's that boto3 would send as it is, and as `secret` does.
    """
    if is_real and (token := os.environ.get(_TOKEN)) and not secret(_TOKEN, token):
        raise ConfigurationError(f"{_TOKEN} is blank, and boto3 would send it: unset it")
    named = {
        name.lower(): secret(name, getattr(knobs, name), is_set=is_real)
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    }
    if bool(named["aws_access_key_id"]) != bool(named["aws_secret_access_key"]):
        raise ConfigurationError(
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY go together: one of them is not set"
        )
    return {name: value for name, value in named.items() if value}


def _text_of(value: object) -> str:
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    return text if isinstance(text, str) and text.strip() else ""


def _fault_of(text: str, *, is_set: bool) -> str | None:
    if any(not "!" <= character <= "~" for character in text):
        return (
            "has a space, a line break or a non-ASCII character in it or around it:"
            " copy the key again, without quotes or line breaks"
        )
    if is_set and _is_placeholder(text):
        return "still has the placeholder of .env.example: put the key in"
    return None


def _is_placeholder(text: str) -> bool:
    folded = text.casefold().replace("_", "-")
    return folded.startswith(("your-", "<")) and folded.endswith(
        ("key", "key-id", "here", ">", "token")
    )
