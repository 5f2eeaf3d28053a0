"""Control over HTTP, as a suite in another language uses it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from sandbox import Answer, Fault, Sandbox, ToolCall
from sandbox.step_json import step_of
from sandbox.streams import StreamBreak
from tests.sandbox.groq_calls import GPT, hello, post


@pytest.fixture
def control(sandbox: Sandbox) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{sandbox.url}/sandbox", trust_env=False, verify=False) as client:
        yield client


def text_of(reply: httpx.Response) -> str:
    return str(reply.json()["choices"][0]["message"]["content"])


def test_the_sandbox_says_what_it_can_do(control: httpx.Client) -> None:
    status = control.get("").json()
    assert status["sandbox"] is True
    assert {"/sandbox/script", "/sandbox/reset"} <= set(status["controls"])
    assert (None, 0) == (status["limits"], status["requests"])


def test_steps_are_scripted_by_name_and_in_full(control: httpx.Client, sandbox: Sandbox) -> None:
    steps = [
        "503",
        {"answer": {"text": "scripted"}},
        {"fault": {"status": 429, "retry_after": 30}},
        None,
    ]
    assert {"queued": 4} == control.post("/script", json={"steps": steps}).json()
    replies = [post(sandbox, hello()) for _ in range(4)]
    assert [503, 200, 429, 200] == [reply.status_code for reply in replies]
    assert "scripted" == text_of(replies[1])
    assert "30" == replies[2].headers["retry-after"]
    assert "Sandbox: hello" == text_of(replies[3])


def test_steps_are_matched_by_prompt_tool_and_turn(control: httpx.Client, sandbox: Sandbox) -> None:
    for match in ({"prompt": "duty"}, {"tool": "clock"}, {"turn": 2}, {"model": GPT}):
        name = next(iter(match))
        control.post("/script", json={"steps": [{"answer": {"text": name}}], **match})
    tool = {"type": "function", "function": {"name": "clock"}}
    turns = [
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "two"},
        {"role": "user", "content": "three"},
    ]
    assert "turn" == text_of(post(sandbox, {"model": GPT, "messages": turns}))
    assert "tool" == text_of(post(sandbox, hello(tools=[tool])))
    assert "prompt" == text_of(post(sandbox, hello("the duty on chairs")))
    assert "model" == text_of(post(sandbox, hello()))
    assert "Sandbox: hello" == text_of(post(sandbox, hello()))


def test_steps_may_be_repeated_or_last_for_ever(control: httpx.Client, sandbox: Sandbox) -> None:
    control.post("/script", json={"steps": ["503", None], "times": None})
    assert [503, 200] * 3 == [post(sandbox, hello()).status_code for _ in range(6)]
    control.post("/reset")
    control.post("/script", json={"steps": ["503"], "times": 2})
    assert [503, 503, 200] == [post(sandbox, hello()).status_code for _ in range(3)]


def test_a_reset_forgets_steps_journal_limits_and_fault_counts(
    control: httpx.Client, sandbox: Sandbox
) -> None:
    name = {**hello(), "model": "sandbox/503?times=1"}
    control.post("/script", json=["429"])
    assert [429, 503, 200] == [post(sandbox, body).status_code for body in (hello(), name, name)]
    assert {"reset": True} == control.post("/reset").json()
    assert 0 == control.get("").json()["requests"]
    assert [200, 503] == [post(sandbox, body).status_code for body in (hello(), name)]


def test_limits_keys_and_the_day_are_set(control: httpx.Client, sandbox: Sandbox) -> None:
    assert 1 == control.put("/limits", json={"rpm": 1}).json()["limits"]["rpm"]
    assert [200, 429] == [post(sandbox, hello()).status_code for _ in range(2)]
    assert 30 == control.put("/limits", json={"plan": "free"}).json()["limits"]["rpm"]
    by_model = control.put("/limits", json={"models": {GPT: {"rpm": 1}}}).json()["limits"]
    assert {GPT} == set(by_model["models"])
    assert {"limits": None} == control.put("/limits", content=b"null").json()
    control.put("/keys", json={"good": "org_1"})
    assert [200, 401] == [post(sandbox, hello(), key).status_code for key in ("good", "bad")]
    control.put("/keys", content=b"null")
    assert "2024-06-01" == control.put("/today", json="2024-06-01").json()["today"]
    assert 200 == post(sandbox, {**hello(), "model": "mixtral-8x7b-32768"}).status_code


def test_the_journal_is_read(control: httpx.Client, sandbox: Sandbox) -> None:
    for _ in range(2):
        post(sandbox, hello())
    journal = control.get("/journal").json()
    first, second = journal["exchanges"]
    assert 2 == journal["requests"]
    assert (GPT, 200, 2) == (first["model"], first["status"], first["input_tokens"])
    assert "authorization" not in first["headers"]
    after = control.get("/journal", params={"after": first["number"]}).json()["exchanges"]
    assert [second] == after


def test_control_is_no_request_to_a_provider(control: httpx.Client, sandbox: Sandbox) -> None:
    control.get("")
    assert [] == sandbox.exchanges


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "words"),
    [
        ("GET", "/nonsense", None, 404, "known: "),
        ("GET", "/reset", None, 405, "is for POST"),
        ("POST", "/script", {}, 400, "steps"),
        ("POST", "/script", {"steps": ["nonsense"]}, 400, "unknown fault"),
        ("POST", "/script", {"steps": ["503?times=2"]}, 400, "times"),
        ("POST", "/script", {"steps": [{"answer": {"txt": 1}}]}, 400, "no member `txt`"),
        ("POST", "/script", {"steps": [{"answer": 1}]}, 400, "must be an object"),
        ("POST", "/script", {"steps": [1]}, 400, "a step is null, a name"),
        ("POST", "/script", {"steps": [], "turns": 1}, 400, "unknown member `turns`"),
        ("POST", "/script", {"steps": [None], "turn": "2"}, 400, "turn must be a whole number"),
        ("POST", "/script", {"steps": [None], "times": "2"}, 400, "times must be"),
        ("POST", "/script", {"steps": [None], "times": 0}, 400, "must be at least 1"),
        ("PUT", "/limits", {"rps": 1}, 400, "unknown limit `rps`"),
        ("PUT", "/limits", {"rpm": "1"}, 400, "rpm must be a number"),
        ("PUT", "/limits", {"rpm": 0}, 400, "must be above 0"),
        ("PUT", "/limits", {"plan": "gold"}, 400, "plan must be one of"),
        ("PUT", "/limits", [], 400, "object or null"),
        ("PUT", "/keys", {"a": 1}, 400, "keys must be"),
        ("PUT", "/today", "yesterday", 400, "isoformat"),
    ],
)
def test_a_wrong_request_is_told_what_would_be_right(
    control: httpx.Client, method: str, path: str, body: Any, status: int, words: str
) -> None:
    reply = control.request(method, path, json=body)
    assert status == reply.status_code
    assert words in reply.json()["error"]


def test_every_member_of_a_step_can_be_given() -> None:
    given = {"pieces": ["a", "b"], "without": ["done"], "tool_calls": [{"name": "t", "input": {}}]}
    answer = Answer(pieces=("a", "b"), without=frozenset({"done"}), tool_calls=(ToolCall("t", {}),))
    assert answer == step_of({"answer": given})
    stop = {"kind": "cut", "frame": 2}
    fault = {"stream_break": stop, "answer": {"text": "x"}, "body": None}
    assert Fault(stream_break=StreamBreak("cut", frame=2), answer=Answer.says("x")) == step_of(
        {"fault": fault}
    )
    assert Fault(body=b"raw") == step_of({"fault": {"body": "raw"}})
    assert Fault.error(503) == step_of("sandbox/503")


def test_the_journal_is_bounded() -> None:
    with Sandbox(journal_size=3) as sandbox:
        for _ in range(5):
            post(sandbox, hello())
        assert 3 == len(sandbox.exchanges)
        assert 3 == len(sandbox.wait_for(5, timeout=1))
    with pytest.raises(ValueError, match="journal_size=0"):
        Sandbox(journal_size=0)


def test_large_bodies_make_the_journal_shorter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.journal._MOST_BYTES", 5_000)
    with Sandbox() as sandbox:
        for text in ("a" * 4_000, "b" * 4_000, "c" * 40_000, "d"):
            post(sandbox, hello(text))
        kept = [exchange.body["messages"][0]["content"][0] for exchange in sandbox.exchanges]
        assert ["d"] == kept
        assert 1 == len(sandbox.wait_for(4, timeout=1))


def test_steps_are_matched_in_python_too(sandbox: Sandbox) -> None:
    sandbox.script(Answer.says("chairs"), prompt="chair", times=None)
    texts = [text_of(post(sandbox, hello(text))) for text in ("a chair", "a table", "chairs")]
    assert ["chairs", "Sandbox: a table", "chairs"] == texts
