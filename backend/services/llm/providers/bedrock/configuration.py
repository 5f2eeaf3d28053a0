"""Where Bedrock is asked, and what is wrong with how a host has set that up."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote, urlsplit

from ...errors import ConfigurationError
from ...http.key_log import check_key_log
from ...redaction.secrets import redacted, url_shown
from ...runtime.host_names import is_web_url
from ..foreign_errors import class_names
from .default_session import make_default_session

#: Where nothing names a region.
DEFAULT_REGION = "us-east-1"

_REGION = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)")
_ARN = re.compile(r"arn:[^:]*:[^:]*:([^:]+):")

#: Shorter values than this occur in any text.
_TELLING = 3


def region_of(argument: str | None, setting: str, boto3: Any) -> str:
    """The region: the argument's, the setting's, that of *boto3*'s own look-up, else us-east-1.

    boto3 looks at its default session, AWS_DEFAULT_REGION and the profile. Raises
    ConfigurationError for what is no region.
    """
    if named := (argument or "").strip():
        return _region("region_name", named)
    if setting.strip():
        return _region("AWS_REGION", setting.strip())
    make_default_session(boto3)
    # A test's stand-in for boto3 may have no sessions, or one that names no region.
    if getattr(boto3, "DEFAULT_SESSION", None) is None:
        getattr(boto3, "setup_default_session", lambda: None)()
    found = getattr(getattr(boto3, "DEFAULT_SESSION", None), "region_name", None)
    known = isinstance(found, str) and found
    return _region("AWS_DEFAULT_REGION", str(found)) if known else DEFAULT_REGION


def check_arn(model: str, region: str) -> None:
    """Raise ConfigurationError if *model* is an ARN of another region than the client's."""
    named = _ARN.match(model)
    if named and named[1] != region:
        raise ConfigurationError(
            f"The model's ARN is of the region {named[1]} and the client's region is {region}:"
            " set AWS_REGION (or region_name) to the ARN's",
            provider="bedrock",
        )


@contextmanager
def configured() -> Iterator[None]:
    """Turn what boto3 says of a host's files and variables into a ConfigurationError.

    It names the variables whose values boto3 complains about.
    """
    check_key_log()
    try:
        yield
    except ConfigurationError:
        raise
    except Exception as error:
        if not (
            isinstance(error, (ValueError, OSError)) or class_names(error, "botocore", "boto3")
        ):
            raise
        text = str(error)
        named = [
            name
            for name, value in sorted(os.environ.items())
            if name.startswith("AWS_") and not name.endswith(("_KEY", "_TOKEN", "_KEY_ID"))
            if len(value) >= _TELLING and value in text
        ]
        prefix = f"{', '.join(named)}: " if named else ""
        raise ConfigurationError(
            f"{prefix}boto3 cannot be set up: {redacted(text)}", provider="bedrock"
        ) from error


def check_session(client: Any) -> None:
    """Raise ConfigurationError for a proxy or a list of certificates that cannot be used.

    botocore meets them with the first call.
    """
    session = getattr(getattr(client, "_endpoint", None), "http_session", None)
    proxies = getattr(getattr(session, "_proxy_config", None), "_proxies", None)
    scheme = urlsplit(str(client.meta.endpoint_url)).scheme
    if isinstance(proxies, dict) and (proxy := proxies.get(scheme)):
        _check_proxy(scheme, str(proxy))
    verify = getattr(session, "_verify", None)
    if isinstance(verify, str):
        _check_certificates(verify)


def _region(name: str, region: str) -> str:
    if not _REGION.fullmatch(region):
        raise ConfigurationError(
            f"{name} is {region!r}: give an AWS region such as {DEFAULT_REGION}",
            provider="bedrock",
        )
    return region


def _check_proxy(scheme: str, proxy: str) -> None:
    # botocore takes "host:port" and "//host:port" for a proxy of HTTP.
    full = proxy if "://" in proxy else f"http://{proxy.removeprefix('//')}"
    is_one = is_web_url(full)
    if is_one:
        parts = urlsplit(full)
        is_one = _is_sendable(proxy, parts.username, parts.password)
    if not is_one or " " in proxy:
        names = (f"{scheme}_proxy", f"{scheme.upper()}_PROXY")
        named = next((name for name in names if os.environ.get(name)), names[1])
        spaced = any(each.isspace() for each in proxy)
        problem = ", with a space or a line break in it or around it" if spaced else ""
        raise ConfigurationError(
            f"{named} is {redacted(url_shown(full))!r}{problem}: give a proxy such as"
            " http://proxy.example:3128",
            provider="bedrock",
        )


def _is_sendable(*texts: str | None) -> bool:
    """Whether botocore can write a proxy's user and password: once decoded, ASCII."""
    decoded = [unquote(each or "") for each in texts]
    return all(each.isascii() and each.isprintable() for each in decoded)


def _check_certificates(file: str) -> None:
    from .tls import context_of  # costs a moment that few have to pay

    try:
        context_of(file)
    except OSError as error:
        names = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE")
        named = next((name for name in names if os.environ.get(name) == file), "ca_bundle")
        raise ConfigurationError(
            f"{named} is {file!r}, which cannot be read as a list of certificates:"
            f" {redacted(str(error))}",
            provider="bedrock",
        ) from error
