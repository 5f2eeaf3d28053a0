"""What was sent is cut out of what is shown of a provider's error, however it is quoted."""

from __future__ import annotations

import base64
import json
import re
from html import escape
from typing import Any
from urllib.parse import quote, quote_plus

import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.llm.errors import LLMTimeoutError
from services.llm.providers import foreign_errors
from services.llm.redaction import quotation
from services.llm.redaction.quotation import without_quotations
from services.llm.redaction.secrets import redacted
from services.llm.types import Request

PROMPT = 'The patient "Kaczmarek" of ward 7 has\nan übler Husten since Monday'


def request(*said: Any, **options: Any) -> Request:
    return Request("m", tuple({"role": "user", "content": each} for each in said), options=options)


QUOTED = {
    "as it is": PROMPT,
    "in JSON": json.dumps(PROMPT),
    "in JSON, unescaped": json.dumps(PROMPT, ensure_ascii=False),
    "in JSON in JSON": json.dumps(json.dumps({"input": [{"content": PROMPT}]})),
    "by repr": repr({"text": PROMPT}),
    "its beginning": PROMPT[:37] + "...",
    "its end": "..." + PROMPT[20:],
    "upper case": PROMPT.upper(),
    "with other blanks": PROMPT.replace("\n", "  "),
    "in HTML": escape(PROMPT),
    "in a URL": quote(PROMPT),
    "in a form": quote_plus(PROMPT),
    "by ascii": ascii({"text": PROMPT}),
    "by unicode_escape": PROMPT.encode("unicode_escape").decode(),
    "cut within a word": PROMPT[:31] + "...",
    "cut within a word, by a sign": PROMPT[:31] + "\u2026",
}


@pytest.mark.parametrize("quoted", QUOTED.values(), ids=QUOTED)
def test_a_prompt_is_cut_out_and_what_stands_around_it_is_shown(quoted: str) -> None:
    shown = without_quotations(f"Bad request: {quoted} (code 7)", request(PROMPT))
    assert shown.startswith("Bad request: ")
    assert "***" in shown
    for word in ("kaczmarek", "ward", "husten"):
        assert word not in shown.lower()


@pytest.mark.parametrize(
    ("said", "text", "shown"),
    [
        ("hi", "input should be 'hello', not 'hi'", "input should be 'hello', not '***'"),
        ("hi", "something is wrong with this", "something is wrong with this"),
        ("test", "Test error", "Test error"),
        ("My number is PATIENT-471122", "no such thing: 471122", "no such thing: ***"),
        ("I am Ann Smith, hello", "unexpected 'Ann Smith' here", "unexpected '***' here"),
        ("Say hello", "`temperature` is deprecated", "`temperature` is deprecated"),
        ("Say hello", "Say hello!", "***!"),
        ("", "nothing was said", "nothing was said"),
        ("药品编号和剂量都在这里", "错误:编号和剂量都 无效", "错误:*** 无效"),
        ("we sell ab 药 cd 品 here", "bad: ab 药 cd 品.", "bad: ***."),
        ("we sell a 药 b 品 here", "bad: a 药 b 品.", "bad: a 药 b 品."),
        ("I am abcdefghijklmnop, hello", "no user abcdefghijklmnop", "no user ***"),
        ("I am abcdefghijklmno, hello", "no user abcdefghijklmno", "no user abcdefghijklmno"),
        ("the code ab cd ef is it", "no 'ab cd ef' here", "no '***' here"),
        ("the code ab cd e is it", "no 'ab cd e' here", "no 'ab cd e' here"),
        ([{"card": 471122}], "no such card: 471122", "no such card: ***"),
        ([{"card": 47112}], "no such card: '47112'", "no such card: '47112'"),
        ("😀 is my secret smile here", '"\\ud83d\\ude00 is my secret smile"', '"***"'),
    ],
)
def test_a_part_is_cut_where_it_can_be_nobody_elses(said: Any, text: str, shown: str) -> None:
    assert shown == without_quotations(text, request(said))


def test_everything_that_was_sent_counts() -> None:
    call = {"id": "c", "function": {"name": "pay", "arguments": '{"card": 4111222233334444}'}}
    asked = Request(
        "m",
        (
            {"role": "system", "content": "the house rules are confidential"},
            {"role": "user", "content": [{"type": "text", "text": "my dog is called Waldi"}]},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c", "content": "the balance is seventeen euro"},
        ),
        options={"tools": [{"description": "pays all that anybody owes"}], "limit": 1234567},
    )
    for secret in (
        "the house rules are confidential",
        "dog is called Waldi",
        "4111222233334444",
        "balance is seventeen euro",
        "pays all that anybody owes",
    ):
        assert secret not in without_quotations(f"Bad: {secret}.", asked)


def test_the_providers_own_words_for_an_option_are_shown() -> None:
    text = "Converse knows no tool_choice 'maybe'; 'pay' is no tool"
    assert text == without_quotations(text, request("Hello there", tool_choice="maybe"))


