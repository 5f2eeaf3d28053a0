"""What a Bedrock client sends with: the boto3 client, asked for what is to be sent and read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, TypeVar

from ...errors import ConfigurationError, LLMError
from ...runtime.sdk_lender import SdkLender
from ...settings.knobs import Knobs
from ...types import Reply, Request
from ..channel import AsyncChannel, Channel, map_errors
from ..foreign_errors import redact_error
from ..sources import agiving_back, giving_back
from .connect import BedrockConnection, connect_service
from .converse import to_converse
from .converse_answer import from_converse
from .errors import classify
from .invoke import from_invoke, to_invoke
from .routes import uses_invoke
from .stream_transport import StreamingTransport, StreamSpec
from .transport import Answered, Call, headers_of

if TYPE_CHECKING:
    from .batch_api import BatchClients, BedrockBatchApi

E = TypeVar("E", bound=BaseException)


class BedrockTransport:
    """Sends on the client that a connection builds, in threads of its own where boto3 blocks.

    *sleep* and *wall* are the clocks that the client's module looks up.
    """

    def __init__(
        self,
        connection: BedrockConnection,
        sleep: Callable[[float], None],
        wall: Callable[[], float],
    ) -> None:
        self.lender = SdkLender(connection.connect, "botocore")
        self._connection = connection
        self._batch_lenders: tuple[SdkLender, ...] = ()
        self._calls = StreamingTransport(connection.max_connections, int(connection.limit * 2**20))
        self._secrets = tuple(connection.credentials.values())
        self._sleep = sleep
        self._wall = wall

    def sleep(self, seconds: float) -> None:
        """Let *seconds* pass in this thread."""
        self._sleep(seconds)

    def send(self, request: Request, timeout: float) -> Reply:
        """Send *request* once, in this thread; raises LLMError, also after *timeout* seconds."""
        with map_errors(partial(self._to_error, request)), self.lender.lend() as sdk:
            return _reply(self._calls.send(sdk, _call_of(sdk, request), timeout), request)

    async def asend(self, request: Request, timeout: float) -> Reply:
        """Send *request* once, as `send` does, without blocking the event loop."""
        with map_errors(partial(self._to_error, request)), self.lender.lend() as sdk:
            return _reply(await self._calls.asend(sdk, _call_of(sdk, request), timeout), request)

    def open(self, request: Request, timeout: float) -> Channel:
        """Send *request* once for a stream, in this thread; raises LLMError."""
        with giving_back(partial(self._to_error, request)) as stack:
            sdk = stack.enter_context(self.lender.lend())
            return self._calls.open(sdk, stack, self._stream_spec(sdk, request), timeout)

    async def aopen(self, request: Request, timeout: float) -> AsyncChannel:
        """Send *request* once for a stream, as `open` does, without blocking the event loop."""
        async with agiving_back(partial(self._to_error, request)) as stack:
            sdk = stack.enter_context(self.lender.lend())
            return await self._calls.aopen(sdk, stack, self._stream_spec(sdk, request), timeout)

    def _stream_spec(self, sdk: Any, request: Request) -> StreamSpec:
        return StreamSpec(
            _call_of(sdk, request).arguments, request, partial(self._to_error, request)
        )

    def _to_error(self, request: Request, error: Exception) -> LLMError:
        return self._classify(self._redact(error, request), request)

    def batch_api(self, knobs: Knobs) -> BedrockBatchApi:
        """Return Bedrock's invocation jobs, with this client's credentials."""
        from .batch_api import BedrockBatchApi  # most clients submit no batch

        lend = partial(self._lend_for_batches, knobs)
        place, role = knobs.BEDROCK_BATCH_BUCKET, knobs.BEDROCK_BATCH_ROLE_ARN
        return BedrockBatchApi(lend, self._batch_error, place, role)

    @contextmanager
    def _lend_for_batches(self, knobs: Knobs) -> Iterator[BatchClients]:
        from .batch_api import BatchClients

        if not self._batch_lenders:
            urls = {
                "bedrock": knobs.AWS_ENDPOINT_URL_BEDROCK,
                "s3": knobs.AWS_ENDPOINT_URL_S3,
            }
            self._batch_lenders = tuple(
                SdkLender(partial(connect_service, self._connection, name, url), "botocore")
                for name, url in urls.items()
            )
        bedrock, s3 = self._batch_lenders
        with bedrock.lend() as jobs, s3.lend() as objects:
            yield BatchClients(jobs, objects)

    def _batch_error(self, error: Exception) -> LLMError:
        return self._to_error(Request("", ()), error)

    def close(self) -> None:
        """Close the connections, and let the threads end with their calls."""
        self._calls.close()
        self._close_lenders()

    async def aclose(self) -> None:
        """Close this event loop's connections too."""
        await self._calls.aclose()
        self._close_lenders()

    def _close_lenders(self) -> None:
        for lender in (self.lender, *self._batch_lenders):
            lender.close()

    def _classify(self, error: Exception, request: Request) -> LLMError:
        return self._redact(classify(error, request.model, wall=self._wall()), request)

    def _redact(self, error: E, request: Request) -> E:
        return redact_error(error, *self._secrets, sent=request)


def _call_of(sdk: Any, request: Request) -> Call:
    if uses_invoke(request.model):
        return Call("invoke_model", to_invoke(request), headers_of(request))
    if not hasattr(sdk, "converse"):
        raise ConfigurationError(
            f"The model {request.model} is asked through Converse, which boto3 has from"
            f" 1.34.116 on: this is boto3 {version('boto3')}",
            provider="bedrock",
        )
    return Call("converse", to_converse(request), headers_of(request))


def _reply(answered: Answered, request: Request) -> Reply:
    response, body = answered
    if not uses_invoke(request.model):
        return from_converse(response, request)
    headers = response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return from_invoke(body, request, headers)
