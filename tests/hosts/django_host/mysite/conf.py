"""Settings that are read when they are first looked up, as `django.conf` does it."""

import os
from importlib import import_module
from typing import Any


class LazySettings:
    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(os.environ["SETTINGS_MODULE"]), name)

    def __dir__(self) -> list[str]:
        return dir(import_module(os.environ["SETTINGS_MODULE"]))


settings = LazySettings()
