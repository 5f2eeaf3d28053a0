"""Proxies and certificates of the environment, as httpx reads them, faults named."""

from __future__ import annotations

from pathlib import Path

import certifi
import httpx
import pytest

from services.llm.errors import ConfigurationError
from services.llm.http import environment
from services.llm.http.environment import read_proxies, trusted

PROXY = "http://proxy.test:3128"


def chosen(url: str) -> str | None:
    proxy = read_proxies().proxy_for(httpx.URL(url))
    return None if proxy is None else str(proxy.url)


@pytest.mark.parametrize(
    ("variables", "url", "expected"),
    [
        ({}, "https://a.test", None),
        ({"HTTPS_PROXY": PROXY}, "https://a.test", PROXY),
        ({"https_proxy": PROXY}, "https://a.test", PROXY),
        ({"HTTPS_PROXY": "proxy.test:3128"}, "https://a.test", PROXY),
        ({"HTTPS_PROXY": PROXY}, "http://a.test", None),
        ({"ALL_PROXY": PROXY}, "http://a.test", PROXY),
        ({"HTTP_PROXY": PROXY, "ALL_PROXY": "http://b.test"}, "http://a.test", PROXY),
    ],
)
def test_the_proxy_of_a_scheme_is_found(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], url: str, expected: str | None
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert expected == chosen(url)


@pytest.mark.parametrize(
    ("exempt", "host", "direct"),
    [
        ("*", "a.test", True),
        ("a.test", "a.test", True),
        ("a.test", "b.a.test", True),
        (".a.test", "b.a.test", True),
        ("a.test", "ba.test", False),
        ("other, a.test ,", "a.test", True),
        ("localhost", "localhost", True),
        ("a.test:8443", "a.test:8443", True),
        ("a.test:443", "a.test", True),
        ("a.test:8443", "a.test", False),
        ("127.0.0.1", "127.0.0.1", True),
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("::1", "[::1]", True),
        ("::1", "[::2]", False),
        ("https://a.test", "a.test", True),
        ("all://a.test", "a.test", True),
        ("http://a.test", "a.test", False),
    ],
)
def test_no_proxy_is_obeyed(
    monkeypatch: pytest.MonkeyPatch, exempt: str, host: str, direct: bool
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    monkeypatch.setenv("NO_PROXY", exempt)
    assert (None if direct else PROXY) == chosen(f"https://{host}")


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("NO_PROXY", "localhost,::1/128", "::1/128"),
        ("no_proxy", "fd00::/8", "fd00::/8"),
        ("NO_PROXY", "http://a.test:port", "a.test:port"),
        ("HTTPS_PROXY", "ftp://a.test", "kinds"),
        ("all_proxy", "socks4://a.test", "kinds"),
        ("HTTP_PROXY", "http://a.test:port", "kinds"),
        ("HTTP_PROXY", "http://", "no host"),
        *(("HTTPS_PROXY", f"http://a.test:{port}", "port") for port in (0, 65536, 99999999)),
        ("ALL_PROXY", "a.test:70000", "port"),
        ("all_proxy", "socks5://me:pw@a.test:0", "port"),
        ("HTTPS_PROXY", " http://a.test:1", "a space or a line break"),
        ("HTTPS_PROXY", "http://a.test:1\r", "a space or a line break"),
        ("HTTPS_PROXY", "http://a b", "a space or a line break"),
        ("HTTPS_PROXY", "http://a..b:1", "no such host"),
        ("ALL_PROXY", f"socks5://{'a' * 64}.test", "no such host"),
        ("HTTP_PROXY", "http://a%20b.test", "no such host"),
        ("NO_PROXY", "a.test:70000", "a.test:70000"),
        ("NO_PROXY", "https://a.test:0", "a.test:0"),
    ],
)
def test_a_variable_that_cannot_work_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, problem: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=f"^{name} .*{problem}"):
        read_proxies()


@pytest.mark.parametrize(
    "proxy", ["ftp://me:hunter2@a.test", "ftp://me:a hunter2@a.test", "http://me:\nhunter2@a.test"]
)
def test_the_password_of_a_proxy_is_not_shown(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(ConfigurationError, match=r"^HTTPS_PROXY ") as caught:
        read_proxies()
    assert "hunter2" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_socks_proxy_needs_no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://a.test")
    assert "socks5://a.test" == chosen("https://b.test")


def test_what_the_system_says_has_the_variables_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "getproxies", lambda: {"no": "::1/128"})
    with pytest.raises(ConfigurationError, match=r"^NO_PROXY"):
        read_proxies()


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_certificates_that_are_not_there_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    monkeypatch.setenv(name, str(tmp_path / "none"))
    with pytest.raises(ConfigurationError, match=f"^{name} .*no such"):
        trusted()


def test_a_file_without_certificates_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("none", encoding="ascii")
    monkeypatch.setenv("SSL_CERT_FILE", str(empty))
    with pytest.raises(ConfigurationError, match=r"^SSL_CERT_FILE .*no certificates"):
        trusted()


def test_a_key_log_that_cannot_be_written_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, one_certificate: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(one_certificate))
    for path in (tmp_path, tmp_path / "none" / "keys", "a\udcff/keys"):
        monkeypatch.setenv("SSLKEYLOGFILE", str(path))
        with pytest.raises(ConfigurationError, match=r"^SSLKEYLOGFILE is .*cannot be written: \w"):
            trusted()


def test_a_key_log_is_written_where_one_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, one_certificate: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(one_certificate))
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    assert str(tmp_path / "keys") == trusted().keylog_filename


def test_all_clients_share_one_context_until_the_environment_changes(
    monkeypatch: pytest.MonkeyPatch, one_certificate: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(one_certificate))
    first = trusted()
    assert first is trusted()
    monkeypatch.setenv("SSL_CERT_FILE", certifi.where())
    assert first is not trusted()
