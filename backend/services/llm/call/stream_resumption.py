"""Goes on with a stream that broke off: the model gets what was shown as its answer's beginning.

That is done for text alone, and for models that take a beginning (`prefill`, models/features.py).
What was shown stays, and is not shown again. Where the model does not go on, the error stands that
broke the stream off.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from .. import models
from ..account.token_estimate import text_estimate
from ..errors import LLMError, Retry, TruncatedError
from ..providers.completeness import CUT_OFF
from ..stream_types import AnyEvent, TextPiece, UsageReport
from ..types import Reply, Request


class StreamResumption:
    """What was shown of one answer, over all attempts, and how its rest is asked for."""

    def __init__(self, request: Request) -> None:
        #: How often the answer went on after a break.
        self.count = 0
        self._request = request
        self._continued = request
        self._shown: list[str] = []
        self._is_text_alone = True
        #: What came of each attempt that failed.
        self._broken: list[Reply] = []
        self._break: LLMError | None = None
        #: Whether anything has come in this attempt.
        self._has_come = False
        #: White space that was shown, but not given to the model, which refuses it at the end.
        self._awaited = ""
        #: What has come of a continuation, as long as it may be that white space again.
        self._start: str | None = None

    @property
    def text(self) -> str:
        """What was shown."""
        return "".join(self._shown)

    def restart(self) -> None:
        """Begin an attempt."""
        self._start = "" if self.count else None

    def of(self, events: Sequence[AnyEvent]) -> list[AnyEvent]:
        """Return what of *events* was not shown before."""
        found: list[AnyEvent] = []
        for event in events:
            self._has_come = True
            if not isinstance(event, TextPiece):
                self._is_text_alone &= isinstance(event, UsageReport)
                found.append(event)
            elif text := self._unshown(event.text):
                self._shown.append(text)
                found.append(TextPiece(text))
        return found

    def _unshown(self, text: str) -> str:
        if self._start is None:
            return text
        start, awaited = self._start + text, self._awaited
        if awaited.startswith(start):
            self._start = start
            return ""
        rest = start[len(awaited) :] if start.startswith(awaited) else start.lstrip()
        self._start = start if not rest else None
        return rest

    def ended(self, error: TruncatedError) -> Reply | None:
        """The reply of a continuation that is empty since the break came after the last piece."""
        reply = error.partial
        reason = reply.finish_reason if reply is not None else None
        return reply if self.count and reason is not None and reason not in CUT_OFF else None

    def request_for_rest(self, error: LLMError, model: str) -> Request:
        """Return what to ask *model* after *error*; raises what the stream ends in where nothing.

        That is the error that broke it off, if a continuation fails before it has begun.
        """
        has_come, self._has_come = self._has_come, False
        if has_come or self._break is None:
            self._break = error
            self._set_partial(error, model)
            if not _is_transient(error) or _has_ended(error) or not self._can_go_on(model):
                raise error
            self.count += 1
            self._continued = self._continuation()
        elif not _is_transient(error):
            raise self._break
        else:
            self._set_partial(error, model)
        return self._continued

    def join_parts(self, reply: Reply) -> Reply:
        """Return the answer with all its parts; the cost is None where one's is not known."""
        if not self.count:
            return reply
        costs = [models.cost(part.model, part.usage, part.service_tier) for part in self._broken]
        known = [cost for cost in (*costs, reply.cost) if cost is not None]
        return self._joined(reply).replace(
            cost=math.fsum(known) if len(known) > len(costs) else None, resumed=self.count
        )

    def _joined(self, reply: Reply) -> Reply:
        return reply.replace(
            text=self.text,
            usage=sum((part.usage for part in self._broken), reply.usage),
            citations=tuple(each for part in (*self._broken, reply) for each in part.citations),
            parts=() if self._broken else reply.parts,
        )

    def _set_partial(self, error: LLMError, model: str) -> None:
        came = error.partial or Reply("", model, models.abilities(model).provider)
        error.partial = self._joined(came)
        self._broken.append(came)
        if isinstance(error, TruncatedError):
            error.text = self.text

    def _can_go_on(self, model: str) -> bool:
        takes = models.abilities(model).features.prefill
        return takes and self._is_text_alone and bool(self.text.strip())

    def _continuation(self) -> Request:
        text, request = self.text, self._request
        beginning = text.rstrip()
        self._awaited = text[len(beginning) :]
        room = request.max_tokens and max(1, request.max_tokens - text_estimate(beginning))
        message = {"role": "assistant", "content": beginning}
        return replace(request, messages=(*request.messages, message), max_tokens=room)


def _has_ended(error: LLMError) -> bool:
    """Whether the answer had come to its end: there is nothing to go on with."""
    return error.partial is not None and error.partial.finish_reason is not None


def _is_transient(error: LLMError) -> bool:
    """Whether another attempt may go on; an end without a reason is a break like any other."""
    reply = error.partial
    if isinstance(error, TruncatedError) and reply is not None and reply.finish_reason is None:
        error.retry = Retry.AFTER_BACKOFF
    return error.retry in (Retry.AFTER_BACKOFF, Retry.AT_ONCE)
