from __future__ import annotations

import json
from typing import Any

import pytest
from groq.types.chat import ChatCompletionChunk
from hypothesis import given, settings
from hypothesis import strategies as st

from services.llm.errors import ConfigurationError, LLMError, TruncatedError
from services.llm.providers.bedrock import INVOKE_MODELS
from services.llm.providers.bedrock.stream import fold_converse, fold_invoke
from services.llm.providers.groq.stream import ChunkReader, fold
from services.llm.types import Output, Request, ToolCall, Usage

CLAUDE, LLAMA, MIXTRAL = INVOKE_MODELS[0], INVOKE_MODELS[3], INVOKE_MODELS[5]
COUNTS = {"inputTokenCount": 5, "outputTokenCount": 2, "invocationLatency": 1500}
METRICS = {"amazon-bedrock-invocationMetrics": COUNTS}


def _request(model: str = "m", **changes: Any) -> Request:
    return Request(model, ({"role": "user", "content": "Hello"},), **changes)


def _chunk(delta: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta or {}, "finish_reason": more.pop("finish", None)}
    return {"id": "c", "model": "m-2", "choices": [choice], **more}


FIRST = _chunk({"role": "assistant", "content": ""}, x_groq={"id": "req_1"})
USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
LAST = _chunk(finish="stop", x_groq={"id": "req_1", "usage": USAGE})


@settings(deadline=None)
@given(pieces=st.lists(st.text(min_size=1), min_size=1))
def test_the_pieces_of_a_groq_stream_add_up(pieces: list[str]) -> None:
    said = [_chunk({"content": piece}) for piece in pieces]
    chunks = [ChatCompletionChunk.construct(**one) for one in (FIRST, *said, LAST)]

    if not "".join(pieces).strip():
        with pytest.raises(TruncatedError):
            fold(chunks, _request())
        return
    reply = fold(chunks, _request())
    assert (reply.text, reply.model, reply.finish_reason) == ("".join(pieces), "m-2", "stop")
    assert reply.usage == Usage(5, 2, 7, reported=True)
    assert reply.request_id == "req_1"


def test_usage_that_was_asked_for_comes_without_a_choice() -> None:
    chunks = [_chunk({"content": "Hi"}, finish="stop"), {"choices": [], "usage": USAGE}]

    assert fold(chunks, _request()).usage.total_tokens == 7


def test_a_streams_thoughts_and_calls_are_read() -> None:
    def call(index: int, **function: str) -> dict[str, Any]:
        return {"index": index, "id": f"call_{index}", "function": function}

    chunks = [
        _chunk({"reasoning": "H"}),
        _chunk({"reasoning": "m."}),
        _chunk({"tool_calls": [call(1, name="now", arguments="{}")]}),
        _chunk({"tool_calls": [call(0, name="look", arguments='{"at"')]}),
        _chunk({"tool_calls": [{"index": 0, "function": {"arguments": ": 1}"}}]}),
        _chunk(finish="tool_calls"),
    ]
    reply = fold(chunks, _request())

    assert reply.reasoning == "Hm."
    assert reply.tool_calls == (
        ToolCall("call_0", "look", '{"at": 1}'),
        ToolCall("call_1", "now", "{}"),
    )
    forced = fold(chunks, _request(output=Output("tool", name="look")))
    assert forced.text == '{"at": 1}'


@settings(deadline=None)
@given(cut=st.integers(0, 3))
def test_a_groq_stream_that_breaks_off_is_an_error_with_what_came(cut: int) -> None:
    chunks = [FIRST, _chunk({"content": "One "}), _chunk({"content": "two"}), LAST][:cut]

    with pytest.raises(TruncatedError, match="ended without a finish reason") as caught:
        fold(chunks, _request())

    assert caught.value.text == ["", "", "One ", "One two"][cut]


@pytest.mark.parametrize(
    "chunk",
    [
        _chunk(x_groq={"id": "r", "error": "lost for gsk_012345"}),
        {"error": {"message": "lost for gsk_012345"}},
    ],
)
def test_an_error_inside_a_groq_stream_is_raised(chunk: dict[str, Any]) -> None:
    with pytest.raises(LLMError, match=r"^Groq API error: lost for gsk_\*\*\*$"):
        fold([FIRST, chunk], _request())


