"""The nouns: what goes into a call, and what comes out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, fields, replace
from enum import Enum
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeAlias, TypeVar

from .frozen import dataclass

if TYPE_CHECKING:
    from .limit_types import LimitReport, Priority

T = TypeVar("T")
SomeReply = TypeVar("SomeReply", bound="Reply")


class _Unset:
    """What an argument is that nobody gave, where None means something else."""

    def __repr__(self) -> str:
        return "the client's default"


UNSET: Any = _Unset()

#: One chat message: a `role` and a `content` (a string, or a list of typed parts).
Message: TypeAlias = Mapping[str, Any]
Provider: TypeAlias = Literal["groq", "bedrock"]

#: How an answer's form is enforced, strongest first: the provider decodes under the schema, is
#: guided by it, fills in one forced tool, promises some JSON object, or is only told so in words.
Mode: TypeAlias = Literal["strict", "schema", "tool", "object", "prompt"]


class ModelType(str, Enum):
    """The Bedrock models that are called through InvokeModel."""

    CLAUDE_3_SONNET = "anthropic.claude-3-sonnet-20240229-v1:0"
    CLAUDE_3_HAIKU = "anthropic.claude-3-haiku-20240307-v1:0"
    CLAUDE_3_OPUS = "anthropic.claude-3-opus-20240229-v1:0"
    LLAMA_3_70B = "meta.llama3-70b-instruct-v1:0"
    LLAMA_3_8B = "meta.llama3-8b-instruct-v1:0"
    MIXTRAL_8X7B = "mistral.mixtral-8x7b-instruct-v0:1"


@dataclass(frozen=True)
class Output:
    """The form that an answer must take, as the provider is to enforce it."""

    mode: Mode
    schema: Mapping[str, Any] = field(default_factory=dict)
    name: str = "answer"


@dataclass(frozen=True)
class Request:
    """What is asked, in neither provider's words; None leaves a parameter to the provider."""

    model: str
    messages: tuple[Message, ...]
    temperature: float | None = None
    max_tokens: int | None = None
    #: Parameters that nobody gave: dropped, rather than refused, where the model lacks them.
    defaulted: frozenset[str] = frozenset()
    #: Parameters that the model does not take: not even a default of ours is sent for one.
    omitted: frozenset[str] = frozenset()
    output: Output | None = None
    #: Which of several keys sends it; it says nothing about what is asked.
    key: str = field(default="", repr=False)
    #: Who goes first where a limit is full; it says nothing about what is asked either.
    priority: Priority = "interactive"
    #: The provider's own further options, passed on as they are.
    options: Mapping[str, Any] = field(default_factory=dict)

    def omitting(self, parameters: Iterable[str]) -> Request:
        """Leave *parameters* out, our own defaults for them included."""
        omitted = self.omitted | frozenset(parameters)
        return replace(
            self,
            temperature=None if "temperature" in omitted else self.temperature,
            max_tokens=None if "max_tokens" in omitted else self.max_tokens,
            omitted=omitted,
        )

    def followed_by(self, answer: str, remark: str) -> Request:
        """Continue the conversation with the model's *answer* and our *remark* on it."""
        turn: tuple[Message, ...] = (
            {"role": "assistant", "content": encodable(answer)},
            {"role": "user", "content": encodable(remark)},
        )
        return replace(self, messages=(*self.messages, *turn))

    def option_names(self) -> set[str]:
        """Return the names of the options, and of what stands in them, such as in extra_body."""
        values = [value for value in self.options.values() if isinstance(value, Mapping)]
        return {*self.options, *(name for value in values for name in value)}


def encodable(text: str, on_lone_half: str = "replace") -> str:
    """Return *text* with two halves of a surrogate pair as the character that they are.

    JSON may hold one alone, for which *on_lone_half* is an error handler: by default it becomes
    U+FFFD.
    """
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", on_lone_half)


