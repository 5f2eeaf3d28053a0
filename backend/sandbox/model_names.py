"""Faults by model name, so that any client can ask for one: `sandbox/<what>[?option=value&...]`.

The table is in the package's docstring. `times=n` stops the fault after n requests of that exact
name.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import get_args
from urllib.parse import parse_qsl

from .answer import UNSET, Answer, ToolCall
from .durations import retry_after_date
from .faults import Fault, RetryAfter, Step
from .streams import BreakKind

PREFIX = "sandbox/"
Options = dict[str, str]
_Builder = Callable[[Options], Step]


def _number(options: Options, name: str, default: float) -> float:
    return float(options.pop(name, default))


def _whole(options: Options, name: str) -> int | None:
    return int(options.pop(name)) if name in options else None


def _break(kind: BreakKind, options: Options) -> Fault:
    return Fault.in_stream(
        kind,
        frame=_whole(options, "frame"),
        pieces=_whole(options, "pieces"),
        seconds=_number(options, "seconds", 3600),
        status=_whole(options, "status"),
        code=options.pop("code", None),
        message=options.pop("message", None),
        answer=Answer(text=options.pop("text")) if "text" in options else None,
    )


def _tool(options: Options) -> Answer:
    tool_input = json.loads(options.pop("input")) if "input" in options else UNSET
    names = options.pop("name", "").split(",")
    return Answer(tool_calls=tuple(ToolCall(name, tool_input) for name in names))


_BUILDERS: dict[str, _Builder] = {
    "ok": lambda o: Answer(),
    "text": lambda o: Answer(text=o.pop("text", "text")),
    "length": lambda o: Answer.truncated(o.pop("text", UNSET)),
    "empty": lambda o: Answer.empty(),
    "null": lambda o: Answer.null(),
    "no-choices": lambda o: Answer.no_choices(),
    "unfinished": lambda o: Answer.unfinished(),
    "filtered": lambda o: Answer.filtered(o.pop("text", "")),
    "guarded": lambda o: Answer.guarded(),
    "tool": _tool,
    "no-done": lambda o: Answer(without=frozenset({"done"})),
    "no-usage": lambda o: Answer(without=frozenset({"usage"})),
    "paced": lambda o: Fault.paced(_number(o, "every", 0.05)),
    **{f"stream-{kind}": partial(_break, kind) for kind in get_args(BreakKind)},
    "reset": lambda o: Fault.reset(),
    "close": lambda o: Fault.close(),
    "silence": lambda o: Fault.silent(_number(o, "seconds", 3600)),
    "slow-body": lambda o: Fault.slow_body(_number(o, "seconds", 3600)),
    "drip": lambda o: Fault.dripped(int(_number(o, "size", 1)), _number(o, "every", 0.05)),
    "cut": lambda o: Fault.cut_off(_number(o, "after", 0.5)),
    "malformed": lambda o: Fault.malformed_json(),
    "html": lambda o: Fault.html(int(_number(o, "status", 502))),
    "cloudflare": lambda o: Fault.cloudflare_1010(),
    "decommissioned": lambda o: Fault.decommissioned(),
    "not-found": lambda o: Fault.model_not_found(),
    "invalid-key": lambda o: Fault.invalid_key(),
    "context-length": lambda o: Fault.context_length(),
    "capacity": lambda o: Fault.capacity(),
    "too-large": lambda o: Fault.too_large(),
    "json-validate-failed": lambda o: Fault.json_validate_failed(o.pop("text", "")),
    "tool-use-failed": lambda o: Fault.tool_use_failed(o.pop("text", "")),
}


def is_scripted(model: str) -> bool:
    """Whether a model's name is an instruction to the sandbox."""
    return model.startswith(PREFIX)


def step_named(model: str) -> tuple[Step, int | None]:
    """The step a name asks for, and for how many requests (None: all).

    Raises ValueError that says what would be right.
    """
    what, _, query = model.removeprefix(PREFIX).partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    times = int(options.pop("times")) if "times" in options else None
    # Only errors: a 200 by number would be an answer without a body.
    if what.isdigit() and 400 <= int(what) <= 599:
        step: Step = Fault.error(int(what))
    elif what in _BUILDERS:
        step = _BUILDERS[what](options)
    else:
        raise ValueError(
            f"`{model}`: unknown fault `{what}`; known: 400 to 599, {', '.join(_BUILDERS)}"
        )
    step = _with_common(step, options)
    if options:
        raise ValueError(f"`{model}`: unknown option `{next(iter(options))}` for `{what}`")
    return step, times


def _with_common(step: Step, options: Options) -> Step:
    silence = _number(options, "silence", 0)
    retry_after = options.pop("retry-after", None)
    # An answer cannot wait or bear a header; a fault that carries it can.
    if isinstance(step, Answer):
        return step if not silence else Fault(answer=step, silence=silence)
    return replace(
        step,
        silence=silence or step.silence,
        retry_after=step.retry_after if retry_after is None else _retry_after(retry_after),
    )


def _retry_after(text: str) -> RetryAfter:
    """`date:<seconds>` is an HTTP-date that far ahead; anything else is sent as it is."""
    kind, _, seconds = text.partition("date:")
    return retry_after_date(float(seconds)) if not kind and seconds else text
