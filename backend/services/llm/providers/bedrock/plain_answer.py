"""The usual answers of the runtime's API, read as the JSON that they are.

botocore's parser follows the API's model member by member, which takes as long as all of the HTTP.
An answer that is rarer than a message of texts, thoughts and calls of tools is left to it, and so
is every error.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ...http.http1 import Answer


def read_plain(method: str, answer: Answer) -> tuple[dict[str, Any], bytes | None] | None:
    """Return what botocore's *method* would, and its body if it leaves that to be read.

    None where botocore is to read *answer*.
    """
    if answer.status != 200:
        return None
    if method == "invoke_model":
        return _about(answer), answer.body
    parsed = _parsed(answer.body)
    if parsed is None or not _is_usual(parsed):
        return None
    return {**parsed, **_about(answer)}, None


def _parsed(body: bytes) -> dict[str, Any] | None:
    try:
        parsed = json.loads(body.decode())
    except (ValueError, RecursionError):
        return None
    return parsed if type(parsed) is dict else None


def _about(answer: Answer) -> dict[str, Any]:
    headers: dict[str, str] = {}
    for name, text in answer.headers:
        headers[name] = f"{headers[name]}, {text}" if name in headers else text
    about = {"RequestId": headers.get("x-amzn-requestid"), "HTTPStatusCode": answer.status}
    return {"ResponseMetadata": {**about, "HTTPHeaders": headers}}


def _is_usual(parsed: Mapping[str, Any]) -> bool:
    content = _inner(_inner(parsed, "output"), "message").get("content")
    return (
        type(content) is list
        and all(map(_is_usual_block, content))
        and type(parsed.get("stopReason")) is str
        and type(parsed.get("usage", {})) is dict
        and type(parsed.get("metrics", {})) is dict
    )


def _is_usual_block(block: object) -> bool:
    if type(block) is not dict or len(block) != 1:
        return False
    [(kind, value)] = block.items()
    is_usual = _BLOCKS.get(kind)
    return is_usual is not None and is_usual(value)


def _is_text(value: object) -> bool:
    return type(value) is str


def _is_call(value: object) -> bool:
    names = _inner({"": value}, "")
    return type(names.get("toolUseId")) is str and type(names.get("name")) is str


def _is_thought(value: object) -> bool:
    thought = _inner(_inner({"": value}, ""), "reasoningText")
    return type(thought.get("text")) is str and type(thought.get("signature", "")) is str


#: How each kind of block usually looks.
_BLOCKS: Mapping[str, Callable[[object], bool]] = {
    "text": _is_text,
    "toolUse": _is_call,
    "reasoningContent": _is_thought,
}


def _inner(thing: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The object *name* in *thing*; an empty one where there is none."""
    found = thing.get(name)
    return found if type(found) is dict else {}
