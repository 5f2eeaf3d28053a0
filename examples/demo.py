"""The client's main job against a provider on loopback, first as Groq, then as Bedrock.

Run it with `make demo`: no key, no network. What is real: the SDKs, HTTP, every wait. What the
model says is scripted.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pydantic import SecretStr

from config import Settings
from sandbox import Answer, Fault, Limits, Sandbox
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
CHAIR = "Seats, with wooden frames, upholstered"
QUESTION = "Which HS heading has an upholstered wooden chair?"
FREIGHT = "Does the customs value of imports into the EU include freight?"

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
                GROQ_API_KEY=SecretStr("gsk-of-the-sandbox"),
                GROQ_BASE_URL=sandbox.url,
                AWS_ACCESS_KEY_ID=SecretStr("AKIASANDBOX"),
                AWS_SECRET_ACCESS_KEY=SecretStr("of-the-sandbox"),
                AWS_ENDPOINT_URL_BEDROCK_RUNTIME=sandbox.url,
                LLM_MAX_QUOTA_WAIT=5,
                LLM_CACHE_URL="memory:",
            )
            with create_llm_client() as client:
                for show in (retired, cached, structured, unavailable, rate_limited):
                    show(client, sandbox)
            window_full(sandbox)


def retired(client: Client, sandbox: Sandbox) -> None:
    """Ask for text; the default model is long gone, and its successor answers."""
    sandbox.script(None, Answer.says("Heading 9401, seats: subheading 9401.61."))
    with titled("a retired model: its successor answers"):
        reply = client.respond(QUESTION, "You know the tariff.")
        print(f"    {reply.text!r}")
        print(f"    by {reply.model}, {reply.usage.total_tokens} tokens, attempts:", end=" ")
        print(", ".join(attempt.error or "answered" for attempt in reply.attempts))


def cached(client: Client, sandbox: Sandbox) -> None:
    """Ask the same twice; the second answer comes from the cache (LLM_CACHE_URL)."""
    sandbox.script(Answer.says("Yes: up to the place of entry into the customs territory."))
    with titled("the same question twice: a cache hit"):
        for _ in range(2):
            before = len(sandbox.exchanges)
            reply = client.respond(FREIGHT)
            sent = len(sandbox.exchanges) - before
            print(f"    {reply.text!r}, requests sent: {sent}")


def structured(client: Client, sandbox: Sandbox) -> None:
    """Ask for an object that satisfies a JSON Schema; the first answer does not."""
    wrong = {"hs_code": "940161", "description": CHAIR, "confidence": 0.93}
    right = {**wrong, "hs_code": "9401.61"}
    sandbox.script(Answer.says(json.dumps(wrong)), Answer.says(json.dumps(right)))
    with titled("structured JSON for an HS code: a repair turn"):
        before = len(sandbox.exchanges)
        answer = client.generate_structured("Classify: an upholstered wooden chair.", HS_CODE)
        print(f"    the model first said  {json.dumps(wrong)}")
        print(f"    told what was wrong   {json.dumps(answer)}")
        print(f"    requests sent: {len(sandbox.exchanges) - before}")


def unavailable(client: Client, sandbox: Sandbox) -> None:
    """Retry after a 503."""
    sandbox.script(Fault.error(503), Answer.says("Chapter 94."))
    with titled("a 503, retried"):
        reply = client.respond("Which chapter has furniture?")
        for attempt in reply.attempts:
            outcome = attempt.error or f"answered {reply.text!r}"
            print(f"    attempt {attempt.number}: waited {attempt.waited:.2f} s, {outcome}")


def rate_limited(client: Client, sandbox: Sandbox) -> None:
    """Wait out a Retry-After, since LLM_MAX_QUOTA_WAIT allows for it."""
    sandbox.script(Fault.rate_limited(1.5), Answer.says("Free, under most-favoured-nation terms."))
    with titled("a 429 with Retry-After: 1.5, obeyed"):
        print(f"    {client.generate('What is the US duty on 9401.61?')!r}")
        early, late = (exchange.arrived_at for exchange in sandbox.exchanges[-2:])
        print(f"    the sandbox saw the next attempt {late - early:.2f} s after the first")


def window_full(sandbox: Sandbox) -> None:
    """Ask more often in a minute than the local window lets through."""
    changes = {"LLM_MAX_QUOTA_WAIT": 0.0, "LLM_CACHE_URL": None}
    llm_client.settings = llm_client.settings.model_copy(update=changes)
    maker: Callable[[], Client] = GroqClient if llm_client.settings.USE_GROQ else BedrockClient
    with maker() as client, titled("one request too many in a minute"):
        for count in range(1, 100):
            try:
                client.generate("Again?", model="sandbox/ok")
            except RateLimitError as error:
                print(f"    request {count}: {error}")
                break


@contextmanager
def titled(title: str) -> Iterator[None]:
    """Print what is shown, and how long it took."""
    print(f"  {title}")
    started = time.monotonic()
    yield
    print(f"    {time.monotonic() - started:.2f} s\n")


if __name__ == "__main__":
    main()
