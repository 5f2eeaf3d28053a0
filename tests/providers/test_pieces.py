"""A stream whose pieces cannot be read is an error, and no character of it is ever cut in two."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.bedrock.event_stream import message
from services.llm.errors import LLMError, ProviderUnavailableError, RateLimitError, Retry
from services.llm.providers.bedrock import INVOKE_MODELS
from services.llm.providers.bedrock.converse_answer import from_converse
from services.llm.providers.bedrock.invoke import from_invoke
from services.llm.providers.bedrock.invoke_stream import InvokeReader
from services.llm.providers.bedrock.stream import ConverseReader
from services.llm.providers.groq.answer import from_chat_completion
from services.llm.providers.groq.stream import ChunkReader
from services.llm.providers.pieces import PieceFields, PieceText
from services.llm.stream_types import ReasoningPiece, StreamEvent, TextPiece, ToolCallPiece
from services.llm.types import Output, Request

CLAUDE, LLAMA, MIXTRAL = INVOKE_MODELS[0], INVOKE_MODELS[3], INVOKE_MODELS[5]
HIGH, LOW = "\ud83d", "\ude00"
SMILE = "\U0001f600"


def chunk(delta: Any = None, finish: Any = None, **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more}


def groq(*chunks: Any, output: Output | None = None) -> tuple[ChunkReader, list[StreamEvent]]:
    """A reader of these chunks, as they come over the wire, and what they say."""
    reader = ChunkReader(Request("m", (), output=output))
    body = b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in chunks)
    return reader, reader.feed(body)


def converse(*events: dict[str, Any]) -> tuple[ConverseReader, list[StreamEvent]]:
    reader = ConverseReader(Request("m", ()))
    return reader, [said for event in events for said in reader.add(event)]


def invoke(model: str, *pieces: Any) -> tuple[InvokeReader, list[StreamEvent]]:
    reader = InvokeReader(Request(model, ()))
    events = [{"chunk": {"bytes": json.dumps(piece).encode()}} for piece in pieces]
    return reader, [said for event in events for said in reader.add(event)]


def delta(said: Any, place: Any = 0) -> dict[str, Any]:
    return {"contentBlockDelta": {"contentBlockIndex": place, "delta": said}}


def text_of(events: Sequence[StreamEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextPiece))


NOTHING: tuple[Any, ...] = (None, [], {}, "")
CALL = {"index": 0, "id": "c", "function": {"name": "pay", "arguments": "{}"}}


@pytest.mark.parametrize(
    ("piece", "named"),
    [
        *((chunk({"content": value}), "content is of type") for value in (5, 0, True, 1.5, ["a"])),
        (chunk({"content": {"text": "a"}}), "content is of type dict, and was to be a text"),
        (chunk({"reasoning": 5}), "reasoning is"),
        (chunk({"tool_calls": "pay"}), "tool_calls is of type str, and was to be a list"),
        (chunk({"tool_calls": {"0": CALL}}), "tool_calls is"),
        (chunk({"tool_calls": ["pay"]}), "an item of tool_calls is"),
        (chunk({"tool_calls": [CALL | {"index": "1"}]}), "index is of type str"),
        (chunk({"tool_calls": [CALL | {"id": 5}]}), "id is"),
        (chunk({"tool_calls": [CALL | {"function": "pay"}]}), "function is"),
        (chunk({"tool_calls": [CALL | {"function": {"arguments": {"a": 1}}}]}), "arguments is"),
        *((chunk(value), "delta is of type") for value in ("a", ["content"], 5)),
        *(({"choices": value}, "choices is") for value in ("a", {"0": chunk()}, 7)),
        ({"choices": ["a"]}, "an item of choices is"),
        *((value, "a chunk is of type") for value in ("a", 5, ["a"], True)),
    ],
)
def test_a_piece_of_groqs_that_cannot_be_read_is_an_error(piece: Any, named: str) -> None:
    with pytest.raises(
        LLMError, match=rf"^Groq .*a piece of the stream cannot be read: {named}"
    ) as (caught):
        groq(piece)
    assert (200, Retry.IF_REQUESTED) == (caught.value.status, caught.value.retry)


@pytest.mark.parametrize(
    "piece",
    [
        *(chunk({"content": value, "tool_calls": value}) for value in NOTHING),
        *(chunk(value) for value in NOTHING),
        *({"choices": value} for value in (*NOTHING, [None])),
        *NOTHING,
    ],
)
def test_what_is_empty_says_nothing_and_does_no_harm(piece: Any) -> None:
    reader, said = groq(chunk({"content": "a"}), piece, chunk({}, "stop"))
    assert ([TextPiece("a")], "a") == (said, reader.whole().text)


def test_an_empty_chunk_makes_no_mock_of_a_stream() -> None:
    reader, _ = groq(chunk({"content": "a"}), None)
    with pytest.raises(LLMError, match="without a finish reason"):
        reader.whole()


def test_the_fields_of_an_object_of_the_sdks_are_read_as_those_of_json() -> None:
    said = {"words": "a", "place": 3, "delta": {"b": 1}, "calls": [{"c": 2}]}
    read = PieceFields("groq")
    for piece in (said, SimpleNamespace(**said)):
        assert ("a", 3) == (read.text(piece, "words"), read.count(piece, "place"))
        assert ({"b": 1}, [{"c": 2}]) == (read.part(piece, "delta"), read.rows(piece, "calls"))
        assert (None, None) == (read.text(piece, "none"), read.part(piece, "none"))


def test_a_mocks_other_attributes_are_no_pieces() -> None:
    made = MagicMock()
    made.choices[0].delta.content = "a"
    reader = ChunkReader(Request("m", ()))
    assert [TextPiece("a")] == reader.add(made)
    # It need not say that it ends.
    assert "a" == reader.whole().text


@pytest.mark.parametrize(
    ("event", "named"),
    [
        *((delta({"text": value}), "text is of type") for value in (5, ["a"], {"a": 1})),
        *((delta(value), "delta is of type") for value in (5, "a", ["text"])),
        *((delta({"text": "a"}, value), "contentBlockIndex is") for value in ("1", -1, True)),
        (delta({"reasoningContent": "Hm."}), "reasoningContent is"),
        (delta({"reasoningContent": {"text": 5}}), "text is"),
        (delta({"toolUse": "{}"}), "toolUse is"),
        (delta({"toolUse": {"input": {"a": 1}}}), "input is of type dict"),
        ({"contentBlockDelta": "a"}, "contentBlockDelta is"),
        ({"contentBlockStart": {"start": {"toolUse": "pay"}}}, "toolUse is"),
        ({"contentBlockStart": {"start": {"toolUse": {"name": 5}}}}, "name is"),
        ({"contentBlockStart": ["start"]}, "contentBlockStart is"),
        ({"messageStop": "end_turn"}, "messageStop is"),
    ],
)
def test_a_piece_of_converse_that_cannot_be_read_is_an_error(
    event: dict[str, Any], named: str
) -> None:
    with pytest.raises(LLMError, match=rf"^Bedrock .*cannot be read: {named}"):
        converse(event)


@pytest.mark.parametrize(
    ("model", "piece", "named"),
    [
        (CLAUDE, {"type": "content_block_delta", "delta": {"text": 5}}, "text is"),
        (CLAUDE, {"type": "content_block_delta", "delta": ["a"]}, "delta is"),
        (CLAUDE, {"type": "content_block_start", "content_block": "a"}, "content_block is"),
        (CLAUDE, {"type": "content_block_start", "content_block": {"text": 5}}, "text is"),
        (CLAUDE, {"completion": ["a"]}, "completion is"),
        (LLAMA, {"generation": 5}, "generation is"),
        (MIXTRAL, {"outputs": {"text": "a"}}, "outputs is"),
        (MIXTRAL, {"outputs": [{"text": 5}]}, "text is"),
        *((model, 5, "a chunk is") for model in (CLAUDE, LLAMA, MIXTRAL)),
    ],
)
def test_a_piece_of_invoke_model_that_cannot_be_read_is_an_error(
    model: str, piece: Any, named: str
) -> None:
    with pytest.raises(LLMError, match=rf"^Bedrock .*cannot be read: {named}"):
        invoke(model, piece)


def test_the_bytes_of_invoke_model_that_are_none_are_an_error() -> None:
    headers = {":message-type": "event", ":event-type": "chunk"}
    with pytest.raises(LLMError, match="bytes is of type int"):
        InvokeReader(Request(CLAUDE, ())).feed(message(headers, b'{"bytes": 5}'))


def test_a_block_of_claudes_may_begin_with_words() -> None:
    start = {"type": "content_block_start", "content_block": {"type": "text", "text": "One"}}
    more = {"type": "content_block_delta", "delta": {"text": " two"}}
    end = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}
    reader, said = invoke(CLAUDE, start, more, end)
    assert ("One two", "One two") == (text_of(said), reader.whole().text)


def two(first: str | None, second: str, **more: Any) -> dict[str, Any]:
    said = [] if first is None else [{"index": 0, "delta": {"content": first}}]
    return {"choices": [*said, {"index": 1, "delta": {"content": second}, **more}]}


def test_another_choice_than_the_first_is_not_read_and_told_of_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        reader, said = groq(
            two("a", "x"), two(None, "y", finish_reason="stop"), chunk({"content": "b"})
        )
    assert ("ab", False) == (text_of(said), reader.answer_has_ended)
    assert ["Groq's answer has more choices than the one that was asked for"] == caplog.messages


@pytest.mark.parametrize("index", [1, -1, "1", "0", 0.5, True])
def test_a_choice_of_any_other_index_is_another(index: Any) -> None:
    other = {"index": index, "delta": {"content": "x"}}
    assert [] == ChunkReader(Request("m", ())).add({"choices": [other]})
    assert [TextPiece("a")] == ChunkReader(Request("m", ())).add(
        {"choices": [other, {"delta": {"content": "a"}}]}
    )


@pytest.mark.parametrize("choices", [[{}, {"delta": {"content": "x"}}], [{"index": 1}]])
def test_choices_without_an_index_are_told_apart_by_their_order(choices: Any) -> None:
    assert [] == ChunkReader(Request("m", ())).add({"choices": choices})


def answer(*choices: tuple[int | None, str]) -> dict[str, Any]:
    made = [
        {"index": index, "message": {"content": said}, "finish_reason": "stop"}
        for index, said in choices
    ]
    return {"model": "m", "choices": made}


@pytest.mark.parametrize(
    ("choices", "expected"),
    [
        ([(1, "x"), (0, "a")], "a"),
        ([(None, "a"), (None, "x")], "a"),
        ([(1, "a")], "a"),
    ],
)
def test_of_a_whole_answers_choices_the_first_is_read(
    choices: list[Any], expected: str, caplog: pytest.LogCaptureFixture
) -> None:
    reply = from_chat_completion(answer(*choices), Request("m", ()))
    assert (expected, len(choices) > 1) == (reply.text, bool(caplog.messages))


def test_another_output_of_mistrals_is_not_read_and_told_of_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    both = {"outputs": [{"text": "a"}, {"text": "x"}]}
    end = {"outputs": [{"text": "", "stop_reason": "stop"}]}
    reader, said = invoke(MIXTRAL, both, both, end)
    assert ("aa", "aa") == (text_of(said), reader.whole().text)
    assert ["Bedrock's answer has more outputs than one: the first alone counts"] == caplog.messages


def groq_text(*pieces: str) -> tuple[str, str]:
    reader, said = groq(*(chunk({"content": each}) for each in pieces), chunk({}, "stop"))
    return text_of(said), reader.whole().text


def converse_text(*pieces: str) -> tuple[str, str]:
    stop = {"messageStop": {"stopReason": "end_turn"}}
    reader, said = converse(*(delta({"text": each}) for each in pieces), stop)
    return text_of(said), reader.whole().text


def claude_text(*pieces: str) -> tuple[str, str]:
    said = ({"type": "content_block_delta", "delta": {"text": each}} for each in pieces)
    end = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}
    reader, events = invoke(CLAUDE, *said, end)
    return text_of(events), reader.whole().text


def llama_text(*pieces: str) -> tuple[str, str]:
    said = ({"generation": each} for each in pieces)
    reader, events = invoke(LLAMA, *said, {"generation": "", "stop_reason": "stop"})
    return text_of(events), reader.whole().text


def mistral_text(*pieces: str) -> tuple[str, str]:
    said = ({"outputs": [{"text": each}]} for each in pieces)
    reader, events = invoke(MIXTRAL, *said, {"outputs": [{"text": "", "stop_reason": "stop"}]})
    return text_of(events), reader.whole().text


Read = Callable[..., tuple[str, str]]
READERS = [groq_text, converse_text, claude_text, llama_text, mistral_text]


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        (("a" + HIGH, LOW + "b"), f"a{SMILE}b"),
        ((HIGH, LOW), SMILE),
        (("ä" + HIGH, LOW + HIGH, LOW + "ö"), f"ä{SMILE}{SMILE}ö"),
        (("a" + HIGH, "b"), "a\ufffdb"),
        (("a", LOW + "b"), "a\ufffdb"),
        (("a" + HIGH, HIGH + "b"), "a\ufffd\ufffdb"),
        (("a" + HIGH,), "a\ufffd"),
    ],
)
def test_a_character_that_was_cut_is_whole_and_half_a_one_is_none(
    read: Read, pieces: tuple[str, ...], expected: str
) -> None:
    assert (expected, expected) == read(*pieces)


def whole_groq(text: str, **how: Any) -> str:
    return from_chat_completion(answer((0, text)), Request("m", (), **how)).text


def whole_converse(text: str) -> str:
    said = {"output": {"message": {"content": [{"text": text}]}}, "stopReason": "end_turn"}
    return from_converse(said, Request("m", ())).text


def whole_claude(text: str) -> str:
    body = {"content": [{"type": "text", "text": text}], "stop_reason": "end_turn"}
    return from_invoke(json.dumps(body), Request(CLAUDE, ())).text


@pytest.mark.parametrize("read", [whole_groq, whole_converse, whole_claude])
def test_a_whole_answer_says_the_same_of_half_a_character(read: Callable[[str], str]) -> None:
    assert f"a\ufffd{SMILE}ä" == read(f"a{HIGH}{SMILE}ä")


def test_half_a_character_of_a_structured_answer_is_left_for_its_repair() -> None:
    output = Output("object")
    assert f"a{HIGH}" == whole_groq(f"a{HIGH}", output=output)
    reader, said = groq(
        *(chunk({"content": each}) for each in ("a" + HIGH, LOW, HIGH)),
        chunk({}, "stop"),
        output=output,
    )
    assert (f"a{SMILE}{HIGH}", f"a{SMILE}{HIGH}") == (text_of(said), reader.whole().text)


def test_thoughts_and_arguments_are_cut_in_no_character_either() -> None:
    def calls(arguments: str) -> dict[str, Any]:
        return {"tool_calls": [{"index": 2, "function": {"arguments": arguments}}]}

    reader, said = groq(
        *(chunk({"reasoning": each}) for each in (HIGH, LOW, HIGH)),
        *(chunk(calls(each)) for each in ('"' + HIGH, LOW + '"', HIGH)),
        chunk({}, "tool_calls"),
    )
    assert [
        *(ReasoningPiece(SMILE), ToolCallPiece(2, '"'), ToolCallPiece(2, f'{SMILE}"')),
        *(ToolCallPiece(2, ""), ReasoningPiece("\ufffd"), ToolCallPiece(2, "\ufffd")),
    ] == said
    assert f"{SMILE}\ufffd" == reader.so_far().reasoning

    of_converse, said = converse(
        *(delta({"reasoningContent": {"text": each}}) for each in (HIGH, LOW, HIGH)),
        *(delta({"toolUse": {"input": each}}, 1) for each in ('"' + HIGH, LOW + '"', HIGH)),
        {"messageStop": {"stopReason": "tool_use"}},
    )
    assert [
        *(ReasoningPiece(SMILE), ToolCallPiece(1, '"'), ToolCallPiece(1, f'{SMILE}"')),
        *(ToolCallPiece(1, ""), ReasoningPiece("\ufffd"), ToolCallPiece(1, "\ufffd")),
    ] == said
    assert f"{SMILE}\ufffd" == of_converse.so_far().reasoning

    _, said = invoke(
        CLAUDE,
        *({"type": "content_block_delta", "delta": {"thinking": each}} for each in (HIGH, LOW)),
        *({"type": "content_block_delta", "delta": {"partial_json": each}} for each in (LOW, HIGH)),
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}},
    )
    assert [ReasoningPiece(SMILE), ToolCallPiece(0, "\ufffd"), ToolCallPiece(0, "\ufffd")] == said


@given(st.lists(st.text(st.sampled_from(["a", "ä", HIGH, LOW]))))
def test_text_adds_up_wherever_it_is_cut(pieces: list[str]) -> None:
    whole, text = PieceText(), "".join(pieces)
    handed_on = "".join([*map(whole.add, pieces), whole.end()])
    expected = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    assert expected == handed_on == str(whole)


def error_event(data: bytes) -> LLMError:
    reader = ChunkReader(Request("m", ()))
    with pytest.raises(LLMError) as caught:
        reader.feed(b"event: error\n" + (b"data: " + data + b"\n" if data else b"") + b"\n")
    return caught.value


@pytest.mark.parametrize(
    ("data", "kind", "said"),
    [
        (b'{"message": "Overloaded", "code": 503}', ProviderUnavailableError, "Overloaded"),
        (b'{"message": "No.", "type": "overloaded_error"}', ProviderUnavailableError, "No."),
        (b'{"message": "No.", "status_code": 429}', RateLimitError, "No."),
        (b'{"message": "No.", "error": null}', LLMError, "No."),
        (b'{"error": {"message": "No.", "status_code": 503}}', ProviderUnavailableError, "No."),
        (b'{"error": "No."}', LLMError, "No."),
        (b'{"detail": "No."}', LLMError, "No."),
        (b'"No."', LLMError, "No."),
        (b"upstream went away", LLMError, "upstream went away"),
        (b"[DONE]", LLMError, r"\[DONE\]"),
        *((data, LLMError, "an error without words") for data in (b"", b"{}", b"null", b"5")),
        (b"lost for gsk_012345", LLMError, r"lost for gsk_\*\*\*$"),
    ],
)
def test_an_event_named_error_is_one_whatever_it_says(
    data: bytes, kind: type[LLMError], said: str
) -> None:
    error = error_event(data)
    assert kind is type(error)
    assert "groq" == error.provider
    with pytest.raises(kind, match=said):
        raise error


def test_the_sdks_own_form_of_an_error_event_is_one() -> None:
    chunk = SimpleNamespace(event="error", data={"message": "No."}, choices=None)
    with pytest.raises(LLMError, match=r"No\.$"):
        ChunkReader(Request("m", ())).add(chunk)


def test_what_came_before_an_error_event_is_handed_out_before_it() -> None:
    reader = ChunkReader(Request("m", ()))
    body = b"data: " + json.dumps(chunk({"content": "a"})).encode()
    assert [TextPiece("a")] == reader.feed(body + b"\n\nevent: error\ndata: {}\n\n")
    assert isinstance(reader.failure, LLMError)


@pytest.mark.parametrize("piece", [{"type": "error"}, {"type": "error", "error": {}}])
def test_an_error_of_claudes_without_words_is_one(piece: dict[str, Any]) -> None:
    encoded = base64.b64encode(json.dumps(piece).encode()).decode()
    headers = {":message-type": "event", ":event-type": "chunk"}
    body = message(headers, json.dumps({"bytes": encoded}).encode())
    with pytest.raises(LLMError, match="an error without words"):
        InvokeReader(Request(CLAUDE, ())).feed(body)
