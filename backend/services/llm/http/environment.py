"""What the environment says of proxies and certificates, read once, its faults named."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from ipaddress import ip_address, ip_network
from urllib.request import getproxies

import httpx

from ..errors import ConfigurationError
from ..frozen import dataclass
from ..redaction.secrets import redacted, url_shown
from ..runtime.host_names import is_host_name, is_port
from .key_log import check_key_log

_KINDS = ("http", "https", "socks5", "socks5h")


@dataclass(frozen=True)
class Proxies:
    """The proxies of the environment, by the scheme of what is asked, and who needs none."""

    by_scheme: Mapping[str, httpx.Proxy]
    exempt: tuple[str, ...]

    def proxy_for(self, url: httpx.URL) -> httpx.Proxy | None:
        """The proxy through which *url* is asked, as httpx chooses it; None: no proxy."""
        if any(_is_exempt(url, entry) for entry in self.exempt):
            return None
        return self.by_scheme.get(url.scheme) or self.by_scheme.get("all")


def checked(url: str) -> Proxies:
    """The proxies, once it is known that *url* can be asked; "" is any place that is by TLS.

    Raises ConfigurationError that names the variable which stands in the way.
    """
    proxies = read_proxies()
    check_certificates()
    if not url.startswith("http://"):
        trusted()
    return proxies


def read_proxies() -> Proxies:
    """Read HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, or what the system has for them.

    Raises ConfigurationError that names the variable.
    """
    known = getproxies()
    exempt = tuple(filter(None, (entry.strip() for entry in known.get("no", "").split(","))))
    for entry in exempt:
        _check_exempt(entry)
    by_scheme = {
        scheme: _proxy(scheme, known[scheme])
        for scheme in ("http", "https", "all")
        if known.get(scheme)
    }
    return Proxies(by_scheme, exempt)


def trusted() -> ssl.SSLContext:
    """Who is trusted: SSL_CERT_FILE's or SSL_CERT_DIR's authorities, else those httpx brings.

    All clients share one, which takes tens of milliseconds to make. Raises ConfigurationError
    that names the variable.
    """
    stamps = check_certificates()
    return _context(stamps)


def check_certificates() -> tuple[object, ...]:
    """Raise ConfigurationError for a variable that names no file or directory.

    Returns what changes as soon as the files do.
    """
    stamps: list[object] = [os.environ.get("SSLKEYLOGFILE")]
    for name, exists in (("SSL_CERT_FILE", os.path.isfile), ("SSL_CERT_DIR", os.path.isdir)):
        path = os.environ.get(name)
        if path and not exists(path):
            what = "file" if name == "SSL_CERT_FILE" else "directory"
            raise ConfigurationError(f"{name} is {redacted(path)!r}: there is no such {what}")
        stamps += [path, os.stat(path).st_mtime_ns if path else 0]
    return tuple(stamps)


@lru_cache(maxsize=4)
def _context(stamps: tuple[object, ...]) -> ssl.SSLContext:
    check_key_log()
    try:
        return httpx.create_ssl_context()
    except OSError as error:  # SSLError is one
        named = "SSL_CERT_FILE" if os.environ.get("SSL_CERT_FILE") else "SSL_CERT_DIR"
        shown = redacted(os.environ.get(named, ""))
        raise ConfigurationError(
            f"{named} is {shown!r}: no certificates can be read there"
        ) from error


def _proxy(scheme: str, value: str) -> httpx.Proxy:
    name = _variable(f"{scheme}_proxy")
    if any(each.isspace() or not each.isprintable() for each in value):
        raise ConfigurationError(f"{name} has a space or a line break in it or around it")
    url = value if "://" in value else f"http://{value}"
    try:
        proxy = httpx.Proxy(url)
        problem = "" if proxy.url.host else "it has no host"
        if proxy.url.host and not is_host_name(proxy.url.host):
            problem = "there can be no such host"
        if not is_port(proxy.url.port):
            problem = "its port is not one of 1 to 65535"
    except (ValueError, httpx.InvalidURL):
        problem = f"it is no URL of the kinds {', '.join(_KINDS)}"
    if problem:
        # Not chained: the other exception quotes the URL, which may hold a password.
        raise ConfigurationError(f"{name} is {redacted(url_shown(url))!r}: {problem}") from None
    return proxy


def _check_exempt(entry: str) -> None:
    """Refuse what httpx refuses, and what would silently match nothing."""
    try:
        address, _, _ = entry.partition("/")
        is_network_of_6 = "/" in entry and ":" in address and "://" not in entry
        url = httpx.URL(entry if "://" in entry else f"all://{_bracketed(entry)}")
        is_one = not is_network_of_6 and is_port(url.port)
    except (ValueError, httpx.InvalidURL):
        is_one = False
    if not is_one:
        raise ConfigurationError(
            f"{_variable('no_proxy')} has {redacted(entry)!r}: write host names, domains and"
            " addresses, with a port of 1 to 65535 if any, without an IPv6 network"
        ) from None


def _is_exempt(url: httpx.URL, entry: str) -> bool:
    if entry == "*":
        return True
    if "://" in entry:
        named = httpx.URL(entry)
        is_same_port = named.port in (None, url.port)
        return named.scheme in ("all", url.scheme) and named.host == url.host and is_same_port
    with suppress(ValueError):
        return ip_address(url.host) in ip_network(entry, strict=False)
    host, _, port = entry.lower().lstrip(".").partition(":")
    if port and port != str(url.port or {"http": 80, "https": 443}[url.scheme]):
        return False
    return url.host == host or url.host.endswith(f".{host}")


def _bracketed(entry: str) -> str:
    return f"[{entry}]" if entry.count(":") > 1 and not entry.startswith("[") else entry


def _variable(name: str) -> str:
    """The variable's name as it is spelled in the environment; the system may have its own."""
    spelled = (each for each in (name, name.upper()) if os.environ.get(each))
    return next(spelled, name.upper())
