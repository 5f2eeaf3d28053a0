"""One line a call for the log, at INFO, with the same as the field `llm` of the log record.

`LLM_LOG_CALLS` adds `log_call` to a client's hooks; `events.hooks.add(log_call)` logs the calls of
all clients. Where lines go is for the host's logging to say: nothing is configured here.
"""

from __future__ import annotations

import json
import logging
import math
import re
from typing import Any

from ..events import BatchEnded, CallEnded, Event, hears
from ..redaction.printable import printable
from ..types import Usage

log = logging.getLogger(__name__)

#: What needs no quotes as a value in a line of `name=value`.
_is_plain = re.compile(r"[\w.:/@+-]+", re.ASCII).fullmatch


@hears(CallEnded, BatchEnded)
def log_call(event: Event, /) -> None:
    """Log a call that has ended; it holds neither what was asked nor what was answered."""
    if isinstance(event, CallEnded) and log.isEnabledFor(logging.INFO):
        _log("call", call_fields(event))
    elif isinstance(event, BatchEnded) and event.is_new and log.isEnabledFor(logging.INFO):
        _log("batch", batch_fields(event))


def call_fields(ended: CallEnded) -> dict[str, Any]:
    """Return what is logged of a call: its outcome, and what it took; times are in seconds.

    `cost` is in US dollars, and left out where the price is not known.
    """
    call, usage = ended.call, ended.usage
    fields: dict[str, Any] = {
        "id": call.id,
        "provider": call.provider,
        "model": ended.model,
        "operation": call.operation,
        "outcome": ended.outcome,
        "seconds": round(ended.seconds, 3),
        "attempts": len(ended.attempts),
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
    }
    if (cost := ended.cost) is not None:
        fields["cost"] = round(cost, 9)
    if waited := sum(ended.waited.values()):
        fields["waited"] = round(waited, 3)
    if call.model != ended.model:
        fields["requested_model"] = call.model
    if ended.error_type is not None:
        fields["error"] = ended.error_type
    if ended.error is not None and ended.error.status is not None:
        fields["status"] = ended.error.status
    for name, value in call.tags.items():
        fields[f"tags.{_written(name)}"] = value
    return fields


def batch_fields(ended: BatchEnded) -> dict[str, Any]:
    """Return what is logged of a provider's batch that was read for the first time."""
    usage = sum((each.usage for each in ended.by_model), Usage())
    costs = [each.cost for each in ended.by_model]
    fields: dict[str, Any] = {
        "id": ended.call.id,
        "provider": ended.call.provider,
        "batch": ended.batch,
        "state": ended.state,
        "answered": sum(each.answered for each in ended.by_model),
        "failed": sum(each.failed for each in ended.by_model),
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
    }
    if None not in costs:
        fields["cost"] = round(math.fsum(filter(None, costs)), 9)
    return fields | {f"tags.{_written(name)}": value for name, value in ended.call.tags.items()}


def _log(what: str, fields: dict[str, Any]) -> None:
    line = " ".join(
        [
            f"{name}={_written(value) if isinstance(value, str) else value}"
            for name, value in fields.items()
        ]
    )
    # As `log.info`, which would look through the stack for the line that stands here.
    record = log.makeRecord(
        *(log.name, logging.INFO, __file__, _log.__code__.co_firstlineno),
        msg="%s %s",
        args=(what, line),
        exc_info=None,
        func=_log.__name__,
        extra={"llm": fields},
    )
    log.handle(record)


def _written(value: str) -> str:
    if _is_plain(value):
        return value
    # ASCII for text that breaks a line, turns its direction, or cannot be encoded.
    return printable(json.dumps(value, ensure_ascii=not value.isprintable()))
