"""Says which settings of a client hold for none of its calls: its account is shared already."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from ..models.catalogue import Price
from ..redaction.secrets import redacted
from ..runtime.fork import ForkLock
from ..settings.knobs import Knobs
from ..types import Provider

log = logging.getLogger(__name__)

#: The knobs that an account has from the first of its clients, whatever the provider.
_OF_THE_ACCOUNT = frozenset(
    (
        *("LLM_LEDGER_URL", "LLM_DAILY_BUDGET_USD", "LLM_TAG_BUDGETS_USD", "LLM_CACHE_URL"),
        *("LLM_CACHE_TTL", "LLM_CACHE_NAMESPACE", "LLM_CACHE_TIMEOUT", "LLM_MAX_CONCURRENCY"),
        *("LLM_RETIRED_MODELS", "GROQ_PLAN", "LLM_QUOTA_URL", "LLM_QUOTA_FALLBACK_SHARE"),
    )
)
#: Differences that are remembered, so that each is told once.
_MOST = 1_000

_lock = ForkLock(leaf=True)  # guards the one below
_known: set[tuple[str, ...]] = set()


def warn_of_differences(provider: Provider, first: Knobs, other: Knobs) -> None:
    """Warn, once for each pair of values, of what *other* sets otherwise than *first* has."""
    shown = first.model_dump(), other.model_dump()
    for name in Knobs.model_fields:
        if getattr(first, name) == getattr(other, name) or not _is_shared(name, provider):
            continue
        kept, ignored = (redacted(str(each[name])) for each in shown)
        if _is_news((provider, name, kept, ignored)):
            log.warning(
                "%s is %s for another client of this account, and stays so: %s is ignored here",
                *(name, _named(kept), _named(ignored) if ignored != kept else "another"),
            )


def warn_of_prices(ignored: Mapping[str, tuple[Price, Price]]) -> None:
    """Warn, once for each pair, of *ignored* prices: of each model what stays, and the other."""
    for model, (kept, other) in ignored.items():
        if _is_news(("LLM_PRICES", model, str(kept), str(other))):
            log.warning(
                "LLM_PRICES gives %s for another client of this process, and stays so for %r:"
                " %s is ignored here",
                *(kept, model, other),
            )


def _is_shared(name: str, provider: Provider) -> bool:
    is_limit = name.startswith(f"{provider.upper()}_") and name.endswith(("_MINUTE", "_DAY"))
    return is_limit or name in _OF_THE_ACCOUNT


def _named(value: str) -> str:
    return repr(value) if value not in ("", "None") else "not set"


def _is_news(difference: tuple[str, ...]) -> bool:
    with _lock:
        is_news = difference not in _known and len(_known) < _MOST
        if is_news:
            _known.add(difference)
        return is_news
