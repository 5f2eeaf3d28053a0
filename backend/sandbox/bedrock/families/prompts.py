"""The forms of a single prompt: Llama, Mistral's templates, DeepSeek R1, Titan, old Claude."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ...completion import Completion, ModelRequest, tokens
from ...schema.in_text import schema_in
from ..catalogue import BedrockModel
from .body_checks import Fields, check_body, checked_max_tokens
from .metrics import with_metrics

Events = Iterator[tuple[dict[str, Any], bool]]
# The last user turn of the prompt templates is what the answer echoes.
_TURNS = (
    re.compile(r"<\|start_header_id\|>user<\|end_header_id\|>\s*(.*?)\s*<\|eot_id\|>", re.DOTALL),
    re.compile(r"\[INST\]\s*(.*?)\s*\[/INST\]", re.DOTALL),
    re.compile(r"\n\nHuman:\s*(.*?)\s*\n\nAssistant:", re.DOTALL),
    re.compile(r"User:\s*(.*?)\s*\n?Bot:", re.DOTALL),
)
_PROMPT = frozenset({"prompt"})
LLAMA = Fields(_PROMPT, frozenset({"max_gen_len", "temperature", "top_p", "images"}), "prompt")
MISTRAL = Fields(
    _PROMPT, frozenset({"max_tokens", "temperature", "top_p", "top_k", "stop"}), "prompt"
)
DEEPSEEK = Fields(_PROMPT, frozenset({"max_tokens", "temperature", "top_p", "stop"}), "prompt")
OLD_CLAUDE = Fields(
    frozenset({"prompt", "max_tokens_to_sample"}),
    frozenset({"temperature", "top_p", "top_k", "stop_sequences", "anthropic_version"}),
    "prompt",
)
TITAN = Fields(frozenset({"inputText"}), frozenset({"textGenerationConfig"}), "titan")


def read_llama(body: Any, model: BedrockModel) -> ModelRequest:
    """What a request in Llama's form asks for."""
    check_body(body, LLAMA)
    return _request(body["prompt"], body, "max_gen_len", model)


def read_mistral(body: Any, model: BedrockModel) -> ModelRequest:
    """What a request in Mistral's older form asks for."""
    check_body(body, MISTRAL)
    return _request(body["prompt"], body, "max_tokens", model)


def read_deepseek(body: Any, model: BedrockModel) -> ModelRequest:
    """What a request in DeepSeek R1's form asks for."""
    check_body(body, DEEPSEEK)
    return _request(body["prompt"], body, "max_tokens", model)


def read_old_claude(body: Any, model: BedrockModel) -> ModelRequest:
    """What a request for Claude's text completion asks for."""
    check_body(body, OLD_CLAUDE)
    return _request(body["prompt"], body, "max_tokens_to_sample", model, stop="stop_sequences")


def read_titan(body: Any, model: BedrockModel) -> ModelRequest:
    """What a request in Titan's form asks for."""
    check_body(body, TITAN)
    config = body.get("textGenerationConfig") or {}
    return _request(body["inputText"], config, "maxTokenCount", model, stop="stopSequences")


def _request(
    prompt: str, options: Mapping[str, Any], limit: str, model: BedrockModel, *, stop: str = "stop"
) -> ModelRequest:
    found = [turn for pattern in _TURNS for turn in pattern.findall(prompt)]
    return ModelRequest(
        prompt=found[-1] if found else prompt,
        input_tokens=tokens(prompt),
        max_tokens=checked_max_tokens(options.get(limit), limit, model),
        context=model.context,
        stop=tuple(options.get(stop) or ()),
        schema=schema_in([prompt]),
    )


def llama_answer(done: Completion, model: BedrockModel, number: int) -> dict[str, Any]:
    """A whole answer in Llama's form."""
    return {
        "generation": done.text,
        "prompt_token_count": done.input_tokens,
        "generation_token_count": done.output_tokens,
        "stop_reason": _stop(done),
    }


