"""One way to call all four faces of the client: each provider, blocking and awaiting."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from types import SimpleNamespace
from typing import Any, cast

from services import llm_client
from services.llm.types import Reply, StructuredReply

KINDS = ("groq", "groq async", "bedrock", "bedrock async")

KEY = "gsk_NotToBeSeenAnywhere0123456789"
ACCESS_KEY_ID = "AKIANOTTOBESEEN01234"
SECRET_KEY = "NotToBeSeen/EitherButIsUsed+ToSign012345"
SECRETS = (KEY, ACCESS_KEY_ID, SECRET_KEY)

#: A model that the sandbox answers for on either wire, through Converse on Bedrock.
MODEL = "sandbox/ok"


def settings(url: str, **knobs: object) -> SimpleNamespace:
    """A host's settings that lead both providers' clients to *url*."""
    known: dict[str, object] = {
        "GROQ_API_KEY": KEY,
        "GROQ_BASE_URL": url,
        "GROQ_MODEL": MODEL,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": url,
        "BEDROCK_MODEL_ID": MODEL,
        "BEDROCK_REQUESTS_PER_MINUTE": 30,
        "LLM_CACHE_TIMEOUT": 30.0,  # what is kept is found, however slow the machine is
    }
    return SimpleNamespace(**{**known, **knobs})


class Face:
    """A client of one provider, of which one half is used: the blocking or the awaiting one."""

    def __init__(self, kind: str, arguments: Mapping[str, Any]) -> None:
        self.provider, _, self.manner = kind.partition(" ")
        make: Any = llm_client.GroqClient if self.provider == "groq" else llm_client.BedrockClient
        self.client: Any = make(**arguments)
        self.loop = asyncio.new_event_loop() if self.manner else None

    def generate(self, *args: Any, **kwargs: Any) -> str:
        """Call `generate`, or await `agenerate`."""
        return cast("str", self._call("generate", *args, **kwargs))

    def generate_with_retry(self, *args: Any, **kwargs: Any) -> str:
        """Call `generate_with_retry`, or await its twin."""
        return cast("str", self._call("generate_with_retry", *args, **kwargs))

    def respond(self, *args: Any, **kwargs: Any) -> Reply:
        """Call `respond`, or await `arespond`."""
        return cast("Reply", self._call("respond", *args, **kwargs))

    def respond_structured(self, *args: Any, **kwargs: Any) -> StructuredReply[Any]:
        """Call `respond_structured`, or await its twin."""
        return cast("StructuredReply[Any]", self._call("respond_structured", *args, **kwargs))

    def structured(self, *args: Any, **kwargs: Any) -> Any:
        """Call `generate_structured`, or await its twin."""
        return self._call("generate_structured", *args, **kwargs)

    def run(self, awaiting: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine on the face's own event loop."""
        assert self.loop is not None, "a blocking face has no loop"
        return self.loop.run_until_complete(awaiting)

    def close(self) -> None:
        """Close the client, and the loop as `asyncio.run` does."""
        if self.loop is None:
            self.client.close()
            return
        self.run(self.client.aclose())
        self.run(self.loop.shutdown_asyncgens())
        self.run(self.loop.shutdown_default_executor())
        self.loop.close()

    def _call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        if self.loop is None:
            return getattr(self.client, method)(*args, **kwargs)
        return self.run(getattr(self.client, f"a{method}")(*args, **kwargs))
