"""End with a stream open, of which one piece was read; say what the hooks are told of it."""

import logging
import sys

from sandbox import Answer, Sandbox
from services import llm_client
from services.llm.call.stream import Stream
from services.llm.events import CallEnded, Event
from tests.wire.faces import settings

# How fast this machine is is not what is tried.
logging.getLogger("asyncio").setLevel(logging.ERROR)

sandbox = Sandbox().start()
llm_client.settings = settings(sandbox.url, LLM_LEDGER_URL=sys.argv[1])
client = llm_client.GroqClient()


def note(event: Event) -> None:
    if isinstance(event, CallEnded):
        print("ended after", len(event.attempts), "attempt")


client.hooks.add(note)
sandbox.script(Answer(text="word " * 1000))
stream: Stream = client.stream("Tell me more.")
print(next(stream) != "")