@dataclass(frozen=True)
class Usage:
    """Tokens as the provider counted them; `reported` is false where it sent no count.

    `input_tokens` includes what was read from the provider's prompt cache (`cached_input_tokens`)
    or written to it (`cache_write_input_tokens`), and `output_tokens` includes `reasoning_tokens`.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    cached_input_tokens: int = 0
    reasoning_tokens: int = 0
    reported: bool = False
    cache_write_input_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.total_tokens + other.total_tokens,
            self.cached_input_tokens + other.cached_input_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
            self.reported or other.reported,
            self.cache_write_input_tokens + other.cache_write_input_tokens,
        )


@dataclass(frozen=True)
class ToolCall:
    """A function that the model asks its caller to run; `arguments` is JSON text."""

    id: str
    name: str
    arguments: str

    def as_message_part(self) -> dict[str, Any]:
        """The call as one of an assistant's message's `tool_calls`."""
        function = {"name": self.name, "arguments": self.arguments}
        return {"id": self.id, "type": "function", "function": function}


@dataclass(frozen=True)
class Citation:
    """What a part of an answer rests on: `text` of the answer, `quoted` of the source.

    `source` is the provider's id or address of it, `location` where it is in there, in the
    provider's own form.
    """

    text: str = ""
    quoted: str = ""
    title: str = ""
    source: str = ""
    location: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Attempt:
    """One call on the wire; times are in seconds.

    `error` names the failure (its class and the provider's code, never its message), and is
    None for the attempt that answered.
    """

    number: int
    model: str
    quota_wait: float = 0.0
    retry_wait: float = 0.0
    latency: float = 0.0
    error: str | None = None
    status: int | None = None
    usage: Usage = Usage()
    cost: float | None = None
    request_id: str | None = None
    #: The tokens that the prompt was thought to take before it was sent.
    estimated_input_tokens: int = 0

    @property
    def estimate_error(self) -> float | None:
        """By what part the estimate of the prompt was too high, below 0 too low; None: unknown."""
        counted = self.usage.input_tokens
        return self.estimated_input_tokens / counted - 1 if counted else None

    @property
    def waited(self) -> float:
        """All the seconds that went by before this attempt was sent."""
        return self.quota_wait + self.retry_wait


def total_usage(attempts: Sequence[Attempt]) -> Usage:
    """Return the tokens of all *attempts*, those that failed included."""
    if len(attempts) == 1:
        return attempts[0].usage
    return sum((each.usage for each in attempts), Usage())


def total_cost(attempts: Iterable[Attempt]) -> float | None:
    """Return what *attempts* cost in US dollars, those without a count of tokens left out.

    None where the price of one is not known.
    """
    costs = [each.cost for each in attempts if each.usage.reported]
    return None if None in costs else math.fsum(cost for cost in costs if cost is not None)


@dataclass(frozen=True)
class Reply:
    """A whole answer and how it came about; times are in seconds, `cost` in US dollars.

    `usage` and `cost` are those of the answer itself, `latency` is that of the whole call with
    its waits. `finish_reason` is the provider's own word. `processing` is how long the provider
    says that it worked; `cost` is None where the price is not known.
    """

    text: str
    model: str
    provider: Provider
    finish_reason: str | None = None
    usage: Usage = Usage()
    attempts: tuple[Attempt, ...] = ()
    request_id: str | None = None
    latency: float = 0.0
    cost: float | None = None
    reasoning: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    processing: float | None = None
    #: It came from the cache or from an identical call in flight: nothing was sent for it.
    cached: bool = False
    #: From the call's beginning to its stream's first piece; None for what was not streamed.
    time_to_first_token: float | None = None
    citations: tuple[Citation, ...] = ()
    #: The answer in the order in which it came, where the provider wants it back like that.
    parts: tuple[Mapping[str, Any], ...] = ()
    #: What a guardrail has found, in Bedrock's form, where it was asked to say so.
    guardrail_trace: Mapping[str, Any] | None = None
    #: The provider's own word.
    service_tier: str | None = None
    #: How often a stream went on after it had broken off.
    resumed: int = 0

    @property
    def message(self) -> dict[str, Any]:
        """The answer as the assistant's message, to be put into the messages of the next call.

        It holds the calls of tools, and the reasoning where the provider wants that back.
        """
        message = {"role": "assistant", "content": list(self.parts) or self.text or None}
        if self.tool_calls:
            message["tool_calls"] = [call.as_message_part() for call in self.tool_calls]
        # Groq's reasoning models go on thinking where they stopped to call a tool.
        if self.tool_calls and self.reasoning and self.provider == "groq":
            message["reasoning"] = self.reasoning
        return message

    #: What the provider said of its limits with this answer.
    limits: tuple[LimitReport, ...] = field(default=(), repr=False, compare=False)

    def replace(self: SomeReply, **changes: Any) -> SomeReply:
        """Return a copy with these *changes*, as `dataclasses.replace`, at a tenth of its price."""
        copy = object.__new__(type(self))
        vars(copy).update(vars(self), **changes)
        return copy


@dataclass(frozen=True)
class StructuredReply(Reply, Generic[T]):
    """A structured answer's `value`, and the reply that held it, whose raw text is `text`.

    `usage` and `cost` are those of all turns, each of which is one of the `attempts`; the cost is
    None where one of them has an unknown price.
    """

    value: T = field(kw_only=True)

    @classmethod
    def of(cls, value: T, reply: Reply) -> StructuredReply[T]:
        """Join a value to the reply of the last turn, and sum up what all turns took."""
        own = {each.name: getattr(reply, each.name) for each in fields(reply)}
        attempts = reply.attempts
        usage = total_usage(attempts) + (reply.usage if reply.cached or not attempts else Usage())
        cost = total_cost(attempts) if any(each.usage.reported for each in attempts) else reply.cost
        return cls(**{**own, "usage": usage, "cost": cost}, value=value)
