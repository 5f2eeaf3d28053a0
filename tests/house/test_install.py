"""The install of `make`, on an index of two small packages, of which one has a newer release."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[2]


def _wheel(folder: Path, name: str, version: str, *metadata: str) -> str:
    """Write a wheel without a module, and return its line of a lock."""
    path, info = folder / f"{name}-{version}-py3-none-any.whl", f"{name}-{version}.dist-info"
    head = ("Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *metadata)
    with ZipFile(path, "w") as wheel:
        wheel.writestr(f"{info}/METADATA", "\n".join(head) + "\n")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return f"{name}=={version} --hash=sha256:{digest}\n"


@pytest.fixture
def index(tmp_path: Path) -> tuple[Path, str, str]:
    """A folder of wheels, and the locks of `plugin` and of what it needs, `measure`.

    `plugin` needs `measure` with an extra, and `measure` has a newer release than its lock.
    """
    folder = tmp_path / "wheels"
    folder.mkdir()
    plugin = _wheel(folder, "plugin", "1.0", "Requires-Dist: measure[toml]>=1")
    measure = _wheel(folder, "measure", "1.0", "Provides-Extra: toml")
    _wheel(folder, "measure", "2.0", "Provides-Extra: toml")
    return folder, plugin, measure


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the environment lies that the first test of a run makes, and the others use."""
    return tmp_path_factory.mktemp("made") / "venv"


@pytest.fixture
def venv(environment: Path) -> Path:
    """That place: with nothing there yet, or an environment without these packages."""
    for name in ("measure", "plugin"):
        for installed in environment.glob(f"lib/*/site-packages/{name}-*.dist-info"):
            shutil.rmtree(installed)
    return environment


def _make(index: Path, lock: str, venv: Path, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """Install *lock* as `make` does, from *index* alone, with this interpreter's own pip."""
    path = tmp_path / "lock.txt"
    path.write_text(lock, encoding="utf-8")
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    command = ["make", f"PYTHON={sys.executable}", f"VENV={venv}", f"LOCK={path}"]
    settings = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(index), "PIP_CONFIG_FILE": os.devnull}
    return subprocess.run(
        [*command, f"{venv}/.installed-{version}"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), **settings},
        capture_output=True,
        text=True,
    )


def test_a_lock_is_installed_though_one_of_its_packages_has_a_newer_release(
    index: tuple[Path, str, str], venv: Path, tmp_path: Path
) -> None:
    folder, plugin, measure = index
    made = _make(folder, plugin + measure, venv, tmp_path)
    assert made.returncode == 0, made.stdout + made.stderr
    assert list(venv.glob("lib/*/site-packages/measure-1.0.dist-info"))


def test_a_lock_that_leaves_a_package_out_is_an_error_that_names_it(
    index: tuple[Path, str, str], venv: Path, tmp_path: Path
) -> None:
    folder, plugin, _ = index
    made = _make(folder, plugin, venv, tmp_path)
    assert made.returncode != 0
    assert "plugin 1.0 requires measure, which is not installed" in made.stderr
