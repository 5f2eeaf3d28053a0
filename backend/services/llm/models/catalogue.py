"""One row of facts for each model, and the replacements of those that were shut down.

Providers change all of it without notice: `AS_OF` is the day of this knowledge, and a provider's
answer wins over it. None stands for unknown.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from ..types import Mode

#: The day up to which retirements are known (ISO 8601). The newest evidence for Groq is of early
#: October 2026.
AS_OF = "2026-11-22"


class Price(NamedTuple):
    """US dollars for a million tokens; None means the input's price.

    `surcharge` is what a geographic profile (`us.`, `eu.`) costs more than `global.` does.
    """

    input: float
    output: float
    cached_input: float | None = None
    cache_write: float | None = None
    surcharge: float = 0.0


class FreePlan(NamedTuple):
    """Groq's limits without payment, for an organisation and a model.

    Requests and tokens, by minute and by day; `itpm` and `otpm` count input and output apart.
    """

    rpm: int
    rpd: int
    tpm: int
    tpd: int | None
    itpm: int | None = None
    otpm: int | None = None


class DeveloperPlan(NamedTuple):
    """Groq's limits with payment by use; those of a day are not published."""

    rpm: int
    tpm: int


#: context and output in tokens, forms of output, price, limits of the free plan.
GroqRow: TypeAlias = "tuple[int, int | None, tuple[Mode, ...], Price | None, FreePlan | None]"

_STRICT: tuple[Mode, ...] = ("strict", "schema", "tool", "object", "prompt")
_SCHEMA: tuple[Mode, ...] = ("schema", "tool", "object", "prompt")
_OBJECT: tuple[Mode, ...] = ("tool", "object", "prompt")
_PROMPT_ONLY: tuple[Mode, ...] = ("prompt",)
_COMMON = FreePlan(30, 1_000, 8_000, 200_000)

# console.groq.com/docs/models, /docs/rate-limits and /docs/structured-outputs, August to October
# 2026; sizes of retired models from `GET /openai/v1/models` while they were alive.
GROQ: dict[str, GroqRow] = {
    "openai/gpt-oss-120b": (131_072, 65_536, _STRICT, Price(0.15, 0.60, 0.075), _COMMON),
    "openai/gpt-oss-20b": (131_072, 65_536, _STRICT, Price(0.075, 0.30, 0.0375), _COMMON),
    "openai/gpt-oss-safeguard-20b": (131_072, 65_536, _SCHEMA, Price(0.075, 0.30), _COMMON),
    "qwen/qwen3.8-27b": (
        *(131_072, 16_384, _STRICT, Price(0.80, 4.00)),
        FreePlan(30, 1_000, 8_000, 200_000, itpm=7_000, otpm=1_000),
    ),
    "minimaxai/minimax-m2.7": (196_608, 131_072, _OBJECT, None, None),
    "meta-llama/llama-prompt-guard-2-22m": (
        *(512, 512, _PROMPT_ONLY, Price(0.03, 0.03)),
        FreePlan(30, 14_400, 15_000, 500_000),
    ),
    "meta-llama/llama-prompt-guard-2-86m": (
        *(512, 512, _PROMPT_ONLY, Price(0.04, 0.04)),
        FreePlan(30, 14_400, 15_000, 500_000),
    ),
    "groq/compound": (131_072, 8_192, _PROMPT_ONLY, None, FreePlan(30, 250, 70_000, None)),
    "groq/compound-mini": (131_072, 8_192, _PROMPT_ONLY, None, None),
    "mixtral-8x7b-32768": (32_768, None, _OBJECT, None, None),
    "llama3-70b-8192": (8_192, 8_192, _OBJECT, None, None),
    "llama3-8b-8192": (8_192, 8_192, _OBJECT, None, None),
    "gemma-7b-it": (8_192, None, _OBJECT, None, None),
    "gemma2-9b-it": (8_192, 8_192, _OBJECT, None, None),
    "llama-3.1-8b-instant": (
        *(131_072, 131_072, _OBJECT, None),
        FreePlan(30, 14_400, 6_000, 500_000),
    ),
    "llama-3.3-70b-versatile": (
        *(131_072, 32_768, _OBJECT, None),
        FreePlan(30, 1_000, 12_000, 100_000),
    ),
    "meta-llama/llama-4-scout-17b-16e-instruct": (131_072, 8_192, _SCHEMA, None, None),
    "meta-llama/llama-4-maverick-17b-128e-instruct": (131_072, 8_192, _SCHEMA, None, None),
    "moonshotai/kimi-k2-instruct": (131_072, 16_384, _SCHEMA, None, None),
    "moonshotai/kimi-k2-instruct-0905": (262_144, 16_384, _SCHEMA, None, None),
    "qwen/qwen3-32b": (131_072, 40_960, _OBJECT, None, None),
    "qwen-qwq-32b": (131_072, 131_072, _OBJECT, None, None),
    "mistral-saba-24b": (32_768, 32_768, _OBJECT, None, None),
    "deepseek-r1-distill-llama-70b": (131_072, 131_072, _OBJECT, None, None),
}

