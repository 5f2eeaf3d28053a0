"""The module under both of its spellings, and what an import of it costs."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from tests.compat.support import BACKEND, ROOT, run_python

SPELLINGS = ("services.llm_client", "backend.services.llm_client")

BOTH = """
import importlib, json, sys
import {first}, {second}
one, other = sys.modules[{first!r}], sys.modules[{second!r}]
errors = importlib.import_module({second!r}.replace("llm_client", "llm.errors"))
print(json.dumps([
    one is other,
    {first} is {second},
    one.__name__,
    errors.LLMError is one.LLMError,
    importlib.reload(one) is other,
]))
"""


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_each_spelling_works_alone(spelling: str, tmp_path: Path) -> None:
    code = f"import json; from {spelling} import GroqClient; print(json.dumps(GroqClient.__name__))"
    path = BACKEND if spelling == SPELLINGS[0] else ROOT

    assert run_python(code, path, cwd=tmp_path) == "GroqClient"


@pytest.mark.parametrize(("first", "second"), [SPELLINGS, SPELLINGS[::-1]])
def test_both_spellings_are_one_module(first: str, second: str) -> None:
    code = BOTH.format(first=first, second=second)

    assert [True, True, first, True, True] == run_python(code, BACKEND, ROOT)


def test_another_package_named_services_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "services").mkdir()
    (tmp_path / "services" / "__init__.py").touch()
    (tmp_path / "services" / "llm_client.py").write_text("OWNER = 'host'")
    code = (
        "import json, backend.services.llm_client, services.llm_client;"
        "print(json.dumps(services.llm_client.OWNER))"
    )

    assert run_python(code, tmp_path, ROOT) == "host"


def test_an_import_loads_neither_sdk_nor_http_stack_nor_what_only_schemas_need() -> None:
    code = (
        "import json, sys, services.llm_client;"
        "heavy = {'groq', 'boto3', 'botocore', 'httpx', 'urllib3', 'redis', 'difflib'};"
        "heavy |= {'services.llm.structured', 'jsonschema_rs', 'h11', 'tenacity'};"
        "heavy |= {f'services.llm.providers.{name}' for name in ('bedrock', 'groq')};"
        "heavy |= {'services.llm.events.event_types', 'services.llm.telemetry'};"
        "heavy |= {f'services.llm.call.{name}' for name in ('stream', 'sse', 'stream_resumption')};"
        "heavy |= {f'services.llm.{name}' for name in ('batch', 'stream_types', 'call.lifecycle')};"
        "heavy |= {f'services.llm.{name}' for name in ('account', 'quota', 'models')};"
        "print(json.dumps(sorted(heavy & set(sys.modules))))"
    )

    assert run_python(code, BACKEND) == []


@pytest.mark.parametrize(("name", "other"), [("Groq", "boto3"), ("boto3", "groq")])
def test_a_look_up_imports_one_sdk(name: str, other: str) -> None:
    code = (
        f"import json, sys; from services.llm_client import {name};"
        f"print(json.dumps([{name}.__name__, {other!r} in sys.modules]))"
    )

    assert run_python(code, BACKEND) == [name, False]


def test_every_public_name_is_found_and_listed() -> None:
    import services.llm_client as module

    assert [] == [name for name in module.__all__ if not hasattr(module, name)]
    assert set(module.__all__) <= set(dir(module))


@pytest.mark.parametrize(
    "name", ["batch", "structured", "structured_stream"], ids=lambda name: f"{name}_signatures"
)
def test_what_only_type_checkers_read_can_be_imported(name: str) -> None:
    module = import_module(f"services.llm.client.{name}_signatures")

    own = [kind for kind in vars(module).values() if getattr(kind, "_is_protocol", False)]
    assert module.__name__ in {kind.__module__ for kind in own}


def test_a_name_that_is_not_public_is_not_found() -> None:
    import services.llm_client as module

    with pytest.raises(AttributeError, match=r"'services.llm_client' has no attribute 'Nothing'"):
        module.Nothing  # noqa: B018  the look-up is what is tested


def test_in_this_interpreter_they_are_one_module_too() -> None:
    import backend.services.llm_client as other
    import services.llm_client as one

    assert one is other


def test_clients_of_both_spellings_share_one_quota() -> None:
    code = """
import json, services.llm_client as one, backend.services.llm_client as other
one.settings = type("Host", (), {"USE_GROQ": True, "GROQ_API_KEY": "test-key"})
first, second = one.create_llm_client(), other.create_llm_client()
first._check_rate_limit()
print(json.dumps([first._request_times == second._request_times, len(second._request_times)]))
"""

    assert run_python(code, BACKEND, ROOT) == [True, 1]
