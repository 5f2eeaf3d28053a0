"""The metrics of the conventions: how long calls take, and their tokens.

`OTEL_SEMCONV_STABILITY_OPT_IN=gen_ai_latest_experimental` replaces the histogram of tokens by the
counters that are to take its place.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from typing import Any

from ..events import CallEnded, CallInfo, FirstPiece
from ..types import Usage
from .otel_attributes import attributes_of

_SECONDS = [0.01 * 2**power for power in range(14)]
_TOKENS = [4**power for power in range(14)]
_FIRST_CHUNK = (
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1),
    *(0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
)
_INPUT, _OUTPUT = ("gen_ai.token.type", "input"), ("gen_ai.token.type", "output")
_OPT_IN = "gen_ai_latest_experimental"


def make_metrics(meter: Any) -> CallMetrics:
    """Return the metrics that the environment asks for, made by *meter*."""
    wanted = os.environ.get("OTEL_SEMCONV_STABILITY_OPT_IN", "").split(",")
    is_latest = _OPT_IN in map(str.strip, wanted)
    return CallMetrics(meter, _TokenCounters(meter) if is_latest else _TokenHistogram(meter))


class CallMetrics:
    """Records how long calls and first pieces take, and what tokens they use.

    A call whose answer was kept is no operation of the provider's, and is not recorded.
    """

    def __init__(self, meter: Any, tokens: _Tokens) -> None:
        self._tokens = tokens
        self._duration = meter.create_histogram(
            "gen_ai.client.operation.duration",
            "s",
            "GenAI operation duration.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._first_chunk = meter.create_histogram(
            "gen_ai.client.operation.time_to_first_chunk",
            "s",
            "Time to receive the first chunk of a streamed response.",
            explicit_bucket_boundaries_advisory=_FIRST_CHUNK,
        )

    def record_call(self, ended: CallEnded) -> None:
        """Record a call that has ended."""
        if ended.is_cached and not ended.attempts:
            return
        model = (("gen_ai.response.model", ended.model),) if ended.reply is not None else ()
        if (usage := ended.usage).reported:
            self._tokens.record(usage, ended.call, *model)
        failed = ended.error_type is not None and ended.error_type != "Cancelled"
        error = (("error.type", ended.error_type),) if failed else ()
        self._duration.record(ended.seconds, attributes_of(ended.call, *model, *error))

    def record_first_piece(self, event: FirstPiece) -> None:
        """Record when the first piece of a stream came."""
        self._first_chunk.record(event.seconds, attributes_of(event.call))


class _Tokens(ABC):
    @abstractmethod
    def record(self, usage: Usage, call: CallInfo, *further: tuple[str, str]) -> None: ...


class _TokenHistogram(_Tokens):
    """One histogram, by the type of the token."""

    def __init__(self, meter: Any) -> None:
        self._usage = meter.create_histogram(
            "gen_ai.client.token.usage",
            "{token}",
            "Number of input and output tokens used.",
            explicit_bucket_boundaries_advisory=_TOKENS,
        )

    def record(self, usage: Usage, call: CallInfo, *further: tuple[str, str]) -> None:
        """Record the tokens of one call."""
        self._usage.record(usage.input_tokens, attributes_of(call, *further, _INPUT))
        self._usage.record(usage.output_tokens, attributes_of(call, *further, _OUTPUT))


class _TokenCounters(_Tokens):
    """Counters of all kinds of tokens, and histograms of a call's input and output."""

    def __init__(self, meter: Any) -> None:
        self._counters = {
            field: meter.create_counter(f"gen_ai.client.inference.usage.{name}", "{token}")
            for field, name in _COUNTED.items()
        }
        self._histograms = {
            field: meter.create_histogram(
                f"gen_ai.client.inference.operation.{name}",
                "{token}",
                explicit_bucket_boundaries_advisory=_TOKENS,
            )
            for field, name in list(_COUNTED.items())[:2]
        }

    def record(self, usage: Usage, call: CallInfo, *further: tuple[str, str]) -> None:
        """Record the tokens of one call; all of them are of text."""
        attributes = attributes_of(call, *further, ("gen_ai.token.modality", "text"))
        for field, counter in self._counters.items():
            if tokens := getattr(usage, field):
                counter.add(tokens, attributes)
        for field, histogram in self._histograms.items():
            histogram.record(getattr(usage, field), attributes)


#: Fields of `Usage`, and their names in the conventions.
_COUNTED = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "cached_input_tokens": "cache_read.input_tokens",
    "cache_write_input_tokens": "cache_write.input_tokens",
    "reasoning_tokens": "reasoning.output_tokens",
}
