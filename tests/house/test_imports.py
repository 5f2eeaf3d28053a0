"""The law of the house: imports point only downward, at the top of a file and inside functions."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

BACKEND = Path(__file__).parents[2] / "backend"

# From the bottom up: the rooms of the engine, and what a host imports above them. A module imports
# from rows below its own, never from another room of its own row or above; inside a room imports
# are free.
ROWS: tuple[frozenset[str], ...] = (
    frozenset({"services", "services.llm", "services.llm.providers"}),
    frozenset({"services.llm.frozen"}),
    frozenset({"services.llm.limit_types"}),
    frozenset({"services.llm.types"}),
    frozenset({"services.llm.stream_types"}),
    frozenset({"services.llm.effects"}),
    frozenset({"services.llm.models", "services.llm.redaction", "services.llm.runtime"}),
    frozenset(
        {
            "services.llm.errors",
            "services.llm.providers.fields",
            "services.llm.providers.image_size",
            "services.llm.providers.media_types",
            "services.llm.quota",
            "services.llm.stores",
            "services.llm.structured",
        }
    ),
    frozenset(
        {
            "services.llm.events",
            "services.llm.http",
            "services.llm.ledger",
            "services.llm.providers.error_words",
            "services.llm.providers.foreign_errors",
            "services.llm.providers.refusals",
            "services.llm.providers.request_checks",
            "services.llm.providers.statuses",
            "services.llm.settings",
        }
    ),
    frozenset(
        {
            "services.llm.providers.batch_types",
            "services.llm.providers.channel",
            "services.llm.providers.completeness",
            "services.llm.providers.pieces",
        }
    ),
    frozenset({"services.llm.providers.answer_reader", "services.llm.providers.sources"}),
    frozenset({"services.llm.providers.bedrock", "services.llm.providers.groq"}),
    frozenset({"services.llm.account", "services.llm.telemetry"}),
    frozenset({"services.llm.call"}),
    frozenset({"services.llm.batch"}),
    frozenset({"services.llm.client"}),
    frozenset({"services.llm.public", "services.llm.report"}),
    frozenset({"config"}),
    frozenset({"services.llm_client", "services.groq_compliant"}),
    frozenset({"groq_client_compliant"}),
)

# These hold files that each need a row; every other listed package is a row's one module.
OPEN_PACKAGES = ROWS[0]

# Beside the house: as foreign to the client as the provider that it plays.
SANDBOX = "sandbox"

SDKS = frozenset({"groq", "boto3", "botocore"})
SDK_OWNERS = frozenset({"services.llm_client", "groq_client_compliant"})
# A provider's own room takes parts of its SDK, and only while it is used.
SDK_ROOMS = ("services.llm.providers.",)

# The requirement that stands for an import, where the two are not of one name: a package's own name
# in the index, or that of one which brings it at the versions it needs.
REQUIRED_AS = {
    "botocore": "boto3",
    "httpcore": "httpx",
    "h11": "groq",
    "idna": "httpx",
    "urllib3": "boto3",
    "dotenv": "python-dotenv",
    "opentelemetry": "opentelemetry-api",
    "typing_extensions": "pydantic",
    "pydantic_core": "pydantic",
}

_ROW_OF = {module: height for height, row in enumerate(ROWS) for module in row}


def house_module(dotted: str) -> str | None:
    """The listed module that *dotted* names or lies in, or None where it has no row."""
    parts = dotted.removeprefix("backend.").split(".")
    prefixes = [".".join(parts[:size]) for size in range(len(parts), 0, -1)]
    nearest = next((prefix for prefix in prefixes if prefix in _ROW_OF), None)
    return None if nearest in OPEN_PACKAGES and nearest != prefixes[0] else nearest


def imported(source: str, package: str) -> set[str]:
    """Dotted names that *source*, a file of *package*, imports at any depth, strings included."""
    return {name for node in ast.walk(ast.parse(source)) for name in _names(node, package)}


def _names(node: ast.AST, package: str) -> Iterator[str]:
    match node:
        case ast.Import():
            yield from (alias.name for alias in node.names)
        case ast.ImportFrom():
            base = _absolute(node.level, node.module or "", package)
            yield from (f"{base}.{alias.name}" for alias in node.names)
        case ast.Call(func=ast.Name(id=called) | ast.Attribute(attr=called), args=[named, *_]) if (
            called in {"import_module", "__import__"}
        ):
            for part in ast.walk(named):
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    dots = len(part.value) - len(part.value.lstrip("."))
                    yield _absolute(dots, part.value.lstrip("."), package)


def _absolute(dots: int, module: str, package: str) -> str:
    parts = package.split(".") if dots else []
    return ".".join(filter(None, [*parts[: len(parts) - dots + 1], module]))


def _sources() -> Iterator[tuple[Path, str, str]]:
    """Every file of the backend but its tests: path, dotted name, package."""
    for path in sorted(BACKEND.rglob("*.py")):
        if not path.name.startswith("test_"):
            parts = path.relative_to(BACKEND).with_suffix("").parts
            package = ".".join(parts[:-1])
            yield path, package if parts[-1] == "__init__" else ".".join(parts), package


@cache
def _edges() -> list[tuple[str, str]]:
    """Every import in the backend: the importing file's dotted name, the imported name."""
    return [
        (dotted, name)
        for path, dotted, package in _sources()
        for name in sorted(imported(path.read_text(encoding="utf-8"), package))
    ]