@pytest.mark.parametrize("error", [5, True, [[["gsk_012345"]]], {"message": 5}, {"code": 1}])
def test_an_error_without_words_ends_a_groq_stream_too(error: object) -> None:
    with pytest.raises(LLMError, match="an error without words") as caught:
        fold([FIRST, {"error": error}, LAST], _request())
    assert "gsk_012345" not in str(caught.value)


@pytest.mark.parametrize("error", [None, {}, [], False])
def test_no_error_is_none(error: object) -> None:
    assert "One" == fold([FIRST, _chunk({"content": "One"}, error=error), LAST], _request()).text


def _delta(place: int, **delta: Any) -> dict[str, Any]:
    return {"contentBlockDelta": {"contentBlockIndex": place, "delta": delta}}


STOP = {"messageStop": {"stopReason": "end_turn"}}
END = {
    "metadata": {
        "usage": {"inputTokens": 5, "outputTokens": 2, "totalTokens": 7},
        "metrics": {"latencyMs": 1500},
    }
}


def test_the_events_of_a_converse_stream_add_up() -> None:
    tool = {"toolUse": {"toolUseId": "t1", "name": "look"}}
    events = [
        {"messageStart": {"role": "assistant"}},
        _delta(0, reasoningContent={"text": "H"}),
        _delta(0, reasoningContent={"text": "m."}),
        _delta(0, reasoningContent={"signature": "x"}),
        _delta(1, text="It "),
        _delta(1, text="says"),
        {"contentBlockStart": {"contentBlockIndex": 2, "start": tool}},
        _delta(2, toolUse={"input": '{"at"'}),
        _delta(2, toolUse={"input": ": 1}"}),
        {"contentBlockStart": {"contentBlockIndex": 3, "start": {}}},
        STOP,
        END,
    ]
    reply = fold_converse(events, _request(), {"RequestId": "r-1"})

    assert (reply.text, reply.reasoning, reply.processing) == ("It says", "Hm.", 1.5)
    assert reply.tool_calls == (ToolCall("t1", "look", '{"at": 1}'),)
    assert reply.usage == Usage(5, 2, 7, reported=True)
    assert reply.request_id == "r-1"


def test_a_piece_of_converse_that_says_two_things_is_read_whole() -> None:
    events = [_delta(0, text="Hi", reasoningContent={"text": "Hm."}), STOP]
    reply = fold_converse(events, _request())
    assert ("Hi", "Hm.") == (reply.text, reply.reasoning)
    started = {"contentBlockStart": {"start": {"toolUse": {"toolUseId": "t1", "name": "look"}}}}
    reply = fold_converse([started | _delta(0, toolUse={"input": "{}"}), STOP], _request())
    assert (ToolCall("t1", "look", "{}"),) == reply.tool_calls


def test_a_converse_stream_without_an_end_is_an_error_with_what_came() -> None:
    with pytest.raises(TruncatedError, match="ended without a finish reason") as caught:
        fold_converse([_delta(0, text="Half")], _request())

    assert caught.value.text == "Half"


@pytest.mark.parametrize("pieces", ["", '{"at'])
def test_a_tools_input_may_be_empty_or_cut_off(pieces: str) -> None:
    stop = {"messageStop": {"stopReason": "max_tokens" if pieces else "tool_use"}}
    events = [_delta(0, toolUse={"input": pieces}), stop]

    if pieces:
        with pytest.raises(TruncatedError):
            fold_converse(events, _request())
    else:
        assert fold_converse(events, _request()).tool_calls == (ToolCall("", "", "{}"),)


def _events(*pieces: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"chunk": {"bytes": json.dumps(piece).encode()}} for piece in pieces]


