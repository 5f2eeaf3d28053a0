"""The client's main job against a provider on loopback, first as Groq, then as Bedrock.

Run it with `make demo`: no key, no network. What is real: the SDKs, HTTP, every wait.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from config import Settings
from sandbox import Fault, Limits, Sandbox
from services import llm_client
from services.llm_client import BedrockClient, GroqClient, RateLimitError, create_llm_client

HS_CODE = {
    "type": "object",
    "properties": {
        "hs_code": {"type": "string", "pattern": r"^\d{4}\.\d{2}$"},
        "description": {"type": "string", "minLength": 3},
        "confidence": {"type": "number", "minimum": 0, "maximum": 1},
    },
    "required": ["hs_code", "description", "confidence"],
}

Client = GroqClient | BedrockClient


def main() -> None:
    """Show both providers, one after the other."""
    logging.basicConfig(format="    log: %(message)s", level=logging.WARNING)
    with Sandbox(limits=Limits(rpm=1000)) as sandbox:
        for use_groq in (True, False):
            print(f"\nUSE_GROQ={str(use_groq).lower()}\n")
            # A backend has these in its environment or in .env.
            llm_client.settings = Settings(
                USE_GROQ=use_groq,
                GROQ_API_KEY="gsk-of-the-sandbox",
                GROQ_BASE_URL=sandbox.url,
                AWS_ACCESS_KEY_ID="AKIASANDBOX",
                AWS_SECRET_ACCESS_KEY="of-the-sandbox",
                AWS_ENDPOINT_URL_BEDROCK_RUNTIME=sandbox.url,
                LLM_MAX_QUOTA_WAIT=5,
            )
            with create_llm_client() as client:
                for step in (text, structured, survived, obeyed):
                    step(client, sandbox)
            refused(sandbox)


def text(client: Client, sandbox: Sandbox) -> None:
    """Ask for text; the default model is long gone, and its successor answers."""
    with told("text"):
        reply = client.respond("Which code has a wooden chair?", "You know the tariff.")
        print(f"    {reply.text!r}")
        print(f"    by {reply.model}, {reply.usage.total_tokens} tokens, attempts:", end=" ")
        print(", ".join(attempt.error or "answered" for attempt in reply.attempts))


def structured(client: Client, sandbox: Sandbox) -> None:
    """Ask for an object that satisfies a JSON Schema."""
    with told("structured JSON for an HS code"):
        answer = client.generate_structured("Classify: a wooden chair.", HS_CODE)
        print(f"    {json.dumps(answer)}")


def survived(client: Client, sandbox: Sandbox) -> None:
    """Ride out a 503."""
    sandbox.script(Fault.error(503))
    with told("a 503, ridden out"):
        reply = client.respond("Are you there?")
        for attempt in reply.attempts:
            outcome = attempt.error or "answered"
            print(f"    attempt {attempt.number}: waited {attempt.waited:.2f} s, {outcome}")


def obeyed(client: Client, sandbox: Sandbox) -> None:
    """Wait out a Retry-After, since LLM_MAX_QUOTA_WAIT allows for it."""
    sandbox.script(Fault.error(429, retry_after="1.5"))
    with told("a 429 with Retry-After: 1.5, obeyed"):
        client.respond("And now?")
        early, late = (exchange.arrived_at for exchange in sandbox.exchanges[-2:])
        print(f"    the sandbox saw the next attempt {late - early:.2f} s after the first")


def refused(sandbox: Sandbox) -> None:
    """Ask more often in a minute than the local window lets through."""
    llm_client.settings = llm_client.settings.model_copy(update={"LLM_MAX_QUOTA_WAIT": 0.0})
    maker: Callable[[], Client] = GroqClient if llm_client.settings.USE_GROQ else BedrockClient
    with maker() as client, told("one request too many in a minute"):
        for count in range(1, 100):
            try:
                client.generate("Again?", model="sandbox/ok")
            except RateLimitError as error:
                print(f"    request {count}: {error}")
                break


@contextmanager
def told(title: str) -> Iterator[None]:
    """Print what is shown, and how long it took."""
    print(f"  {title}")
    begun = time.monotonic()
    yield
    print(f"    {time.monotonic() - begun:.2f} s\n")


if __name__ == "__main__":
    main()
