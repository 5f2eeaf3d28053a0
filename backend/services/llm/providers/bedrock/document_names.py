"""Names of documents as Converse takes them: of plain letters, each once in a request."""

from __future__ import annotations

import re

# botocore 1.44.5, DocumentBlock: letters, digits, single blanks, hyphens, brackets; up to 200.
_REFUSED = re.compile(r"[^A-Za-z0-9 ()\[\]-]+")
_LONGEST = 190


class DocumentNames:
    """The names that the documents of one request have so far."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def of(self, name: str) -> str:
        """Return the name for a document that its owner calls *name*."""
        plain = " ".join(_REFUSED.sub("-", name).split())[:_LONGEST].strip() or "document"
        known, number = plain, 1
        while known in self._known:
            number += 1
            known = f"{plain} ({number})"
        self._known.add(known)
        return known
