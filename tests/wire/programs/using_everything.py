"""Use every face, with faults, in threads and loops, and end without a word of farewell."""

import asyncio
import logging
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

from sandbox import Fault, Sandbox
from services import llm_client
from services.llm_client import LLMError, LLMTimeoutError
from tests.wire.faces import settings

# How fast this machine is is not what is tried.
logging.getLogger("asyncio").setLevel(logging.ERROR)
sandbox = Sandbox().start()
llm_client.settings = settings(sandbox.url, GROQ_REQUESTS_PER_MINUTE=99, LLM_TIMEOUT=30.0)

for client in (llm_client.GroqClient(), llm_client.BedrockClient()):
    client.generate("hi")
    client.generate("hi", timeout=40.0)
    sandbox.script(Fault.reset(), Fault.error(400))
    try:
        client.generate("hi")
    except LLMError:
        print("refused")

    async def several(client: llm_client.LLMClient = client) -> None:
        """Call in tasks, and leave one call at its deadline."""
        await asyncio.gather(*(client.agenerate("hi") for _ in range(3)))
        sandbox.script(Fault.silent(3600))
        try:
            await client.agenerate("hi", timeout=0.1)
        except LLMTimeoutError:
            print("late")

    asyncio.run(several())
    asyncio.run(several())
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(client.generate, "abcdefgh"))
    sandbox.script(Fault.dripped(1, 1.0))
    try:
        client.generate("hi", timeout=0.1)
    except LLMTimeoutError:
        print("late")

# The last one is still on the wire, for a thread that no exit waits for.
sandbox.clear()
sandbox.script(Fault.silent(3600))
threading.Thread(target=client.generate, args=("hi",), daemon=True).start()
sandbox.wait_for(1)
print("done")
sys.stdout.flush()