# console.groq.com/docs/rate-limits, August to October 2026. A model that is not named has none that
# is confirmed.
DEVELOPER_PLAN: dict[str, DeveloperPlan] = {
    "openai/gpt-oss-120b": DeveloperPlan(1_000, 250_000),
    "openai/gpt-oss-20b": DeveloperPlan(1_000, 250_000),
    "openai/gpt-oss-safeguard-20b": DeveloperPlan(1_000, 150_000),
    "meta-llama/llama-prompt-guard-2-22m": DeveloperPlan(100, 30_000),
    "meta-llama/llama-prompt-guard-2-86m": DeveloperPlan(100, 30_000),
}

#: context and output in tokens, price, burndown: how many tokens of quota one of output takes.
BedrockRow: TypeAlias = "tuple[int | None, int | None, Price | None, int]"


def _claude(
    input_price: float, output_price: float, read: float = 0.1, *, since_haiku_4_5: bool
) -> Price:
    """Anthropic's multiples of the input price: *read* from the cache, 1.25 to write it."""
    more = 0.1 if since_haiku_4_5 else 0.0
    return Price(input_price, output_price, input_price * read, input_price * 1.25, surcharge=more)


def _old(input_price: float, output_price: float) -> Price:
    return _claude(input_price, output_price, since_haiku_4_5=False)


def _new(input_price: float, output_price: float, read: float = 0.1) -> Price:
    return _claude(input_price, output_price, read, since_haiku_4_5=True)


