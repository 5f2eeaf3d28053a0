"""The bytes of a stream, fed as they come: events, what ends it, and errors in its midst."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from botocore.exceptions import EventStreamError

from sandbox.bedrock.event_stream import message
from services.llm.errors import LLMError
from services.llm.providers.bedrock.invoke_stream import InvokeReader
from services.llm.providers.bedrock.stream import ConverseReader, _closed
from services.llm.providers.groq.stream import ChunkReader
from services.llm.stream_types import (
    ReasoningPiece,
    StreamEvent,
    TextPiece,
    ToolCallPiece,
    UsageReport,
)
from services.llm.types import Request, ToolCall, Usage

CLAUDE = "anthropic.claude-3-haiku-20240307-v1:0"


def frame(payload: Any, **headers: str) -> bytes:
    """A frame of Bedrock's; `event_type` is written as `:event-type`."""
    named = {f":{name.replace('_', '-')}": value for name, value in headers.items()}
    return message(named, json.dumps(payload).encode() if payload is not None else b"")


def event(kind: str, payload: Any) -> bytes:
    return frame(payload, message_type="event", event_type=kind)


def delta(place: int, **said: Any) -> bytes:
    return event("contentBlockDelta", {"contentBlockIndex": place, "delta": said})


STOP = event("messageStop", {"stopReason": "end_turn"})
END = event("metadata", {"usage": {"inputTokens": 5, "outputTokens": 2, "totalTokens": 7}})


def converse() -> ConverseReader:
    return ConverseReader(Request("m", ()))


def test_a_stream_of_converse_is_done_with_its_figures_and_not_before() -> None:
    reader = converse()
    assert [TextPiece("a")] == reader.feed(delta(0, text="a"))
    assert (False, False) == (reader.answer_has_ended, reader.is_done)
    assert [] == reader.feed(STOP)
    assert (True, False) == (reader.answer_has_ended, reader.is_done)
    assert [UsageReport(Usage(5, 2, 7, reported=True))] == reader.feed(END)
    assert reader.is_done
    assert ("a", Usage(5, 2, 7, reported=True)) == (reader.whole().text, reader.whole().usage)


def test_figures_before_the_end_do_not_end_a_stream() -> None:
    reader = converse()
    reader.feed(END)
    assert not reader.is_done


def test_frames_may_come_cut_and_several_at_once() -> None:
    reader, data = converse(), delta(0, text="a") + delta(0, text="b") + STOP
    assert [TextPiece("a")] == reader.feed(data[:-150])
    assert [TextPiece("b")] == reader.feed(data[-150:])
    assert reader.answer_has_ended


def test_a_frame_without_a_type_is_an_event_and_an_empty_one_says_nothing() -> None:
    reader = converse()
    assert [TextPiece("a")] == reader.feed(
        frame({"delta": {"text": "a"}}, event_type="contentBlockDelta")
    )
    assert [] == reader.feed(frame(None, message_type="event", event_type="contentBlockDelta"))


@pytest.mark.parametrize(
    ("headers", "payload", "code", "words"),
    [
        (
            {"message_type": "exception", "exception_type": "throttlingException"},
            {"message": "Too many."},
            "throttlingException",
            "Too many.",
        ),
        (
            {"message_type": "exception", "exception_type": "throttlingException"},
            {"Message": "Too many."},
            "throttlingException",
            "Too many.",
        ),
        (
            {"message_type": "error", "error_code": "Broken", "error_message": "It broke."},
            None,
            "Broken",
            "It broke.",
        ),
        (
            {"message_type": "error", "error_code": "Broken", "error_message": "It broke."},
            {"message": "Told so."},
            "Broken",
            "Told so.",
        ),
        ({"message_type": "error"}, None, "", ""),
    ],
)
@pytest.mark.parametrize(
    ("reader", "operation"),
    [
        (converse(), "ConverseStream"),
        (InvokeReader(Request(CLAUDE, ())), "InvokeModelWithResponseStream"),
    ],
)
def test_an_exception_in_a_stream_is_botocores_own(
    headers: dict[str, str], payload: Any, code: str, words: str, reader: Any, operation: str
) -> None:
    with pytest.raises(EventStreamError) as caught:
        reader.feed(frame(payload, **headers))
    error = caught.value.response["Error"]
    assert (code, words, operation) == (
        *(error["Code"], error["Message"]),
        caught.value.operation_name,
    )


