"""An endpoint is a web address; what goes to one in the clear is said once."""

from __future__ import annotations

import logging

import pytest

from services.llm.errors import ConfigurationError
from services.llm.settings.endpoints import (
    aws_endpoint,
    groq_endpoint,
    is_loopback,
    warn_of_plain_http,
)


@pytest.mark.parametrize("url", ["https://x/openai/v1", "https://x/openai/v1/"])
def test_an_endpoint_with_the_sdks_own_path_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^GROQ_BASE_URL is "):
        groq_endpoint(None, url)
    for fine in ("https://x", "http://127.0.0.1:8000/proxy", "http://[::1]:80", ""):
        assert fine == groq_endpoint(None, fine)


def test_a_wrong_endpoint_is_named_as_the_argument_or_as_the_setting() -> None:
    with pytest.raises(ConfigurationError, match=r"^base_url is 'nowhere'"):
        groq_endpoint("nowhere", "https://x")
    with pytest.raises(ConfigurationError, match=r"^endpoint_url is 'nowhere'"):
        aws_endpoint("nowhere", "https://x")
    with pytest.raises(ConfigurationError, match=r"^AWS_ENDPOINT_URL_BEDROCK_RUNTIME is 'nowhere'"):
        aws_endpoint(None, "nowhere")
    assert ("https://x", "https://y") == (
        groq_endpoint("", "https://x"),
        aws_endpoint("https://y", ""),
    )


@pytest.mark.parametrize("blank", [" ", "\r", "\t\n"])
def test_blanks_around_an_endpoint_are_not_part_of_it(blank: str) -> None:
    assert "https://x/proxy" == groq_endpoint(None, f"{blank}https://x/proxy{blank}")


@pytest.mark.parametrize(
    "url",
    [
        *("x", "localhost:80", "ftp://x", "http://", "http://[::1", "http://x:99999"),
        *("http://a..b", f"http://{'a' * 64}.test", f"http://{'a.' * 127}", "http://%41.test"),
        *(
            "http://\u0661.test",
            "http://x:port",
            "http://x y",
            "http://\udcff",
            "http://x\n/y",
            5,
            None,
        ),
    ],
)
def test_an_endpoint_that_is_no_web_address_is_refused(url: object) -> None:
    with pytest.raises(ConfigurationError, match=r"^GROQ_BASE_URL is .*https://api\.groq\.com"):
        groq_endpoint(None, url)


def test_a_line_break_in_an_endpoint_is_shown() -> None:
    with pytest.raises(ConfigurationError, match=r"'https://x\\r/proxy'"):
        groq_endpoint(None, "https://x\r/proxy")


@pytest.mark.parametrize("host", ["a_b.test", "a.test.", "é.test", "[::1]:80", "127.0.0.1"])
def test_a_host_that_can_be_looked_up_is_one(host: str) -> None:
    assert f"https://{host}" == groq_endpoint(None, f"https://{host}")


@pytest.mark.parametrize(
    "url",
    [
        *("http://user:pa55word@x/openai/v1", "ftp://user:pa55word@x"),
        *("http://user:a pa55word@x", "http://user:\npa55word@x"),
    ],
)
def test_an_endpoints_password_is_not_shown(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        groq_endpoint(None, url)
    assert "pa55word" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        *(("http://127.0.0.1:80", True), ("http://127.8.8.8", True), ("http://[::1]:80/x", True)),
        *(("http://LOCALHOST", True), ("http://a.localhost.", True), ("http://0.0.0.0", False)),
        *(("http://127.0.0.1.evil.example", False), ("http://localhost@evil.example", False)),
        *(("http://localhost.evil.example", False), ("http://10.0.0.1", False), ("", False)),
    ],
)
def test_loopback_is_this_machine_alone(url: str, expected: bool) -> None:
    assert expected == is_loopback(url)


def test_plain_http_to_another_machine_is_warned_about_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            groq_endpoint(None, "http://user:pa55word@once.example?token=s3cret")
            warn_of_plain_http("GROQ_BASE_URL", "http://127.0.0.1:80")
            warn_of_plain_http("GROQ_BASE_URL", "https://once.example")

    (told,) = [record.getMessage() for record in caplog.records]
    assert told.startswith("GROQ_BASE_URL is http://once.example: keys and prompts")
