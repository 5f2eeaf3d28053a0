"""What callers may pass, checked before anything is sent: each error names the argument."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..errors import ConfigurationError, UnsendableError
from ..frozen import FrozenDict
from ..limit_types import Priority
from ..redaction.printable import shown
from ..settings.knobs import LONGEST_WAIT
from ..types import Message
from .content import with_parts
from .snapshot import sendable, snapshot

#: The largest number that every reader of JSON takes for the one that it is.
_MOST = 2**53
#: A token of RFC 9110, 5.6.2.
_HEADER_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
#: Headers by which a server finds the end of a request: another value and it waits, or is misled.
_FRAMING = frozenset(
    {"connection", "content-length", "expect", "te", "trailer", "transfer-encoding", "upgrade"}
)
#: Options that are mappings, whatever they hold.
_MAPPINGS = frozenset({"extra_body", "extra_headers", "extra_query", "metadata"})
_CENTURY = 100 * 365 * 86_400.0
#: Tags of one call, and the characters of a tag's name and of its value.
_MOST_TAGS, _LONGEST_NAME, _LONGEST_VALUE = 16, 64, 256


def conversation(
    prompt: str | None, system_prompt: str | None, messages: Sequence[Message] | None
) -> tuple[Message, ...]:
    """Return the system prompt, then *messages*, then the prompt as what the user says last.

    They are a snapshot: what the caller changes later changes nothing. Raises
    `ConfigurationError` where there is nothing to ask, and `UnsendableError` for what is no text
    or no chat.
    """
    if prompt is None and not messages:
        raise ConfigurationError("There is nothing to ask: give a prompt, or messages")
    is_empty = isinstance(messages, (list, tuple)) and not messages
    chat_list = [] if messages is None or is_empty else list(chat(messages))
    if system_prompt is not None and system_prompt != "":
        chat_list.insert(0, {"role": "system", "content": _text("system_prompt", system_prompt)})
    if prompt is not None:
        chat_list.append({"role": "user", "content": _text("prompt", prompt)})
    return tuple(chat_list)


def chat(messages: object) -> tuple[Message, ...]:
    """Return a snapshot of a chat list; `UnsendableError`, which names the message, for another."""
    if isinstance(messages, (str, bytes, Mapping)) or not isinstance(messages, Iterable):
        raise _no_chat(f"a {type(messages).__name__}")
    chat_list = list(messages)
    if not chat_list:
        raise _no_chat("empty")
    for place, message in enumerate(chat_list):
        if not isinstance(message, Mapping) or not isinstance(message.get("role"), str):
            kind = f"{type(message).__name__}{' without one' * isinstance(message, Mapping)}"
            raise UnsendableError(f"messages[{place}] is no mapping with a role, but a {kind}")
    return tuple(_message(f"messages[{place}]", each) for place, each in enumerate(chat_list))


def _message(place: str, message: Mapping[str, Any]) -> Message:
    copied: Message = snapshot(place, with_parts(place, message))
    return copied


def options(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a snapshot of the provider's own options; `UnsendableError` names the one at fault."""
    if not values:
        return {}
    taken = {name: snapshot(name, value) for name, value in values.items()}
    if not isinstance(taken.get("tools", []), list):
        raise UnsendableError(f"tools is {shown(taken['tools'])}: give a list of tools")
    for name in _MAPPINGS & taken.keys():
        if not isinstance(taken[name], (dict, type(None))):
            raise UnsendableError(f"{name} is {shown(taken[name])}: give a mapping")
    headers = taken.get("extra_headers")
    if isinstance(headers, dict):
        for name, value in headers.items():
            if not isinstance(value, str) or not (value.isascii() and value.isprintable()):
                raise UnsendableError(
                    f"extra_headers[{name!a}] is not sent as a header: give printable ASCII text"
                )
            if not re.fullmatch(_HEADER_NAME, name):
                raise UnsendableError(f"extra_headers[{name!a}] is no name of a header")
            if name.lower() in _FRAMING:
                raise UnsendableError(
                    f"extra_headers[{name!a}] says how a request is sent, which is not yours to say"
                )
    return taken


def temperature(value: object) -> float | None:
    """Return *value* if it is a finite number or None, else raise `UnsendableError`."""
    if value is None:
        return None
    # None that is too large for a float is finite.
    small = isinstance(value, (int, float)) and abs(value) <= sys.float_info.max
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not small:
        raise UnsendableError(f"temperature must be a finite number, not {shown(value)}")
    return value


