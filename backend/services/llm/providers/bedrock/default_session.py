"""boto3's default session, which reads what a client needs of botocore's tables and no more.

boto3 makes that session with its first client. botocore then looks into the folders of all its four
hundred services, twice, to see that there is one of that name, and reads a megabyte of endpoints
into ordered dicts: half of what the first client costs.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from os.path import isfile, join
from typing import IO, Any

from ...runtime.real_sdk import is_real_sdk

_OPENED_BY: dict[str, Callable[..., IO[Any]]] = {".json": open, ".json.gz": gzip.open}


def make_default_session(boto3: Any) -> None:
    """Make *boto3*'s default session where there is none: as boto3 does, but for its loader."""
    make: Any = getattr(boto3, "setup_default_session", None)
    if not is_real_sdk(make, "boto3") or boto3.DEFAULT_SESSION is not None:
        return  # a test's stand-in, or the host's own session
    session = import_module("botocore.session").get_session()
    session.register_component("data_loader", _loader_like(session.get_component("data_loader")))
    make(botocore_session=session)


def _loader_like(loader: Any) -> Any:
    """Return a loader for the folders of botocore's *loader*; a host's own is left as it is."""
    if type(loader) is not import_module("botocore.loaders").Loader:
        return loader
    folders = loader.search_paths
    return _loader_class()(extra_search_paths=folders, include_default_search_paths=False)


@lru_cache(maxsize=1)
def _loader_class() -> Any:
    loaders: Any = import_module("botocore.loaders")

    class Files(loaders.JSONFileLoader):  # type: ignore[misc] # botocore has no types
        def load_file(self, file_path: str) -> Any:
            """Return a table, None where there is none; plain dicts keep their order too."""
            for suffix, open_file in _OPENED_BY.items():
                if isfile(file_path + suffix):
                    with open_file(file_path + suffix, "rb") as file:
                        return json.load(file)
            return None

    class Loader(loaders.Loader):  # type: ignore[misc] # botocore has no types
        FILE_LOADER_CLASS = Files

        @loaders.instance_cache  # type: ignore[untyped-decorator] # botocore has no types
        def load_service_model(
            self, service_name: str, type_name: str, api_version: str | None = None
        ) -> Any:
            """Return a service's table from its folder; what is not there is botocore's to find."""
            try:
                version = api_version or self.determine_latest_version(service_name, type_name)
                table = self.load_data(join(service_name, version, type_name))
            except loaders.DataNotFoundError:
                return super().load_service_model(service_name, type_name, api_version)
            extras = self._find_extras(service_name, type_name, version)
            self._extras_processor.process(table, extras)
            return table

    return Loader
