"""The rows of the table: which clients are compared in what, and what the goal is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

#: The provider's latency where callers wait, in milliseconds.
LATENCY = 50
CROWDS = (1, 8, 64, 256, 512, 1024)

_BLOCKING = ("SDK", "ours", "LangChain", "LiteLLM", "instructor", "pydantic-ai", "floor")
_GROQ = ("SDK", "ours", "SDK + aiohttp", *_BLOCKING[2:])
_BEDROCK = ("SDK", "ours", "LangChain", "LiteLLM", "pydantic-ai", "floor")

#: What each client's import is, for the clients whose import is measured.
IMPORTS: Mapping[str, Mapping[str, str]] = {
    "groq": {
        "SDK": "groq",
        "ours": "services.llm_client",
        "LangChain": "langchain_groq",
        "LiteLLM": "litellm",
        "instructor": "instructor",
        "pydantic-ai": "pydantic_ai.models.groq",
        "pydantic-settings": "pydantic_settings",
    },
    "bedrock": {
        "SDK": "boto3",
        "ours": "services.llm_client",
        "LangChain": "langchain_aws",
        "LiteLLM": "litellm",
        "instructor": "instructor",
        "pydantic-ai": "pydantic_ai.models.bedrock",
    },
}


@dataclass(frozen=True, eq=False)
class Row:
    """One line of the table: every figure of it comes from rounds in which all take turns."""

    name: str
    provider: str
    #: The figure that is compared, of those that a round brings, and what it counts.
    figure: str
    title: str
    clients: tuple[str, ...]
    #: `bench.measures`' function with its arguments; for a process of its own, "import" or "once".
    order: Mapping[str, Any] = field(default_factory=dict)
    latency: float = 0
    #: The ratio to the SDK that is wanted of ours, in words and as a test of it.
    goal: str = ""
    is_met: Callable[[float], bool] | None = None

    @property
    def callers(self) -> int:
        """How many ask at once."""
        return int(self.order.get("callers", 1))


def _at_least(ratio: float) -> dict[str, Any]:
    return {"goal": f"≥ {ratio:g}", "is_met": lambda found: found >= ratio}


def _at_most(ratio: float) -> dict[str, Any]:
    return {"goal": f"≤ {ratio:.2f}", "is_met": lambda found: found <= ratio}


def rows(seconds: float, calls: int, soaked: int) -> list[Row]:
    """Return all rows; a round of a crowd lasts so many *seconds*, one of a caller *calls*."""
    return [
        *(_crowd("groq", callers, seconds) for callers in (64, 512)),
        *(_crowd("bedrock", callers, seconds) for callers in (64, 512)),
        _blocking("groq", calls, 0.90),
        _blocking("bedrock", calls, 1.05),
        *(_alone("import", provider) for provider in ("groq", "bedrock")),
        *(_alone("once", provider) for provider in ("groq", "bedrock")),
        *(_memory(provider) for provider in ("groq", "bedrock")),
        *(_soak(provider, soaked) for provider in ("groq", "bedrock")),
        *_streams(),
    ]


def sweep(seconds: float) -> list[Row]:
    """Return the rows of the picture: throughput from one caller to many."""
    return [
        Row(
            f"{provider}-from-1-to-1024",
            provider,
            "rps",
            f"{callers}",
            # LangChain asks Bedrock in as many threads as asyncio has, however many wait.
            ("SDK", "ours", *(["LangChain"] if provider == "groq" else []), "floor"),
            {"measure": "crowd", "callers": callers, "seconds": seconds},
            LATENCY,
        )
        for provider in ("groq", "bedrock")
        for callers in CROWDS
    ]


def _crowd(provider: str, callers: int, seconds: float) -> Row:
    wanted = {("groq", 64): 2.5, ("groq", 512): 4.0}.get((provider, callers), 1.2)
    return Row(
        f"{provider}-async-{callers}",
        provider,
        "rps",
        f"async {provider.title()}, {callers} in flight, calls/s",
        _GROQ if provider == "groq" else _BEDROCK,
        {"measure": "crowd", "callers": callers, "seconds": seconds},
        LATENCY,
        **_at_least(wanted),
    )


def _blocking(provider: str, calls: int, wanted: float) -> Row:
    return Row(
        f"{provider}-sync",
        provider,
        "us",
        f"sync {provider.title()}, CPU of a call, µs",
        _BLOCKING,
        {"measure": "cost", "calls": calls, "blocks": True},
        **_at_most(wanted),
    )


def _alone(how: str, provider: str) -> Row:
    is_import = how == "import"
    whole = "first call, CPU of the whole process, ms"
    title = "import over bare Python, CPU ms" if is_import else whole
    return Row(
        f"{provider}-{'import' if is_import else 'first-call'}",
        provider,
        "ms",
        f"{provider.title()}: {title}",
        tuple(IMPORTS[provider]) if is_import else ("SDK", "SDK + settings", *_BLOCKING[1:]),
        {"measure": how},
        **({} if is_import else _at_most(1.0)),
    )


def _memory(provider: str) -> Row:
    return Row(
        f"{provider}-memory",
        provider,
        "kB",
        f"{provider.title()}: memory of a call in flight, kB",
        ("SDK", "ours", "floor"),
        {"measure": "memory", "callers": 512},
        2000,
    )


def _streams() -> list[Row]:
    return [
        Row(
            "groq-stream",
            "groq",
            "us",
            "Groq: a piece of a stream, CPU, µs",
            ("SDK", "ours", "floor"),
            {"measure": "pieces", "streams": 20},
            **_at_most(0.25),
        ),
        Row(
            "groq-paced-stream",
            "groq",
            "us",
            "Groq: a piece that comes alone, 20 streams, CPU, µs",
            ("SDK", "ours", "floor"),
            {"measure": "paced", "callers": 20},
            LATENCY,
            **_at_most(0.25),
        ),
        Row(
            "groq-first-piece",
            "groq",
            "first",
            "Groq: until a stream's first piece, ms",
            ("SDK", "ours", "floor"),
            {"measure": "pieces", "streams": 2},
            LATENCY,
            **_at_most(1.1),
        ),
        Row(
            "groq-1000-streams",
            "groq",
            "pieces",
            "Groq: 1,000 streams of 100 pieces a second, three times",
            ("ours",),
            {"measure": "many", "callers": 1000, "rounds": 3},
            LATENCY,
        ),
    ]


def _soak(provider: str, calls: int) -> Row:
    return Row(
        f"{provider}-soak",
        provider,
        "MB +",
        f"{provider.title()}: {calls:,} calls at 256 in flight",
        ("ours",),
        {"measure": "soak", "callers": 256, "calls": calls},
    )
