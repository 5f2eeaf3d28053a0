"""Right objects, wrong ones and calls: structured answers beside other libraries.

    pip install --no-deps -r bench/langchain.txt
    PYTHONPATH=backend python -m bench.structured [--cases]

Every client asks the same provider on loopback for the same object and gets the same bad answer
first (`bad_answers.py`); asked again, the provider answers well, unless the case is hopeless. Each
may call three times. A library that can ask in two ways has a row for each: for text, and for a
tool call, whose arguments Groq itself refuses where they cannot be read. `--cases` prints what came
of each answer.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from sandbox import Answer, Fault, Sandbox, Step

from .bad_answers import HOPELESS, REPAIRABLE, SALVAGEABLE, WANTED, Case, Classification

MODEL = "openai/gpt-oss-120b"  # takes every form, so that no library is refused for its own
ASK = "Classify 36 upholstered chairs of oak, wool and steel. Answer in JSON."
CALLS = 3
RunBlocking = Callable[[], object]


def ours(url: str) -> Iterator[tuple[str, RunBlocking]]:
    """This project's client, as it comes."""
    from services import llm_client

    llm_client.settings = SimpleNamespace(GROQ_REQUESTS_PER_MINUTE=1_000_000)
    client = llm_client.GroqClient(api_key="k", base_url=url, model=MODEL)
    schema = Classification.model_json_schema()
    yield "ours, model", lambda: client.generate_structured(ASK, Classification)
    yield "ours, dict", lambda: client.generate_structured(ASK, schema)


def instructor(url: str) -> Iterator[tuple[str, RunBlocking]]:
    """Instructor in its two modes for Groq."""
    from groq import Groq
    from instructor import Mode, from_groq

    def asking(mode: Mode) -> RunBlocking:
        client = from_groq(Groq(api_key="k", base_url=url, max_retries=0), mode=mode)
        said = [{"role": "user", "content": ASK}]
        return lambda: client.create(
            model=MODEL, messages=said, response_model=Classification, max_retries=CALLS - 1
        )

    yield "instructor, JSON", asking(Mode.JSON)
    yield "instructor, tools", asking(Mode.TOOLS)


def langchain(url: str) -> Iterator[tuple[str, RunBlocking]]:
    """LangChain's structured output, tried again by its own means."""
    from langchain_groq import ChatGroq

    chat = ChatGroq(model=MODEL, api_key="k", base_url=url, max_retries=0)

    def asking(schema: Any, method: str) -> RunBlocking:
        chain = chat.with_structured_output(schema, method=method).with_retry(
            stop_after_attempt=CALLS, wait_exponential_jitter=False
        )
        return lambda: chain.invoke(ASK)

    titled = Classification.model_json_schema()
    yield "langchain, JSON", asking(Classification, "json_schema")
    yield "langchain, tools", asking(Classification, "function_calling")
    yield "langchain, dict", asking(titled, "json_schema")


def pydantic_ai(url: str) -> Iterator[tuple[str, RunBlocking]]:
    """pydantic-ai's agent with its kinds of output."""
    from groq import AsyncGroq
    from pydantic_ai import Agent, NativeOutput, PromptedOutput, StructuredDict, ToolOutput
    from pydantic_ai.models.groq import GroqModel
    from pydantic_ai.providers.groq import GroqProvider

    def asking(output: Any) -> RunBlocking:
        sdk = AsyncGroq(api_key="k", base_url=url, max_retries=0)
        model = GroqModel(MODEL, provider=GroqProvider(groq_client=sdk))
        agent = Agent(model, output_type=output, retries=CALLS - 1)
        return lambda: agent.run_sync(ASK).output

    yield "pydantic-ai, JSON", asking(NativeOutput(Classification))
    yield "pydantic-ai, prompt", asking(PromptedOutput(Classification))
    yield "pydantic-ai, tools", asking(ToolOutput(Classification))
    schema = Classification.model_json_schema()
    yield "pydantic-ai, dict", asking(NativeOutput(StructuredDict(schema)))


