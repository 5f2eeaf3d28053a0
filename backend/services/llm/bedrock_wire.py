"""Bedrock's half of a client: one request through the boto3 client, which the face builds."""

from __future__ import annotations

import asyncio
from concurrent.futures import TimeoutError as FutureTimeoutError
from functools import partial
from importlib.metadata import version
from typing import Any, TypeVar

import anyio

from .dialects import bedrock
from .dialects.foreign import muted
from .errors import ConfigurationError, LLMError, LLMTimeoutError
from .hang_up import Line
from .structured_calls import StructuredClient
from .types import Reply, Request
from .workers import Workers

E = TypeVar("E", bound=BaseException)

#: So much is read of a body that is no answer, in bytes.
_READ = 64 * 1024


class BedrockWire(StructuredClient):
    """Sends in threads of its own, since botocore blocks and keeps no deadline."""

    region_name: str
    default_model_id: str
    _sdk_package = "botocore"
    _credentials: dict[str, str]
    _read_timeout: float
    _workers: Workers

    @property
    def _model(self) -> str:
        return self.default_model_id

    def _format_prompt_for_model(
        self, prompt: str, system_prompt: str | None, model_id: str
    ) -> dict[str, Any]:
        """Return the InvokeModel body that asks *model_id*; raises ValueError for no family."""
        return bedrock.format_prompt(
            prompt,
            system_prompt,
            model_id,
            temperature=self.default_temperature,
            max_tokens=self.default_max_tokens,
        )

    def _parse_response(self, body: Any, model_id: str) -> str:
        """Return the text in *model_id*'s answer; raises ValueError for no family."""
        return bedrock.parse_response(body, model_id)

    def _identity(self) -> tuple[str, ...]:
        key_id = self._credentials.get("aws_access_key_id", "")
        return key_id, self.region_name, self.client.meta.endpoint_url

    def send(self, request: Request, timeout: float) -> Reply:
        """Send *request* once, in a thread of the client's own: botocore keeps no deadline.

        Raises LLMError; LLMTimeoutError after *timeout* seconds.
        """
        line, call = Line(), partial(self._call, request, timeout)
        try:
            return self._workers.submit(partial(line.carry, call)).result(timeout)
        except FutureTimeoutError as error:
            raise _unanswered(timeout) from error
        finally:
            line.hang_up()

    async def asend(self, request: Request, timeout: float) -> Reply:
        """Send *request* once, as `send` does, without blocking the event loop."""
        line, call = Line(), partial(self._call, request, timeout)
        try:
            with anyio.fail_after(timeout):
                return await asyncio.wrap_future(self._workers.submit(partial(line.carry, call)))
        except TimeoutError as error:
            raise _unanswered(timeout) from error
        finally:
            line.hang_up()

    def close(self) -> None:
        """Close the connections, and let the threads end with their calls."""
        self._workers.close()
        self._disconnect()

    def _adopted(self, sdk: Any) -> Any:
        if self._is_of_the_sdk(sdk):
            sdk.meta.events.register("response-received.bedrock-runtime.Converse", _keep_unread)
        return super()._adopted(sdk)

    def _call(self, request: Request, timeout: float) -> Reply:
        if timeout > self._read_timeout and self._is_real:
            # botocore has one read timeout a client, and an answer comes in one piece: for a longer
            # call the client is built anew.
            self._read_timeout = timeout
            self._let_go()
        try:
            with self._borrowed() as sdk:
                return _ask(sdk, request)
        except LLMError as error:
            self._muted(error, request)
            raise
        except Exception as error:
            meant = bedrock.classify(error, request.model, wall=self._account.wall())
            raise self._muted(meant, request) from self._muted(error, request)

    def _muted(self, error: E, sent: Request) -> E:
        return muted(error, *self._credentials.values(), sent=sent)


def _keep_unread(
    response_dict: dict[str, Any] | None, parsed_response: dict[str, Any] | None, **_: Any
) -> None:
    """Keep the body of a reply of which botocore knows no member, and which it would drop."""
    if response_dict and parsed_response and parsed_response.keys() <= {"ResponseMetadata"}:
        head = response_dict["body"][:_READ]
        parsed_response[bedrock.UNREAD] = head.decode("utf-8", "replace")


def _ask(sdk: Any, request: Request) -> Reply:
    if bedrock.speaks_invoke(request.model):
        response = sdk.invoke_model(**bedrock.to_invoke(request))
        headers = response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        return bedrock.from_invoke(response["body"].read(), request, headers)
    if not hasattr(sdk, "converse"):
        raise ConfigurationError(
            f"The model {request.model} is asked through Converse, which boto3 has from"
            f" 1.34.116 on: this is boto3 {version('boto3')}",
            provider="bedrock",
        )
    response = sdk.converse(**bedrock.to_converse(request))
    return bedrock.from_converse(response, request)


def _unanswered(timeout: float) -> LLMTimeoutError:
    return LLMTimeoutError(
        f"Bedrock connection error: no answer within {timeout:.1f} seconds", provider="bedrock"
    )