def test_a_tools_call_is_told_piece_by_piece() -> None:
    reader, start = converse(), {"toolUse": {"toolUseId": "t1", "name": "look"}}
    begun = event("contentBlockStart", {"contentBlockIndex": 1, "start": start})
    assert [ToolCallPiece(1, "", "t1", "look")] == reader.feed(begun)
    assert [ToolCallPiece(1, '{"at"')] == reader.feed(delta(1, toolUse={"input": '{"at"'}))
    assert [ToolCallPiece(1, ": 1}")] == reader.feed(delta(1, toolUse={"input": ": 1}"}))
    reader.feed(STOP)
    assert (ToolCall("t1", "look", '{"at": 1}'),) == reader.whole().tool_calls


def test_a_nameless_tool_is_none_of_the_answers_calls_by_name() -> None:
    begun = event("contentBlockStart", {"contentBlockIndex": 0, "start": {"toolUse": {"x": 1}}})
    assert [ToolCallPiece(0, "", "", "")] == converse().feed(begun)


def test_thoughts_are_told_and_what_is_encrypted_is_kept() -> None:
    reader = converse()
    assert [ReasoningPiece("Hm.")] == reader.feed(delta(0, reasoningContent={"text": "Hm."}))
    assert [] == reader.feed(delta(0, reasoningContent={"signature": "s"}))
    assert [] == reader.feed(delta(1, reasoningContent={"redactedContent": "e"}))
    reader.feed(delta(2, text="a") + STOP)
    reply = reader.whole()
    assert ("a", "Hm.") == (reply.text, reply.reasoning)
    blocks = [one.get("reasoningContent") for one in reader_blocks(reader)]
    assert [{"reasoningText": {"text": "Hm.", "signature": "s"}}, {"redactedContent": "e"}] == (
        blocks[:2]
    )


def reader_blocks(reader: ConverseReader) -> list[Any]:
    """The blocks of a reader's answer, as Converse would have sent them."""
    return [_closed(block) for _, block in sorted(reader._blocks.items())]


def test_a_cited_text_is_the_text_of_the_answer() -> None:
    reader = converse()
    reader.feed(delta(0, text="It says") + delta(0, citation={"title": "t"}) + STOP)
    assert "It says" == reader.whole().text
    (block,) = reader_blocks(reader)
    assert {"content": [{"text": "It says"}], "citations": [{"title": "t"}]} == (
        block["citationsContent"]
    )


def chunk(piece: dict[str, Any]) -> bytes:
    return event("chunk", {"bytes": base64.b64encode(json.dumps(piece).encode()).decode()})


def test_the_bytes_of_invoke_model_hold_the_models_own_events() -> None:
    reader = InvokeReader(Request(CLAUDE, ()))
    said: list[StreamEvent] = []
    for piece in (
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "a"}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {}},
    ):
        said += reader.feed(chunk(piece))
    assert [TextPiece("a")] == said
    assert (True, False) == (reader.answer_has_ended, reader.is_done)
    counts = {"inputTokenCount": 5, "outputTokenCount": 2}
    reader.feed(chunk({"type": "message_stop", "amazon-bedrock-invocationMetrics": counts}))
    assert reader.is_done
    assert ("a", "end_turn") == (reader.whole().text, reader.whole().finish_reason)
    assert [] == InvokeReader(Request(CLAUDE, ())).feed(event("chunk", {"p": "abc"}))


def sse(*pieces: Any) -> bytes:
    return b"".join(b"data: " + json.dumps(piece).encode() + b"\n\n" for piece in pieces)


def said(content: str | None = None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"content": content} if content else {}}
    return {"model": "m", "choices": [{**choice, "finish_reason": finish}], **more}


def groq() -> ChunkReader:
    return ChunkReader(Request("m", ()))