def _in_sandbox(dotted: str) -> bool:
    return dotted.removeprefix("backend.").split(".")[0] == SANDBOX


def test_every_file_has_its_row() -> None:
    unlisted = [
        f"{path.relative_to(BACKEND.parent)} has no row: put {dotted} in ROWS of "
        "tests/house/test_imports.py, above all that it imports and below all that imports it"
        for path, dotted, _ in _sources()
        if not _in_sandbox(dotted) and house_module(dotted) is None
    ]
    assert [] == unlisted


def test_imports_point_only_downward() -> None:
    upward = [
        f"{dotted} imports {name}, which is not below it"
        for dotted, name in _edges()
        if (importer := house_module(dotted)) and (target := house_module(name))
        if importer != target and _ROW_OF[target] >= _ROW_OF[importer]
    ]
    assert [] == upward


def test_the_sandbox_and_the_house_do_not_know_each_other() -> None:
    acquainted = [
        f"{dotted} imports {name}"
        for dotted, name in _edges()
        if (_in_sandbox(dotted) and house_module(name))
        or (_in_sandbox(name) and house_module(dotted))
    ]
    assert [] == acquainted


def test_only_the_face_and_the_compliant_client_import_an_sdk() -> None:
    trespassing = [
        f"{dotted} imports {name}"
        for dotted, name in _edges()
        if name.split(".")[0] in SDKS
        if dotted not in SDK_OWNERS and not dotted.startswith(SDK_ROOMS)
    ]
    assert [] == trespassing


def test_no_import_needs_a_package_or_stubs_that_a_host_may_lack() -> None:
    # A type checker follows an import wherever it stands; one by name it leaves alone.
    followed = [
        f"{dotted} imports {name}"
        for path, dotted, package in _sources()
        if not _in_sandbox(dotted)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in _names(node, package)
        if name.split(".")[0] in {"boto3", "botocore", "redis"}
    ]
    assert [] == followed


def test_every_package_that_a_host_needs_is_required() -> None:
    texts = [path.read_text(encoding="utf-8") for path in BACKEND.glob("requirements*.txt")]
    required = {name for text in texts for name in re.findall(r"^[\w-]+", text, re.MULTILINE)}
    missing = [
        f"{dotted} imports {name}, which no backend/requirements*.txt names"
        for dotted, name in _edges()
        if not _in_sandbox(dotted) and house_module(name) is None
        if (package := name.removeprefix("backend.").split(".")[0]) not in sys.stdlib_module_names
        if package not in {"services", SANDBOX}
        if REQUIRED_AS.get(package, package.replace("_", "-")) not in required
    ]
    assert [] == missing


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import groq.types", {"groq.types"}),
        ("from .types import Reply", {"services.llm.types.Reply"}),
        ("from . import quota, retry", {"services.llm.quota", "services.llm.retry"}),
        ("from ..llm_client import Groq", {"services.llm_client.Groq"}),
        ("def lazily():\n    import boto3", {"boto3"}),
        ("if TYPE_CHECKING:\n    from groq import Groq", {"groq.Groq"}),
        ("importlib.import_module('botocore.config')", {"botocore.config"}),
        ("import_module('.call', __package__)", {"services.llm.call"}),
        ("__import__('groq')", {"groq"}),
        ("import_module('a' if x else '.b', __package__)", {"a", "services.llm.b"}),
        ("import_module(name)", set()),
    ],
)
def test_every_form_of_import_is_seen(source: str, expected: set[str]) -> None:
    assert expected == imported(source, package="services.llm")


@pytest.mark.parametrize(
    ("dotted", "expected"),
    [
        ("services.llm.types.Reply", "services.llm.types"),
        ("services.llm.structured.salvage", "services.llm.structured"),
        ("backend.services.llm_client", "services.llm_client"),
        ("config.settings", "config"),
        ("services.llm", "services.llm"),
        ("services.llm.newcomer", None),
        ("services.newcomer", None),
        ("configparser", None),
        ("groq", None),
    ],
)
def test_a_name_belongs_to_the_nearest_listed_module(dotted: str, expected: str | None) -> None:
    assert expected == house_module(dotted)
