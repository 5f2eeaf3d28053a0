"""The clients that are measured, each as its documentation shows it; `ours` with every promise on.

Each function makes one client of *provider* at *url* and returns how it is asked: blocking, and
awaiting; None where it has no such way. Nothing is imported before a client is made.
"""

from __future__ import annotations

import asyncio
import functools
import importlib
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, NamedTuple

GPT, SONNET = "openai/gpt-oss-120b", "us.anthropic.claude-sonnet-4-6"
REGION = "us-east-1"
KEYS = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "s" * 40}
_CHAT: dict[str, Any] = {"model": GPT, "messages": [{"role": "user", "content": "Hello"}]}
_CONVERSE: dict[str, Any] = {
    "modelId": SONNET,
    "messages": [{"role": "user", "content": [{"text": "Hello"}]}],
    "inferenceConfig": {"maxTokens": 100, "temperature": 0.7},
}
#: No limit of ours is to hold anyone back.
_UNLIMITED = 10**8


class Subject(NamedTuple):
    """How a client is asked; *callers* is how many may do so at once."""

    ask: Callable[[], object] | None
    ask_async: Callable[[], Awaitable[object]] | None
    #: Opens a stream and yields its texts.
    stream: Callable[[], AsyncIterator[str]] | None = None


def our_client(provider: str, url: str, callers: int) -> Any:
    """Make this project's client, whose own limits stand in no one's way."""
    from services import llm_client

    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    llm_client.settings = SimpleNamespace(
        **KEYS,
        GROQ_REQUESTS_PER_MINUTE=_UNLIMITED,
        BEDROCK_REQUESTS_PER_MINUTE=_UNLIMITED,
        LLM_MAX_CONCURRENCY=callers,
    )
    if provider == "groq":
        return llm_client.GroqClient("k", GPT, max_tokens=100, base_url=url)
    return llm_client.BedrockClient(REGION, SONNET, max_tokens=100, endpoint_url=url)


def ours(provider: str, url: str, callers: int) -> Subject:
    """This project's client: quota, retry policy, deadline and ledger included."""
    client = our_client(provider, url, callers)

    async def stream() -> AsyncIterator[str]:
        async with client.astream("Hello") as texts:
            async for text in texts:
                yield text

    return Subject(lambda: client.generate("Hello"), lambda: client.agenerate("Hello"), stream)


def sdk(provider: str, url: str, callers: int) -> Subject:
    """The provider's own SDK as it comes; boto3, which blocks, in as many threads as callers."""
    if provider == "bedrock":
        bare, threads = _boto3_client(url, callers), ThreadPoolExecutor(callers)

        def converse() -> object:
            return bare.converse(**_CONVERSE)

        return Subject(
            converse, lambda: asyncio.get_running_loop().run_in_executor(threads, converse)
        )
    import groq

    blocking = groq.Groq(api_key="k", base_url=url)
    awaiting = _made_late(lambda: groq.AsyncGroq(api_key="k", base_url=url))

    async def stream() -> AsyncIterator[str]:
        how: Any = {**_CHAT, "max_tokens": 100, "stream": True}
        async for chunk in await awaiting().chat.completions.create(**how):
            yield chunk.choices[0].delta.content or ""

    return Subject(
        lambda: blocking.chat.completions.create(**_CHAT, max_tokens=100),
        lambda: awaiting().chat.completions.create(**_CHAT, max_tokens=100),
        stream,
    )


def sdk_in_a_host(provider: str, url: str, callers: int) -> Subject:
    """The provider's own SDK where the host reads its settings by pydantic-settings."""
    importlib.import_module("pydantic_settings")
    return sdk(provider, url, callers)


def sdk_on_aiohttp(provider: str, url: str, callers: int) -> Subject:
    """The groq SDK with the extra that puts aiohttp in httpx's place."""
    groq: Any = importlib.import_module("groq")
    client = _made_late(
        lambda: groq.AsyncGroq(
            api_key="k", base_url=url, http_client=groq.DefaultAioHttpClient(base_url=url)
        )
    )
    return Subject(None, lambda: client().chat.completions.create(**_CHAT, max_tokens=100))


def langchain(provider: str, url: str, callers: int) -> Subject:
    """LangChain's chat models."""
    if provider == "groq":
        library = importlib.import_module("langchain_groq")
        model: Any = library.ChatGroq(model=GPT, api_key="k", base_url=url, max_tokens=100)
    else:
        library = importlib.import_module("langchain_aws")
        model = library.ChatBedrockConverse(
            model=SONNET, client=_boto3_client(url, callers), max_tokens=100, temperature=0.7
        )
    return Subject(lambda: model.invoke("Hello"), lambda: model.ainvoke("Hello"))


