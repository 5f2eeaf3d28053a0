"""How many tokens a prompt takes, learnt for each model from what its provider has counted.

Tokens are taken to be a sum over kinds of bytes, of what the request's first message takes beside
its text, and of what each further one does: to the first a provider may add a prompt of its own, as
72 tokens to gpt-oss', and another one where there are tools. The weights are found by recursive
least squares (Plackett, 1950) on relative errors. It begins with the cautious ones of
`token_estimate`, and needs no vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from ..frozen import dataclass
from ..limit_types import LimitReport
from ..runtime.fork import ForkLock
from ..types import Request
from .token_estimate import BYTES_PER_TOKEN, TOKENS_PER_MESSAGE, texts_in

#: Models of which something is known at once; the one that was learnt of first goes.
MOST_MODELS = 64
#: What one observation is taken to be off by, and how fast old ones are forgotten.
_NOISE, _MEMORY = 0.04**2, 0.99
#: How uncertain the weights are at first: of a byte, of a further message, and of the first one
#: without tools and with them.
_OF_BYTE, _OF_MESSAGE, _OF_FIRST, _OF_FIRST_WITH_TOOLS = 0.15**2, 6.0**2, 40.0**2, 200.0**2
#: How uncertain a weight may become, and how large: beyond this it explains no text.
_MOST_VARIANCES = [4 * _OF_BYTE] * 4 + [_OF_MESSAGE, _OF_FIRST, _OF_FIRST_WITH_TOOLS]
_MOST_WEIGHTS = [4.0] * 4 + [512.0, 512.0, 1_024.0]
#: The estimate is above the expectation by this many times its usual error, within these bounds.
_ERRORS, _LEAST_MARGIN, _MOST_MARGIN = 1.5, 0.01, 0.10

#: After so many observations one of so many is learnt from, and each that is far off.
_OFTEN, _SELDOM = 32, 8

#: A relative error that no usual text brings, and what it does to the trust in the weights.
#: The first observations are trusted in any case. An error of less than so many usual ones is none:
#: then texts differ in what their bytes do not show, and no weights explain all of them.
_SURPRISE, _DOUBT, _SETTLED = 0.25, 4.0, 16
_USUAL_ERRORS = 2.0

_LETTERS = bytes([*range(65, 91), *range(97, 123)])
_BLANKS = b" \t\r\n"
_ASCII = bytes(range(128))


def features_of(request: Request) -> tuple[float, ...]:
    """Return the features of *request*'s prompt.

    They are the bytes of letters, blanks, other ASCII and all else, the number of messages after
    the first one, 1 for that without tools, 1 for that with tools, and the tokens of media.
    """
    texts, media = texts_in(request)
    encoded = "".join(texts).encode(errors="replace")
    size = len(encoded)
    letters = size - len(encoded.translate(None, _LETTERS))
    blanks = size - len(encoded.translate(None, _BLANKS))
    foreign = len(encoded.translate(None, _ASCII)) if not encoded.isascii() else 0
    others = size - letters - blanks - foreign
    first = min(1, len(request.messages))
    with_tools = first if request.options.get("tools") else 0
    further = len(request.messages) - first
    return (letters, blanks, others, foreign, further, first - with_tools, with_tools, media)


@dataclass(frozen=True)
class Estimate:
    """The tokens that a prompt is thought to take, with the features that they depend on."""

    model: str
    features: tuple[float, ...]
    tokens: int


class _Model:
    """The weights of one model, their covariance, and how far the estimates were off."""

    def __init__(self) -> None:
        byte = 1 / BYTES_PER_TOKEN
        self.weights = [byte] * 4 + [float(TOKENS_PER_MESSAGE)] * 3
        variances = [_OF_BYTE] * 4 + [_OF_MESSAGE, _OF_FIRST, _OF_FIRST_WITH_TOOLS]
        self._covariance = [
            [variance if row == column else 0.0 for column in range(len(variances))]
            for row, variance in enumerate(variances)
        ]
        #: The usual relative error; of the first estimates nothing is known.
        self.error = 0.0
        self.seen = 0

    def expected(self, features: Sequence[float]) -> float:
        """Return the expected tokens of text with these features."""
        return sum(map(float.__mul__, self.weights, map(float, features)))

    def learn(self, features: Sequence[float], tokens: float) -> None:
        """Move the weights to what explains that such a text has so many *tokens*."""
        row = [feature / tokens for feature in features]
        miss = 1 - self.expected(features) / tokens
        is_surprise = abs(miss) > max(_SURPRISE, _USUAL_ERRORS * self.error)
        if is_surprise and self.seen > _SETTLED:
            self._doubt()
        self.error = max(0.8 * self.error, min(1.0, abs(miss))) if self.error else abs(miss)
        gains = [sum(map(float.__mul__, each, row)) for each in self._covariance]
        spread = _NOISE + sum(map(float.__mul__, gains, row))
        self.weights = [
            weight + gain / spread * miss for weight, gain in zip(self.weights, gains, strict=True)
        ]
        self._covariance = _bounded(
            [
                [
                    (value - gain * other / spread) / _MEMORY
                    for value, other in zip(values, gains, strict=True)
                ]
                for values, gain in zip(self._covariance, gains, strict=True)
            ]
        )
        self._keep_within_bounds()

    def _keep_within_bounds(self) -> None:
        """Move each weight that is out of bounds to its bound, and the others as it tells of them.

        To cut it off alone would undo what the last observation has taught.
        """
        for place, most in enumerate(_MOST_WEIGHTS):
            weight, row = self.weights[place], self._covariance[place]
            if 0.0 <= weight <= most or not row[place]:
                continue
            shift = (min(max(0.0, weight), most) - weight) / row[place]
            self.weights = [
                one + shift * related for one, related in zip(self.weights, row, strict=True)
            ]
        self.weights = [
            min(max(0.0, weight), most)
            for weight, most in zip(self.weights, _MOST_WEIGHTS, strict=True)
        ]

    def _doubt(self) -> None:
        """Trust what is known less, so that the next observations count for more."""
        self._covariance = [[_DOUBT * value for value in values] for values in self._covariance]


def _bounded(covariance: list[list[float]]) -> list[list[float]]:
    """Scale rows and columns so that no variance exceeds its bound.

    What texts alike say nothing of is forgotten without end. To cut single elements off would leave
    no covariance, and the weights would grow with each observation.
    """
    scales = [
        math.sqrt(bound / row[place]) if row[place] > bound else 1.0
        for place, (row, bound) in enumerate(zip(covariance, _MOST_VARIANCES, strict=True))
    ]
    return [
        [value * scale * other for value, other in zip(row, scales, strict=True)]
        for row, scale in zip(covariance, scales, strict=True)
    ]


class TokenEstimator:
    """Estimates of prompts by model; what is learnt of a model is lost with the process."""

    def __init__(self) -> None:
        self._models: dict[str, _Model] = {}
        self._lock = ForkLock(leaf=True)  # guards what is known of the models

    def estimate(self, request: Request) -> Estimate:
        """Return an estimate that is rarely too low of the request's prompt."""
        features = features_of(request)
        *of_text, media = features
        with self._lock:
            known = self._models.get(request.model)
            if known is None:
                expected, margin = _Model().expected(of_text), 0.0
            else:
                expected = known.expected(of_text)
                margin = min(_MOST_MARGIN, max(_LEAST_MARGIN, _ERRORS * known.error))
        tokens = math.ceil(expected * (1 + margin) + media)
        return Estimate(request.model, features, tokens)

    def learn(self, estimate: Estimate, tokens: float) -> None:
        """Learn that the prompt had so many *tokens* where this had been the estimate."""
        model = estimate.model
        *of_text, media = estimate.features
        if tokens < 1 or media or not any(of_text[-2:]):
            return  # an image's tokens would be taken for those of its text
        with self._lock:
            if model not in self._models and len(self._models) >= MOST_MODELS:
                del self._models[next(iter(self._models))]
            known = self._models.get(model) or self._models.setdefault(model, _Model())
            known.seen += 1
            # One more token is what an estimate is rounded up by.
            is_off = abs(estimate.tokens - tokens) > _MOST_MARGIN * tokens + 1
            if known.seen <= _OFTEN or known.seen % _SELDOM == 0 or is_off:
                known.learn(of_text, tokens)

    def learn_from_refusal(
        self, estimate: Estimate, reports: Iterable[LimitReport], declared: float
    ) -> None:
        """Learn from what a refusal said that the request costs, whose answer may have *declared*.

        Where it costs less than that, the declared answer cannot be a part of it.
        """
        for report in reports:
            if report.requested and report.unit in ("tokens", "input_tokens"):
                is_sum = report.unit == "tokens" and report.requested > declared
                self.learn(estimate, report.requested - (declared if is_sum else 0.0))

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._models.clear()