def test_an_option_of_sixteen_characters_is_nobody_elses() -> None:
    text = "no such user: abcdefghijklmnop, abcdefghijklmno"
    shown = "no such user: ***, abcdefghijklmno"
    asked = request("hi", user="abcdefghijklmnop", other="abcdefghijklmno")
    assert shown == without_quotations(text, asked)


@pytest.mark.parametrize("text", ["", "Anything at all"])
def test_without_a_request_nothing_is_cut(text: str) -> None:
    assert text == without_quotations(text, None)


def test_a_line_of_an_escape_is_no_line_and_no_control_sequence_of_the_error() -> None:
    text = json.dumps("one two three four\n\x1b[31m five")
    assert '"***  [31m five"' == without_quotations(text, request("one two three four"))


def test_a_validation_that_quotes_the_whole_request_shows_none_of_it() -> None:
    body = [{"type": "missing", "loc": ["tools"], "msg": "Field required", "input": {"a": "b"}}]
    assert redacted(json.dumps(body)).endswith('"Field required", "input": {***')
    text = "1 validation error for Body [type=x, input_value='my dog', input_type=str]"
    assert redacted(text) == "1 validation error for Body [type=x, input_value='***"


TEXTS = st.text(max_size=80)


@settings(deadline=None)
@given(before=TEXTS, after=TEXTS, form=st.sampled_from([str, json.dumps, repr]))
@example("\\", "", str)
@example("\\u00", "", json.dumps)
def test_no_surroundings_let_a_prompt_through(before: str, after: str, form: Any) -> None:
    said = "the confidential prompt about Mr Kaczmarek"
    shown = without_quotations(f"{before} {form(said)} {after}", request(said))
    assert "Kaczmarek" not in shown
    shown.encode()


def test_a_long_prompt_that_lacks_the_errors_words_is_not_divided_into_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(quotation, "_words_of", pytest.fail)
    text = "Some error that is not about words: ErrorOfConnection0815"
    assert text == without_quotations(text, request("word after word that is " * 100_000))


@given(st.text(st.characters(max_codepoint=127)))
def test_the_words_of_ascii_are_found_the_fast_way_as_they_are_otherwise(text: str) -> None:
    assert re.findall(quotation._WORD, text) == quotation._words_of(text)


PAYLOAD = base64.b64encode(bytes(range(256))).decode()


@pytest.mark.parametrize(
    ("quoted", "shown"),
    [
        (f"data:image/png;base64,{PAYLOAD}", "data:image/png;base64,***"),
        (PAYLOAD[40:80], "***"),
        (PAYLOAD[40:60] + "...", "***..."),
        (f"own{PAYLOAD[40:60]}", "***"),
        (PAYLOAD[40:50], PAYLOAD[40:50]),
        ("A" * 40, "A" * 40),
    ],
)
def test_a_stretch_of_a_picture_is_cut_and_short_words_are_not_looked_for_in_it(
    quoted: str, shown: str
) -> None:
    picture = [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PAYLOAD}"}}]
    assert f"Bad: {shown} (7)" == without_quotations(f"Bad: {quoted} (7)", request(picture))


@pytest.mark.parametrize("media", ["text/plain", "TEXT/csv;charset=utf-8"])
def test_a_document_that_is_sent_as_text_is_cut_as_a_text(media: str) -> None:
    url = f"data:{media};base64,{base64.b64encode(PROMPT.encode()).decode()}"
    document = [{"type": "file", "file": {"file_data": url}}]
    assert "Bad: *** (7)" == without_quotations(f"Bad: {PROMPT[:37]} (7)", request(document))
    odd = [{"type": "file", "file": {"file_data": "data:text/plain;base64,A"}}]
    assert "Bad (7)" == without_quotations("Bad (7)", request(odd))


def test_a_url_of_plain_words_is_a_text() -> None:
    url = "data:text/plain,the patient of ward seven"
    assert "Bad: *** (7)" == without_quotations(f"Bad: {url} (7)", request([{"url": url}]))


@pytest.mark.parametrize("name", ["extra_headers", "metadata"])
def test_a_callers_own_words_in_an_option_are_cut_however_short(name: str) -> None:
    options = {name: {"X-Token": "tok-5150"}}
    shown = without_quotations("Bad: tok-5150 (7)", request("hi", **options))
    assert "Bad: *** (7)" == shown


def test_a_prompt_is_not_looked_for_where_no_answer_came(monkeypatch: pytest.MonkeyPatch) -> None:
    searched: list[tuple[str, Request | None]] = []

    def search(text: str, sent: Request | None) -> str:
        searched.append((text, sent))
        return text

    monkeypatch.setattr(foreign_errors, "without_quotations", search)
    error = LLMTimeoutError("late")
    error.__cause__ = httpx.ReadTimeout("later")
    error.__cause__.__cause__ = ValueError("said")
    sent = Request("m", ({"role": "user", "content": "hi"},))
    foreign_errors.redact_error(error, sent=sent)
    assert [("late", None), ("later", None), ("said", sent)] == searched
