"""What the script of a `SharedQuota` is sent, and what it answers.

All keys of an account have one hash slot: that of the braces in their prefix.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any, cast

from .limits import Unit
from .shared import (
    Add,
    Decision,
    ForgetScope,
    Granted,
    KnownLimit,
    Operation,
    Outcome,
    Pause,
    Refused,
    RestoreLease,
    RestoreUse,
    SetCounting,
    Settle,
    SharedCharge,
    Take,
)
from .shared_levels import scopes_of

#: JSON knows no infinity: seconds that are longer than any wait.
_FOREVER = 1e12
#: The name of a limit; anything else was put there by another program.
_LIMIT = re.compile(r"(?:requests|tokens|input_tokens|output_tokens)/[1-9]\d*(?:\.\d+)?\Z")


class _Keys:
    """The keys of one batch, each named by its place."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._places: dict[str, int] = {}
        self.place("epoch")
        self.place("retired")

    def place(self, name: str) -> int:
        """Return the place of a key, from 1 on."""
        return self._places.setdefault(self._prefix + name, len(self._places) + 1)

    def all(self) -> list[str]:
        """Return all keys in their order."""
        return list(self._places)


def encode(prefix: str, operations: Sequence[Operation]) -> tuple[list[str], str]:
    """Return the keys that *operations* touch, and what the script is sent of them."""
    keys = _Keys(prefix)
    encoded = [_encoded(each, keys) for each in operations]
    scopes = [keys.place(f"scope:{scope}") for scope in scopes_of(operations)]
    return keys.all(), json.dumps({"operations": encoded, "scopes": scopes})


def decode(answer: bytes | str, operations: Sequence[Operation]) -> Outcome:
    """Return what the script says came of *operations*; ValueError for what it never says."""
    # Names that another program has put there may be no UTF-8.
    words = answer.decode(errors="replace") if isinstance(answer, bytes) else answer
    try:
        epoch, is_lost, *rest = json.loads(words)
        if is_lost:
            return Outcome(epoch, is_lost=True)
        decisions, limits, retired, counting = (list(each) for each in rest)
        scopes, charged = list(scopes_of(operations)), _charged(operations)
        outcome = Outcome(
            epoch,
            decisions=tuple(map(_decision, decisions)),
            limits=tuple(
                _known_limit(scopes[place], limit, float(amount))
                for place, limit, amount in limits
                if f"{scopes[place]}\n{limit}" not in charged and _LIMIT.match(limit)
            ),
            retired=tuple((str(model), float(left)) for model, left in retired),
            counting=tuple(
                SetCounting(scopes[place], limit, counts_declared)
                for place, limit, counts_declared in counting
            ),
        )
    except (ValueError, TypeError, IndexError, RecursionError) as error:
        raise ValueError(f"the shared quota's script answered {answer!r:.100}") from error
    if len(outcome.decisions) != sum(isinstance(each, Take) for each in operations):
        raise ValueError(f"the shared quota's script answered {answer!r:.100}")
    return outcome


def _charged(operations: Iterable[Operation]) -> set[str]:
    takes = (each for each in operations if isinstance(each, Take))
    return {charge.key for take in takes for charge in take.charges}


def _decision(answer: Any) -> Decision:
    wait, used, *more = answer
    amounts = tuple(map(float, used))
    if more in ([], [True]):
        return Granted(float(wait), amounts, *more)
    again, unit = more
    return Refused(float(wait), float(again), str(unit), amounts)


def _known_limit(scope: str, limit: str, amount: float) -> KnownLimit:
    unit, _, window = limit.partition("/")
    return KnownLimit(scope, cast("Unit", unit), float(window), amount)


def _encoded(operation: Operation, keys: _Keys) -> dict[str, Any]:
    match operation:
        case Take(lease, scope, charges):
            return {
                "kind": "take",
                **_of_lease(lease, charges, keys),
                "scope": keys.place(f"scope:{scope}"),
                "max_transit": operation.max_transit,
                "max_wait": min(operation.max_wait, _FOREVER),
                "ttl": operation.ttl,
                "first_alone": operation.first_alone,
                "seconds_waited": operation.seconds_waited,
            }
        case Settle(take, spent, used, at_most):
            known = _of_lease(take.lease, take.charges, keys)
            known["scope"] = keys.place(f"scope:{take.scope}")
            counted = {"spent": spent, "used": used, "at_most": at_most}
            return {"kind": "settle", **known, **counted}
        case Add(lease, charges, ago):
            return {"kind": "add", **_of_lease(lease, charges, keys), "ago": ago}
        case RestoreLease(take):
            known = _of_lease(take.lease, take.charges, keys)
            return {"kind": "restore_lease", **known, "ttl": take.ttl}
        case RestoreUse(charges, spent_parts):
            known = {"charges": [_charge(each, keys) for each in charges]}
            return {"kind": "restore_use", **known, "spent_parts": spent_parts}
        case SetCounting(scope, limit, counts_declared):
            where = {"scope": keys.place(f"scope:{scope}"), "limit": limit}
            return {"kind": "set_counting", **where, "counts_declared": counts_declared}
        case Pause(scope, seconds):
            return {"kind": "pause", "scope": keys.place(f"scope:{scope}"), "seconds": seconds}
        case ForgetScope(scope):
            return {"kind": "forget_scope", "scope": keys.place(f"scope:{scope}")}
    return {"kind": "retire", "model": operation.model, "seconds": operation.seconds}


def _of_lease(lease: str, charges: Iterable[SharedCharge], keys: _Keys) -> dict[str, Any]:
    return {
        "name": lease,
        "lease": keys.place(f"lease:{lease}"),
        "charges": [_charge(each, keys) for each in charges],
    }


def _charge(charge: SharedCharge, keys: _Keys) -> dict[str, Any]:
    return {
        "key": keys.place(f"limit:{charge.key}"),
        "scope": keys.place(f"scope:{charge.scope}"),
        "limit": charge.limit,
        "unit": charge.unit,
        "amount": charge.amount,
        "window": charge.window,
        "taken": charge.taken,
        "is_log": charge.is_log,
        "is_from_shared_quota": charge.is_from_shared_quota,
    }
