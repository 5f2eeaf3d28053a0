"""Tools as a model uses them: called, answered, and then answered in text; on all three wires."""

from __future__ import annotations

import json
from typing import Any

import groq
import pytest

from sandbox import Answer, Sandbox, ToolCall
from sandbox.tool_turns import ToolState, Turn, tool_state
from tests.sandbox.bedrock_calls import SONNET, claude, error_of, invoke
from tests.sandbox.groq_calls import GPT, refusal

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
NAMES = ("weather", "clock")
GROQ_TOOLS: Any = [{"type": "function", "function": {"name": n, "parameters": CITY}} for n in NAMES]
SPECS = [{"toolSpec": {"name": name, "inputSchema": {"json": CITY}}} for name in NAMES]
CLAUDE_TOOLS = [{"name": name, "input_schema": CITY} for name in NAMES]


def groq_agent(client: groq.Groq, question: str, **more: Any) -> tuple[list[list[str]], str]:
    """What an agent sees: the tools called in each turn, and the last text."""
    messages: list[Any] = [{"role": "user", "content": question}]
    turns: list[list[str]] = []
    for _ in range(6):
        reply = client.chat.completions.create(
            model=GPT, messages=messages, tools=GROQ_TOOLS, **more
        )
        message = reply.choices[0].message
        if not message.tool_calls:
            return turns, message.content or ""
        turns.append([call.function.name for call in message.tool_calls])
        messages.append(message.model_dump(exclude_none=True))
        for call in message.tool_calls:
            assert {"city"} == set(json.loads(call.function.arguments))
            result = f"{call.function.name} says 22"
            messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
    raise AssertionError(f"never ended: {turns}")


def converse_agent(client: Any, question: str) -> tuple[list[list[str]], str]:
    """The same over Converse."""
    messages: list[Any] = [{"role": "user", "content": [{"text": question}]}]
    turns: list[list[str]] = []
    for _ in range(6):
        reply = client.converse(modelId=SONNET, messages=messages, toolConfig={"tools": SPECS})
        message = reply["output"]["message"]
        uses = [block["toolUse"] for block in message["content"] if "toolUse" in block]
        if not uses:
            assert "end_turn" == reply["stopReason"]
            return turns, message["content"][-1]["text"]
        assert "tool_use" == reply["stopReason"]
        turns.append([use["name"] for use in uses])
        results = [
            {
                "toolResult": {
                    "toolUseId": use["toolUseId"],
                    "content": [{"text": f"{use['name']} says 22"}],
                }
            }
            for use in uses
        ]
        messages += [message, {"role": "user", "content": results}]
    raise AssertionError(f"never ended: {turns}")


def claude_agent(client: Any, question: str) -> tuple[list[list[str]], str]:
    """The same over InvokeModel."""
    messages: list[Any] = [{"role": "user", "content": question}]
    turns: list[list[str]] = []
    for _ in range(6):
        reply, _ = invoke(client, SONNET, claude(messages=messages, tools=CLAUDE_TOOLS))
        uses = [block for block in reply["content"] if block["type"] == "tool_use"]
        if not uses:
            return turns, reply["content"][-1]["text"]
        turns.append([use["name"] for use in uses])
        results = [
            {
                "type": "tool_result",
                "tool_use_id": use["id"],
                "content": f"{use['name']} says 22",
            }
            for use in uses
        ]
        messages += [
            {"role": "assistant", "content": reply["content"]},
            {"role": "user", "content": results},
        ]
    raise AssertionError(f"never ended: {turns}")


@pytest.mark.parametrize(
    ("question", "turns", "text"),
    [
        ("How warm is Rome?", [["weather"]], "Sandbox: weather says 22"),
        ("Ask the clock.", [["clock"]], "Sandbox: clock says 22"),
        ("weather and clock!", [["weather", "clock"]], "Sandbox: weather says 22 clock says 22"),
    ],
)
def test_an_agent_comes_to_an_end(
    groq_client: groq.Groq, bedrock_client: Any, question: str, turns: list[list[str]], text: str
) -> None:
    assert (turns, text) == groq_agent(groq_client, question)
    assert (turns, text) == converse_agent(bedrock_client, question)
    assert (turns, text) == claude_agent(bedrock_client, question)


def test_parallel_calls_can_be_forbidden(groq_client: groq.Groq) -> None:
    turns, _ = groq_agent(groq_client, "weather and clock!", parallel_tool_calls=False)
    assert [["weather"]] == turns


def test_a_required_call_is_one_that_is_not_yet_answered(groq_client: groq.Groq) -> None:
    messages: list[Any] = [{"role": "user", "content": "go"}]
    called = []
    for _ in range(3):
        reply = groq_client.chat.completions.create(
            model=GPT, messages=messages, tools=GROQ_TOOLS, tool_choice="required"
        )
        message = reply.choices[0].message
        (call,) = message.tool_calls or []
        called.append(call.function.name)
        messages.append(message.model_dump(exclude_none=True))
        messages.append({"role": "tool", "tool_call_id": call.id, "content": "done"})
    assert ["weather", "clock", "clock"] == called


def test_every_call_has_an_id_of_its_own(sandbox: Sandbox, groq_client: groq.Groq) -> None:
    sandbox.script(Answer.calls("weather", "weather"), times=2)
    message: Any = [{"role": "user", "content": "go"}]
    replies = [
        groq_client.chat.completions.create(model=GPT, messages=message, tools=GROQ_TOOLS)
        for _ in range(2)
    ]
    calls = [call for reply in replies for call in reply.choices[0].message.tool_calls or []]
    assert 4 == len({call.id for call in calls})