def llama_stream(done: Completion, model: BedrockModel, number: int) -> Events:
    """The pieces in Llama's form; recorded: the prompt's tokens come with the first."""
    counted: int | None = done.input_tokens
    for place, piece in enumerate(done.pieces, 1):
        yield _llama_chunk(piece, counted, place), True
        counted = None
    last = _llama_chunk("", counted, done.output_tokens)
    yield with_metrics({**last, "stop_reason": _finish(done, _stop(done))}, done), False


def _llama_chunk(text: str, counted: int | None, place: int) -> dict[str, Any]:
    counts = {"prompt_token_count": counted, "generation_token_count": place}
    return {"generation": text, **counts, "stop_reason": None}


def mistral_answer(done: Completion, model: BedrockModel, number: int) -> dict[str, Any]:
    """A whole answer in Mistral's older form."""
    return {"outputs": [{"text": done.text, "stop_reason": _stop(done)}]}


def mistral_stream(done: Completion, model: BedrockModel, number: int) -> Events:
    """The pieces of an answer in Mistral's older form."""
    for piece in done.pieces:
        yield {"outputs": [{"text": piece, "stop_reason": None}]}, True
    last = {"outputs": [{"text": "", "stop_reason": _finish(done, _stop(done))}]}
    yield with_metrics(last, done), False


def deepseek_answer(done: Completion, model: BedrockModel, number: int) -> dict[str, Any]:
    """A whole answer in DeepSeek R1's form."""
    return {"choices": [{"text": done.text, "stop_reason": _stop(done)}]}


def deepseek_stream(done: Completion, model: BedrockModel, number: int) -> Events:
    """The pieces of an answer in DeepSeek R1's form."""
    for piece in done.pieces:
        yield {"choices": [{"text": piece, "stop_reason": None}]}, True
    last = {"choices": [{"text": "", "stop_reason": _finish(done, _stop(done))}]}
    yield with_metrics(last, done), False


def old_claude_answer(done: Completion, model: BedrockModel, number: int) -> dict[str, Any]:
    """A whole text completion of Claude's."""
    reason = _old_claude_stop(done)
    stop = "\n\nHuman:" if reason == "stop_sequence" else None
    return {
        "type": "completion",
        "completion": f" {done.text or ''}",
        "stop_reason": reason,
        "stop": stop,
    }


def old_claude_stream(done: Completion, model: BedrockModel, number: int) -> Events:
    """The pieces of a text completion of Claude's."""
    for place, piece in enumerate(done.pieces):
        text = f" {piece}" if place == 0 else piece
        yield {"type": "completion", "completion": text, "stop_reason": None, "stop": None}, True
    reason = _finish(done, _old_claude_stop(done))
    last = {"type": "completion", "completion": "", "stop_reason": reason, "stop": None}
    yield with_metrics(last, done), False


def titan_answer(done: Completion, model: BedrockModel, number: int) -> dict[str, Any]:
    """A whole answer in Titan's form."""
    result = {
        "tokenCount": done.output_tokens,
        "outputText": done.text,
        "completionReason": _titan_stop(done),
    }
    return {"inputTextTokenCount": done.input_tokens, "results": [result]}


def titan_stream(done: Completion, model: BedrockModel, number: int) -> Events:
    """The pieces of an answer in Titan's form."""
    for place, piece in enumerate(done.pieces):
        yield {"outputText": piece, "index": place, "completionReason": None}, True
    last = {
        "outputText": "",
        "index": len(done.pieces),
        "totalOutputTextTokenCount": done.output_tokens,
        "inputTextTokenCount": done.input_tokens,
        "completionReason": _finish(done, _titan_stop(done)),
    }
    yield with_metrics(last, done), False


def _finish(done: Completion, reason: str) -> str | None:
    return None if "finish_reason" in done.without else reason


def _stop(done: Completion) -> str:
    return "length" if done.finish == "length" else "stop"


def _old_claude_stop(done: Completion) -> str:
    return "max_tokens" if done.finish == "length" else "stop_sequence"


def _titan_stop(done: Completion) -> str:
    named = {"length": "LENGTH", "filter": "CONTENT_FILTERED", "guardrail": "CONTENT_FILTERED"}
    return named.get(done.finish, "FINISH")
