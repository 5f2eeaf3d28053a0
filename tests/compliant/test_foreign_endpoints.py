"""A key does not go to an endpoint that a file of another place names."""

from __future__ import annotations

import pytest

from services.groq_compliant.session import _refuse_foreign_endpoint
from services.groq_compliant.sources import Found, InputError
from services.llm.settings.environment import ENVIRONMENT, VariableSource

URL = "https://elsewhere.example/v1"
DOTENV = "/shared/.env"


@pytest.mark.parametrize(
    ("url", "endpoint_in", "key_in", "is_refused"),
    [
        (URL, DOTENV, ENVIRONMENT, True),
        (URL, DOTENV, "/home/.env", True),
        (URL, DOTENV, DOTENV, False),
        (URL, ENVIRONMENT, DOTENV, False),
        (URL, None, ENVIRONMENT, False),  # as with --base-url
        ("", DOTENV, ENVIRONMENT, False),
        ("http://127.0.0.1:9/v1", DOTENV, ENVIRONMENT, False),
    ],
)
def test_a_key_from_elsewhere_is_kept_from_a_files_endpoint_but_on_this_machine(
    url: str, endpoint_in: str | None, key_in: str, is_refused: bool
) -> None:
    places = [VariableSource(endpoint_in, {"GROQ_BASE_URL": url})] if endpoint_in else []
    found = Found("GROQ_API_KEYS", "gsk_secret", key_in)
    if is_refused:
        with pytest.raises(InputError, match=f"in {DOTENV}, and GROQ_API_KEYS is from") as caught:
            _refuse_foreign_endpoint(url, found, places)
        assert "gsk_secret" not in str(caught.value)
    else:
        _refuse_foreign_endpoint(url, found, places)
