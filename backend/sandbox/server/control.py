"""Control over HTTP, under `/sandbox`, for suites that are not in Python.

    GET  /sandbox              what there is, and the limits in force
    POST /sandbox/script       {"steps": [...], "model", "prompt", "tool", "turn", "times"}
    GET  /sandbox/journal      the newest exchanges; `?after=n` only those after number n
    POST /sandbox/reset        forget exchanges, steps, fault counts and what was used of the limits
    PUT  /sandbox/limits       {"rpm": 30, "tpm": 6000}, {"plan": "free"}, {"models": {...}}, null
    PUT  /sandbox/keys         {"<key>": "<organisation>"}, or null for any key
    PUT  /sandbox/today        "2026-10-01"

A wrong request is answered with a 400 whose `error` says what would be right.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any
from urllib.parse import parse_qs

from ..handler import Handler
from ..http_types import HttpResponse, json_response
from ..limits import Limits
from ..quota import LimitsSetting
from ..script import Match
from ..step_json import step_of, step_text

PREFIX = "/sandbox"
PLANS: dict[str, Limits | None] = {
    "free": Limits.free(),
    "developer": Limits.developer(),
    "none": None,
}
_LIMITS = tuple(field.name for field in dataclasses.fields(Limits))
_SCRIPT_KEYS = frozenset({"steps", "model", "prompt", "tool", "turn", "times"})


def is_control(path: str) -> bool:
    """Whether a path is the sandbox's own."""
    return path == PREFIX or path.startswith(PREFIX + "/")


def control(handler: Handler, method: str, path: str, query: str, body: bytes) -> HttpResponse:
    """The answer to a request to the sandbox itself."""
    action = path.removeprefix(PREFIX).strip("/")
    wanted, perform = _ACTIONS.get(action, (None, None))
    if wanted is None or perform is None:
        known = ", ".join(sorted(filter(None, _ACTIONS)))
        return json_response(404, {"error": f"no such control `{action}`; known: {known}"})
    if method != wanted:
        return json_response(405, {"error": f"{path} is for {wanted}"}, {"allow": wanted})
    try:
        payload = query if method == "GET" else json.loads(body or b"null")
        return json_response(200, perform(handler, payload))
    except (ValueError, TypeError, RecursionError) as error:
        return json_response(400, {"error": str(error) or type(error).__name__})


def limits_of(payload: Any) -> LimitsSetting:
    """The limits that a JSON value describes. Raises ValueError or TypeError."""
    if payload is None:
        return None
    if not isinstance(payload, dict):
        raise ValueError("limits must be an object or null")
    if set(payload) == {"plan"}:
        if payload["plan"] not in PLANS:
            raise ValueError(f"plan must be one of {', '.join(PLANS)}")
        return PLANS[payload["plan"]]
    if set(payload) == {"models"} and isinstance(payload["models"], dict):
        limited = {name: limits_of(each) for name, each in payload["models"].items()}
        return {name: each for name, each in limited.items() if isinstance(each, Limits)}
    unknown = sorted(set(payload) - set(_LIMITS))
    if unknown:
        raise ValueError(f"unknown limit `{unknown[0]}`; known: {', '.join(_LIMITS)}, plan, models")
    for name, value in payload.items():
        if isinstance(value, bool) or not isinstance(value, (int, float, type(None))):
            raise TypeError(f"{name} must be a number or null, not {value!r}")
    return Limits(**payload)


def _status(handler: Handler, query: str) -> Any:
    return {
        "sandbox": True,
        "controls": {
            f"{PREFIX}/{name}".rstrip("/"): method for name, (method, _) in _ACTIONS.items()
        },
        "limits": _limits_json(handler.quota.limits),
        "today": handler.today.isoformat(),
        "requests": handler.journal.count,
    }


def _script(handler: Handler, payload: Any) -> Any:
    if isinstance(payload, list):
        payload = {"steps": payload}
    if not isinstance(payload, dict) or not isinstance(payload.get("steps"), list):
        raise ValueError('must be {"steps": [...]}, or a list of steps')
    unknown = sorted(set(payload) - _SCRIPT_KEYS)
    if unknown:
        raise ValueError(f"unknown member `{unknown[0]}`; known: {', '.join(sorted(_SCRIPT_KEYS))}")
    for name, kind in (("model", str), ("prompt", str), ("tool", str), ("turn", int)):
        if payload.get(name) is not None and not isinstance(payload[name], kind):
            raise TypeError(f"{name} must be a {'text' if kind is str else 'whole number'}")
    times = payload.get("times", 1)
    if times is not None and not isinstance(times, int):
        raise TypeError("times must be a whole number, or null for always")
    steps = tuple(step_of(each) for each in payload["steps"])
    match = Match(*(payload.get(name) for name in ("model", "prompt", "tool", "turn")))
    handler.script.add(steps, match, times)
    return {"queued": len(steps)}


def _journal(handler: Handler, query: str) -> Any:
    after = int(parse_qs(query).get("after", ["0"])[0])
    exchanges = [
        {"number": number, **_exchange_json(exchange)}
        for number, exchange in handler.journal.numbered()
        if number > after
    ]
    return {"requests": handler.journal.count, "exchanges": exchanges}


def _exchange_json(exchange: Any) -> dict[str, Any]:
    members = {field.name: getattr(exchange, field.name) for field in dataclasses.fields(exchange)}
    return {**members, "headers": dict(exchange.headers), "step": step_text(exchange.step)}


def _reset(handler: Handler, payload: Any) -> Any:
    handler.clear()
    return {"reset": True}


def _set_limits(handler: Handler, payload: Any) -> Any:
    handler.quota.limits = limits_of(payload)
    return {"limits": _limits_json(handler.quota.limits)}


def _limits_json(limits: LimitsSetting) -> Any:
    if isinstance(limits, Mapping):
        return {"models": {name: _limits_json(each) for name, each in limits.items()}}
    return None if limits is None else dataclasses.asdict(limits)


def _set_keys(handler: Handler, payload: Any) -> Any:
    texts = isinstance(payload, dict) and all(isinstance(each, str) for each in payload.values())
    if payload is not None and not texts:
        raise ValueError("keys must be an object of key to organisation, or null")
    handler.keys = payload
    return {"keys": None if payload is None else len(payload)}


def _set_today(handler: Handler, payload: Any) -> Any:
    handler.today = date.fromisoformat(str(payload))
    return {"today": handler.today.isoformat()}


_ACTIONS: dict[str, tuple[str, Callable[[Handler, Any], Any]]] = {
    "": ("GET", _status),
    "script": ("POST", _script),
    "journal": ("GET", _journal),
    "reset": ("POST", _reset),
    "limits": ("PUT", _set_limits),
    "keys": ("PUT", _set_keys),
    "today": ("PUT", _set_today),
}