# AWS's price list (Price List API, publication of 2026-09-30), model cards and quota pages, August
# to October 2026; models.dev for sizes. Ids without a profile's prefix, which is taken off first.
BEDROCK: dict[str, BedrockRow] = {
    "anthropic.claude-haiku-5-5": (100_000, 32_000, _new(0.10, 0.50), 1),
    "anthropic.claude-sonnet-5-5": (None, None, _new(2.0, 10.0), 1),
    "anthropic.claude-opus-5-5": (None, None, _new(4.0, 20.0, 0.05), 10),
    "anthropic.claude-fable-5-1": (None, None, _new(10.0, 50.0, 0.025), 10),
    "anthropic.claude-sonnet-5": (None, None, _new(3.0, 15.0), 10),
    "anthropic.claude-opus-5": (None, None, _new(5.0, 25.0), 10),
    "anthropic.claude-opus-4-8": (None, None, _new(5.0, 25.0), 15),
    "anthropic.claude-opus-4-7": (None, None, _new(5.0, 25.0), 5),
    "anthropic.claude-opus-4-6-v1": (None, 128_000, _new(5.0, 25.0), 5),
    "anthropic.claude-opus-4-5-20251101-v1:0": (200_000, 64_000, _new(5.0, 25.0), 5),
    "anthropic.claude-sonnet-4-6": (None, 64_000, _new(3.0, 15.0), 5),
    "anthropic.claude-sonnet-4-5-20250929-v1:0": (200_000, 64_000, _new(3.0, 15.0), 5),
    "anthropic.claude-haiku-4-5-20251001-v1:0": (200_000, 64_000, _new(1.0, 5.0), 5),
    "anthropic.claude-opus-4-1-20250805-v1:0": (200_000, 32_000, _old(15.0, 75.0), 5),
    "anthropic.claude-opus-4-20250514-v1:0": (200_000, 32_000, _old(15.0, 75.0), 5),
    "anthropic.claude-sonnet-4-20250514-v1:0": (200_000, 64_000, _old(3.0, 15.0), 5),
    "anthropic.claude-3-7-sonnet-20250219-v1:0": (200_000, 64_000, _old(3.0, 15.0), 5),
    "anthropic.claude-3-5-sonnet-20241022-v2:0": (200_000, 8_192, _old(6.0, 30.0), 1),
    "anthropic.claude-3-5-sonnet-20240620-v1:0": (200_000, 8_192, _old(3.0, 15.0), 1),
    "anthropic.claude-3-5-haiku-20241022-v1:0": (200_000, 8_192, _old(0.80, 4.0), 1),
    "anthropic.claude-3-opus-20240229-v1:0": (200_000, 4_096, Price(15.0, 75.0), 1),
    "anthropic.claude-3-sonnet-20240229-v1:0": (200_000, 4_096, Price(3.0, 15.0), 1),
    "anthropic.claude-3-haiku-20240307-v1:0": (200_000, 4_096, Price(0.25, 1.25), 1),
    "meta.llama3-70b-instruct-v1:0": (8_192, 2_048, None, 1),
    "meta.llama3-8b-instruct-v1:0": (8_192, 2_048, None, 1),
    "meta.llama3-1-8b-instruct-v1:0": (128_000, None, Price(0.22, 0.22), 1),
    "meta.llama3-1-70b-instruct-v1:0": (128_000, None, Price(0.72, 0.72), 1),
    "meta.llama3-3-70b-instruct-v1:0": (128_000, None, Price(0.72, 0.72), 1),
    "meta.llama4-scout-17b-instruct-v1:0": (None, None, Price(0.17, 0.66), 1),
    "meta.llama4-maverick-17b-instruct-v1:0": (None, None, Price(0.24, 0.97), 1),
    "mistral.mixtral-8x7b-instruct-v0:1": (32_000, 4_096, Price(0.45, 0.70), 1),
    "mistral.mistral-large-3-675b-instruct": (None, None, Price(0.5, 1.5), 1),
    "openai.gpt-oss-120b-1:0": (131_072, None, Price(0.15, 0.60), 1),
    "openai.gpt-oss-20b-1:0": (131_072, None, Price(0.07, 0.30), 1),
    "amazon.nova-micro-v1:0": (128_000, None, Price(0.035, 0.14), 1),
    "amazon.nova-lite-v1:0": (300_000, None, Price(0.06, 0.24), 1),
    "amazon.nova-pro-v1:0": (300_000, None, Price(0.80, 3.20), 1),
}

