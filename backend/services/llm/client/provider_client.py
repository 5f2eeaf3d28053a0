"""A client that answers by running the flow: what both providers' clients have in common."""

from __future__ import annotations

import weakref
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, NoReturn

from tenacity import Retrying

from ..account.cache import Cache
from ..account.learned import Learned
from ..account.registry import account_of, shared
from ..call import lifecycle, retry
from ..call.call import CallPolicy
from ..call.drivers import awaiting, blocking
from ..effects import Flow
from ..errors import ConfigurationError
from ..providers.completeness import text_of
from ..runtime.fork import ForkLock, pickling_error
from ..runtime.sdk_client import SdkClient
from ..settings.knobs import Knobs
from ..stores import open_store
from ..types import UNSET, Message, Provider, Reply, Request
from .arguments import conversation, count, model_id, timeout_of
from .arguments import options as plain_options
from .arguments import temperature as finite
from .options import checked
from .window import WindowClient


class ProviderClient(WindowClient):
    """Turns arguments into a request and its policy, and runs the flow on its account.

    *timeout* is in seconds for a whole call with its waits and retries.
    """

    #: The SDK's client; a host's test may put anything in its place.
    client: Any
    default_temperature: float | None
    default_max_tokens: int
    #: The package whose client is the real one.
    _sdk_package: str

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
        #: The SDK's client where it is a real one, and one that we have built.
        self._held: SdkClient | None = None
        self._lending = ForkLock()  # guards the replacement of one that is let go
        self._finalizer = weakref.finalize(self, int)  # of `_held`; until there is one, nothing

    def __reduce__(self) -> NoReturn:
        """Raise TypeError: threads, sockets and locks stay in the process that made them."""
        raise pickling_error(self)

    def share_account(self) -> None:
        """Share quota, pauses and what is known of models with all clients of the same account.

        A client whose SDK is a test's stand-in shares nothing.
        """
        if self._is_real:
            self._account = shared(self._account, *self._identity())
            self._owns_account = False

    @property
    def _is_real(self) -> bool:
        return self._is_of_the_sdk(self.client)

    def _is_of_the_sdk(self, thing: Any) -> bool:
        return type(thing).__module__.partition(".")[0] == self._sdk_package

    def _borrowed(self) -> AbstractContextManager[Any]:
        """Lend the SDK's client for one call; it is built anew after `close`, and in a child."""
        with self._lending:
            while (held := self._held) is not None and held.sdk is self.client:
                if held.try_borrow():
                    return held
                self.client = self._adopted(self._connect())
        return nullcontext(self.client)

    def _let_go(self) -> None:
        """Close the SDK's client that we have built, once the calls on their way have ended."""
        if self._held is not None:
            self._held.retire()

    def _disconnect(self) -> None:
        """Close all that this client holds but threads and event loops.

        The cache of an account that is shared stays open for others, until the process ends.
        """
        self._let_go()
        if self._account.cache is not None and self._owns_account:
            self._account.cache.store.close()

    def _keep_answers(self, endpoint: str) -> None:
        """Give the account a cache of *endpoint*'s answers, if the knobs name a place for it.

        The answers of a test's stand-in are not kept: another test would find them.
        """
        url = self._knobs.LLM_CACHE_URL
        if url:
            try:
                store = open_store(url, ttl=self._knobs.LLM_CACHE_TTL)
            except ValueError as error:
                raise ConfigurationError(f"LLM_CACHE_URL: {error}") from error
            self._account.cache = Cache(
                store,
                self._account.provider,
                endpoint.rstrip("/"),
                self._knobs.LLM_CACHE_NAMESPACE,
                self._knobs.LLM_CACHE_TIMEOUT,
            )

    def _adopted(self, sdk: Any) -> Any:
        """Have a real SDK client closed when nobody uses this one any more, or at exit."""
        self._held = None
        # That of the one before would keep it as long as this client lives.
        self._finalizer.detach()
        if self._is_of_the_sdk(sdk):
            self._held = SdkClient(sdk)
            self._finalizer = weakref.finalize(self, self._held.retire)
        return sdk

    @abstractmethod
    def _connect(self) -> Any:
        """Build the SDK's client, or what a test has put in its place."""

    @abstractmethod
    def _identity(self) -> tuple[str, ...]:
        """What tells one account at the provider from another."""

    @abstractmethod
    def sleep(self, seconds: float) -> None:
        """Let *seconds* pass in this thread, as `drive.Wire` asks."""

    @abstractmethod
    def send(self, request: Request, timeout: float) -> Reply:
        """Send once through the SDK; what `drive.Wire` blocks on."""

    @abstractmethod
    async def asend(self, request: Request, timeout: float) -> Reply:
        """Send once through the SDK; what `drive.Wire` awaits."""

    @blocking
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

    @blocking
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

    @blocking
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

    agenerate, arespond = awaiting(generate), awaiting(respond)
    agenerate_with_retry = awaiting(generate_with_retry)

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
        named = "max_tokens"
        if max_tokens is not None and "max_completion_tokens" in further:
            raise ConfigurationError("max_tokens and max_completion_tokens are one: give either")
        if "max_completion_tokens" in further:
            # Groq's newer name for the same: it is to be trued up and enlarged as that is.
            named = "max_completion_tokens"
            max_tokens = further.pop(named)
        own = temperature is UNSET
        defaulted = {"temperature": own, "max_tokens": max_tokens is None}
        return Request(
            model=model_id(model or self._model),
            messages=conversation(prompt, system_prompt, messages),
            temperature=finite(self.default_temperature if own else temperature),
            max_tokens=count(
                named, self.default_max_tokens if max_tokens is None else max_tokens, least=1
            ),
            defaulted=frozenset(name for name, default in defaulted.items() if default),
            options=further,
        )

    def _run(self, request: Request, policy: CallPolicy) -> Flow[Reply]:
        return lifecycle.run_call(policy, self._account, partial(lifecycle.answer, request))

    def _policy(
        self, timeout: float | None, max_retries: int | None, told: Retrying | None = None
    ) -> CallPolicy:
        further = self.max_retries if max_retries is None else max_retries
        return CallPolicy(
            retrying=told or retry.transient_errors(count("max_retries", further, least=0) + 1),
            timeout=timeout_of("timeout", self.timeout if timeout is None else timeout),
            max_quota_wait=self._knobs.LLM_MAX_QUOTA_WAIT,
            exact_attempts=told is not None,
        )
