"""Groq's files: what a batch reads and writes."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

from ..http_types import HttpRequest, HttpResponse, json_response
from ..multipart import form_of
from ..offline import Moment
from . import errors

PATH = "/openai/v1/files"
_MOST_BYTES = 200 * 1024 * 1024  # as documented; the SDK's own words say 100 MB


@dataclass(frozen=True)
class StoredFile:
    """A file of an organisation's; times are in whole seconds since 1970."""

    id: str
    organisation: str
    filename: str
    purpose: str
    content: bytes
    created_at: int

    @property
    def listed(self) -> dict[str, Any]:
        """The file as the API shows it."""
        return {
            "id": self.id,
            "object": "file",
            "bytes": len(self.content),
            "created_at": self.created_at,
            "filename": self.filename,
            "purpose": self.purpose,
        }


class GroqFiles:
    """The files of all organisations."""

    def __init__(self) -> None:
        self._files: dict[str, StoredFile] = {}
        self._numbers = itertools.count(1)

    def clear(self) -> None:
        """Forget every file."""
        self._files.clear()

    def find(self, identity: str, organisation: str) -> StoredFile | None:
        """The organisation's file of that id."""
        found = self._files.get(identity)
        return found if found is not None and found.organisation == organisation else None

    def add(
        self, organisation: str, filename: str, purpose: str, content: bytes, now: float
    ) -> StoredFile:
        """Keep a file."""
        identity = f"file_01sandbox{next(self._numbers):017d}"
        stored = StoredFile(identity, organisation, filename, purpose, content, int(now))
        self._files[identity] = stored
        return stored

    def response(
        self, http_request: HttpRequest, organisation: str, moment: Moment
    ) -> HttpResponse:
        """The response to a request for files."""
        path, method = http_request.path, http_request.method
        if path == PATH:
            if method == "POST":
                return self._upload(http_request, organisation, moment.wall)
            mine = [f.listed for f in self._files.values() if f.organisation == organisation]
            return json_response(200, {"object": "list", "data": mine})
        identity, _, rest = path[len(PATH) + 1 :].partition("/")
        stored = self.find(identity, organisation)
        if stored is None or rest not in ("", "content"):
            return errors.error(404, f"File `{identity}` not found", code="not_found")
        if method == "DELETE":
            del self._files[identity]
            return json_response(200, {"id": identity, "object": "file", "deleted": True})
        if rest:
            headers = {"content-type": "application/octet-stream"}
            return HttpResponse(200, stored.content, headers)
        return json_response(200, stored.listed)

    def _upload(self, http_request: HttpRequest, organisation: str, now: float) -> HttpResponse:
        form = form_of(http_request.headers.get("content-type", ""), http_request.body)
        if "file" not in form or "purpose" not in form:
            return errors.error(400, "`file` and `purpose` are required")
        purpose = form["purpose"].content.decode("utf-8", "replace")
        if purpose != "batch":
            return errors.error(400, "`purpose` must be `batch`", param="purpose")
        content = form["file"].content
        if len(content) > _MOST_BYTES:
            return errors.error(413, "the file is larger than 200 MB")
        name = form["file"].filename or "upload"
        return json_response(200, self.add(organisation, name, purpose, content, now).listed)