#: What replaced a model, and when it was shut down: None where it is alive, or not known to be
#: gone, and this is where to go should the provider say so. Replacements may have gone since.
REPLACEMENTS: dict[str, tuple[str | None, str]] = {
    # console.groq.com/docs/deprecations, read in full after 2026-08-24. Of two replacements the
    # production text model; for a vision model, one that sees.
    "llava-v1.5-7b-4096-preview": ("2024-10-28", "llama-3.2-11b-vision-preview"),
    "llama-3.2-11b-text-preview": ("2024-10-28", "llama-3.2-11b-vision-preview"),
    "llama-3.2-90b-text-preview": ("2024-11-25", "llama-3.1-70b-versatile"),
    "gemma-7b-it": ("2024-12-18", "gemma2-9b-it"),
    "llama3-groq-8b-8192-tool-use-preview": ("2025-01-06", "llama-3.3-70b-versatile"),
    "llama3-groq-70b-8192-tool-use-preview": ("2025-01-06", "llama-3.3-70b-versatile"),
    "llama-3.1-70b-versatile": ("2025-01-24", "llama-3.3-70b-versatile"),
    "llama-3.1-70b-specdec": ("2025-01-24", "llama-3.3-70b-specdec"),
    "mixtral-8x7b-32768": ("2025-03-20", "llama-3.3-70b-versatile"),
    "deepseek-r1-distill-llama-70b-specdec": ("2025-04-14", "deepseek-r1-distill-llama-70b"),
    "llama-3.2-1b-preview": ("2025-04-14", "llama-3.1-8b-instant"),
    "llama-3.2-3b-preview": ("2025-04-14", "llama-3.1-8b-instant"),
    "llama-3.2-11b-vision-preview": ("2025-04-14", "qwen/qwen3.6-27b"),
    "llama-3.2-90b-vision-preview": ("2025-04-14", "qwen/qwen3.6-27b"),
    "deepseek-r1-distill-qwen-32b": ("2025-04-14", "qwen-qwq-32b"),
    "qwen-2.5-32b": ("2025-04-14", "qwen-qwq-32b"),
    "qwen-2.5-coder-32b": ("2025-04-14", "openai/gpt-oss-120b"),
    "llama-3.3-70b-specdec": ("2025-04-14", "llama-3.3-70b-versatile"),
    "llama-guard-3-8b": ("2025-06-06", "meta-llama/llama-guard-4-12b"),
    "qwen-qwq-32b": ("2025-07-14", "qwen/qwen3-32b"),
    "mistral-saba-24b": ("2025-07-30", "qwen/qwen3-32b"),
    "distil-whisper-large-v3-en": ("2025-08-23", "whisper-large-v3-turbo"),
    "llama3-70b-8192": ("2025-08-30", "llama-3.3-70b-versatile"),
    "llama3-8b-8192": ("2025-08-30", "llama-3.1-8b-instant"),
    "deepseek-r1-distill-llama-70b": ("2025-10-02", "openai/gpt-oss-120b"),
    "gemma2-9b-it": ("2025-10-08", "llama-3.1-8b-instant"),
    "moonshotai/kimi-k2-instruct": ("2025-10-10", "openai/gpt-oss-120b"),
    "playai-tts": ("2025-12-31", "canopylabs/orpheus-v1-english"),
    "playai-tts-arabic": ("2025-12-31", "canopylabs/orpheus-arabic-saudi"),
    "meta-llama/llama-guard-4-12b": ("2026-03-05", "openai/gpt-oss-safeguard-20b"),
    "meta-llama/llama-4-maverick-17b-128e-instruct": ("2026-03-09", "openai/gpt-oss-120b"),
    "moonshotai/kimi-k2-instruct-0905": ("2026-04-15", "openai/gpt-oss-120b"),
    "qwen/qwen3-32b": ("2026-07-17", "openai/gpt-oss-120b"),
    "meta-llama/llama-4-scout-17b-16e-instruct": ("2026-07-17", "openai/gpt-oss-120b"),
    "llama-3.1-8b-instant": ("2026-08-16", "openai/gpt-oss-20b"),
    "llama-3.3-70b-versatile": ("2026-08-16", "openai/gpt-oss-120b"),
    "qwen/qwen3.6-27b": ("2026-09-14", "qwen/qwen3.8-27b"),
    # Bedrock names no replacements: the model in service of the same tier that takes the same
    # parameters. AWS's model lifecycle page, August to October 2026; for Claude 2 and Instant, the
    # day on which their refusal was first recorded.
    "anthropic.claude-instant-v1": ("2025-10-28", "anthropic.claude-haiku-4-5-20251001-v1:0"),
    "anthropic.claude-v2": ("2025-10-28", "anthropic.claude-sonnet-4-6"),
    "anthropic.claude-v2:1": ("2025-10-28", "anthropic.claude-sonnet-4-6"),
    "anthropic.claude-3-sonnet-20240229-v1:0": ("2026-07-30", "anthropic.claude-sonnet-4-6"),
    "anthropic.claude-3-haiku-20240307-v1:0": (
        *("2026-09-10", "anthropic.claude-haiku-4-5-20251001-v1:0"),
    ),
    "anthropic.claude-3-opus-20240229-v1:0": (None, "anthropic.claude-opus-4-6-v1"),
    "anthropic.claude-3-5-sonnet-20240620-v1:0": ("2026-07-30", "anthropic.claude-sonnet-4-6"),
    "anthropic.claude-3-5-sonnet-20241022-v2:0": ("2026-07-30", "anthropic.claude-sonnet-4-6"),
    "anthropic.claude-3-5-haiku-20241022-v1:0": (
        *("2026-06-19", "anthropic.claude-haiku-4-5-20251001-v1:0"),
    ),
    "anthropic.claude-3-7-sonnet-20250219-v1:0": ("2026-04-28", "anthropic.claude-sonnet-4-6"),
    "anthropic.claude-sonnet-4-20250514-v1:0": ("2026-10-14", "anthropic.claude-sonnet-4-6"),
    "anthropic.claude-opus-4-20250514-v1:0": (None, "anthropic.claude-opus-4-6-v1"),
    "anthropic.claude-opus-4-1-20250805-v1:0": ("2027-01-08", "anthropic.claude-opus-4-6-v1"),
    "anthropic.claude-sonnet-4-5-20250929-v1:0": (None, "anthropic.claude-sonnet-4-6"),
    "anthropic.claude-haiku-4-5-20251001-v1:0": (None, "anthropic.claude-haiku-5-5"),
    "meta.llama2-13b-chat-v1": (None, "meta.llama3-1-8b-instruct-v1:0"),
    "meta.llama2-70b-chat-v1": (None, "meta.llama3-3-70b-instruct-v1:0"),
    "meta.llama3-8b-instruct-v1:0": (None, "meta.llama3-1-8b-instruct-v1:0"),
    "meta.llama3-70b-instruct-v1:0": (None, "meta.llama3-3-70b-instruct-v1:0"),
    "meta.llama3-1-405b-instruct-v1:0": ("2026-07-07", "meta.llama4-maverick-17b-instruct-v1:0"),
    "meta.llama3-2-1b-instruct-v1:0": ("2026-07-07", "meta.llama3-1-8b-instruct-v1:0"),
    "meta.llama3-2-3b-instruct-v1:0": ("2026-07-07", "meta.llama3-1-8b-instruct-v1:0"),
    "meta.llama3-2-11b-instruct-v1:0": ("2026-07-07", "meta.llama4-scout-17b-instruct-v1:0"),
    "meta.llama3-2-90b-instruct-v1:0": ("2026-07-07", "meta.llama4-maverick-17b-instruct-v1:0"),
    "mistral.mixtral-8x7b-instruct-v0:1": (None, "mistral.mistral-large-3-675b-instruct"),
}

