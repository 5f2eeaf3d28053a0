"""What the handler needs of a provider, whichever it is."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Protocol

from .completion import Completion, ModelRequest
from .faults import Fault
from .http_types import HttpRequest, HttpResponse, Route
from .limits import Level, Refusal


class ProviderApi(Protocol):
    """What the handler needs of a provider; `groq.provider` and `bedrock.provider` give it."""

    def credential(self, http_request: HttpRequest) -> str | None:
        """Who the request says it is from."""
        ...

    def unauthorised(self, key: str | None) -> HttpResponse:
        """The response to a missing or unknown credential."""
        ...

    def read_request(self, route: Route, body: Any, *, today: date, scripted: bool) -> ModelRequest:
        """What the request asks for; raises RefusedError where it is not served."""
        ...

    def completion_response(
        self, route: Route, done: Completion, body: Any, *, number: int, now: float
    ) -> HttpResponse:
        """The 200 of a completion."""
        ...

    def throttled(self, refusal: Refusal, model: str, organisation: str) -> HttpResponse:
        """The response to a request that a limit does not admit."""
        ...

    def error_response(self, fault: Fault, model: str, organisation: str) -> HttpResponse:
        """The error that a fault asks for."""
        ...

    def reserved_output(self, request: ModelRequest) -> int:
        """The output tokens that a request reserves."""
        ...

    def service_headers(self, number: int) -> dict[str, str]:
        """The headers of every response."""
        ...

    def limit_headers(self, levels: Mapping[str, Level]) -> dict[str, str]:
        """The headers that tell of the limits."""
        ...
