"""The command line's flags, checked as far as each can be by itself."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from pathlib import Path

from ..llm.stores import LONGEST_TTL
from . import VERSION
from .constructor import DEFAULT_TEMPERATURE
from .sources import STDIN, is_unicode

#: What `--default-prompt` alone asks.
DEFAULT_PROMPT = "Say in one sentence what you can be asked."

_ABOUT = "Ask a language model on Groq, within the limits of its keys."
_MORE = """\
The prompt is the argument, else the file's text, else standard input's (with --stdin, or if it is
piped and nothing else was given), else the default; blank ones do not count. Without any, the
self-tests run; where what was given is blank, that is wrong usage. A file named - is standard
input. Keys come from GROQ_API_KEYS (with commas), else GROQ_API_KEY, else from .env.
Where no flag says else, GROQ_MODEL, GROQ_BASE_URL, GROQ_REQUESTS_PER_MINUTE, GROQ_ORG_RPM,
LLM_CACHE_URL and LLM_CACHE_TTL count, from the environment or from .env.
Answers go to standard output, all else to standard error.
exit codes: 0 answered, 1 failed, 2 wrong usage, 130 interrupted"""


class Options(argparse.Namespace):
    """The flags as given; None where there was none."""

    prompt: str | None
    prompt_file: Path | None
    stdin: bool
    default_prompt: str | None
    self_test: bool
    batch: Path | None
    progress: bool
    resume: bool
    provider_batch: bool
    model: str | None
    system: str | None
    schema: Path | None
    temperature: float | None
    max_tokens: int | None
    rpm: int | None
    concurrency: int
    budget: int | None
    cache: str | None
    cache_ttl: float | None
    base_url: str | None
    json: bool
    stream: bool | None
    verbose: bool

    @property
    def prompts(self) -> list[str]:
        """The flags given that say what to ask."""
        values = {
            "a prompt": self.prompt,
            "--prompt-file": self.prompt_file,
            "--stdin": self.stdin or None,
            "--default-prompt": self.default_prompt,
        }
        return [name for name, value in values.items() if value is not None]


def parse(arguments: Sequence[str] | None) -> Options:
    """Return the options in *arguments* (`sys.argv` for None); SystemExit where they are wrong."""
    parser = _parser()
    options = parser.parse_args(arguments, Options())
    if options.prompt == "-":
        options.prompt, options.stdin = None, True
    if options.prompt_file == STDIN:
        options.prompt_file, options.stdin = None, True
    if options.batch is not None and options.prompts:
        parser.error(f"--batch holds the prompts: leave out {options.prompts[0]}")
    whole = {"--batch": options.batch, "--schema": options.schema, "--json": options.json or None}
    named = next((name for name, value in whole.items() if value is not None), None)
    if options.stream and named:
        parser.error(f"--stream is for text: leave out {named}, whose answers are written whole")
    if problem := _without_batch(options) or _read_twice(options):
        parser.error(problem)
    options.stream = False if named else options.stream
    return options


def _without_batch(options: Options) -> str:
    """What is wrong with the flags that say how a batch is answered, else ""."""
    flags = {
        "--progress": options.progress,
        "--resume": options.resume,
        "--provider-batch": options.provider_batch,
    }
    for name, is_set in flags.items():
        if is_set and options.batch is None:
            return f"{name} says how --batch is answered: give that too"
    if options.provider_batch and options.batch == STDIN:
        return "--provider-batch reads its prompts again as it is resumed: give --batch a file"
    return ""


def _read_twice(options: Options) -> str:
    """What is wrong where several inputs are to be read from standard input, else ""."""
    named = {
        "the prompt": options.stdin or not (options.prompts or options.batch or options.self_test),
        "--batch": options.batch == STDIN,
        "--schema": options.schema == STDIN,
    }
    readers = [name for name, reads in named.items() if reads]
    if len(readers) > 1:
        return f"standard input holds one thing: {' and '.join(readers)} cannot both be read there"
    return ""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "groq_client_compliant",
        usage="%(prog)s [options] [prompt]",
        description=_ABOUT,
        epilog=_MORE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {VERSION}")
    _add_inputs(parser.add_argument_group("what to ask"))
    _add_request(parser.add_argument_group("how to ask"))
    _add_limits(parser.add_argument_group("limits and the cache"))
    return parser


def _add_inputs(group: argparse._ArgumentGroup) -> None:
    group.add_argument("prompt", nargs="?", help="the prompt itself")
    group.add_argument("--prompt-file", metavar="FILE", type=Path, help="a file that holds it")
    group.add_argument("--stdin", action="store_true", help="read it from standard input")
    group.add_argument(
        "--default-prompt",
        metavar="TEXT",
        nargs="?",
        const=DEFAULT_PROMPT,
        help=f"what to ask if there is nothing else (without TEXT: {DEFAULT_PROMPT!r})",
    )
    group.add_argument(
        "--batch",
        metavar="FILE.jsonl",
        type=Path,
        help='one prompt a line: text, a JSON string, a chat in a list, or {"prompt": ...} or'
        ' {"messages": [...]} with id, system, model,'
        " temperature, max_tokens; answers come in order as JSON lines, and a second run takes them"
        " from the cache",
    )
    group.add_argument(
        "--progress",
        action="store_true",
        help="say how far a batch is also where standard error is no terminal, every ten seconds",
    )
    group.add_argument(
        "--resume",
        action="store_true",
        help="go on with a batch that was interrupted: by the answers in the cache, or by the"
        " --provider-batch that was submitted; wrong usage where nothing is kept",
    )
    group.add_argument(
        "--provider-batch",
        action="store_true",
        help="submit the prompts to Groq's Batch API, at half the price and within 24 hours",
    )
    group.add_argument("--self-test", action="store_true", help="run the offline self-tests")


def _add_request(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--model", type=_text, help="the model's id (default: GROQ_MODEL, else gpt-oss-120b)"
    )
    group.add_argument("--system", metavar="TEXT", type=_text, help="the system prompt")
    group.add_argument(
        "--schema", metavar="FILE", type=Path, help="a JSON Schema that the answer must satisfy"
    )
    group.add_argument(
        "--temperature",
        type=_temperature,
        default=DEFAULT_TEMPERATURE,
        help="0 to 2, or none (0.7)",
    )
    group.add_argument("--max-tokens", metavar="N", type=_whole(1), help="length of the answer")
    group.add_argument("--base-url", metavar="URL", help="endpoint, without /openai/v1")
    group.add_argument("--json", action="store_true", help="print the whole reply as JSON")
    group.add_argument(
        "--stream",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="write the answer as it comes (on a terminal: yes)",
    )
    group.add_argument("--verbose", action="store_true", help="say more on standard error")


def _add_limits(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--rpm", metavar="N", type=_whole(1), help="requests a minute, each key (30)"
    )
    group.add_argument(
        "--concurrency", metavar="N", type=_whole(1), default=8, help="calls at once (8)"
    )
    group.add_argument(
        "--budget",
        metavar="TOKENS",
        type=_whole(0),
        help="tokens a UTC day, counted beside the cache; 0 allows none",
    )
    group.add_argument(
        "--cache",
        metavar="PLACE",
        help="a path, json:path, sqlite:path, redis://..., memory: or none (.groq_cache.json)",
    )
    group.add_argument(
        "--cache-ttl", metavar="SECONDS", type=_seconds, help="how long answers are kept (21600)"
    )


def _whole(least: int) -> Callable[[str], int]:
    def whole(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if number < least:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {least} on")
        return number

    return whole


def _text(text: str) -> str:
    if not is_unicode(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not valid UTF-8")
    return text


def _seconds(text: str) -> float:
    number = _number(text)
    if not 0 < number <= LONGEST_TTL:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no number of seconds above 0, at most {LONGEST_TTL:.0f}"
        )
    return number


def _temperature(text: str) -> float | None:
    if text == "none":
        return None
    number = _number(text)
    if not 0 <= number <= 2:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 to 2, nor none")
    return number


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
