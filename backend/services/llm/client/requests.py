"""The arguments that calls have in common: one list, and what is made of them before a call."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial, update_wrapper
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from typing_extensions import TypeVarTuple, Unpack

from ..call.call_policy import CallPolicy
from ..types import UNSET, Message, Request
from .arguments import (
    conversation,
    count,
    model_id,
    tags_of,
    take_max_tokens,
    take_priority,
    timeout_of,
)
from .arguments import options as plain_options
from .arguments import temperature as finite
from .configured import ConfiguredClient
from .options import checked
from .request_check import check_request

if TYPE_CHECKING:
    from tenacity import Retrying

C = TypeVar("C", bound=ConfiguredClient)
P = ParamSpec("P")
R = TypeVar("R")
Ts = TypeVarTuple("Ts")


def make_request(
    client: ConfiguredClient,
    prompt: str | None = None,
    system_prompt: str | None = None,
    temperature: float | None = UNSET,
    model: str | None = None,
    max_tokens: int | None = None,
    *,
    messages: Sequence[Message] | None = None,
    options: Mapping[str, Any],
) -> Request:
    """Return the request that the arguments ask for; what is not given is the client's default.

    Raises `ConfigurationError` that names the argument at fault.
    """
    further = dict(options)
    priority = take_priority(further)
    further = plain_options(checked(further, client._account.provider))
    max_tokens = take_max_tokens(max_tokens, further)
    own = temperature is UNSET
    defaulted = {"temperature": own, "max_tokens": max_tokens is None}
    request = Request(
        model=model_id(client._model if model is None or model == "" else model),
        messages=conversation(prompt, system_prompt, messages),
        temperature=finite(client.default_temperature if own else temperature),
        max_tokens=count(
            "max_tokens", client.default_max_tokens if max_tokens is None else max_tokens, least=1
        ),
        defaulted=frozenset(name for name, default in defaulted.items() if default),
        priority=priority,
        options=further,
    )
    client._check_model(request.model)
    check_request(client._account.adapt_request(request), client._account.provider)
    return request


def make_policy(
    client: ConfiguredClient,
    timeout: float | None,
    max_retries: int | None = None,
    exact_attempts: int | None = None,
    tags: Mapping[str, str] | None = None,
) -> CallPolicy:
    """Return how long a call may take and how it is retried.

    *exact_attempts* are made of what is not known to be permanent; else *max_retries* more of what
    is known to be transient.
    """
    further = client.max_retries if max_retries is None else max_retries
    attempts = count("max_retries", further, least=0) + 1
    return CallPolicy(
        make_retry_policy=partial(_retry_policy, attempts, exact_attempts),
        timeout=timeout_of("timeout", client.timeout if timeout is None else timeout),
        max_quota_wait=client._knobs.LLM_MAX_QUOTA_WAIT,
        has_requested_attempts=exact_attempts is not None,
        tags=tags_of(tags),
    )


def _retry_policy(attempts: int, exact_attempts: int | None) -> Retrying:
    from ..call import retry  # only a call that has failed pays for tenacity

    if exact_attempts is not None:
        return retry.exact_attempts(exact_attempts)
    return retry.transient_errors(attempts)


def call_arguments(
    self: ConfiguredClient,
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
    tags: Mapping[str, str] | None = None,
    **options: Any,
) -> tuple[Request, CallPolicy]:
    """Return the request and the policy of a call with these arguments.

    A *temperature* of None leaves it to the provider, whatever the client's default. Further
    *options* go to the provider as they are. *timeout* is in seconds for the whole call,
    *max_retries* the further attempts after a passing fault. *tags* name the call to hooks and in
    reports. With `priority="batch"` it lets others go first where it waits for a limit.
    """
    request = make_request(
        *(self, prompt, system_prompt, temperature, model, max_tokens),
        messages=messages,
        options=options,
    )
    return request, make_policy(self, timeout, max_retries, tags=tags)


def takes(
    arguments: Callable[Concatenate[ConfiguredClient, P], tuple[Unpack[Ts]]],
) -> Callable[[Callable[[C, Unpack[Ts]], R]], Callable[Concatenate[C, P], R]]:
    """Give a function of what *arguments* returns the arguments, and the signature, of that."""

    def decorate(
        call: Callable[[C, Unpack[Ts]], R],
    ) -> Callable[Concatenate[C, P], R]:
        def method(self: C, /, *args: P.args, **kwargs: P.kwargs) -> R:
            return call(self, *arguments(self, *args, **kwargs))

        update_wrapper(method, call)
        returned = call.__annotations__["return"]
        method.__annotations__ = {**arguments.__annotations__, "return": returned}
        signature = inspect.signature(arguments)
        vars(method)["__signature__"] = signature.replace(return_annotation=returned)
        return method

    return decorate
