"""Where the groq package is missing, or a test pretends that it is."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest

from services import llm_client
from services.llm_client import GroqClient, create_llm_client
from tests.compat.support import BACKEND, run_python

MISSING = """
import json, sys
{before}
sys.modules["groq"] = None
{load}
llm_client.settings = type("Host", (), {{"USE_GROQ": True, "GROQ_API_KEY": "test-key"}})
told = []
for build in (lambda: llm_client.GroqClient(api_key="test-key"), llm_client.create_llm_client):
    try:
        build()
    except ImportError as error:
        told.append(str(error).partition(".")[0])
{after}
print(json.dumps([llm_client.GROQ_AVAILABLE, llm_client.Groq is None, told]))
"""

LOADED = "from services import llm_client; llm_client.Groq"
RELOAD = "import importlib; importlib.reload(llm_client)"
TOLD = ["Groq library not installed"] * 2


def missing(**parts: str) -> Any:
    return run_python(MISSING.format(**{"before": "", "after": "", **parts}), BACKEND)


def test_the_module_imports_and_the_client_says_what_is_missing() -> None:
    assert missing(load="from services import llm_client") == [False, True, TOLD]


def test_a_reload_notices_that_the_package_is_gone() -> None:
    assert missing(before=LOADED, load=RELOAD) == [False, True, TOLD]


def test_a_reload_notices_that_the_package_is_back() -> None:
    back = f"del sys.modules['groq']; {RELOAD}"

    assert missing(before=LOADED, load=RELOAD, after=back) == [True, False, TOLD]


def test_a_stand_in_for_the_package_counts_as_the_package() -> None:
    code = """
import json, sys, types
from unittest.mock import MagicMock
sys.modules["groq"] = types.ModuleType("groq")
sys.modules["groq"].Groq = MagicMock()
from services import llm_client
client = llm_client.GroqClient(api_key="test-key")
client.client.chat.completions.create.return_value.choices[0].message.content = "Hello!"
print(json.dumps([llm_client.GROQ_AVAILABLE, client.generate("Say hello")]))
"""

    assert run_python(code, BACKEND) == [True, "Hello!"]


def test_groq_available_false_wins_over_a_package_that_is_there(settings: SimpleNamespace) -> None:
    settings.USE_GROQ, settings.GROQ_API_KEY = True, "test-key"
    with patch("services.llm_client.GROQ_AVAILABLE", False), patch("services.llm_client.Groq"):
        with pytest.raises(ImportError, match=r"^Groq library not installed"):
            GroqClient(api_key="test-key")
        with pytest.raises(ImportError, match=r"^Groq library not installed"):
            create_llm_client()


def test_a_groq_of_none_is_no_library() -> None:
    with (
        patch("services.llm_client.Groq", None),
        pytest.raises(ImportError, match="Groq library not installed"),
    ):
        GroqClient(api_key="test-key")


def test_a_pretence_leaves_nothing_behind() -> None:
    vars(llm_client).pop("Groq", None)
    with patch("services.llm_client.GROQ_AVAILABLE", False), patch("services.llm_client.Groq"):
        pass

    assert llm_client.Groq.__name__ == "Groq"
    assert GroqClient(api_key="test-key").client.api_key == "test-key"


def test_bedrock_needs_no_groq() -> None:
    with patch("services.llm_client.GROQ_AVAILABLE", False), patch("services.llm_client.boto3"):
        assert create_llm_client().default_temperature == 0.7
