"""A 200 that a test, or a model's name, prescribes; what is left unset is composed by itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal

from .step_checks import check_answer, check_input


class Unset(Enum):
    """The type of `UNSET`, which means: as the sandbox would by itself."""

    UNSET = "UNSET"


UNSET = Unset.UNSET
Part = Literal["choices", "finish_reason", "usage", "done"]


@dataclass(frozen=True)
class ToolCall:
    """A call of a tool that an answer makes; an input that is unset is made to fit the schema."""

    name: str
    input: object = UNSET

    def __post_init__(self) -> None:
        """Refuse what could not be sent. Raises TypeError."""
        if not isinstance(self.name, str):
            raise TypeError(f"ToolCall(name={self.name!r}): must be a text")
        if self.input is not UNSET:
            check_input("ToolCall(input=...)", self.input)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A 200 with this content; what is left unset is composed from the request.

    `finish` is `stop`, `length`, `tool`, `filter`, `guardrail` or `stop_sequence`, in the
    provider's own word on the wire; any other text is sent as it is. `text=None` is a null
    content, `""` an empty one. A text that is given is sent whole, whatever the request's token
    limit. `pieces` are the pieces in which a stream sends it. `tool_calls` are the tools that are
    called; `tool_input` is what the tool is given that would be called anyway. `without` names
    parts that are left out; `done` is the `[DONE]` of Groq's streams.
    """

    text: str | Unset | None = UNSET
    finish: str | Unset = UNSET
    reasoning: str | Unset = UNSET
    pieces: tuple[str, ...] | None = None
    tool_input: object = UNSET
    tool_calls: tuple[ToolCall, ...] | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    model: str | None = None
    without: frozenset[Part] = frozenset()

    def __post_init__(self) -> None:
        """Take the text from the pieces. Raises TypeError for what is neither text nor unset."""
        check_answer(self)
        if self.pieces is not None and self.text is UNSET:
            object.__setattr__(self, "text", "".join(self.pieces))
        for name in ("text", "reasoning", "finish"):
            value = getattr(self, name)
            if not (isinstance(value, (str, Unset)) or (value is None and name == "text")):
                raise TypeError(f"Answer({name}={value!r}): must be a text; JSON is given as text")

    @classmethod
    def streams(cls, *pieces: str) -> Answer:
        """An answer without reasoning, in exactly these pieces where it is streamed."""
        return cls(pieces=pieces, reasoning="")

    @classmethod
    def calls(cls, *tools: str | ToolCall) -> Answer:
        """An answer that calls these tools, in this order; a name alone gets an input that fits."""
        called = tuple(ToolCall(tool) if isinstance(tool, str) else tool for tool in tools)
        return cls(tool_calls=called)

    @classmethod
    def says(cls, text: str) -> Answer:
        """An answer of exactly this text."""
        return cls(text=text)

    @classmethod
    def truncated(cls, text: str | Unset = UNSET) -> Answer:
        """An answer that the token limit cut off."""
        return cls(text=text, finish="length")

    @classmethod
    def empty(cls) -> Answer:
        """An answer whose content is the empty string."""
        return cls(text="")

    @classmethod
    def null(cls) -> Answer:
        """An answer whose content is null."""
        return cls(text=None)

    @classmethod
    def no_choices(cls) -> Answer:
        """A 200 that holds no answer at all."""
        return cls(without=frozenset({"choices"}))

    @classmethod
    def unfinished(cls) -> Answer:
        """An answer that does not say why it ended."""
        return cls(without=frozenset({"finish_reason"}))

    @classmethod
    def filtered(cls, text: str = "") -> Answer:
        """An answer stopped by the provider's content filter."""
        return cls(text=text, finish="filter")

    @classmethod
    def guarded(cls, text: str = "Blocked by a guardrail.") -> Answer:
        """An answer replaced by a Bedrock guardrail."""
        return cls(text=text, finish="guardrail")
