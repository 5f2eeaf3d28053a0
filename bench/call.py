"""What one blocking call costs the caller's processor, beside the bare SDK and other libraries.

    pip install -r bench/requirements.txt
    PYTHONPATH=backend python -m bench.call [calls]

Every client asks the same loopback server, which answers at once. A figure is processor time of
this process for a call; rounds of all clients take turns, so that a drift of the machine's speed
meets all of them. The ratio to the bare groq SDK is what to quote.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from types import SimpleNamespace

from .loopback import server

ROUNDS = 7
Ask = Callable[[], object]


def bare_sdk(url: str) -> Ask:
    """The groq SDK as it comes."""
    from groq import Groq

    client = Groq(api_key="k", base_url=url)
    said = [{"role": "user", "content": "Hello"}]
    return lambda: client.chat.completions.create(model="m", messages=said, max_tokens=100)  # type: ignore[arg-type] # a plain dict, as most callers write it


def ours(url: str) -> Ask:
    """This project's client: quota, retry policy, deadline and ledger included."""
    from services import llm_client

    llm_client.settings = SimpleNamespace(GROQ_REQUESTS_PER_MINUTE=1_000_000)
    client = llm_client.GroqClient(api_key="k", base_url=url, model="m", max_tokens=100)
    return lambda: client.generate("Hello")


def litellm(url: str) -> Ask:
    """LiteLLM's completion."""
    # Its prices would be fetched from outside.
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    import litellm as library

    said = [{"role": "user", "content": "Hello"}]
    where = {"api_base": f"{url}/openai/v1", "api_key": "k"}
    return lambda: library.completion(model="groq/m", messages=said, max_tokens=100, **where)


def langchain(url: str) -> Ask:
    """LangChain's chat model for Groq."""
    from langchain_groq import ChatGroq

    client = ChatGroq(model="m", api_key="k", base_url=url, max_tokens=100)
    return lambda: client.invoke("Hello")


def pydantic_ai(url: str) -> Ask:
    """pydantic-ai's agent without tools."""
    from groq import AsyncGroq
    from pydantic_ai import Agent
    from pydantic_ai.models.groq import GroqModel
    from pydantic_ai.providers.groq import GroqProvider

    provider = GroqProvider(groq_client=AsyncGroq(api_key="k", base_url=url))
    agent = Agent(GroqModel("m", provider=provider))
    return lambda: agent.run_sync("Hello")


def ready(url: str) -> Iterator[tuple[str, Ask]]:
    """Yield the clients that are installed, each after a first call."""
    for make in (bare_sdk, ours, litellm, langchain, pydantic_ai):
        try:
            ask = make(url)
            ask()
        except ImportError as error:
            print(f"{make.__name__:12} not installed ({error.name})")
        else:
            yield make.__name__, ask


def main() -> None:
    """Measure, and print each client's cost and its ratio to the bare SDK's."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("calls", nargs="?", type=int, default=200, help="calls a round")
    calls = parser.parse_args().calls
    warnings.simplefilter("ignore")
    with server() as url:
        clients = dict(ready(url))
        costs: dict[str, list[float]] = {name: [] for name in clients}
        for _ in range(ROUNDS):
            for name, ask in clients.items():
                begun = time.process_time()
                for _ in range(calls):
                    ask()
                costs[name].append((time.process_time() - begun) / calls)
    base = statistics.median(costs["bare_sdk"])
    for name, measured in costs.items():
        cost = statistics.median(measured)
        print(f"{name:12} {cost * 1e6:8.0f} µs a call   {cost / base:5.2f} of the bare SDK")
    os._exit(0)  # some of the libraries leave threads that would keep the process


if __name__ == "__main__":
    main()
