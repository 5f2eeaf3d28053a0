"""What a call costs beside its exchange, in µs of the processor and as a part of the SDK's call.

    PYTHONPATH=backend python -m bench.own_share

Three rounds take turns with the bare SDK's whole calls to a server on loopback: the call by itself
(quota, retries, ledger, flow), where a reply is there at once; the same with both dialects, from
the request to what the provider is told, and from its answer to the reply; and all but the sockets,
where a request is written as it would be sent, signature included, and an answer stands ready.
Each figure is the least of its rounds.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

from services.llm.http.http1 import Answer
from services.llm.providers import bedrock, groq

from .loopback import server
from .measures import Ask
from .serving import completion, converse
from .subjects import made, our_client

ROUNDS, CALLS = 7, 500
#: How a provider's answer is read, how a request is written, and an answer.
Dialect = tuple[Callable[[Any, Any], Any], Callable[[Any], Any], Any]
_DIALECTS: dict[str, Dialect] = {
    "groq": (groq.from_chat_completion, groq.to_chat_completion, completion("Hello!")),
    "bedrock": (bedrock.from_converse, bedrock.to_converse, converse("Hello!")),
}


def by_itself(provider: str, url: str) -> Ask:
    """A call whose reply is there at once."""
    client = _client(provider, url)
    reply = client.respond("Hello")
    return _with_send(client, lambda _: reply)


def with_dialects(provider: str, url: str) -> Ask:
    """A call whose reply is read from what the provider's JSON holds."""
    read, write, answer = _DIALECTS[provider]

    def send(request: Any) -> Any:
        write(request)
        return read(answer, request)

    return _with_send(_client(provider, url), send)


def without_sockets(provider: str, url: str) -> Ask:
    """A call that writes its request, and is given an answer in place of sending it."""
    client = _client(provider, url)
    body = json.dumps(_DIALECTS[provider][2]).encode()
    answer = Answer(200, [("content-type", "application/json"), ("x-request-id", "0")], body)

    def exchange(_: object, request: Any, __: float) -> Answer:
        assert request.encode() is not None
        return answer

    async def blocking(*arguments: Any) -> Answer:
        return exchange(*arguments)

    if provider == "groq":
        client.client._client.original_transport.exchange = blocking
    else:
        client._transport._calls._http.exchange = exchange
    return _ask_of(client)


def _client(provider: str, url: str) -> Any:
    """Our client, after the calls from which it learns what its requests have in common."""
    client = our_client(provider, url, callers=1)
    for _ in range(2):
        client.generate("Hello")
    return client


def _with_send(client: Any, send: Callable[[Any], Any]) -> Ask:
    own = client._transport
    client._transport = SimpleNamespace(
        lender=own.lender, close=own.close, send=lambda request, _: send(request)
    )
    return _ask_of(client)


def _ask_of(client: Any) -> Ask:
    return partial(client.generate, "Hello")


def least(asks: dict[str, Ask], rounds: int = ROUNDS, calls: int = CALLS) -> dict[str, float]:
    """Return the least µs of the processor of each in so many rounds, in which all take turns."""
    found = dict.fromkeys(asks, float("inf"))
    for _ in range(rounds):
        for name, ask in asks.items():
            began = time.process_time()
            for _ in range(calls):
                ask()
            found[name] = min(found[name], (time.process_time() - began) / calls * 1e6)
    return found


def main() -> None:
    """Measure both providers, and print."""
    with server() as url:
        for provider in ("groq", "bedrock"):
            sdk = made("SDK", provider, url, 1).ask
            assert sdk is not None
            asks = {"the SDK's whole call": sdk} | {
                kind.__name__.replace("_", " "): kind(provider, url)
                for kind in (by_itself, with_dialects, without_sockets)
            }
            found = least(asks)
            for name, micros in found.items():
                part = micros / found["the SDK's whole call"]
                print(f"{provider}: {name}: {micros:.0f} µs, {part:.2f} of it", flush=True)


if __name__ == "__main__":
    main()
