"""From the command line's options to a client, and from a prompt to what is shown of its answer."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

from ..llm.call.stream import AsyncStream
from ..llm.frozen import dataclass
from ..llm.redaction.secrets import redacted
from ..llm.settings import environment, host
from ..llm.settings.endpoints import is_loopback
from ..llm.settings.environment import ENVIRONMENT, VariableSource
from ..llm.settings.knobs import Knobs
from ..llm.types import Message, Reply
from . import sources
from .arguments import Options
from .client import CompliantClient
from .constructor import DEFAULT_MODEL, keys_in

log = logging.getLogger(__name__)

_T = TypeVar("_T")

#: Makes a client out of the arguments of `CompliantClient`.
Make = Callable[..., CompliantClient]

DEFAULT_CACHE = ".groq_cache.json"
#: What --cache takes for no cache at all.
NO_CACHE = "none"


def client_of(make: Make, options: Options) -> CompliantClient:
    """Make the client that *options*, and the settings where these are silent, ask for.

    Raises InputError and ConfigurationError, each for what it names.
    """
    known = _known()
    places = _checked(environment.variable_sources)
    found = sources.keys_of(places)
    if not options.base_url:
        _refuse_foreign_endpoint(known.GROQ_BASE_URL, found, places)
    return make(
        keys_in(found.keys, found.variable),
        rpm_per_key=options.rpm or known.GROQ_REQUESTS_PER_MINUTE,
        max_concurrency=options.concurrency,
        daily_token_budget=options.budget,
        cache_path=_cache_of(options, known),
        cache_ttl_sec=options.cache_ttl or known.LLM_CACHE_TTL,
        base_url=options.base_url,
    )


def is_kept(options: Options) -> bool:
    """Whether a later run finds the answers of this one."""
    place = _cache_of(options, _known())
    return place is not None and not place.lower().startswith("memory:")


def _cache_of(options: Options, known: Knobs) -> str | None:
    place = options.cache or known.LLM_CACHE_URL or DEFAULT_CACHE
    return None if place == NO_CACHE else place


def model_of(options: Options) -> str:
    """The model asked for, else that of the settings if they name one, else the default."""
    known = _known()
    named = "GROQ_MODEL" in known.model_fields_set
    return options.model or (known.GROQ_MODEL if named else DEFAULT_MODEL)


@dataclass(frozen=True)
class Answer:
    """A reply, and the value in it where a schema asked for one."""

    reply: Reply
    value: Any = None
    has_value: bool = False

    @property
    def _named_value(self) -> dict[str, Any]:
        return {"value": self.value} if self.has_value else {}

    def fields(self, *, whole: bool) -> dict[str, Any]:
        """What a batch shows of it: the text or the value, or the *whole* reply."""
        if whole:
            return {"reply": rounded(asdict(self.reply)), **self._named_value}
        return self._named_value or {"text": self.reply.text}

    def shown(self, *, whole: bool) -> str:
        """What is printed of it: the text, the value as JSON, or the *whole* reply as JSON."""
        if whole:
            return json.dumps(
                {**rounded(asdict(self.reply)), **self._named_value}, ensure_ascii=False
            )
        return json.dumps(self.value, ensure_ascii=False) if self.has_value else self.reply.text


#: Digits after the point of what is read by people: seconds, and US dollars.
_SECONDS, _DOLLARS = 3, 9


def rounded(reply: Any) -> Any:
    """Return a reply's fields without the noise of float arithmetic: milliseconds, nanodollars."""
    if isinstance(reply, dict):
        return {
            name: round(value, _DOLLARS if name == "cost" else _SECONDS)
            if isinstance(value, float)
            else rounded(value)
            for name, value in reply.items()
        }
    return [rounded(each) for each in reply] if isinstance(reply, (list, tuple)) else reply


@dataclass(frozen=True)
class PromptRunner:
    """Asks a client what the command line says, in the way it says."""

    client: CompliantClient
    options: Options
    model: str
    schema: Any = None

    async def ask(self, prompt: str, how: Mapping[str, Any]) -> Answer:
        """Ask *prompt*; *how* overrules the options. Raises LLMError."""
        options = self.options
        messages = _messages(prompt, how.get("system", options.system), how.get("messages"))
        manner: dict[str, Any] = {
            "model": how.get("model", self.model),
            "temperature": how.get("temperature", options.temperature),
            "max_tokens": how.get("max_tokens", options.max_tokens),
        }
        if self.schema is None:
            answer = Answer(await self.client.respond(messages, **manner))
        else:
            value, reply = await self.client.structured(messages, self.schema, **manner)
            answer = Answer(reply, value, has_value=True)
        note(answer.reply)
        return answer

    def stream(self, prompt: str) -> AsyncStream:
        """Ask *prompt* as the options say, for an answer that is read as it comes."""
        options = self.options
        return self.client.stream(
            _messages(prompt, options.system), self.model, options.temperature, options.max_tokens
        )


def _messages(
    prompt: str, system: str | None, chat: Sequence[Message] | None = None
) -> list[Message]:
    message: list[Message] = [{"role": "system", "content": system}] if system else []
    return [*message, *(chat or [{"role": "user", "content": prompt}])]


def note(reply: Reply) -> None:
    """Log what an answer took."""
    tokens = f"{reply.usage.input_tokens} + {reply.usage.output_tokens} tokens"
    source = "the cache" if reply.cached else f"{len(reply.attempts)} attempt(s)"
    log.info("%s: %s, from %s, in %.2f s", reply.model, tokens, source, reply.latency)


def _known() -> Knobs:
    return _checked(lambda: host.read(host.current()))


def _checked(read: Callable[[], _T]) -> _T:
    try:
        return read()
    except ValueError as error:
        # Raised as they are read off the environment and `.env`, or by a host's own class.
        raise sources.InputError(f"the settings are wrong: {error}") from error


def _refuse_foreign_endpoint(
    url: str, found: sources.Found, places: Sequence[VariableSource]
) -> None:
    """Raise InputError where a `.env` would have a key from elsewhere sent to its own endpoint.

    It may have come with a folder that somebody else has made.
    """
    source = next((each.place for each in places if each.get("GROQ_BASE_URL")), None)
    if source in (None, ENVIRONMENT, found.place) or not url or is_loopback(url):
        return
    raise sources.InputError(
        f"GROQ_BASE_URL is {redacted(url)!r} in {source}, and {found.variable} is from"
        f" {found.place}: put the key into that file too, or give --base-url"
    )
