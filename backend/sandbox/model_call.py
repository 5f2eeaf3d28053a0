"""A request to a model, by someone the provider knows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from .faults import Fault
from .http_types import HttpResponse, RequestContext, Route
from .provider_api import ProviderApi
from .streams import broken_frames


@dataclass(frozen=True)
class ModelCall:
    """What is asked of which model, by whom, and whose words the answer has."""

    provider: ProviderApi
    route: Route
    context: RequestContext
    model: str
    organisation: str
    body: Any
    arrived_at: float

    def error(self, fault: Fault) -> HttpResponse:
        """The response of an error, or of a verbatim body."""
        if fault.body is not None:
            headers = {"content-type": "application/json"}
            return HttpResponse(fault.status or 200, fault.body, headers)
        return self.provider.error_response(fault, self.model, self.organisation)

    def broken(self, response: HttpResponse, fault: Fault) -> HttpResponse:
        """A streamed response as its fault leaves it; the connection itself ends on delivery."""
        if fault.stream_break is None or not response.frames:
            return response
        frames = broken_frames(
            response.frames,
            fault.stream_break,
            damaged=self.provider.damaged_frame,
            error=lambda: self.provider.error_frame(fault, self.model, self.organisation),
        )
        return replace(response, frames=frames)
