"""What the handler needs of a provider, whichever it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from .completion import Completion, ModelRequest
from .faults import Fault
from .http_types import HttpRequest, HttpResponse, RequestContext, Route
from .limits import Level, Refusal


class ProviderApi(Protocol):
    """`groq.provider` and `bedrock.provider` are the two that there are."""

    def credential(self, http_request: HttpRequest) -> str | None:
        """Who the request says it is from."""
        ...

    def region(self, http_request: HttpRequest) -> str | None:
        """The region that the request is for, where it says so."""
        ...

    def unauthorised(self, key: str | None) -> HttpResponse:
        """The response to a missing or unknown credential."""
        ...

    def direct_response(
        self, route: Route, http_request: HttpRequest, body: Any, context: RequestContext
    ) -> HttpResponse | None:
        """The response to what needs no completion, else None; may raise RefusedError."""
        ...

    def read_request(self, route: Route, body: Any, context: RequestContext) -> ModelRequest:
        """What the request asks for; raises RefusedError where it is not served."""
        ...

    def finished(self, done: Completion, request: ModelRequest) -> Completion:
        """The completion after whatever the provider does to it."""
        ...

    def completion_response(
        self,
        route: Route,
        done: Completion,
        request: ModelRequest,
        body: Any,
        *,
        number: int,
        now: float,
    ) -> HttpResponse:
        """The 200 of a completion, whole or in frames."""
        ...

    def error_frame(self, fault: Fault, model: str, organisation: str) -> bytes:
        """The frame of the error that a fault puts into a stream."""
        ...

    def damaged_frame(self, data: bytes) -> bytes:
        """The frame as no client can read it."""
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

    def context_tokens(self, request: ModelRequest) -> int:
        """The tokens that have to fit the model's context."""
        ...

    def service_headers(self, number: int) -> dict[str, str]:
        """The headers of every response."""
        ...

    def shows_limits_with(self, fault: Fault) -> bool:
        """Whether an error comes with the headers that tell of the limits."""
        ...

    def limit_headers(self, levels: Mapping[str, Level]) -> dict[str, str]:
        """The headers that tell of the limits."""
        ...