#: The replacement for a request with images, where the one above does not see.
VISION_REPLACEMENTS: dict[str, str] = {
    # The page's second replacement; for the other, the only model of Groq's that sees.
    "meta-llama/llama-4-scout-17b-16e-instruct": "qwen/qwen3.6-27b",
    "meta-llama/llama-4-maverick-17b-128e-instruct": "qwen/qwen3.6-27b",
}

#: Models that see images, beside Claude's from the third on.
VISION_MODELS = frozenset(
    {"qwen/qwen3.8-27b", "qwen/qwen3.6-27b", "llava-v1.5-7b-4096-preview"}
    | {"llama-3.2-11b-vision-preview", "llama-3.2-90b-vision-preview"}
    | {"meta-llama/llama-4-scout-17b-16e-instruct"}
    | {"meta-llama/llama-4-maverick-17b-128e-instruct"}
    | {"amazon.nova-lite-v1:0", "amazon.nova-pro-v1:0"}
    | {"meta.llama3-2-11b-instruct-v1:0", "meta.llama3-2-90b-instruct-v1:0"}
    | {"meta.llama4-scout-17b-instruct-v1:0", "meta.llama4-maverick-17b-instruct-v1:0"}
    | {"mistral.mistral-large-3-675b-instruct"}
)

#: Shut down without a replacement.
DISCONTINUED = frozenset({"groq/compound", "groq/compound-mini"})
