"""Bedrock's half of a client: one request through the boto3 client, which the face builds."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any, TypeVar

from ..errors import ConfigurationError, LLMError
from ..providers import bedrock
from ..providers.bedrock.configuration import check_arn
from ..providers.bedrock.transport import Answered, Call, Transport
from ..providers.foreign_errors import redact_error
from ..types import Reply, Request
from .structured_calls import StructuredClient

E = TypeVar("E", bound=BaseException)

#: So much is read of a body that is no answer, in bytes.
_READ = 64 * 1024


class BedrockWire(StructuredClient):
    """Asks botocore for what is to be sent and read, and sends it in the time that is left."""

    region_name: str
    default_model_id: str
    _sdk_package = "botocore"
    _credentials: dict[str, str]
    _transport: Transport

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

    def _request(self, *args: Any, **kwargs: Any) -> Request:
        request = super()._request(*args, **kwargs)
        check_arn(request.model, self.region_name)
        return request

    def send(self, request: Request, timeout: float) -> Reply:
        """Send *request* once, in this thread; raises LLMError, also after *timeout* seconds."""
        try:
            with self._borrowed() as sdk:
                call = _call_of(sdk, request)
                return _reply(self._transport.send(sdk, call, timeout), request)
        except LLMError as error:
            self._muted(error, request)
            raise
        except Exception as error:
            raise self._meaning(error, request) from self._muted(error, request)

    async def asend(self, request: Request, timeout: float) -> Reply:
        """Send *request* once, as `send` does, without blocking the event loop."""
        try:
            with self._borrowed() as sdk:
                call = _call_of(sdk, request)
                return _reply(await self._transport.asend(sdk, call, timeout), request)
        except LLMError as error:
            self._muted(error, request)
            raise
        except Exception as error:
            raise self._meaning(error, request) from self._muted(error, request)

    def close(self) -> None:
        """Close the connections, and let the threads end with their calls."""
        self._transport.close()
        self._disconnect()

    def _adopted(self, sdk: Any) -> Any:
        if self._is_of_the_sdk(sdk):
            sdk.meta.events.register("response-received.bedrock-runtime.Converse", _keep_unread)
        return super()._adopted(sdk)

    async def aclose(self) -> None:
        """Close this event loop's connections too."""
        await self._transport.aclose()
        self._disconnect()

    def _meaning(self, error: Exception, request: Request) -> LLMError:
        meant = bedrock.classify(error, request.model, wall=self._account.wall())
        return self._muted(meant, request)

    def _muted(self, error: E, sent: Request) -> E:
        return redact_error(error, *self._credentials.values(), sent=sent)


def _keep_unread(
    response_dict: dict[str, Any] | None, parsed_response: dict[str, Any] | None, **_: Any
) -> None:
    """Keep the body of a reply of which botocore knows no member, and which it would drop."""
    if response_dict and parsed_response and parsed_response.keys() <= {"ResponseMetadata"}:
        head = response_dict["body"][:_READ]
        parsed_response[bedrock.RAW_BODY] = head.decode("utf-8", "replace")


def _call_of(sdk: Any, request: Request) -> Call:
    if bedrock.uses_invoke(request.model):
        return Call("invoke_model", bedrock.to_invoke(request))
    if not hasattr(sdk, "converse"):
        raise ConfigurationError(
            f"The model {request.model} is asked through Converse, which boto3 has from"
            f" 1.34.116 on: this is boto3 {version('boto3')}",
            provider="bedrock",
        )
    return Call("converse", bedrock.to_converse(request))


def _reply(answered: Answered, request: Request) -> Reply:
    response, body = answered
    if not bedrock.uses_invoke(request.model):
        return bedrock.from_converse(response, request)
    headers = response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return bedrock.from_invoke(body, request, headers)
