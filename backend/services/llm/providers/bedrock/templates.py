"""The prompt templates of models that take one string instead of messages.

The special tokens of these templates are plain characters: a user who writes them could end his
own turn and speak for the system. So each token inside a text is broken by one space, which the
model reads as ordinary words: `<|eot_id|>` becomes `< |eot_id|>`, `[INST]` becomes `[ INST]`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..request_checks import invalid_request
from .blocks import Reasoning, Text, Turn

# Any name between the bars: later Llamas have more tokens than the template writes.
_LLAMA_TOKEN = re.compile(r"<(?=\|\w{1,64}\|>)")
_MISTRAL_TOKEN = re.compile(r"\[(?=/?INST\])|<(?=/?s>|unk>)", re.I)


def llama(system: Sequence[str], turns: Sequence[Turn]) -> str:
    """Llama 3's template (Meta, "Llama 3 model cards and prompt formats")."""
    messages = [("system", "\n\n".join(system))] if system else []
    messages += [(turn.role, joined_text(turn)) for turn in turns]
    prompt = "".join(
        f"{_header(role)}{_escape_for_llama(words)}<|eot_id|>" for role, words in messages
    )
    return f"<|begin_of_text|>{prompt}{_header('assistant')}"


def mistral(system: Sequence[str], turns: Sequence[Turn]) -> str:
    """Mistral's and Mixtral's instruction template, which has no system role: the system
    prompt is put before the first text.
    """
    messages: list[tuple[str, str]] = [(turn.role, joined_text(turn)) for turn in turns]
    if system:
        first_words = [messages.pop(0)[1]] if messages and messages[0][0] == "user" else []
        messages.insert(0, ("user", "\n\n".join([*system, *first_words])))
    prompt = "<s>"
    for role, words in messages:
        plain = _escape_for_mistral(words)
        prompt += f"[INST] {plain} [/INST]" if role == "user" else f" {plain}</s>"
    return prompt


def joined_text(turn: Turn) -> str:
    """Return a turn's texts as one; raises InvalidRequestError for a block that is none."""
    words = []
    for block in turn.blocks:
        if isinstance(block, Reasoning):
            continue  # another model's: these do not think
        if not isinstance(block, Text):
            kind = type(block).__name__
            raise invalid_request(
                "bedrock", f"this model takes text alone, not the {kind} in messages"
            )
        words.append(block.text)
    return "\n".join(words)


def _header(role: str) -> str:
    return f"<|start_header_id|>{role}<|end_header_id|>\n\n"


def _escape_for_llama(words: str) -> str:
    return _LLAMA_TOKEN.sub("< ", words)


def _escape_for_mistral(words: str) -> str:
    return _MISTRAL_TOKEN.sub(r"\g<0> ", words)