def litellm(provider: str, url: str, callers: int) -> Subject:
    """LiteLLM's completion."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # its prices would be fetched from outside
    library: Any = importlib.import_module("litellm")
    library.suppress_debug_info = True
    how: dict[str, Any] = {"messages": _CHAT["messages"], "max_tokens": 100}
    if provider == "groq":
        how |= {"model": f"groq/{GPT}", "api_base": f"{url}/openai/v1", "api_key": "k"}
    else:
        how |= {
            "model": f"bedrock/converse/{SONNET}",
            "aws_bedrock_runtime_endpoint": url,
            "aws_region_name": REGION,
        }
    return Subject(lambda: library.completion(**how), lambda: library.acompletion(**how))


def instructor(provider: str, url: str, callers: int) -> Subject:
    """Instructor without a schema, which then hands the call on to the SDK."""
    library: Any = importlib.import_module("instructor")
    if provider == "bedrock":
        blocking = library.from_bedrock(_boto3_client(url, callers))
        return Subject(lambda: blocking.create(**_CONVERSE, response_model=None), None)
    groq: Any = importlib.import_module("groq")
    how: dict[str, Any] = {**_CHAT, "max_tokens": 100, "response_model": None}
    client = library.from_groq(groq.Groq(api_key="k", base_url=url))
    late = _made_late(lambda: library.from_groq(groq.AsyncGroq(api_key="k", base_url=url)))
    return Subject(lambda: client.create(**how), lambda: late().create(**how))


def pydantic_ai(provider: str, url: str, callers: int) -> Subject:
    """pydantic-ai's agent without tools."""
    agent: Any = importlib.import_module("pydantic_ai").Agent

    def part(name: str) -> Any:
        return importlib.import_module(f"pydantic_ai.{name}.{provider}")

    if provider == "groq":
        groq: Any = importlib.import_module("groq")
        client = groq.AsyncGroq(api_key="k", base_url=url)
        model = part("models").GroqModel(
            GPT, provider=part("providers").GroqProvider(groq_client=client)
        )
    else:
        client = _boto3_client(url, callers)
        model = part("models").BedrockConverseModel(
            SONNET, provider=part("providers").BedrockProvider(bedrock_client=client)
        )
    asked = agent(model, model_settings={"max_tokens": 100})
    return Subject(lambda: asked.run_sync("Hello"), lambda: asked.run("Hello"))


def floor(provider: str, url: str, callers: int) -> Subject:
    """Just the HTTP: httpx where a caller blocks, aiohttp where it awaits, JSON both ways."""
    path = "/openai/v1/chat/completions" if provider == "groq" else f"/model/{SONNET}/converse"
    body = {**_CHAT, "max_tokens": 100} if provider == "groq" else _CONVERSE

    @functools.cache
    def blocking() -> Any:
        return importlib.import_module("httpx").Client()

    @_made_late
    def awaiting() -> Any:
        aiohttp: Any = importlib.import_module("aiohttp")
        return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))

    async def ask_async() -> object:
        async with awaiting().post(url + path, json=body) as answer:
            return await answer.json()

    async def stream() -> AsyncIterator[str]:
        async with awaiting().post(url + path, json={**body, "stream": True}) as answer:
            async for line in answer.content:
                if line.startswith(b"data: {"):
                    delta = json.loads(line[6:])["choices"][0]["delta"]
                    yield delta.get("content") or ""

    def ask() -> object:
        return json.loads(blocking().post(url + path, json=body).content)

    return Subject(ask, ask_async, stream)


MAKERS: dict[str, Callable[[str, str, int], Subject]] = {
    "ours": ours,
    "SDK": sdk,
    "SDK + settings": sdk_in_a_host,
    "SDK + aiohttp": sdk_on_aiohttp,
    "LangChain": langchain,
    "LiteLLM": litellm,
    "instructor": instructor,
    "pydantic-ai": pydantic_ai,
    "floor": floor,
}


def made(name: str, provider: str, url: str, callers: int) -> Subject:
    """Make the client of this name."""
    os.environ.update(KEYS, AWS_EC2_METADATA_DISABLED="true", AWS_DEFAULT_REGION=REGION)
    return MAKERS[name](provider, url, callers)


def _boto3_client(url: str, callers: int) -> Any:
    boto3, config = importlib.import_module("boto3"), importlib.import_module("botocore.config")
    many = config.Config(max_pool_connections=callers)
    return boto3.client("bedrock-runtime", region_name=REGION, endpoint_url=url, config=many)


def _made_late(make: Callable[[], Any]) -> Callable[[], Any]:
    """Make it once, on the event loop that it belongs to."""
    return functools.cache(make)
