"""What a request needs beyond text, and whether a model is known to lack it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ..types import Request
from .features import Features

_IMAGES = frozenset({"image_url", "image", "input_image"})
_DOCUMENTS = frozenset({"file", "document"})


class Needs(NamedTuple):
    """How many images a request holds, and what else it asks of its model."""

    images: int
    documents: bool
    tools: bool
    effort: str | None

    @classmethod
    def of(cls, request: Request) -> Needs:
        """Return the needs of *request*."""
        kinds = [kind for part in _parts(request) if (kind := _kind(part))]
        options = request.options
        effort = options.get("reasoning_effort")
        return cls(
            kinds.count("image"),
            "document" in kinds,
            bool(options.get("tools")) and options.get("tool_choice") != "none",
            effort if isinstance(effort, str) else None,
        )

    def lacking(self, features: Features) -> str:
        """Return what a model of these *features* cannot do of it, as an error says it; or ""."""
        if self.images and features.sees is False:
            return "sees no images"
        if features.images is not None and self.images > features.images:
            return f"takes at most {features.images} images in a call, not {self.images}"
        if self.documents and features.reads is False:
            return "reads no documents"
        if self.tools and features.calls_tools is False:
            return "calls no tools: leave out tools"
        return self._lacking_effort(features.efforts)

    def _lacking_effort(self, efforts: tuple[str, ...] | None) -> str:
        if self.effort is None or efforts is None or self.effort in efforts:
            return ""
        if not efforts:
            return "does not reason: leave out reasoning_effort"
        return f"knows no reasoning_effort {self.effort!r:.40}, only {', '.join(efforts)}"


def _parts(request: Request) -> Iterator[Mapping[str, Any]]:
    for message in request.messages:
        content = message.get("content")
        for part in content if isinstance(content, (list, tuple)) else ():
            if isinstance(part, Mapping):
                yield part


def _kind(part: Mapping[str, Any]) -> str | None:
    kind = part.get("type")
    if not isinstance(kind, str):  # what is no text may have no hash
        kind = None
    if "image" in part or kind in _IMAGES:
        return "image"
    return "document" if kind in _DOCUMENTS else None
