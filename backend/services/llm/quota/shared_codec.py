"""What the script of a `SharedLedger` is sent, and what it answers.

All keys of an account have one hash slot: that of the braces in their prefix.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, cast

from .limits import Unit
from .shared import (
    Add,
    Decision,
    Granted,
    KnownLimit,
    Operation,
    Outcome,
    Pause,
    Refused,
    Restore,
    Settle,
    SharedCharge,
    Take,
)

#: JSON knows no infinity: seconds that are longer than any wait.
_FOREVER = 1e12


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
    scopes = [keys.place(f"scope:{scope}") for scope in _scopes(operations)]
    return keys.all(), json.dumps({"operations": encoded, "scopes": scopes})


def decode(answer: bytes | str, operations: Sequence[Operation]) -> Outcome:
    """Return what the script says came of *operations*; ValueError for what it never says."""
    try:
        epoch, is_lost, *rest = json.loads(answer)
        if is_lost:
            return Outcome(epoch, is_lost=True)
        decisions, limits, retired = (list(each) for each in rest)
        scopes, charged = list(_scopes(operations)), _charged(operations)
        outcome = Outcome(
            epoch,
            decisions=tuple(map(_decision, decisions)),
            limits=tuple(
                _known_limit(scopes[place], limit, float(amount))
                for place, limit, amount in limits
                if f"{scopes[place]}\n{limit}" not in charged
            ),
            retired=tuple((str(model), float(left)) for model, left in retired),
        )
    except (ValueError, TypeError, IndexError, RecursionError) as error:
        raise ValueError(f"the ledger's script answered {answer!r:.100}") from error
    if len(outcome.decisions) != sum(isinstance(each, Take) for each in operations):
        raise ValueError(f"the ledger's script answered {answer!r:.100}")
    return outcome


def _scopes(operations: Iterable[Operation]) -> Iterable[str]:
    return dict.fromkeys(each.scope for each in operations if isinstance(each, Take))


def _charged(operations: Iterable[Operation]) -> set[str]:
    takes = (each for each in operations if isinstance(each, Take))
    return {charge.key for take in takes for charge in take.charges}


def _decision(answer: Any) -> Decision:
    wait, used, *refused = answer
    amounts = tuple(map(float, used))
    if not refused:
        return Granted(float(wait), amounts)
    again, unit = refused
    return Refused(float(wait), float(again), str(unit), amounts)


def _known_limit(scope: str, limit: str, amount: float) -> KnownLimit:
    unit, _, window = limit.partition("/")
    return KnownLimit(scope, cast("Unit", unit), float(window), amount)


def _encoded(operation: Operation, keys: _Keys) -> dict[str, Any]:
    match operation:
        case Take(lease, scope, charges, max_transit, max_wait, ttl):
            return {
                "kind": "take",
                **_of_lease(lease, charges, keys),
                "scope": keys.place(f"scope:{scope}"),
                "max_transit": max_transit,
                "max_wait": min(max_wait, _FOREVER),
                "ttl": ttl,
            }
        case Settle(take, spent, used):
            known = _of_lease(take.lease, take.charges, keys)
            return {"kind": "settle", **known, "spent": spent, "used": used}
        case Add(lease, charges):
            return {"kind": "add", **_of_lease(lease, charges, keys)}
        case Restore(charges):
            return {"kind": "restore", "charges": [_charge(each, keys) for each in charges]}
        case Pause(scope, seconds):
            return {"kind": "pause", "scope": keys.place(f"scope:{scope}"), "seconds": seconds}
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
    }
