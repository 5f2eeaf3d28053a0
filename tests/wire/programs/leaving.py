"""End while a thread that nobody waits for is calling, and call once more on the way out."""

import atexit
import logging
import sys
import threading
import warnings

from sandbox import Fault, Sandbox

# How fast this machine is is not what is tried.
logging.getLogger("asyncio").setLevel(logging.ERROR)
# urllib3 leaves it to finalizers to close sockets, and by then they run no more.
warnings.simplefilter("ignore", ResourceWarning)
answers: list[str] = []


def last_words() -> None:
    """Run after every exit handler that is registered from here on."""
    calling.join(30)
    answers.append(client.generate("two"))
    client.close()
    print(*answers, len(sandbox.exchanges))


atexit.register(last_words)

from services import llm_client  # noqa: E402 - its own exit handlers are to run before ours
from tests.wire.faces import settings  # noqa: E402 - it imports the same

sandbox = Sandbox().start()
llm_client.settings = settings(sandbox.url, LLM_MAX_RETRIES=0)
client = {"groq": llm_client.GroqClient, "bedrock": llm_client.BedrockClient}[sys.argv[1]]()
client.generate("zero")
# Its body comes while the process ends.
sandbox.script(Fault.dripped(20, 0.05))
calling = threading.Thread(target=lambda: answers.append(client.generate("one")), daemon=True)
calling.start()
sandbox.wait_for(2)
