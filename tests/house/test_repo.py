"""What holds for every file of the repository, whatever it is about."""

from __future__ import annotations

import io
import re
import subprocess
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]

# Written in halves, so that this file does not name what it forbids. The second part of a pair is
# the one file that may.
FORBIDDEN = (
    ("pypi." + "org", None),
    ("python" + "hosted", None),
    ("npm" + "js", None),
    ("/wo" + "rk/", None),
    ("/ro" + "ot/", None),
    ("../sha" + "red", ".ci/run"),
)

_SUPPRESSION = re.compile(r"#\s*(?:type:\s*ignore|noqa)\b")
_WITH_REASON = re.compile(
    r"#\s*(?:type:\s*ignore\[[\w, -]+\]|noqa:\s*[A-Z]+\d+(?:,\s*[A-Z]+\d+)*)"
    r"[\s#:(,;.-]+[A-Za-z`].*\s\S"
)


def _files() -> list[str]:
    """Paths of all files that are committed or would be."""
    command = ("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z")
    try:
        listing = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip("the files are listed by git, and this is no git checkout")
    return sorted(path for path in listing.stdout.split("\0") if (ROOT / path).is_file())


def _comments(path: str) -> Iterator[tuple[int, str]]:
    source = io.BytesIO((ROOT / path).read_bytes())
    for token in tokenize.tokenize(source.readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def _requirements(path: Path) -> Iterator[Requirement]:
    """The requirements that *path* states, those of the files it includes among them."""
    for line in path.read_text(encoding="utf-8").splitlines():
        stated = line.partition("#")[0].strip()
        if stated.startswith("-r "):
            yield from _requirements(path.parent / stated[3:])
        elif stated:
            yield Requirement(stated)


def _pins(lock: Path) -> Iterator[Requirement]:
    for line in lock.read_text(encoding="utf-8").splitlines():
        if line[:1].isalnum():
            yield Requirement(line.rstrip(" \\"))


def _pinned(lock: str) -> dict[str, list[Version]]:
    """Versions by package name; more than one where they differ between Pythons."""
    versions: dict[str, list[Version]] = {}
    for pin in _pins(ROOT / "requirements" / f"{lock}.txt"):
        (exact,) = pin.specifier
        versions.setdefault(canonicalize_name(pin.name), []).append(Version(exact.version))
    return versions


def test_no_file_names_a_package_registry_or_a_place_on_one_machine() -> None:
    found = [
        f"{path} contains {needle}"
        for path in _files()
        for needle, excepted in FORBIDDEN
        if path != excepted and needle.encode() in (ROOT / path).read_bytes()
    ]
    assert [] == found


def test_every_suppression_names_its_code_and_its_reason() -> None:
    bare = [
        f"{path}:{line}: {comment}"
        for path in _files()
        # Tokens are looked at only where there may be such a comment: to find them takes long.
        if path.endswith(".py") and _SUPPRESSION.search((ROOT / path).read_text(encoding="utf-8"))
        for line, comment in _comments(path)
        if _SUPPRESSION.search(comment) and not _WITH_REASON.search(comment)
    ]
    assert [] == bare


HOST_FILES = ("requirements.txt", "requirements-redis.txt", "requirements-telemetry.txt")


def test_no_file_of_the_product_has_more_than_three_hundred_lines() -> None:
    product = (
        path
        for path in _files()
        if path.startswith("backend/") and path.endswith(".py") and "/test_" not in path
    )
    lines = {path: len((ROOT / path).read_bytes().splitlines()) for path in product}
    assert {} == {path: number for path, number in lines.items() if number > 300}


@pytest.mark.parametrize("lock", ["dev", "2024"])
def test_a_lock_satisfies_what_it_was_made_from(lock: str) -> None:
    pinned = _pinned(lock)
    stale = [
        f"{requirement}: run make lock"
        for requirement in _requirements(ROOT / "requirements" / f"{lock}.in")
        if not (versions := pinned.get(canonicalize_name(requirement.name)))
        or not all(version in requirement.specifier for version in versions)
    ]
    assert [] == stale


@pytest.mark.parametrize("host_file", ["requirements.txt", "requirements-redis.txt"])
def test_the_early_2024_lock_stands_at_the_low_end_of_every_range(host_file: str) -> None:
    pinned = _pinned("2024")
    low_ends = {
        canonicalize_name(requirement.name): [Version(bound.version)]
        for requirement in _requirements(ROOT / "backend" / host_file)
        for bound in requirement.specifier
        if bound.operator == ">="
    }
    assert low_ends == {name: pinned[name] for name in low_ends}


def test_a_production_install_is_that_of_the_tests_without_their_tools() -> None:
    def lines(name: str) -> list[str]:
        return [str(each) for each in _requirements(ROOT / "backend" / name)]

    tools = ("pytest", "pytest-mock")
    whole = lines("requirements.txt")
    kept = [line for line in whole if Requirement(line).name not in tools]
    assert kept == lines("requirements-runtime.txt")
    assert len(whole) == len(kept) + len(tools)


def test_every_range_of_a_host_has_both_ends() -> None:
    open_ended = [
        str(requirement)
        for host_file in HOST_FILES
        for requirement in _requirements(ROOT / "backend" / host_file)
        if {">=", "<"} != {bound.operator for bound in requirement.specifier}
    ]
    assert [] == open_ended


@pytest.mark.parametrize("lock", ["dev", "2024"])
def test_every_pin_of_a_lock_has_a_hash(lock: str) -> None:
    text = (ROOT / "requirements" / f"{lock}.txt").read_text(encoding="utf-8")
    entries = re.findall(r"^\w.*(?:\n    .*)*", text, re.MULTILINE)
    assert entries
    assert [] == [entry for entry in entries if "--hash=sha256:" not in entry]


@pytest.mark.parametrize(
    ("comment", "has_reason"),
    [
        ("# type: ignore[arg-type]  # a mock stands in", True),
        ("# noqa: N802 - the name is the SDK's", True),
        ("# type: ignore[arg-type]", False),
        ("# type: ignore  # a mock stands in", False),
        ("# noqa: N802", False),
        ("# noqa: N802, E501", False),
        ("# noqa", False),
    ],
)
def test_a_reason_is_told_from_none(comment: str, has_reason: bool) -> None:
    assert has_reason == bool(_WITH_REASON.search(comment))
