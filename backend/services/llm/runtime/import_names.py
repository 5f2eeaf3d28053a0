"""Makes `services.x` and `backend.services.x` one module, whichever is imported."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType


class SharedModules(MetaPathFinder, Loader):
    """Finds the modules of the package *services* under the package's other name as well.

    *names* are the modules, relative to the package, that must never be there twice, with all
    that lies in them: a class has one identity, whichever way it was imported.
    """

    def __init__(self, services: str, names: Sequence[str]) -> None:
        self._services = services
        short = services.removeprefix("backend.")
        self._other = short if short != services else f"backend.{services}"
        self._names = frozenset(names)

    def install(self) -> None:
        """Look before the finders of files do, which would load a second copy."""
        if not any(isinstance(finder, SharedModules) for finder in sys.meta_path):
            sys.meta_path.insert(0, self)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find *fullname* if it is one of the modules under the other name."""
        package, _, name = fullname.partition(f"{self._other}.")
        if package or name.partition(".")[0] not in self._names or not self._is_here(path):
            return None
        return ModuleSpec(fullname, self, loader_state=f"{self._services}.{name}")

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return the module that is there already; its own spec is kept for `exec_module`."""
        module = import_module(spec.loader_state)
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Run nothing a second time, and give the module its own spec back."""
        assert module.__spec__ is not None, "the import system has just set it"
        module.__spec__ = module.__spec__.loader_state

    def _is_here(self, path: Sequence[str] | None) -> bool:
        """Whether the importing package is this one, and not another that is named like it."""
        package = sys.modules.get(self._services)
        homes = {Path(place).resolve() for place in getattr(package, "__path__", ())}
        importing = [Path(place).resolve() for place in path or ()]
        return any(not homes.isdisjoint((place, *place.parents)) for place in importing)