def _no_chat(shown: str) -> UnsendableError:
    return UnsendableError(
        f'messages is {shown}: give a chat list such as [{{"role": "user", "content": "..."}}]'
    )


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        kind = "class" if isinstance(value, type) else type(value).__name__
        raise UnsendableError(f"{name} is a {kind}: give a str, or a chat list as messages")
    return sendable(name, value)


def model_id(value: object) -> str:
    """Return the plain text of a model's id, else raise `ConfigurationError`.

    An enum's member that is a str has another hash and another look than its text. Blanks around
    the id, such as the end of a line, are not part of it.
    """
    if not isinstance(value, str) or not value.strip():
        raise ConfigurationError(f"model is {shown(value)}: give a model's id")
    return sendable("model", value.strip())


def take_max_tokens(max_tokens: int | None, options: dict[str, Any]) -> int | None:
    """Return *max_tokens*, or Groq's newer name for it, which is taken out of *options*.

    Raises `ConfigurationError` where both are given, or one that is no whole number above 0.
    """
    name = "max_tokens"
    if "max_completion_tokens" in options:
        if max_tokens is not None:
            raise ConfigurationError("max_tokens and max_completion_tokens are one: give either")
        name = "max_completion_tokens"
        max_tokens = options.pop(name)
    return None if max_tokens is None else count(name, max_tokens, least=1)


def take_priority(options: dict[str, Any]) -> Priority:
    """Take the priority out of *options*; raises `ConfigurationError` for one that is none."""
    value = options.pop("priority", "interactive")
    if value == "interactive" or value == "batch":
        return value  # type: ignore[no-any-return]  # it is one of the two literals
    raise ConfigurationError(f'priority is {shown(value)}: give "interactive" or "batch"')


def seconds(name: str, value: object, *, most: float = _CENTURY) -> float:
    """Return *value* if it is a number above 0, up to *most*, else raise `ConfigurationError`."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ConfigurationError(f"{name} is {shown(value)}: give a number of seconds")
    if not 0 < value <= most:
        raise ConfigurationError(
            f"{name} is {shown(value)}: give a number of seconds above 0, at most {most:.0f}"
        )
    return float(value)


def timeout_of(name: str, value: object) -> float:
    """Return *value* if it is a number of seconds that can be waited, as `seconds` does."""
    return seconds(name, value, most=LONGEST_WAIT)


def count(name: str, value: object, *, least: int) -> int:
    """Return *value* if it is a whole number from *least* on, else raise `ConfigurationError`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigurationError(f"{name} is {shown(value)}: give a whole number from {least} on")
    if value > _MOST:
        raise ConfigurationError(f"{name} is above {_MOST}: give a smaller number")
    return value


def tags_of(value: object) -> FrozenDict[str, str]:
    """Return a copy of a call's tags; `ConfigurationError` for what is no short text to each name.

    They are shown in reports: printable, sixteen at most, names of 64 characters and values of 256.
    """
    if value is None:
        return _NO_TAGS
    if not isinstance(value, Mapping):
        raise ConfigurationError(
            f'tags is {shown(value)}: give a mapping such as {{"tenant": "acme"}}'
        )
    tags = dict(value)
    if len(tags) > _MOST_TAGS:
        raise ConfigurationError(f"tags has {len(tags)} tags: give at most {_MOST_TAGS}")
    return FrozenDict(
        {
            _tag_text("a name in tags", name, _LONGEST_NAME): _tag_text(
                f"tags[{shown(name)}]", text, _LONGEST_VALUE
            )
            for name, text in tags.items()
        }
    )


_NO_TAGS: FrozenDict[str, str] = FrozenDict()


def _tag_text(name: str, value: object, most: int) -> str:
    if not isinstance(value, str):
        raise ConfigurationError(f"{name} is {shown(value)}: give a str")
    if not value or len(value) > most or not value.isprintable():
        raise ConfigurationError(f"{name} is {shown(value)}: give 1 to {most} printable characters")
    return str.__str__(value)


def flag(name: str, value: object) -> bool:
    """Return *value* if it is a bool, else raise ConfigurationError that names it."""
    if isinstance(value, bool):
        return value
    raise ConfigurationError(f"{name} is {shown(value)}: give True or False")
