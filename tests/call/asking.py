"""Ask for a structured answer without a wire: every outcome is scripted."""

from __future__ import annotations

from typing import Any

from services.llm.account.account import Account
from services.llm.call import lifecycle, retry, structured
from services.llm.call.call import Call
from services.llm.call.call_policy import CallPolicy
from services.llm.call.output_forms import StructuredSpec
from services.llm.effects import Effects
from services.llm.errors import InvalidRequestError, LLMError
from services.llm.structured import Schema
from services.llm.types import Provider, Reply, Request, StructuredReply

from .scripted import Clock, Drive, account

HS_CODE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "hs_code": {"type": "string", "pattern": r"^\d{4}\.\d{2}$"},
        "note": {"type": "string"},
    },
    "required": ["hs_code"],
}
GOOD = '{"hs_code": "9401.61", "note": null}'
STRICT, WORDS = "openai/gpt-oss-120b", "sandbox/unknown"


class Asking:
    """One question on one account, and the drive that answered it."""

    def __init__(self, *outcomes: Reply | BaseException, **more: Any) -> None:
        self.clock = Clock()
        provider: Provider = more.pop("provider", "groq")
        self.account: Account = more.pop("account", None) or account(self.clock, provider)
        self.account.now = self.clock
        self.drive = Drive(self.clock, outcomes)
        self.spec = more.pop("schema", HS_CODE)
        self.wanted = {
            name: more.pop(name) for name in ("repairs", "coerce", "prompt_only") if name in more
        }
        self.request = Request(
            model=more.pop("model", STRICT),
            messages=more.pop("messages", ({"role": "user", "content": "Classify."},)),
            temperature=0.3,
            max_tokens=more.pop("max_tokens", 100),
            defaulted=frozenset({"temperature", "max_tokens"}),
            options=more,
        )

    def run(self) -> Any:
        wanted = StructuredSpec(Schema.of(self.spec), **self.wanted)
        policy = CallPolicy(lambda: retry.transient_errors(1), timeout=120)

        def get_reply(call: Call) -> Effects[StructuredReply[Any]]:
            value, self.reply = yield from structured.structured(self.request, wanted, call)
            return StructuredReply.of(value, self.reply)

        return self.drive.run(lifecycle.run_call(policy, self.account, get_reply)).value

    @property
    def modes(self) -> list[str | None]:
        return [request.output.mode if request.output else None for request in self.drive.sent]


def refusal(message: str, kind: type[LLMError] = InvalidRequestError) -> LLMError:
    return kind(message, provider="groq", status=400)
