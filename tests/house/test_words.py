"""One thing has one name, the field's: CONTRIBUTING.md lists them. This finds the names of old."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SERVICES = ROOT / "backend" / "services"
SANDBOX = ROOT / "backend" / "sandbox"
#: The hosts' suite is theirs, and never edited.
NOT_OURS = SERVICES / "test_llm_client.py"

#: Words of the private language of old, as parts of identifiers and as words of a sentence, each
#: with the word that took its place.
REPLACED_BY = {
    "journey": "call",
    "travel": "run",
    "gate": "concurrency limiter",
    "flights": "single flight",
    "crashed": "set_exception",
    "seat": "follower",
    "mourn": "restore the requested model",
    "living": "model in service, live entry",
    "lane": "scope",
    "crowd": "organizations, or many",
    "twin": "async counterpart",
    "hang_up": "abort",
    "listen_in": "track",
    "desk": "handler",
    "ticket": "reservation",
    "trued": "settle",
    "true_up": "settle",
    "unbook": "cancel",
    "booked": "reserved",
    "booking": "reservation",
    "dialect": "provider (but for a dialect of JSON Schema)",
    "heir": "next waiter, or replacement",
    "ring": "keys",
    "outgoing": "templated request",
    "questioner": "prompt runner",
    "precedence": "priority",
    "own_road": "transport",
    "settle_unknown": "settle_as_estimated",
    "outage_scope": "outage_key",
    "losing_nothing": "lossless_instance",
    "skew": "transit",
    "fair_sequence": "FairScheduler",
    "received_by": "latest_receipt",
    "having": "replace",
    "judgement": "validation",
    "books": "bookkeeping",
    "screen": "console",
    "hearsay": "from the shared quota",
    "keeps_declared": "counts_declared",
    "leased": "owning source",
    "listeners": "call hooks",
    "reinstate": "restore a lease",
}

#: In a sentence these have a plain meaning as well; as a part of an identifier they have none.
NOT_IN_SENTENCES = frozenset(
    {"crowd", "gate", "crashed", "dialect", "having", "received_by", "screen"}
)

#: Participles that name nothing: what was said is a message, what was given an argument.
NO_NAMES = frozenset({"said", "told", "given", "asked"})

# JSON Schema's own word: a draft is a dialect (JSON Schema Core 2020-12, 8.1.1). A server that
# closes a connection hangs up; what ends one of ours aborts it.
_FIELDS_OWN = {"dialect": ("/structured/", "/schema/"), "hang_up": ("/sandbox/",)}


def _parts(name: str) -> str:
    """*name* with its parts apart and in lower case: `ScopeQueue` and `scope_queue` are alike."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().strip("_")


def _has(words: str, text: str) -> bool:
    plural = r"(?:s|es|ed)?"
    pattern = words.replace("_", "[_ ]?")
    return re.search(rf"(?<![a-z]){pattern}{plural}(?![a-z])", text) is not None


@cache  # the product says most of its names many times
def _is_old(name: str) -> bool:
    parts = _parts(name)
    return parts in NO_NAMES or any(_has(word, parts) for word in REPLACED_BY)


def old_names(source: str) -> Iterator[tuple[int, str]]:
    """Each line number and name in *source* that a word of old is a part of."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.NAME and _is_old(token.string):
            yield token.start[0], token.string


def old_sentences(source: str) -> Iterator[tuple[int, str]]:
    """Each line number and word of old in the comments and strings of *source*."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in (tokenize.COMMENT, tokenize.STRING):
            text = token.string.lower()
            for word in REPLACED_BY.keys() - NOT_IN_SENTENCES:
                if _has(word, text):
                    yield token.start[0], word


def _is_fields_own(text: str, path: Path) -> bool:
    """Whether a word of old in *text* is the field's own where it stands."""
    return any(
        _has(word, _parts(text)) and any(place in path.as_posix() for place in places)
        for word, places in _FIELDS_OWN.items()
    )


def _product() -> list[Path]:
    paths = [*SERVICES.rglob("*.py"), *SANDBOX.rglob("*.py")]
    return [path for path in sorted(paths) if path != NOT_OURS]


def test_no_name_is_one_of_old() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path in _product()
        for line, name in old_names(path.read_text(encoding="utf-8"))
        if not _is_fields_own(name, path)
    ]
    assert [] == found


def test_no_sentence_speaks_the_language_of_old() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: say {REPLACED_BY[word]} instead of {word}"
        for path in _product()
        for line, word in old_sentences(path.read_text(encoding="utf-8"))
        if not _is_fields_own(word, path)
    ]
    assert [] == found


def test_no_test_is_named_in_the_language_of_old() -> None:
    tests = [path for path in sorted((ROOT / "tests").rglob("*.py")) if path != Path(__file__)]
    names = [
        (path, name)
        for path in tests
        for name in (path.stem, *re.findall(r"def (test_\w+)", path.read_text(encoding="utf-8")))
    ]
    found = [
        f"{path.relative_to(ROOT)}: {name}: say {better} instead of {word}"
        for path, name in names
        for word, better in REPLACED_BY.items()
        if word not in NOT_IN_SENTENCES and _has(word, name.lower())
    ]
    assert [] == found


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("class KeyRing: ...", ["KeyRing"]),
        ("def enter_lane(): ...", ["enter_lane"]),
        ("said = told", ["said", "told"]),
        ("string = is_given + planes", []),
        ("_true_up = tickets", ["_true_up", "tickets"]),
    ],
)
def test_an_old_word_is_found_as_a_part_of_a_name(source: str, expected: list[str]) -> None:
    assert expected == [name for _, name in old_names(source)]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = 1  # mourns the model", ["mourn"]),
        ('"""A lane\'s tickets."""', ["lane", "ticket"]),
        ('"""The crowd of a string\'s planes."""', []),
    ],
)
def test_an_old_word_is_found_in_a_sentence(source: str, expected: list[str]) -> None:
    assert expected == sorted(word for _, word in old_sentences(source))


def test_the_table_of_words_names_what_replaces_each() -> None:
    table = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    names = re.findall(r"^\| [^|]+ \| `([\w.]+)`", table, re.MULTILINE)
    product = "\n".join(path.read_text(encoding="utf-8") for path in _product())
    assert len(names) > 15
    assert [] == [name for name in names if not re.search(rf"\b{re.escape(name)}\b", product)]
