"""The command line: from flags to an exit code, whatever happens on the way."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import Any, BinaryIO

from ..llm.errors import LLMError
from . import batch, inputs, interrupts, screen
from .arguments import Options, parse
from .asking import Asker, Make, client_of, model_of
from .interrupts import INTERRUPTED

ANSWERED, FAILED = 0, 1

#: Lines of a batch that may be under way or wait for their turn, for each call at once: enough to
#: keep all calls busy while the first line is slow.
_AHEAD = 4


def run(make: Make, arguments: Sequence[str] | None = None) -> int:
    """Do what *arguments* (`sys.argv` for None) say; return the exit code.

    0 answered, 1 failed, 2 wrong usage, 130 interrupted. A failure is one line on standard error.
    """
    stderr = screen.Screen(sys.stderr, os.environ)
    try:
        code = _guarded(make, arguments, stderr)
        screen.flush_answers()
    except BrokenPipeError:
        # Whoever read the answers has had enough of them: no failure, and nobody to tell.
        screen.give_up_answers()
        return ANSWERED
    except screen.AnswerLost as lost:
        screen.give_up_answers()
        stderr.line(str(lost), "error")
        return FAILED
    return code


def _guarded(make: Make, arguments: Sequence[str] | None, stderr: screen.Screen) -> int:
    try:
        options = parse(arguments)
    except SystemExit as leaving:  # argparse has said why
        return int(leaving.code or ANSWERED)
    if isinstance(sys.stdout, TextIOWrapper):
        # What the terminal's encoding lacks is shown escaped, rather than not at all.
        sys.stdout.reconfigure(errors="backslashreplace")
    handler = screen.log_on(stderr, verbose=options.verbose)
    try:
        return _carry_out(make, options, stderr)
    except KeyboardInterrupt:
        stderr.line("interrupted", "error")
        return INTERRUPTED
    except (inputs.InputError, LLMError, ImportError) as error:
        stderr.line(str(error), "error")
        return FAILED
    finally:
        stderr.wipe()
        screen.log_off(handler)


def _carry_out(make: Make, options: Options, stderr: screen.Screen) -> int:
    if options.batch is not None and not options.self_test:
        return interrupts.run(_ask_all(make, options, options.batch, stderr))
    if not options.self_test:
        prompt = inputs.prompt_of(
            options.prompt, options.prompt_file, options.default_prompt, stdin=options.stdin
        )
        if prompt is not None:
            return interrupts.run(_ask(make, options, prompt))
        stderr.line("There is nothing to ask, so the self-tests run; --help tells how to ask.")
    from .self_test import run_all

    return FAILED if run_all(stderr.line) else ANSWERED


async def _ask(make: Make, options: Options, prompt: str) -> int:
    """Ask once, and write the answer."""
    async with client_of(make, options) as client:
        answer = await _asker(client, options).ask(prompt, {})
    screen.answer(answer.shown(whole=options.json))
    return ANSWERED


async def _ask_all(make: Make, options: Options, file: Path, stderr: screen.Screen) -> int:
    """Ask every line of *file*, and write the answers in their order."""
    with _opened(file) as lines:
        size = max(1, file.stat().st_size)

        def tell(record: str, tally: batch.Tally) -> None:
            stderr.wipe()
            screen.answer(record)
            share = min(100, 100 * lines.tell() // size) if lines.seekable() else 0
            stderr.progress(f"{tally.done} answered, {tally.failed} failed, {share} % read")

        async with client_of(make, options) as client:
            asker = _asker(client, options)

            async def ask(line: batch.Line) -> dict[str, Any]:
                return (await asker.ask(line.prompt, line.how)).fields(whole=options.json)

            tally = await batch.answer_all(lines, ask, tell, _AHEAD * options.concurrency)
    return FAILED if tally.failed else ANSWERED


def _asker(client: Any, options: Options) -> Asker:
    schema = None if options.schema is None else inputs.schema_in(options.schema)
    return Asker(client, options, model_of(options), schema)


def _opened(file: Path) -> BinaryIO:
    try:
        return file.open("rb")
    except OSError as error:
        raise inputs.InputError(f"{file}: {error.strerror or error}") from error
