"""What a refusal quotes is not its own word, however it is marked."""

from __future__ import annotations

import pytest

from services.llm.providers.refusals import option_named, refused_name, unquoted


@pytest.mark.parametrize(
    ("words", "own"),
    [
        ("plain words", "plain words"),
        ("the 'one' is a name", "the 'one' is a name"),
        ("the 'two words' are not", "the '' are not"),
        ('a "b c" d `e f` g', 'a "" d `` g'),
        ("it isn't 'two words', isn't it", "it isn't '', isn't it"),
        ("'a \"b c\" d' e", "'' e"),
        ("an 'unended quotation goes on", "an 'unended quotation goes on"),
        ("'a b' and 'c d'", "'' and ''"),
        ("'a b'", "''"),
        ("'a_b c'd e'", "''"),
        ("x 'a b'_c d' y", "x '' y"),
        ("'a b 'c d'", "''"),
        ("' '", "' '"),
        ('\'abc "two words" x', '\'abc "" x'),
        ('a \' b "two words" c', 'a \' b "" c'),
        ("'", "'"),
        ("", ""),
    ],
)
def test_of_a_quotation_only_a_single_word_is_left(words: str, own: str) -> None:
    assert own == unquoted(words)


@pytest.mark.parametrize(
    ("words", "param", "name"),
    [
        ("temperature is not supported", None, "temperature"),
        ("max_tokens: not allowed", None, "max_tokens"),
        ("unsupported parameter: max_gen_len", None, "max_gen_len"),
        ("temperature is not supported", "top_p", None),
        ("no", "temperature", "temperature"),
        ("no", "max_completion_tokens", "max_completion_tokens"),
        ("no", None, None),
        ("'the temperature is not supported' is no tool", None, None),
    ],
)
def test_a_refusals_own_words_name_a_parameter(
    words: str, param: str | None, name: str | None
) -> None:
    assert name == refused_name(words, param)


def test_a_parameter_has_one_name_here_however_it_is_written() -> None:
    written = ("maxTokens", "max_tokens", "max tokens", "MAX_GEN_LEN", "maximum tokens")
    assert ["max_tokens"] * 5 == [option_named(name) for name in written]
    assert ["temperature", None, None] == [option_named(n) for n in ("Temperature", "top_p", None)]
