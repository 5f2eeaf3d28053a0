"""What `make mutants` changes, and that a child's tests meet the change."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mutation import __main__ as tool
from tests.mutation.operators import Mutant, mutants
from tests.mutation.targets import TARGETS


def changed(*body: str) -> list[str]:
    """The bodies of the mutants of a function of this *body*, as text."""
    source = "\n".join(["def f(x):", *(f"    {line}" for line in body)])
    return [
        "; ".join(map(ast.unparse, ast.parse(each.source).body[0].body))  # type: ignore[attr-defined] # a def
        for each in mutants(source)
    ]


@pytest.mark.parametrize(
    ("line", "mutants_of_it"),
    [
        ("return x < y", ["return None", "return x <= y"]),
        ("return x >= y", ["return None", "return x > y"]),
        ("return x == y", ["return None", "return x != y"]),
        ("return x not in y", ["return None", "return x in y"]),
        ("return x is y", ["return None", "return x is not y"]),
        ("return x + y", ["return None", "return x - y"]),
        ("return x // y", ["return None", "return x * y"]),
        ("return x and y", ["return None", "return x or y"]),
        ("return True", ["return None", "return False"]),
        ("return False", ["return True"]),
        ("return 1", ["return None", "return 2"]),
        ("return min(x)", ["return None", "return max(x)"]),
        ("return any(x)", ["return None", "return all(x)"]),
        ("return x if y else z", ["return None", "return x if not y else z"]),
        ("while x: y()", ["while not x:\n    y()", "while x:\n    pass"]),
        ("if x: y()", ["if not x:\n    y()", "if x:\n    pass"]),
        ("x = y", ["pass"]),
        ("x += y", ["pass"]),
        ("raise x from y", ["pass"]),
        ("del x[y]", ["pass"]),
    ],
)
def test_each_operator_makes_the_change_that_its_name_says(
    line: str, mutants_of_it: list[str]
) -> None:
    assert mutants_of_it == changed(line)


@pytest.mark.parametrize(
    "line",
    [
        "'what it does'",
        "return",
        "return None",
        "yield",
        "assert x == 1",
        "log.warning('%s is 1', x)",
        "x: Literal[1]",
        "import x",
    ],
)
def test_what_no_test_can_notice_is_left_alone(line: str) -> None:
    assert [] == changed(line)


def test_neither_are_declarations_constants_nor_the_edge_of_a_tolerance() -> None:
    source = """
LIMIT = 1 + 1
@dataclass(eq=False)
class Kept:
    __slots__ = ("size",)
    size: int = field(init=False)
    @property
    def last(self) -> Literal[1]: ...
    if TYPE_CHECKING:
        later = 1
"""
    assert [] == list(mutants(source))
    of_an_edge = changed("return x > y - float_tolerance(y)")
    assert ["return None", "return x > y + float_tolerance(y)"] == of_an_edge


def test_a_mutant_names_its_line_and_what_it_was() -> None:
    (mutant,) = mutants("def f(x):\n\n    x.y()\n")
    assert (3, "x.y()", "(left out)") == (mutant.line, mutant.before, mutant.after)


def test_a_sample_is_spread_evenly_and_the_same_in_every_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    every = [Mutant(line, "", "", "") for line in range(10)]
    monkeypatch.setattr(tool, "PER_MODULE", 3)
    assert [0, 3, 6] == [each.line for each in tool.sampled(every)]
    for all_of_them in (0, 10, 11):
        monkeypatch.setattr(tool, "PER_MODULE", all_of_them)
        assert every == tool.sampled(every)


#: A process of its own tries a mutant, as the tool forks before anything runs threads.
TRY = """
import os, sys
from pathlib import Path
from tests.mutation import __main__ as tool
from tests.mutation.operators import Mutant
tool.ROOT, source = Path.cwd(), sys.argv[1]
mutant = Mutant(2, "", "", source)
pid = tool.try_in_child(Path.cwd() / "backend" / "mutated" / "part.py", mutant, ("test_part.py",))
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the tool forks")
@pytest.mark.parametrize(("value", "status"), [(1, 0), (2, 1)])
def test_the_changed_module_is_what_a_childs_tests_import(
    tmp_path: Path, value: int, status: int
) -> None:
    (tmp_path / "backend" / "mutated").mkdir(parents=True)
    (tmp_path / "backend" / "mutated" / "__init__.py").touch()
    (tmp_path / "backend" / "mutated" / "part.py").write_text("def value():\n    return 1\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\npythonpath = backend\n")
    (tmp_path / "test_part.py").write_text(
        "from mutated.part import value\n\n\ndef test_it():\n    assert 1 == value()\n"
    )
    source = f"def value():\n    return {value}\n"
    environment = os.environ | {"PYTHONPATH": str(tool.ROOT)}
    command = [sys.executable, "-c", TRY, source]
    done = subprocess.run(command, cwd=tmp_path, env=environment, timeout=100, check=False)
    assert status == done.returncode


def test_every_row_names_files_that_are_there() -> None:
    missing = [path for path in TARGETS if not (tool.ROOT / "backend" / path).exists()]
    missing += [path for row in TARGETS.values() for path in row if not (tool.ROOT / path).exists()]
    assert [] == missing


def test_what_is_still_being_tried_ends_with_the_run() -> None:
    pid = os.fork()
    if pid == 0:
        os.setsid()
        signal.pause()
        os._exit(0)
    tool._children.add(pid)
    tool.kill_children()
    assert -signal.SIGKILL == os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert not tool._children


def test_a_word_that_no_module_has_is_no_success(capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == tool.main(["no such module"])
    assert capsys.readouterr().out.startswith("no such module: no such module; there are ")
