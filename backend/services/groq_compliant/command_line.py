"""The command line: from flags to an exit code, whatever happens on the way."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from ..llm.errors import LLMError
from . import batch, console, interrupts, sources
from .arguments import Options, parse
from .interrupts import INTERRUPTED
from .session import Make, PromptRunner, client_of, is_kept, model_of, note

ANSWERED, FAILED, WRONG_USAGE = 0, 1, 2

#: Lines of a batch that may be under way or wait for their turn, for each call at once: enough to
#: keep all calls busy while the first line is slow.
_AHEAD = 4


def run(make: Make, arguments: Sequence[str] | None = None) -> int:
    """Do what *arguments* (`sys.argv` for None) say; return the exit code.

    0 answered, 1 failed, 2 wrong usage, 130 interrupted. A failure is one line on standard error.
    """
    stderr = console.Console(sys.stderr, os.environ)
    try:
        code = _guarded(make, arguments, stderr)
        console.flush_answers()
    except BrokenPipeError:
        # Whoever read the answers has had enough of them: no failure, and nobody to tell.
        console.give_up_answers()
        return ANSWERED
    except console.AnswerLost as lost:
        console.give_up_answers()
        stderr.line(str(lost), "error")
        return FAILED
    return code


def _guarded(make: Make, arguments: Sequence[str] | None, stderr: console.Console) -> int:
    try:
        options = parse(arguments)
    except SystemExit as leaving:  # argparse has said why
        return int(leaving.code or ANSWERED)
    if isinstance(sys.stdout, TextIOWrapper):
        # What the terminal's encoding lacks is shown escaped, rather than not at all.
        sys.stdout.reconfigure(errors="backslashreplace")
    handler = console.log_on(stderr, verbose=options.verbose)
    try:
        return _carry_out(make, options, stderr)
    except KeyboardInterrupt:
        stderr.line("interrupted", "error")
        return INTERRUPTED
    except (sources.InputError, LLMError, ImportError) as error:
        stderr.line(str(error), "error")
        return WRONG_USAGE if isinstance(error, sources.UsageError) else FAILED
    finally:
        stderr.wipe()
        console.log_off(handler)


def _carry_out(make: Make, options: Options, stderr: console.Console) -> int:
    if not options.self_test:
        schema = None if options.schema is None else sources.schema_in(options.schema)
        if options.batch is not None:
            stderr.tells_progress = options.progress
            answering = _submit_all if options.provider_batch else _ask_all
            return interrupts.run(answering(make, options, schema, options.batch, stderr))
        prompt = sources.prompt_of(
            options.prompt, options.prompt_file, options.default_prompt, stdin=options.stdin
        )
        if prompt is not None:
            return interrupts.run(_ask(make, options, schema, prompt))
        stderr.line("There is nothing to ask, so the self-tests run; --help tells how to ask.")
    from .self_test import run_all

    return FAILED if run_all(stderr.line) else ANSWERED


async def _ask(make: Make, options: Options, schema: Any, prompt: str) -> int:
    """Ask once, and write the answer."""
    async with client_of(make, options) as client:
        prompt_runner = PromptRunner(client, options, model_of(options), schema)
        if console.is_terminal() if options.stream is None else options.stream:
            await _show(prompt_runner, prompt)
            return ANSWERED
        answer = await prompt_runner.ask(prompt, {})
    console.answer(answer.shown(whole=options.json))
    return ANSWERED


async def _show(prompt_runner: PromptRunner, prompt: str) -> None:
    """Ask once, and write the answer as it comes; what ends it closes its connection."""
    with console.AnswerInPieces() as answer:
        async with prompt_runner.stream(prompt) as stream:
            async for piece in stream:
                answer.write(piece)
        note(stream.reply)
        answer.end()


async def _ask_all(
    make: Make, options: Options, schema: Any, file: Path, stderr: console.Console
) -> int:
    """Ask every line of *file*, and write the answers in their order."""
    if options.resume and not is_kept(options):
        raise sources.UsageError("--resume goes on from the cache, and none is kept: see --cache")
    tally = batch.BatchCounts()
    with batch.opened(file) as lines:
        size = max(1, os.fstat(lines.fileno()).st_size)

        def tell(record: str, so_far: batch.BatchCounts) -> None:
            nonlocal tally
            tally = so_far
            stderr.wipe()
            console.answer(record)
            share = f", {min(100, 100 * lines.tell() // size)} % read" if lines.seekable() else ""
            stderr.progress(f"{_counted(tally)}{share}")

        async with client_of(make, options) as client:
            asker = PromptRunner(client, options, model_of(options), schema)

            async def ask(line: batch.BatchLine) -> dict[str, Any]:
                return (await asker.ask(line.prompt, line.how)).fields(whole=options.json)

            try:
                await batch.answer_all(lines, ask, tell, _AHEAD * options.concurrency)
            except asyncio.CancelledError:
                stderr.line(_resumed(tally, options))
                raise
    return _ended(tally, options, stderr)


async def _submit_all(
    make: Make, options: Options, schema: Any, file: Path, stderr: console.Console
) -> int:
    """Have every line of *file* answered by Groq's Batch API, and write the answers in order."""
    from .provider_batch import ProviderRun  # pays for files and polls only where they are

    def tell(record: str, _: batch.BatchCounts) -> None:
        stderr.wipe()
        console.answer(record)

    async with client_of(make, options) as client:
        answering = ProviderRun(client, options, model_of(options), schema, file, stderr)
        counts = await answering.answer_all(tell)
    return _ended(counts, options, stderr)


def _ended(tally: batch.BatchCounts, options: Options, stderr: console.Console) -> int:
    """Say how many lines of a batch were answered, where that is wanted; return the exit code."""
    if options.progress:
        stderr.line(_counted(tally))
    return FAILED if tally.failed else ANSWERED


def _counted(tally: batch.BatchCounts) -> str:
    return f"{tally.done - tally.failed} answered, {tally.failed} failed"


def _resumed(tally: batch.BatchCounts, options: Options) -> str:
    """How far an interrupted batch has come, and what a second run will do."""
    answered = f"{tally.done - tally.failed} lines are answered, {tally.failed} have failed"
    if is_kept(options):
        return f"{answered}: run it again to go on, the answers so far come from the cache"
    return f"{answered}: nothing is kept without a cache, so that a second run begins anew"