def test_a_script_says_which_tools_are_called_with_what(
    sandbox: Sandbox, groq_client: groq.Groq, bedrock_client: Any
) -> None:
    step = Answer.calls(ToolCall("clock", {"city": "Rome"}), "weather")
    sandbox.script(step, step, Answer(tool_input={"city": "Oslo"}))
    message: Any = [{"role": "user", "content": "go"}]
    reply = groq_client.chat.completions.create(model=GPT, messages=message, tools=GROQ_TOOLS)
    calls = reply.choices[0].message.tool_calls or []
    assert [("clock", {"city": "Rome"}), ("weather", {"city": "text"})] == [
        (call.function.name, json.loads(call.function.arguments)) for call in calls
    ]
    for expected in ({"city": "Rome"}, {"city": "Oslo"}):
        answer = bedrock_client.converse(
            modelId=SONNET,
            messages=[{"role": "user", "content": [{"text": "go"}]}],
            toolConfig={"tools": SPECS},
        )
        content = answer["output"]["message"]["content"]
        assert expected == content[0]["toolUse"]["input"]


def test_a_models_name_says_which_tool_is_called(groq_client: groq.Groq) -> None:
    message: Any = [{"role": "user", "content": "go"}]
    reply = groq_client.chat.completions.create(
        model='sandbox/tool?name=clock,weather&input={"city":"Bonn"}',
        messages=message,
        tools=GROQ_TOOLS,
    )
    calls = reply.choices[0].message.tool_calls or []
    assert ["clock", "weather"] == [call.function.name for call in calls]
    assert {"city": "Bonn"} == json.loads(calls[0].function.arguments)


def test_groq_refuses_a_result_without_its_call() -> None:
    with Sandbox() as sandbox:
        question = {"role": "user", "content": "go"}
        orphan = {"role": "tool", "tool_call_id": "call_x", "content": "22"}
        assert "answers no tool call" in refusal(sandbox, messages=[question, orphan])["message"]
        nameless = {"role": "tool", "content": "22"}
        error = refusal(sandbox, messages=[question, nameless])
    assert (
        "'messages.1' : for 'role:tool' the following must be satisfied"
        "[('messages.1.tool_call_id' : property 'tool_call_id' is missing)]"
    ) == error["message"]


def use(identity: str) -> dict[str, Any]:
    return {"toolUse": {"toolUseId": identity, "name": "weather", "input": {}}}


def result(identity: str) -> dict[str, Any]:
    return {"toolResult": {"toolUseId": identity, "content": [{"text": "22"}]}}


@pytest.mark.parametrize(
    ("called", "returned", "message"),
    [
        ([], ["a"], "The number of toolResult blocks at messages.2.content exceeds the number of"),
        (["a"], ["b"], "Expected toolResult blocks at messages.2.content for the following Ids: a"),
        (["a", "b"], ["a"], "for the following Ids: b"),
    ],
)
def test_converse_refuses_results_that_do_not_fit(
    bedrock_client: Any, called: list[str], returned: list[str], message: str
) -> None:
    messages = [
        {"role": "user", "content": [{"text": "go"}]},
        {"role": "assistant", "content": [{"text": "Well."}, *map(use, called)]},
        {"role": "user", "content": list(map(result, returned))},
    ]
    status, code, text = error_of(
        lambda: bedrock_client.converse(
            modelId=SONNET, messages=messages, toolConfig={"tools": SPECS}
        )
    )
    assert (400, "ValidationException") == (status, code)
    assert message in text


def test_converse_wants_the_tools_with_their_results(bedrock_client: Any) -> None:
    messages = [
        {"role": "user", "content": [{"text": "go"}]},
        {"role": "assistant", "content": [use("a")]},
        {"role": "user", "content": [result("a")]},
    ]
    _, _, text = error_of(lambda: bedrock_client.converse(modelId=SONNET, messages=messages))
    assert "The toolConfig field must be defined" in text


@pytest.mark.parametrize(
    ("called", "returned", "message"),
    [
        ([], ["a"], "unexpected `tool_use_id` found in `tool_result` blocks: a"),
        (["a", "b"], ["a"], "`tool_use` ids were found without `tool_result` blocks"),
    ],
)
def test_claude_refuses_results_that_do_not_fit(
    bedrock_client: Any, called: list[str], returned: list[str], message: str
) -> None:
    calls = [{"type": "tool_use", "id": i, "name": "weather", "input": {}} for i in called]
    results = [{"type": "tool_result", "tool_use_id": i, "content": "22"} for i in returned]
    messages = [
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": [{"type": "text", "text": "Well."}, *calls]},
        {"role": "user", "content": results},
    ]
    body = claude(messages=messages, tools=CLAUDE_TOOLS)
    _, _, text = error_of(lambda: invoke(bedrock_client, SONNET, body))
    assert message in text


def test_results_count_only_since_the_last_question() -> None:
    earlier = [
        Turn("user", asks=True),
        Turn("assistant", calls=(("1", "weather"),)),
        Turn("tool", results=(("1", "22"),)),
    ]
    assert ToolState(frozenset({"weather"}), ("22",)) == tool_state(earlier)
    assert ToolState() == tool_state([*earlier, Turn("user", asks=True)])
