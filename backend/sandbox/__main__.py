"""Runs the sandbox until it is interrupted: `python -m sandbox`, from `backend/`."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Sequence

from .journal import Exchange
from .limits import Limits
from .server.sandbox import Sandbox

_PLANS = {"free": Limits.free(), "developer": Limits.developer(), "none": None}


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM; returns 0, or 1 where the port cannot be had."""
    options = _parser().parse_args(arguments)
    sandbox = Sandbox(
        limits=_PLANS[options.plan],
        host=options.host,
        port=options.port,
        on_exchange=_print_exchange if options.log else None,
    )
    try:
        sandbox.start()
    except OSError as error:
        print(f"cannot listen on {options.host}:{options.port}: {error}", file=sys.stderr)
        return 1
    stopped = threading.Event()
    # After the start, which has nothing to clean up; before the URL is told to anybody.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    print(f"sandbox at {sandbox.url} (limits: {options.plan}); stop it with Ctrl-C")
    for name, value in sandbox.environment.items():
        print(f"export {name}={value}", flush=True)
    stopped.wait()
    sandbox.stop()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox", description="Groq and Bedrock runtime on loopback."
    )
    parser.add_argument(
        "--port", type=int, default=0, help="port to listen on (default: any free one)"
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: %(default)s)"
    )
    parser.add_argument(
        "--plan", choices=_PLANS, default="none", help="limits to enforce (default: %(default)s)"
    )
    parser.add_argument(
        "--log",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="print a line per request (default: yes)",
    )
    return parser


def _print_exchange(exchange: Exchange) -> None:
    what = f"{exchange.provider or '-'} {exchange.operation} {exchange.model or '-'}"
    used = f"{exchange.input_tokens}+{exchange.output_tokens} tokens"
    print(f"{what} -> {exchange.status or 'no response'}, {used}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
