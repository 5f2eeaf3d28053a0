"""The headers that the SDK takes from the environment are told apart from those nobody can send."""

from __future__ import annotations

import pytest

from services.llm.errors import ConfigurationError
from services.llm.providers.groq.connect import check_custom_headers


@pytest.mark.parametrize(
    "headers", ["", "X-A: b", " X-A : b c\nX-B:d\r\n", "no colon", "no colon\n\nX-A:", "X-A: b:c\t"]
)
def test_headers_that_can_be_sent_are_left_to_the_sdk(
    monkeypatch: pytest.MonkeyPatch, headers: str
) -> None:
    monkeypatch.setenv("GROQ_CUSTOM_HEADERS", headers)
    check_custom_headers()


@pytest.mark.parametrize(
    "headers", ["X-Ü: b", "X-A: hunter2 ü", "X A: b", ": b", "X-A: b\rX-B: c", "X-A: b\nX-B: \x1b"]
)
def test_a_header_that_cannot_is_named_by_its_variable_alone(
    monkeypatch: pytest.MonkeyPatch, headers: str
) -> None:
    monkeypatch.setenv("GROQ_CUSTOM_HEADERS", headers)
    with pytest.raises(ConfigurationError, match=r"^GROQ_CUSTOM_HEADERS ") as caught:
        check_custom_headers()
    assert "hunter2" not in str(caught.value)
