"""A client of one provider: arguments become a request, which its account and transport answer."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from tenacity import Retrying

from ..account.learned import Learned
from ..account.registry import account_of, open_cache, shared
from ..call import lifecycle, retry, streaming
from ..call.call import CallPolicy
from ..call.drivers import Transport, async_method, blocking_method
from ..call.stream import AsyncStream, Stream
from ..effects import Flow
from ..providers.completeness import text_of
from ..runtime.fork import pickling_error
from ..runtime.sdk_lender import SdkLender
from ..settings.knobs import Knobs
from ..types import UNSET, Message, Provider, Reply, Request
from . import structured_calls
from .arguments import conversation, count, model_id, take_max_tokens, timeout_of
from .arguments import options as plain_options
from .arguments import temperature as finite
from .base import LLMClient
from .options import checked
from .window import WindowAttribute, WindowTimes, check_rate_limit


class SdkTransport(Transport, Protocol):
    """A transport that sends through an SDK's client, which it lends to its calls."""

    lender: SdkLender

    def close(self) -> None:
        """Close connections and threads, each after its last call."""

    async def aclose(self) -> None:
        """Close what this event loop holds, then the same as `close`."""


class ProviderClient(LLMClient):
    """Makes requests of arguments, and runs calls of them on its account and its transport.

    *timeout* is in seconds for a whole call with its waits and retries. A subclass makes the
    transport.
    """

    default_temperature: float | None
    default_max_tokens: int
    _transport: SdkTransport

    # What hosts' tests look at and assign to, of the window of requests.
    _request_times = WindowTimes()
    _rate_limit_window = WindowAttribute("window")
    _max_requests_per_window = WindowAttribute("amount")
    _check_rate_limit = check_rate_limit

    def __init__(
        self,
        provider: Provider,
        knobs: Knobs,
        timeout: float | None = None,
        max_retries: int | None = None,
        region: str | None = None,
    ) -> None:
        self._knobs = knobs
        self.timeout = timeout_of("timeout", knobs.LLM_TIMEOUT if timeout is None else timeout)
        self.max_retries = count(
            "max_retries", knobs.LLM_MAX_RETRIES if max_retries is None else max_retries, least=0
        )
        self._account = account_of(provider, knobs, region)
        self._owns_account = True

    def __reduce__(self) -> NoReturn:
        """Raise TypeError: threads, sockets and locks stay in the process that made them."""
        raise pickling_error(self)

    @property
    def client(self) -> Any:
        """The SDK's client; a host's test may assign anything in its place, and delete that."""
        return self._transport.lender.sdk

    @client.setter
    def client(self, sdk: Any) -> None:
        self._transport.lender.sdk = sdk

    @client.deleter
    def client(self) -> None:
        del self._transport.lender.sdk

    @property
    @abstractmethod
    def _model(self) -> str:
        """The model that answers where the caller names none."""

    @property
    @abstractmethod
    def _endpoint(self) -> str:
        """The URL that a real SDK's client calls."""

    @abstractmethod
    def _identity(self) -> tuple[str, ...]:
        """What tells one account at the provider from another."""

    def share_account(self) -> None:
        """Share quota, pauses and what is known of models with all clients of the same account.

        A client whose SDK is a test's stand-in shares nothing.
        """
        if self._transport.lender.is_real:
            self._account = shared(self._account, *self._identity())
            self._owns_account = False

    def close(self) -> None:
        """Close connections, threads and the cache, each after the calls that use it.

        The cache of an account that is shared stays open for others, until the process ends.
        """
        self._transport.close()
        self._close_cache()

    async def aclose(self) -> None:
        """Close what this event loop holds, then the same as `close`."""
        await self._transport.aclose()
        self._close_cache()

    def _open_cache(self) -> None:
        # The answers of a test's stand-in are not kept: another test would find them.
        if self._transport.lender.is_real:
            provider = self._account.provider
            self._account.cache = open_cache(self._knobs, provider, self._endpoint)

    def _close_cache(self) -> None:
        if self._account.cache is not None and self._owns_account:
            self._account.cache.store.close()

    @blocking_method
    def respond(
        self,
        /,
        prompt: str | None = None,
        system_prompt: str | None = None,
        temperature: float | None = UNSET,
        model: str | None = None,
        max_tokens: int | None = None,
        *,
        messages: Sequence[Message] | None = None,
        timeout: float | None = None,
        max_retries: int | None = None,
        **options: Any,
    ) -> Flow[Reply]:
        """Return the whole reply to *messages*, then to *prompt* as what the user says last.

        A *temperature* of None leaves it to the provider, whatever the client's default. Further
        *options* go to the provider as they are. *timeout* is in seconds for the whole
        call, *max_retries* the further attempts after a passing fault. Raises `LLMError`.
        """
        request = self._request(
            prompt, system_prompt, temperature, model, max_tokens, messages, options
        )
        return (yield from self._run(request, self._policy(timeout, max_retries)))

    @blocking_method
    def generate(
        self,
        /,
        prompt: str | None = None,
        system_prompt: str | None = None,
        temperature: float | None = UNSET,
        model: str | None = None,
        max_tokens: int | None = None,
        *,
        messages: Sequence[Message] | None = None,
        timeout: float | None = None,
        max_retries: int | None = None,
        **options: Any,
    ) -> Flow[str]:
        """Return the text of the model's answer; arguments and errors are those of `respond`."""
        request = self._request(
            prompt, system_prompt, temperature, model, max_tokens, messages, options
        )
        return text_of((yield from self._run(request, self._policy(timeout, max_retries))))

    @blocking_method
    def generate_with_retry(
        self,
        /,
        prompt: str | None = None,
        max_retries: int = 3,
        system_prompt: str | None = None,
        temperature: float | None = UNSET,
        model: str | None = None,
        max_tokens: int | None = None,
        *,
        messages: Sequence[Message] | None = None,
        timeout: float | None = None,
        **options: Any,
    ) -> Flow[str]:
        """Return the model's answer in at most *max_retries* attempts in all.

        What is not known to be permanent is tried again, after 1 s, 2 s, 4 s and so on, up to a
        minute. Raises `RetriesExhaustedError` when the attempts are used up.
        """
        request = self._request(
            prompt, system_prompt, temperature, model, max_tokens, messages, options
        )
        attempts = count("max_retries", max_retries, least=1)
        policy = self._policy(timeout, None, retry.exact_attempts(attempts))
        return text_of((yield from self._run(request, policy)))

    def stream(
        self,
        /,
        prompt: str | None = None,
        system_prompt: str | None = None,
        temperature: float | None = UNSET,
        model: str | None = None,
        max_tokens: int | None = None,
        *,
        messages: Sequence[Message] | None = None,
        timeout: float | None = None,
        max_retries: int | None = None,
        **options: Any,
    ) -> Stream:
        """Return the reply as it comes, to be read in a `with` block; arguments as of `respond`.

        The request is sent when the first piece is asked for. A failure after that piece is not
        tried again: it raises `LLMError`, whose `partial` holds what came.
        """
        request = self._request(
            prompt, system_prompt, temperature, model, max_tokens, messages, options
        )
        return Stream(self._stream(request, self._policy(timeout, max_retries)), self._transport)

    def astream(
        self,
        /,
        prompt: str | None = None,
        system_prompt: str | None = None,
        temperature: float | None = UNSET,
        model: str | None = None,
        max_tokens: int | None = None,
        *,
        messages: Sequence[Message] | None = None,
        timeout: float | None = None,
        max_retries: int | None = None,
        **options: Any,
    ) -> AsyncStream:
        """Return the reply as it comes, to be read in an `async with` block; as `stream` does."""
        request = self._request(
            prompt, system_prompt, temperature, model, max_tokens, messages, options
        )
        policy = self._policy(timeout, max_retries)
        return AsyncStream(self._stream(request, policy), self._transport)

    agenerate, arespond = async_method(generate), async_method(respond)
    agenerate_with_retry = async_method(generate_with_retry)

    if TYPE_CHECKING:
        generate_structured: structured_calls.GenerateStructured
        agenerate_structured: structured_calls.AGenerateStructured
        respond_structured: structured_calls.RespondStructured
        arespond_structured: structured_calls.ARespondStructured
    else:
        generate_structured = blocking_method(structured_calls.generate_structured)
        agenerate_structured = async_method(generate_structured)
        respond_structured = blocking_method(structured_calls.respond_structured)
        arespond_structured = async_method(respond_structured)

    def learned(self) -> Learned:
        """Return what this client's account has learnt from the provider's answers, until when."""
        return self._account.learned()

    def forget(self) -> None:
        """Drop what was learnt: pauses, outages, models that are gone, parameters refused.

        It holds for all clients that share the account. The next calls find out anew.
        """
        self._account.forget()

    def _request(
        self,
        prompt: str | None,
        system_prompt: str | None,
        temperature: float | None,
        model: str | None,
        max_tokens: int | None,
        messages: Sequence[Message] | None,
        options: Mapping[str, Any],
    ) -> Request:
        further = plain_options(checked(options, self._account.provider))
        max_tokens = take_max_tokens(max_tokens, further)
        own = temperature is UNSET
        defaulted = {"temperature": own, "max_tokens": max_tokens is None}
        return Request(
            model=model_id(model or self._model),
            messages=conversation(prompt, system_prompt, messages),
            temperature=finite(self.default_temperature if own else temperature),
            max_tokens=count(
                "max_tokens", self.default_max_tokens if max_tokens is None else max_tokens, least=1
            ),
            defaulted=frozenset(name for name, default in defaulted.items() if default),
            options=further,
        )

    def _run(self, request: Request, policy: CallPolicy) -> Flow[Reply]:
        return lifecycle.run_call(policy, self._account, partial(lifecycle.answer, request))

    def _stream(self, request: Request, policy: CallPolicy) -> Flow[Reply]:
        idle = self._knobs.LLM_STREAM_IDLE_TIMEOUT
        return streaming.stream(request, policy, self._account, idle)

    def _policy(
        self, timeout: float | None, max_retries: int | None, retrying: Retrying | None = None
    ) -> CallPolicy:
        further = self.max_retries if max_retries is None else max_retries
        return CallPolicy(
            retrying=retrying or retry.transient_errors(count("max_retries", further, least=0) + 1),
            timeout=timeout_of("timeout", self.timeout if timeout is None else timeout),
            max_quota_wait=self._knobs.LLM_MAX_QUOTA_WAIT,
            exact_attempts=retrying is not None,
        )
