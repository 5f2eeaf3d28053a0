"""Groq's models as of October 2026 (console.groq.com/docs/models and /docs/deprecations)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

_GPT_OSS_EFFORTS = ("low", "medium", "high")
# A model shut down from this day on is "not found" (404), before it "decommissioned" (400), as
# public issue threads of August and September 2026 have it.
NOT_FOUND_SINCE = date(2026, 1, 1)


@dataclass(frozen=True)
class GroqModel:
    """One model's limits, in tokens, and abilities; without `efforts` it does not reason."""

    id: str
    owner: str = "Groq"
    context: int = 131_072
    max_output: int = 32_768
    chat: bool = True
    json_object: bool = True
    json_schema: bool = False
    strict: bool = False
    tools: bool = True
    images: bool = False
    efforts: tuple[str, ...] = ()
    shutdown: date | None = None


# qwen3.8 has strict mode by the documentation read on 2026-10-02; its default effort is disputed.
_IN_SERVICE = (
    GroqModel(
        "openai/gpt-oss-120b",
        "OpenAI",
        max_output=65_536,
        json_schema=True,
        strict=True,
        efforts=_GPT_OSS_EFFORTS,
    ),
    GroqModel(
        "openai/gpt-oss-20b",
        "OpenAI",
        max_output=65_536,
        json_schema=True,
        strict=True,
        efforts=_GPT_OSS_EFFORTS,
    ),
    GroqModel(
        "openai/gpt-oss-safeguard-20b",
        "OpenAI",
        max_output=65_536,
        json_schema=True,
        efforts=_GPT_OSS_EFFORTS,
    ),
    GroqModel(
        "qwen/qwen3.8-27b",
        "Alibaba Cloud",
        max_output=16_384,
        json_schema=True,
        strict=True,
        images=True,
        efforts=("none", "default", "low", "medium", "high"),
    ),
    GroqModel(
        "meta-llama/llama-prompt-guard-2-22m", "Meta", 512, 512, json_object=False, tools=False
    ),
    GroqModel(
        "meta-llama/llama-prompt-guard-2-86m", "Meta", 512, 512, json_object=False, tools=False
    ),
    GroqModel("whisper-large-v3", "OpenAI", 448, 448, chat=False),
    GroqModel("whisper-large-v3-turbo", "OpenAI", 448, 448, chat=False),
    GroqModel("canopylabs/orpheus-v1-english", "Canopy Labs", 4_000, 4_000, chat=False),
    GroqModel("canopylabs/orpheus-v1-arabic-saudi", "Canopy Labs", 4_000, 4_000, chat=False),
)

# Their abilities are no longer of interest: on an earlier `today` they answer as plain chat models.
_RETIRED = {
    "llama-3.2-11b-text-preview": date(2024, 10, 28),
    "llama-3.2-90b-text-preview": date(2024, 11, 25),
    "gemma-7b-it": date(2024, 12, 18),
    "llama3-groq-8b-8192-tool-use-preview": date(2025, 1, 6),
    "llama3-groq-70b-8192-tool-use-preview": date(2025, 1, 6),
    "llama-3.1-70b-versatile": date(2025, 1, 24),
    "mixtral-8x7b-32768": date(2025, 3, 20),
    "llama-3.2-1b-preview": date(2025, 4, 14),
    "llama-3.2-3b-preview": date(2025, 4, 14),
    "llama-3.2-11b-vision-preview": date(2025, 4, 14),
    "llama-3.2-90b-vision-preview": date(2025, 4, 14),
    "deepseek-r1-distill-qwen-32b": date(2025, 4, 14),
    "qwen-2.5-32b": date(2025, 4, 14),
    "qwen-2.5-coder-32b": date(2025, 4, 14),
    "llama-3.3-70b-specdec": date(2025, 4, 14),
    "llama-guard-3-8b": date(2025, 6, 6),
    "qwen-qwq-32b": date(2025, 7, 14),
    "mistral-saba-24b": date(2025, 7, 30),
    "llama3-70b-8192": date(2025, 8, 30),
    "llama3-8b-8192": date(2025, 8, 30),
    "deepseek-r1-distill-llama-70b": date(2025, 10, 2),
    "gemma2-9b-it": date(2025, 10, 8),
    "moonshotai/kimi-k2-instruct": date(2025, 10, 10),
    "meta-llama/llama-guard-4-12b": date(2026, 3, 5),
    "meta-llama/llama-4-maverick-17b-128e-instruct": date(2026, 3, 9),
    "moonshotai/kimi-k2-instruct-0905": date(2026, 4, 15),
    "qwen/qwen3-32b": date(2026, 7, 17),
    "meta-llama/llama-4-scout-17b-16e-instruct": date(2026, 7, 17),
    "llama-3.1-8b-instant": date(2026, 8, 16),
    "llama-3.3-70b-versatile": date(2026, 8, 16),
    "qwen/qwen3.6-27b": date(2026, 9, 14),
    "groq/compound": date(2026, 9, 21),
    "groq/compound-mini": date(2026, 9, 21),
}

GROQ_MODELS: dict[str, GroqModel] = {
    **{model.id: model for model in _IN_SERVICE},
    **{name: GroqModel(name, shutdown=shutdown) for name, shutdown in _RETIRED.items()},
}


def scripted_model(name: str) -> GroqModel:
    """A model that can do everything, for the names that make the sandbox misbehave."""
    efforts = ("none", "default", "low", "medium", "high")
    return GroqModel(name, json_schema=True, strict=True, images=True, efforts=efforts)
