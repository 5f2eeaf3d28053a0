"""Fork while another thread is calling: parent and child both go on."""

import asyncio
import logging
import os
import sys
import threading

from sandbox import Fault, Sandbox
from services import llm_client
from tests.wire.faces import settings

# How fast this machine is is not what is tried.
logging.getLogger("asyncio").setLevel(logging.ERROR)
sandbox = Sandbox().start()
llm_client.settings = settings(sandbox.url)
client = {"groq": llm_client.GroqClient, "bedrock": llm_client.BedrockClient}[sys.argv[1]]()
client._max_requests_per_window = 6

answers: list[str] = []
asyncio.run(client.agenerate("one"))
client.generate("two")
sandbox.script(Fault.silent(0.4))
calling = threading.Thread(target=lambda: answers.append(client.generate("three")))
calling.start()
sandbox.wait_for(3)

child = os.fork()
if child == 0:
    ours = [client.generate("four"), asyncio.run(client.agenerate("five"))]
    # What the parent had sent counts in the child as well, also what was on the wire.
    assert len(client._request_times) == 5, client._request_times
    assert ours == ["Sandbox: four", "Sandbox: five"], ours
    client.close()
    sys.exit()

assert os.waitpid(child, 0)[1] == 0, "the child failed"
calling.join()
assert answers == ["Sandbox: three"], answers
assert client.generate("six") == "Sandbox: six"
connections = {
    exchange.body["messages"][0]["content"][0]["text"]
    if exchange.provider == "bedrock"
    else exchange.body["messages"][0]["content"]: exchange.connection
    for exchange in sandbox.exchanges
}
assert not {connections["four"], connections["five"]} & {
    connections[said] for said in ("one", "two", "three", "six")
}, connections
client.close()
sandbox.stop()
print("done")
