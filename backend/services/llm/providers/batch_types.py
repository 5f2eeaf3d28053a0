"""What both providers' batches have in common: lines of a file, states, and what can be read."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from ..errors import LLMError, UnsendableError
from ..frozen import dataclass
from ..types import Mode, Provider, Reply
from .fields import text

#: What a batch is doing; the first three may still change.
BatchState: TypeAlias = Literal[
    "waiting", "running", "cancelling", "completed", "failed", "expired", "cancelled"
]
UNFINISHED: frozenset[BatchState] = frozenset({"waiting", "running", "cancelling"})

#: One letter for each output mode, in the id of a line; "n" where there is no schema.
_LETTERS: dict[Mode | None, str] = {
    None: "n",
    "strict": "s",
    "schema": "j",
    "tool": "t",
    "object": "o",
    "prompt": "p",
}
_MODES = {letter: mode for mode, letter in _LETTERS.items()}
#: Bedrock's ids have eleven letters and digits.
_DIGITS = 10


@dataclass(frozen=True)
class CustomId:
    """The id that a line is sent and returned with: the prompt's index, and the output mode.

    Groq calls it `custom_id`, Bedrock `recordId`.
    """

    index: int
    mode: Mode | None = None

    def __str__(self) -> str:
        return f"{_LETTERS[self.mode]}{self.index:0{_DIGITS}d}"

    @classmethod
    def of(cls, text: object) -> CustomId | None:
        """Return the id that is written so, or None where it is none of ours."""
        if not isinstance(text, str) or len(text) != 1 + _DIGITS or not text[1:].isdecimal():
            return None
        return cls(int(text[1:]), _MODES[text[0]]) if text[0] in _MODES else None


@dataclass(frozen=True)
class BatchStatus:
    """How far one of a provider's batches is; `message` is the provider's own, where it failed."""

    state: BatchState
    total: int = 0
    completed: int = 0
    failed: int = 0
    message: str = ""

    @property
    def is_finished(self) -> bool:
        """Whether it will not change any more."""
        return self.state not in UNFINISHED

    @property
    def has_no_results(self) -> bool:
        """Whether it has ended with no result of any prompt, as far as that is known.

        A prompt that has failed has a result, which tells a ledger so.
        """
        if self.state == "failed":
            return True
        return self.is_finished and self.total > 0 and self.completed == self.failed == 0


@dataclass(frozen=True)
class BatchLine:
    """A line of a batch's results: the reply, or the error in its place."""

    id: CustomId
    outcome: Reply | LLMError


def unsendable_in_batch(name: str, provider: Provider) -> UnsendableError:
    """Return the error for an option that no line of a batch can hold."""
    return UnsendableError(f"{name} cannot be sent in a batch", provider=provider)


def count_of(value: Any) -> int:
    """Return *value* if it is a count, else 0."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def required_text(answer: object, name: str, provider: Provider) -> str:
    """Return the text *name* of an *answer* about a batch; raises LLMError where it has none.

    A proxy's page has none, and a batch without an id could never be found again.
    """
    if value := text(answer, name):
        return value
    kind = "a page of text" if isinstance(answer, str) else f"a {type(answer).__name__}"
    raise LLMError(
        f"{provider.capitalize()} API error: the answer about a batch is {kind} without {name};"
        " check the base URL and what stands between",
        provider=provider,
    )


def json_line(line: Mapping[str, Any]) -> bytes:
    """Return *line* as JSON without its line break; bytes in it, such as an image's, are base64."""
    return json.dumps(line, ensure_ascii=False, default=_plain).encode()


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(f"{type(value).__name__} is not JSON")