def test_the_events_of_claude_add_up() -> None:
    tool = {"type": "tool_use", "id": "t1", "name": "look", "input": {}}
    events = _events(
        {"type": "message_start", "message": {"usage": {"input_tokens": 5, "output_tokens": 1}}},
        {"type": "content_block_start", "content_block": {"type": "thinking", "thinking": ""}},
        {"type": "content_block_delta", "delta": {"type": "thinking_delta", "thinking": "Hm."}},
        {"type": "content_block_start", "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "It "}},
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "says"}},
        {"type": "content_block_stop"},
        {"type": "content_block_start", "content_block": tool},
        {"type": "content_block_delta", "delta": {"partial_json": '{"at": 1}'}},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {}},
        {"type": "message_delta", "delta": {"stop_reason": "end"}, "usage": {"output_tokens": 2}},
        {"type": "message_stop"} | METRICS,
    )
    reply = fold_invoke(events, _request(CLAUDE), {"x-amzn-requestid": "r-1"})

    assert (reply.text, reply.reasoning, reply.finish_reason) == ("It says", "Hm.", "end")
    assert reply.tool_calls == (ToolCall("t1", "look", '{"at": 1}'),)
    assert (reply.usage, reply.processing) == (Usage(5, 2, 7, reported=True), 1.5)
    assert reply.request_id == "r-1"


@pytest.mark.parametrize(
    ("model", "pieces"),
    [
        (
            LLAMA,
            [
                {"generation": "It ", "prompt_token_count": 5, "stop_reason": None},
                {"generation": "says", "generation_token_count": 2, "stop_reason": "stop"},
                METRICS,
            ],
        ),
        (
            MIXTRAL,
            [
                {"outputs": [{"text": "It ", "stop_reason": None}]},
                {"outputs": [{"text": "says", "stop_reason": "stop"}]},
                METRICS,
            ],
        ),
    ],
)
def test_the_events_of_other_families_add_up(model: str, pieces: list[dict[str, Any]]) -> None:
    reply = fold_invoke(_events(*pieces), _request(model))

    assert (reply.text, reply.finish_reason, reply.processing) == ("It says", "stop", 1.5)
    assert reply.usage == Usage(5, 2, 7, reported=True)
    with pytest.raises(TruncatedError) as caught:
        fold_invoke(_events(pieces[0]), _request(model))
    assert caught.value.text == "It "


def test_an_event_without_a_chunk_says_nothing() -> None:
    with pytest.raises(TruncatedError, match="without a finish reason"):
        fold_invoke([{}], _request(CLAUDE))


def test_the_events_of_no_known_family_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"Unsupported model: amazon\.titan"):
        fold_invoke(_events({}), _request("amazon.titan-text-express-v1"))


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "delta": st.sampled_from(
                    [{"content": "a"}, {"content": "b", "role": "assistant"}, {}]
                )
            },
            optional={
                "model": st.sampled_from(["m", "n", None]),
                "service_tier": st.sampled_from(["flex", "on_demand", None]),
                "usage": st.sampled_from([None, {"prompt_tokens": 1, "completion_tokens": 2}]),
                "x_groq": st.sampled_from([None, {"id": "one"}]),
                "finish_reason": st.sampled_from([None, "stop"]),
            },
        ),
        max_size=6,
    )
)
def test_a_chunk_that_says_little_is_read_as_any_other(chunks: list[dict[str, Any]]) -> None:
    def read(*, is_short: bool) -> Any:
        reader = ChunkReader(_request())
        if not is_short:
            vars(reader)["_plain_words"] = lambda _: None
        events = []
        for chunk in chunks:
            choice = {"delta": chunk["delta"], "finish_reason": chunk.get("finish_reason")}
            events += reader.add({**chunk, "choices": [choice]})
        return events, reader.answer_has_ended, reader.so_far()

    assert read(is_short=True) == read(is_short=False)


@pytest.mark.parametrize("tool", ["", [], None, {}])
def test_a_block_that_begins_with_no_tool_is_none_of_a_tool(tool: object) -> None:
    events: list[dict[str, Any]] = [
        {"contentBlockStart": {"contentBlockIndex": 0, "start": {"toolUse": tool}}},
        {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"text": "a"}}},
        {"messageStop": {"stopReason": "end_turn"}},
    ]
    assert "a" == fold_converse(events, _request()).text


@pytest.mark.parametrize("choices", [None, [], [{}, {}], [{"delta": {"content": None}}]])
def test_a_chunk_without_one_choice_with_words_says_none(choices: object) -> None:
    assert [] == ChunkReader(_request()).add({"choices": choices})