def litellm(url: str) -> Iterator[tuple[str, RunBlocking]]:
    """LiteLLM with its own validation, which is off unless it is asked for."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # its prices would be fetched from outside
    import litellm as library

    library.suppress_debug_info = True
    library.enable_json_schema_validation = True
    where = {"api_base": f"{url}/openai/v1", "api_key": "k"}
    said = [{"role": "user", "content": ASK}]
    # A class would go out as strict, with its pattern, which the strict mode refuses.
    schema = {"name": "Classification", "schema": Classification.model_json_schema()}
    form = {"type": "json_schema", "json_schema": schema}

    def text() -> str:
        answer = library.completion(
            model=f"groq/{MODEL}",
            messages=said,
            response_format=form,
            num_retries=CALLS - 1,
            **where,
        )
        return str(answer.choices[0].message.content)

    yield "litellm, model", lambda: Classification.model_validate_json(text())
    yield "litellm, dict", lambda: json.loads(text())


@dataclass(frozen=True)
class Outcome:
    """What came of one case for one client."""

    calls: int
    #: "right", "wrong" (an object that is not what was wanted, given as a success) or "error".
    end: str


def outcome(sandbox: Sandbox, ask: RunBlocking, case: Case, *, by_tool: bool) -> Outcome:
    """Ask once, and look at what came of it."""
    sandbox.clear()
    first, then = (_step(case, text, by_tool) for text in (case.first, case.then))
    sandbox.script(first, *[then] * 20)
    try:
        value = ask()
    except Exception:  # whatever a library raises is its way to say so
        end = "error"
    else:
        end = "right" if not case.hopeless and _plain(value) == WANTED else "wrong"
    return Outcome(len(sandbox.exchanges), end)


def _step(case: Case, text: str, by_tool: bool) -> Step:
    """An answer in the form that was asked for."""
    if text == case.first and case.refused:
        return Fault.named(case.refused, failed_generation=text)
    if text == case.first and case.cut and not by_tool:
        return Answer.truncated(text)
    if not by_tool or not text:
        return Answer.says(text)
    try:
        return Answer(tool_input=json.loads(text))
    except ValueError:
        return Fault.tool_use_failed(text)


def _plain(value: Any) -> Any:
    plain = value.model_dump() if isinstance(value, Classification) else value
    if not isinstance(plain, dict):
        return plain
    return {name: member for name, member in plain.items() if member is not None}


def rows(url: str) -> Iterator[tuple[str, RunBlocking]]:
    """Yield the clients that are installed."""
    for make in (ours, instructor, langchain, pydantic_ai, litellm):
        try:
            yield from make(url)
        except ImportError as error:
            print(f"{make.__name__}: not installed ({error.name})")


def main() -> None:
    """Ask all, and print for each how many ended right, at what price, and how many wrong."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cases", action="store_true", help="print what came of each answer")
    each = parser.parse_args().cases
    warnings.simplefilter("ignore")
    logging.disable()
    curable, cases = SALVAGEABLE + REPAIRABLE, SALVAGEABLE + REPAIRABLE + HOPELESS
    least = len(SALVAGEABLE) + 2 * len(REPAIRABLE)
    print(
        f"{len(curable)} cases can end right, {len(SALVAGEABLE)} of them in one call, all at "
        f"{least / len(curable):.2f} calls each; {len(HOPELESS)} can only end in an error"
    )
    print(f"{'':20} {'right':>6} {'in one':>7} {'calls each':>10} {'wrong':>6}")
    with Sandbox() as sandbox:
        for name, ask in rows(sandbox.url):
            by_tool = name.endswith("tools")
            done = {case.name: outcome(sandbox, ask, case, by_tool=by_tool) for case in cases}
            right = [done[case.name] for case in curable if done[case.name].end == "right"]
            calls = sum(done[case.name].calls for case in curable)
            at_once = sum(end.calls == 1 for end in right)
            wrong = sum(end.end == "wrong" for end in done.values())
            price = f"{calls / len(right):.2f}" if right else "-"
            print(f"{name:20} {len(right):6} {at_once:7} {price:>10} {wrong:6}")
            for case, end in done.items() if each else ():
                print(f"    {case:28} {end.end:6} {end.calls}")
    sys.stdout.flush()
    os._exit(0)  # some of the libraries leave threads that would keep the process


if __name__ == "__main__":
    main()
