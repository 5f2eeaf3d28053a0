"""Run the tests of each pure module against mutants of it: `python -m tests.mutation [WORD ...]`.

Each mutant is run in a forked child, which imports the changed module and stops at the first test
that fails. A mutant that no test notices is listed. The exit status is 1 where fewer than 95 % are
noticed. WORD keeps the modules whose path contains it; MUTANTS_PER_MODULE (0: all) is how many of a
module's mutants are tried, evenly spread, and each is the same in every run.
"""

from __future__ import annotations

import math
import os
import resource
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest

from .operators import Mutant, mutants
from .targets import TARGETS

ROOT = Path(__file__).parents[2]
GOAL = 0.95
PER_MODULE = int(os.environ.get("MUTANTS_PER_MODULE", "40"))
#: Seconds after which a child counts as hanging, which a test would notice.
PATIENCE = 120.0
#: The processor time after which one does, as a multiple of what the module as it is takes; and
#: seconds more, for what a failure that is told takes.
_LOOPING, _TELLING = 5.0, 5.0


#: What the modules import of others: a child that finds it imported has less to do.
_DEPENDENCIES = ("boto3", "groq.resources.chat.completions", "httpx", "jsonschema_rs", "pydantic")
#: Without rewritten assertions, as nobody reads them; pytest warns where it finds them too late.
_OPTIONS = ("-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--assert=plain", "--tb=no")

#: Those that have not been waited for.
_children: set[int] = set()


@dataclass
class Running:
    """A child that tries one mutant."""

    module: str
    mutant: Mutant
    started: float = field(default_factory=time.monotonic)


class Changed(MetaPathFinder, Loader):
    """Finds one module's mutant in place of the module."""

    def __init__(self, name: str, path: Path, source: str) -> None:
        self._name = name
        self._path = path
        self._code = compile(source, str(path), "exec")

    def find_spec(self, fullname: str, path: object, target: object = None) -> ModuleSpec | None:
        """Return the mutant's spec for the one name that it stands for."""
        if fullname != self._name:
            return None
        spec = spec_from_loader(fullname, self, origin=str(self._path))
        if spec is not None:
            spec.has_location = True
            if self._path.name == "__init__.py":
                spec.submodule_search_locations = [str(self._path.parent)]
        return spec

    def exec_module(self, module: ModuleType) -> None:
        """Run the mutant's code as the module."""
        exec(self._code, module.__dict__)


def sampled(every: list[Mutant]) -> list[Mutant]:
    """Return as many of them as are to be tried, evenly spread."""
    if not 0 < PER_MODULE < len(every):
        return every
    return [every[place * len(every) // PER_MODULE] for place in range(PER_MODULE)]


def try_in_child(
    path: Path, mutant: Mutant | None, tests: tuple[str, ...], seconds: float = PATIENCE
) -> int:
    """Fork a child that runs *tests* on the mutant, or on the module as it is; return its pid.

    It ends after so many *seconds* of processor time: a machine that is busy makes none hang.
    """
    pid = os.fork()
    if pid:
        _children.add(pid)
        return pid
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _children.clear()
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    # The same examples of hypothesis for every mutant, and none made smaller.
    os.environ |= {"CI": "true", "UNREAD_FAILURES": "true"}
    os.setsid()
    most = math.ceil(seconds)
    resource.setrlimit(resource.RLIMIT_CPU, (most, most))
    if mutant is not None:
        parts = path.relative_to(ROOT / "backend").with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        sys.meta_path.insert(0, Changed(name, path, mutant.source))
    status = pytest.main([*_OPTIONS, *tests])
    os._exit(int(status))


def finished(running: dict[int, Running]) -> tuple[Running, bool]:
    """Wait for one child; return what it tried, and whether a test noticed."""
    while True:
        pid, status = os.waitpid(-1, os.WNOHANG)
        _children.discard(pid)
        if pid in running:
            return running.pop(pid), os.waitstatus_to_exitcode(status) != 0
        for each, what in running.items():
            if time.monotonic() - what.started > PATIENCE:
                os.killpg(each, 9)
        time.sleep(0.01)


def kill_children() -> None:
    """End what is still being tried: in sessions of their own, children hear of no interrupt."""
    while _children:
        pid = _children.pop()
        for kill in (os.kill, os.killpg):  # the group is there once the child has made it
            with suppress(ProcessLookupError):
                kill(pid, signal.SIGKILL)


def main(words: list[str]) -> int:
    """Try every module's mutants; print those that survive, a row a module, and the sum."""
    running: dict[int, Running] = {}
    noticed: dict[str, int] = {}
    survivors: dict[str, list[Mutant]] = {}
    chosen = {m: t for m, t in TARGETS.items() if not words or any(word in m for word in words)}
    if not chosen:
        print(f"no such module: {' '.join(words)}; there are {', '.join(TARGETS)}")
        return 2
    counts: dict[str, int] = {}

    def reap() -> None:
        what, was_noticed = finished(running)
        if was_noticed:
            noticed[what.module] = noticed.get(what.module, 0) + 1
        else:
            survivors.setdefault(what.module, []).append(what.mutant)
            print(
                f"  {what.module}:{what.mutant.line}: {what.mutant.before!r} -> "
                f"{what.mutant.after!r}",
                flush=True,
            )

    for dependency in _DEPENDENCIES:
        import_module(dependency)
    for module, tests in chosen.items():
        path = ROOT / "backend" / module
        pid = try_in_child(path, None, tests)
        _, status, used = os.wait4(pid, 0)
        _children.discard(pid)
        most = _LOOPING * (used.ru_utime + used.ru_stime) + _TELLING
        if os.waitstatus_to_exitcode(status) != 0:
            print(f"{module}: its tests fail as it is: {' '.join(tests)}")
            return 2
        every = sampled(list(mutants(path.read_text(encoding="utf-8"))))
        counts[module] = len(every)
        print(
            f"{module} ({len(counts)} of {len(chosen)} modules): {len(every)} mutants", flush=True
        )
        for mutant in every:
            while len(running) >= (os.cpu_count() or 1):
                reap()
            running[try_in_child(path, mutant, tests, most)] = Running(module, mutant)
    while running:
        reap()
    for module, count in counts.items():
        print(f"{noticed.get(module, 0):5} of {count:4}  {module}")
    total, sum_noticed = sum(counts.values()), sum(noticed.values())
    part = sum_noticed / total if total else 1.0
    print(f"{sum_noticed} of {total} mutants noticed ({part:.1%}); the goal is {GOAL:.0%}")
    return 0 if part >= GOAL else 1


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT / "backend"), str(ROOT)]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        sys.exit(main(sys.argv[1:]))
    finally:
        kill_children()