def test_a_stream_of_groqs_is_done_where_it_says_so_and_what_follows_is_left() -> None:
    reader = groq()
    assert [TextPiece("a")] == reader.feed(sse(said("a")))
    assert [TextPiece("b")] == reader.feed(sse(said("b")))
    assert [] == reader.feed(sse(said(finish="stop")))
    assert (True, False) == (reader.answer_has_ended, reader.is_done)
    assert [] == reader.feed(b"data: [DONE]\n\n" + sse(said("more")))
    assert reader.is_done
    assert ("ab", "stop", "m") == (
        *(reader.whole().text, reader.whole().finish_reason),
        reader.whole().model,
    )


def test_what_is_no_json_is_an_error() -> None:
    with pytest.raises(ValueError, match="Expecting"):
        groq().feed(b"data: no JSON\n\n")


@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize("inside", [True, False])
def test_an_error_in_a_chunk_is_raised_wherever_it_stands(is_first: bool, inside: bool) -> None:
    error: dict[str, Any] = {"error": {"message": "Too many.", "code": "rate_limit_exceeded"}}
    reader = groq()
    if not is_first:
        reader.feed(sse(said("a")))
    with pytest.raises(LLMError, match=r"Too many\."):
        reader.feed(sse(said("b", x_groq=error) if inside else said("b", **error)))


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ({}, {"service_tier": "flex"}),
        ({"service_tier": "flex"}, {"service_tier": "on_demand"}),
        ({}, {"model": "other"}),
    ],
)
def test_what_a_later_chunk_says_of_the_whole_counts(
    first: dict[str, Any], then: dict[str, Any]
) -> None:
    reader = groq()
    reader.feed(sse(said("a", **first), said("b", **then), said(finish="stop", **then)))
    reply = reader.whole()
    assert ("ab", then.get("model", "m")) == (reply.text, reply.model)
    assert then.get("service_tier", reply.service_tier) == reply.service_tier


def test_a_server_that_knows_no_streams_says_all_of_it_at_once() -> None:
    reader = groq()
    message = {"content": "a", "reasoning": "Hm.", "tool_calls": []}
    answer = {"model": "m", "choices": [{"message": message, "finish_reason": "stop"}]}
    assert [ReasoningPiece("Hm."), TextPiece("a")] == reader.add_whole(answer)
    assert (True, "a") == (reader.is_done, reader.whole().text)
    with pytest.raises(LLMError):
        groq().add_whole({"no": "choices"})


def test_calls_come_in_pieces_by_their_place() -> None:
    reader = groq()

    def calls(*pieces: dict[str, Any]) -> bytes:
        return sse({"model": "m", "choices": [{"delta": {"tool_calls": list(pieces)}}]})

    begun = {"index": 1, "id": "t1", "function": {"name": "look", "arguments": ""}}
    assert [ToolCallPiece(1, "", "t1", "look")] == reader.feed(calls(begun))
    more = {"index": 1, "id": "t2", "function": {"name": "other", "arguments": "{}"}}
    assert [ToolCallPiece(1, "{}", "t2", "other")] == reader.feed(calls(more))
    unplaced = {"id": "t0", "function": {"name": "first", "arguments": "{}"}}
    assert [ToolCallPiece(0, "{}", "t0", "first")] == reader.feed(calls(unplaced))
    reader.feed(sse(said(finish="tool_calls")))
    assert (ToolCall("t0", "first", "{}"), ToolCall("t1", "look", "{}")) == (
        reader.whole().tool_calls
    )


def test_a_later_piece_may_hold_more_than_words_or_less() -> None:
    reader = groq()
    reader.feed(sse(said("a")))
    both = {"model": "m", "choices": [{"delta": {"content": "b", "reasoning": "Hm."}}]}
    assert [ReasoningPiece("Hm."), TextPiece("b")] == reader.feed(sse(both))
    choices: list[dict[str, Any]] = [{}, {"delta": None}, {"delta": []}]
    for nothing in choices:
        assert [] == reader.feed(sse({"model": "m", "choices": [nothing]}))
    usage = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
    assert [UsageReport(Usage(5, 2, 7, reported=True))] == reader.feed(
        sse(said(finish="stop", x_groq={"id": "r", "usage": usage}))
    )
    assert [] == reader.feed(sse({"model": "m", "choices": [], "usage": {"queue_time": 1}}))
    assert ("ab", "Hm.") == (reader.whole().text, reader.whole().reasoning)
