from __future__ import annotations

import pytest

from sandbox import Answer, Fault, Step
from sandbox.answer import UNSET
from sandbox.model_names import step_named
from sandbox.script import Match, Script

NAMES: dict[str, Step] = {
    "sandbox/ok": Answer(),
    "sandbox/text?text=a%20b&": Answer.says("a b"),
    "sandbox/503": Fault.error(503),
    "sandbox/429?retry-after=2": Fault.rate_limited("2"),
    "sandbox/429?retry-after=": Fault.rate_limited(""),
    "sandbox/429?retry-after=1m26.4s": Fault.rate_limited("1m26.4s"),
    "sandbox/reset": Fault.reset(),
    "sandbox/close?silence=0.1": Fault.close(silence=0.1),
    "sandbox/silence?seconds=2": Fault.silent(2),
    "sandbox/slow-body?seconds=2": Fault.slow_body(2),
    "sandbox/drip?every=0.5&size=3": Fault.dripped(3, 0.5),
    "sandbox/cut?after=0.25": Fault.cut_off(0.25),
    "sandbox/malformed": Fault.malformed_json(),
    "sandbox/html?status=504": Fault.html(504),
    "sandbox/cloudflare": Fault.cloudflare_1010(),
    "sandbox/length": Answer.truncated(),
    "sandbox/length?text=half": Answer.truncated("half"),
    "sandbox/unfinished": Answer.unfinished(),
    "sandbox/empty": Answer.empty(),
    "sandbox/null": Answer.null(),
    "sandbox/no-choices": Answer.no_choices(),
    "sandbox/filtered": Answer.filtered(),
    "sandbox/guarded": Answer.guarded(),
    "sandbox/decommissioned": Fault.decommissioned(),
    "sandbox/not-found": Fault.model_not_found(),
    "sandbox/invalid-key": Fault.invalid_key(),
    "sandbox/context-length": Fault.context_length(),
    "sandbox/capacity": Fault.capacity(),
    "sandbox/too-large": Fault.too_large(),
    "sandbox/json-validate-failed?text={": Fault.json_validate_failed("{"),
    "sandbox/tool-use-failed?text=x": Fault.tool_use_failed("x"),
    "sandbox/ok?silence=1": Fault(answer=Answer(), silence=1),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_asks_for_a_step(name: str) -> None:
    assert (NAMES[name], None) == step_named(name)


def test_a_date_is_computed_from_the_time_of_the_reply() -> None:
    step, _ = step_named("sandbox/503?retry-after=date:5")
    assert isinstance(step, Fault)
    assert callable(step.retry_after)
    assert "Sun, 09 Sep 2001 01:46:45 GMT" == step.retry_after(1_000_000_000)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("sandbox/what", "unknown fault `what`; known: 400 to 599, ok, text"),
        ("sandbox/200", "unknown fault `200`"),
        ("sandbox/503?tims=1", "unknown option `tims` for `503`"),
        ("sandbox/silence?seconds=soon", "could not convert"),
        ("sandbox/503?times=often", "invalid literal"),
    ],
)
def test_a_name_that_makes_no_sense_is_an_error_that_says_what_does(
    name: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        step_named(name)


def test_times_limits_how_often_a_name_fails() -> None:
    script, name = Script(), "sandbox/503?times=2"
    assert [Fault.error(503), Fault.error(503), None] == [script.take(name) for _ in range(3)]
    script.clear()
    assert Fault.error(503) == script.take(name)


def test_the_queue_comes_before_the_name_and_keeps_its_order() -> None:
    script = Script()
    script.add((Fault.error(500), None), None)
    script.add((Answer.empty(),), Match(model="special"))
    taken = [script.take(model) for model in ("special", "sandbox/503", "sandbox/503", "special")]
    assert [Fault.error(500), None, Fault.error(503), Answer.empty()] == taken


def test_the_names_of_the_documentation_are_those_that_work() -> None:
    import sandbox

    documented = sandbox.__doc__ or ""
    for name in NAMES:
        what = name.partition("/")[2].partition("?")[0]
        assert what in documented or what.isdigit()


def test_unset_is_not_none() -> None:
    assert Answer().text is UNSET
    assert Answer.null().text is None
