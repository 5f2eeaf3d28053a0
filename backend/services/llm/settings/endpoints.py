"""Checks of providers' addresses, and a warning of plain http."""

from __future__ import annotations

import logging
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import urlsplit

from ..errors import ConfigurationError
from ..redaction.secrets import redacted, url_shown, without_credentials
from ..runtime.host_names import is_web_url

log = logging.getLogger(__name__)

_AWS_EXAMPLE = "https://vpce-1.amazonaws.com"


def web_address(name: str, url: object, example: str) -> str:
    """Return *url* without blanks around it, "" where it is not set.

    Raises `ConfigurationError`, which names *name*, for what is no web address. One that is plain
    `http://` to another machine is warned about, once.
    """
    text = _checked(name, url, example)
    warn_of_plain_http(name, text)
    return text


def groq_endpoint(argument: object, setting: object) -> str:
    """Return the *argument* `base_url`, or `GROQ_BASE_URL` without it, for Groq's SDK.

    Errors are those of `web_address`, and another for a path that the SDK adds.
    """
    name, url = ("base_url", argument) if argument else ("GROQ_BASE_URL", setting)
    text = _checked(name, url, "https://api.groq.com")
    if text.rstrip("/").endswith("/openai/v1"):
        raise ConfigurationError(
            f"{name} is {redacted(text)!r}: leave out /openai/v1, the SDK adds it"
        )
    warn_of_plain_http(name, text)
    return text


def aws_endpoint(argument: object, setting: object) -> str:
    """Return the *argument* `endpoint_url`, or the setting without it; errors as `web_address`."""
    if argument:
        return web_address("endpoint_url", argument, _AWS_EXAMPLE)
    return web_address("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", setting, _AWS_EXAMPLE)


def is_loopback(url: str) -> bool:
    """Whether *url* leads nowhere but to this machine."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def warn_of_plain_http(name: str, url: str) -> None:
    """Warn, once for each address, if keys and prompts would be sent unencrypted."""
    if urlsplit(url).scheme == "http" and not is_loopback(url):
        _warn_once(name, without_credentials(url))


def _checked(name: str, url: object, example: str) -> str:
    text = url.strip() if isinstance(url, str) else None
    if text is None or (text and not _is_web_address(text)):
        shown = redacted(url_shown(url)) if isinstance(url, str) else url
        raise ConfigurationError(f"{name} is {shown!r}: give a URL such as {example}")
    return text


@lru_cache(maxsize=256)
def _warn_once(name: str, shown: str) -> None:
    log.warning("%s is %s: keys and prompts go there unencrypted, give an https URL", name, shown)


def _is_web_address(url: str) -> bool:
    return is_web_url(url) and url.isprintable() and " " not in url
