"""Sends one request through a groq client by `post`, below its typed `create`.

The typed call costs a third of the caller's processor time in transforming the request and
building models of the answer, which is read as JSON here. `post` keeps what the SDK is for: the
key, the base URL, the headers, the response hooks and the classes of its errors.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine, Mapping
from functools import cached_property, lru_cache
from types import ModuleType
from typing import Any

import anyio

from ...http.untouched import is_own, is_untouched
from ...runtime.coroutines import as_coroutine, run_without_loop
from ...runtime.real_sdk import is_real_sdk
from .json_answer import read_json
from .sdk_parts import POST_PARAMETERS, accepts

#: The module in which `create` is defined.
_OF_CREATE = "groq.resources.chat.completions"
_PATH = "/openai/v1/chat/completions"

#: The keywords of `create` that say how to send, by their names in the SDK's own options.
_OPTIONS = {"extra_headers": "headers", "extra_query": "params", "extra_body": "extra_json"}


def has_original_create(sdk: Any) -> bool:
    """Whether `sdk.chat.completions.create` is what the groq package defines, down to `post`.

    False for a mock of a test, for a method that an instrumentation such as OpenTelemetry's or
    Langfuse's has wrapped, on the object or the class, and for a client of the host's own class:
    these must see the call, so that their `create` is to be called.
    """
    package = sys.modules.get("groq")
    if package is None or not is_real_sdk(sdk, "groq"):
        return False
    return (
        (_is_not_imported(sdk, package) or _is_untouched(sdk, package))
        and is_untouched(sdk, "post", package)
        and accepts(type(sdk).post, POST_PARAMETERS)
    )


def _is_not_imported(sdk: Any, package: ModuleType) -> bool:
    """Whether not even the SDK has imported `create`, so that nobody can have replaced it.

    Its import takes a tenth of a process's first call; the SDK does it when `sdk.chat` is asked.
    """
    chat = vars(type(sdk)).get("chat")
    return (
        _OF_CREATE not in sys.modules
        and "chat" not in vars(sdk)
        and isinstance(chat, cached_property)
        and is_own(chat.func, package)
    )


def _is_untouched(sdk: Any, package: ModuleType) -> bool:
    completions = sdk.chat.completions
    # `create` posts by this attribute.
    has_same_post: bool = getattr(completions, "_post", None) == sdk.post
    return (
        has_same_post
        and is_real_sdk(completions, "groq")
        and is_untouched(completions, "create", package)
    )


def post_arguments(arguments: Mapping[str, Any], timeout: float) -> dict[str, Any]:
    """Return the arguments of the SDK's `post` for those of its `create`."""
    import httpx

    options = {
        to: arguments[name] for name, to in _OPTIONS.items() if arguments.get(name) is not None
    }
    body = {name: value for name, value in arguments.items() if name not in _OPTIONS}
    # Retries have one owner, and it is not the SDK, whoever built it.
    options |= {"timeout": timeout, "max_retries": 0}
    return {"path": _PATH, "cast_to": httpx.Response, "body": body, "options": options}


def read_answer(response: Any) -> Any:
    """Return the answer in an httpx *response* as JSON; raises LLMError where it is none."""
    return read_json(response.content, response.headers)


def send(sdk: Any, arguments: Mapping[str, Any], timeout: float) -> Any:
    """Post the request of `create` with these *arguments*; return the answer as JSON.

    Raises the SDK's errors, also after *timeout* seconds.
    """
    return run_without_loop(_send(sdk, arguments, timeout, as_coroutine(sdk.post)))


async def asend(sdk: Any, arguments: Mapping[str, Any], timeout: float) -> Any:
    """Do as `send` does, with the SDK's async client."""

    async def post(**options: Any) -> Any:
        with anyio.fail_after(timeout):
            return await sdk.post(**options)

    return await _send(sdk, arguments, timeout, post)


async def _send(
    sdk: Any,
    arguments: Mapping[str, Any],
    timeout: float,
    post: Callable[..., Coroutine[Any, Any, Any]],
) -> Any:
    expect_whole_answers, request_templates = _with_httpx()
    body = request_templates.body_of(arguments)
    if body is not None and (known := request_templates.template_for(sdk)) is not None:
        return await request_templates.send(sdk, known, body, timeout)
    with expect_whole_answers():
        response = await post(**post_arguments(arguments, timeout))
    if body is not None:
        request_templates.learn(sdk, response.request)
    return read_answer(response)


@lru_cache(maxsize=1)
def _with_httpx() -> tuple[Any, Any]:
    """What needs httpx, which the SDK brings: looked up once, as an import costs microseconds."""
    from ...http.httpx_parts import expect_whole_answers
    from . import request_templates

    return expect_whole_answers, request_templates
