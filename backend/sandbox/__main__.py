"""Runs the sandbox until it is interrupted: `python -m sandbox`, from `backend/`."""

from __future__ import annotations

import argparse
import dataclasses
import signal
import sys
import threading
from collections.abc import Sequence
from datetime import date
from typing import Any

try:
    from .handler import Handler
    from .journal import Exchange
    from .limits import Limits
    from .server.control import PLANS
    from .server.null import NullModel
    from .server.sandbox import KNOWN_UNTIL, Sandbox
except ModuleNotFoundError as missing:
    needed = "starlette uvicorn jsonschema-rs"
    sys.exit(f"the sandbox needs {missing.name}: install it with pip install {needed}")

_LIMITS = ("rpm", "rpd", "tpm", "tpd", "itpm", "otpm")


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM; returns 0, or 1 where the port cannot be had."""
    command = parser()
    options = command.parse_args(arguments)
    try:
        server = _null_model(options) if options.null else _sandbox(options)
    except ValueError as error:
        command.error(str(error))
    try:
        server.start()
    except OSError as error:
        print(f"cannot listen on {options.host}:{options.port}: {error}", file=sys.stderr)
        return 1
    stopped = threading.Event()
    # After the start, which has nothing to clean up; before the URL is told to anybody.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    what = "null model" if options.null else f"limits: {limits_in_words(options)}"
    print(f"sandbox at {server.url} ({what}); stop it with Ctrl-C")
    for name, value in server.environment.items():
        print(f"export {name}={value}", flush=True)
    stopped.wait()
    server.stop()
    return 0


def _sandbox(options: argparse.Namespace) -> Sandbox:
    return Sandbox(
        limits=_limits(options),
        keys=_keys(options.keys),
        today=options.today,
        latency=options.latency,
        batch_seconds=options.batch_seconds,
        host=options.host,
        port=options.port,
        on_exchange=_print_exchange if options.log else None,
    )


def _null_model(options: argparse.Namespace) -> NullModel:
    import time

    handler = Handler(None, None, time.monotonic, time.time, options.today, journal_size=1)
    return NullModel(
        handler, pieces=options.pieces, every=options.every, host=options.host, port=options.port
    )


def _limits(options: argparse.Namespace) -> Limits | None:
    """The plan's limits, with those that are given in their place. Raises ValueError."""
    limits = {name: value for name in _LIMITS if (value := getattr(options, name)) is not None}
    plan = PLANS[options.plan]
    return dataclasses.replace(plan or Limits(), **limits) if plan or limits else None


def limits_in_words(options: argparse.Namespace) -> str:
    """Return the plan, and the numbers that are given in its place."""
    values = {name: getattr(options, name) for name in _LIMITS}
    numbers = [f"{name} {value}" for name, value in values.items() if value is not None]
    return ", ".join(numbers if options.plan == "none" and numbers else [options.plan, *numbers])


def _keys(texts: Sequence[str]) -> dict[str, str] | None:
    """Keys to organisations; a key alone is an organisation of its own. None: any key."""
    pairs = [part.partition("=") for text in texts for part in text.split(",") if part]
    return {key: organisation or f"org_{key}" for key, _, organisation in pairs} or None


def parser() -> argparse.ArgumentParser:
    """Return the parser of the arguments."""
    command = argparse.ArgumentParser(
        prog="python -m sandbox", description="Groq and Bedrock runtime on loopback."
    )
    add = command.add_argument
    add("--port", type=int, default=0, help="port to listen on (default: any free one)")
    add("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    add("--plan", choices=PLANS, default="none", help="limits to enforce (default: %(default)s)")
    for name in _LIMITS:
        add(f"--{name}", type=int, help=f"the plan's {name.upper()}, replaced by this number")
    add(
        "--keys",
        action="append",
        default=[],
        metavar="KEY[=ORG],...",
        help="the keys that are known, and whose they are (default: any key)",
    )
    add(
        "--today",
        type=date.fromisoformat,
        default=KNOWN_UNTIL,
        metavar="YYYY-MM-DD",
        help="the day whose models are served (default: %(default)s)",
    )
    add("--batch-seconds", type=float, default=0.0, help="seconds that a batch takes (default: 0)")
    add("--latency", type=float, default=0.0, help="seconds before each answer (default: 0)")
    add(
        "--log",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="print a line per request (default: yes)",
    )
    _add_null(add)
    return command


def _add_null(add: Any) -> None:
    add("--null", action="store_true", help="constant answers with little CPU, for benches")
    add("--pieces", type=int, default=3, help="pieces of a --null answer (default: %(default)s)")
    add(
        "--every",
        type=float,
        default=0.0,
        help="seconds between the frames of a --null stream (default: all at once)",
    )


def _print_exchange(exchange: Exchange) -> None:
    what = f"{exchange.provider or '-'} {exchange.operation} {exchange.model or '-'}"
    used = f"{exchange.input_tokens}+{exchange.output_tokens} tokens"
    print(f"{what} -> {exchange.status or 'no reply'}, {used}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
