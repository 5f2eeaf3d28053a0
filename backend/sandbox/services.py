"""The parts of the providers that keep something between requests: files, batches, objects."""

from __future__ import annotations

import re

from .bedrock.jobs import BedrockJobs
from .bedrock.s3 import S3
from .groq.batches import GroqBatches
from .groq.files import GroqFiles
from .http_types import HttpRequest, HttpResponse, Provider
from .offline import Moment, OfflineAnswer, Service

_SIGNED_FOR_S3 = re.compile(r"Credential=[^/,\s]+/\d*/[\w-]*/s3/")
# operation: the paths that are its own
_PATHS = {
    "files": re.compile(r"^/openai/v1/files(?:/[^/]+(?:/content)?)?$"),
    "batches": re.compile(r"^/openai/v1/batches(?:/[^/]+(?:/cancel)?)?$"),
    "jobs": re.compile(r"^/model-invocation-jobs?(?:/.+)?$"),
}


class Services:
    """Each part, by the name of its operation."""

    def __init__(self, answer: OfflineAnswer, batch_seconds: float) -> None:
        if not batch_seconds >= 0:
            raise ValueError(f"batch_seconds={batch_seconds}: must be 0 or more")
        files, s3 = GroqFiles(), S3()
        self._services: dict[str, Service] = {
            "files": files,
            "batches": GroqBatches(files, answer, batch_seconds),
            "jobs": BedrockJobs(s3, answer, batch_seconds),
            "s3": s3,
        }

    def clear(self) -> None:
        """Forget everything that is kept."""
        for service in self._services.values():
            service.clear()

    def operation(self, http_request: HttpRequest) -> str:
        """The operation that a request is for, or an empty text where it is for none."""
        # Any path may be an object's: who signs for S3 means S3.
        if _SIGNED_FOR_S3.search(http_request.headers.get("authorization", "")):
            return "s3"
        return next((name for name, path in _PATHS.items() if path.match(http_request.path)), "")

    def are_for(self, http_request: HttpRequest) -> bool:
        """Whether a request is for one of them."""
        return bool(self.operation(http_request))

    def provider(self, http_request: HttpRequest) -> Provider:
        """Whose words answer a request that is for no model."""
        return "bedrock" if self.operation(http_request) in ("jobs", "s3") else "groq"

    def response(
        self, http_request: HttpRequest, organisation: str, moment: Moment
    ) -> HttpResponse:
        """The response of the part that a request is for."""
        service = self._services[self.operation(http_request)]
        return service.response(http_request, organisation, moment)
