"""Makes a reply of a line of a batch: as it is, or with the value that a schema asks for."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING, Any

from ..account.account import Account
from ..call.call import Call
from ..call.call_policy import CallPolicy
from ..errors import ConfigurationError, LLMError
from ..providers.batch_types import BatchLine
from ..settings.knobs import Knobs
from ..types import Mode, Reply, Request, StructuredReply

if TYPE_CHECKING:
    from ..call.output_forms import StructuredSpec


class AnswerFormat:
    """Asks for answers of a *schema*, None for text, and makes replies of what came.

    *prompt_only* asks for it in words alone. Raises `ConfigurationError` for what is no schema.
    """

    def __init__(
        self,
        account: Account,
        knobs: Knobs,
        policy: CallPolicy,
        schema: Any,
        *,
        prompt_only: bool = False,
    ) -> None:
        # Offline nothing has a deadline.
        self._call = Call(replace(policy, timeout=inf), account, account.now())
        self._spec: StructuredSpec | None = None
        if schema is not None:
            from ..call.output_forms import StructuredSpec  # pays for schemas only where one is

            self._spec = StructuredSpec.of(schema, knobs, prompt_only=prompt_only)

    def apply(self, request: Request) -> tuple[Mode | None, Request]:
        """Return *request* as the model is asked it once, and in which output mode."""
        if self._spec is None:
            return None, request

        from ..call.offline import first_form

        return first_form(request, self._spec, self._call)

    def read(self, line: BatchLine) -> Reply:
        """Return the reply, with its value where there is a schema; raises LLMError."""
        outcome, mode = line.outcome, line.id.mode
        if self._spec is None or mode is None:
            if isinstance(outcome, LLMError):
                raise outcome
            if self._spec is not None:
                raise ConfigurationError("the batch was submitted without a schema: give none")
            return outcome

        from ..call.offline import value_of

        return StructuredReply.of(*value_of(outcome, mode, self._spec, self._call))
