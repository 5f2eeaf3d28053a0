"""Applications as their users write them: each runs its own suite, and type-checks as it stands.

Each is copied into a folder of its own, with the module beside it as a host has it.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox import Sandbox

HERE = Path(__file__).parent
BACKEND = HERE.parents[1] / "backend"
HOSTS = sorted(path.name for path in HERE.glob("*_host"))

#: Runs a module of this interpreter's in the host's folder.
Run = Callable[..., "subprocess.CompletedProcess[str]"]

#: Copies the host of this name, and returns where it lies.
Copy = Callable[[str], Path]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What mypy has found out of the packages, for every host."""
    return tmp_path_factory.mktemp("mypy")


@pytest.fixture
def whole_host(tmp_path: Path) -> Copy:
    """Copies a host, with the module beside it."""

    def copied(name: str) -> Path:
        folder = tmp_path / name
        skipped = shutil.ignore_patterns("__pycache__", "test_llm_client.py", "groq_compliant")
        shutil.copytree(HERE / name, folder, ignore=skipped)
        shutil.copytree(BACKEND / "services", folder / "services", ignore=skipped)
        return folder

    return copied


@pytest.fixture(params=HOSTS)
def host(request: pytest.FixtureRequest, whole_host: Copy) -> Path:
    return whole_host(request.param)


@pytest.fixture
def run(host: Path, one_certificate: Path) -> Iterator[Run]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("GROQ_", "AWS_", "BEDROCK_", "LLM_", "USE_GROQ", "PYTHON", "COV"))
    }
    with Sandbox() as sandbox, socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        environment = {
            **kept,
            "GROQ_API_KEY": "gsk-of-the-sandbox",
            "GROQ_BASE_URL": sandbox.url,
            "AWS_ACCESS_KEY_ID": "AKIASANDBOX",
            "AWS_SECRET_ACCESS_KEY": "of-the-sandbox",
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": sandbox.url,
            "AWS_EC2_METADATA_DISABLED": "true",
            "SSL_CERT_FILE": str(one_certificate),
            "SETTINGS_MODULE": "mysite.settings",
            "HOST_PORT": str(unused.getsockname()[1]),
        }
        unused.close()

        def ran(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [sys.executable, "-m", module, *arguments],
                cwd=host,
                env=environment,
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
            )

        yield ran


def test_the_three_hosts_are_here() -> None:
    assert ["django_host", "fastapi_host", "prefork_host"] == HOSTS


def test_a_hosts_own_suite_passes(run: Run) -> None:
    done = run("pytest", "-q")
    assert (0, "") == (done.returncode, done.stderr), done.stdout
    assert "passed" in done.stdout
    assert "skipped" not in done.stdout


def test_a_host_is_clean_under_mypy(run: Run, cache: Path) -> None:
    done = run("mypy", "--strict", "--cache-dir", str(cache), ".")
    assert (0, "Success") == (done.returncode, done.stdout[:7]), done.stdout


@pytest.mark.parametrize("host", ["fastapi_host"], indirect=True)
def test_a_host_is_clean_under_mypy_with_pydantics_plugin(
    run: Run, host: Path, cache: Path
) -> None:
    (host / "mypy.ini").write_text("[mypy]\nstrict = true\nplugins = pydantic.mypy\n")
    done = run("mypy", "--cache-dir", str(cache / "plugin"), ".")
    assert (0, "Success") == (done.returncode, done.stdout[:7]), done.stdout


def test_the_hosts_are_clean_under_pyright(tmp_path: Path, whole_host: Copy) -> None:
    hosts = [whole_host(name) for name in HOSTS]
    own = [str(path.relative_to(tmp_path)) for host in hosts for path in _own_files(host)]
    roots = [{"root": name} for name in HOSTS]
    told = {"include": own, "typeCheckingMode": "strict", "executionEnvironments": roots}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(told))
    done = subprocess.run(
        [sys.executable, "-m", "pyright", "--pythonpath", sys.executable],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (0, "0 errors") == (done.returncode, done.stdout[:8]), done.stdout


def _own_files(host: Path) -> list[Path]:
    """Return the files that the host's users wrote."""
    return [path for path in sorted(host.rglob("*.py")) if "services" not in path.parts]
