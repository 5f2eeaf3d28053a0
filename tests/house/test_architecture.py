"""What docs/architecture.md shows is so."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def _draw_rooms() -> ModuleType:
    spec = importlib.util.spec_from_file_location("draw_rooms", ROOT / "docs" / "draw_rooms.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_drawing_is_that_of_the_imports() -> None:
    module = _draw_rooms()
    assert module.drawing() == module.DRAWING.read_text(encoding="utf-8"), "run: make rooms"


def test_each_room_stands_above_all_that_it_imports() -> None:
    module = _draw_rooms()
    graph = module.imports_between_rooms()
    height = {room: number for number, row in enumerate(module.rows_of(graph)) for room in row}
    assert graph.keys() == height.keys()
    assert [] == [(a, b) for a, below in graph.items() for b in below if height[a] <= height[b]]


def test_an_arrow_is_left_out_only_where_a_path_implies_it() -> None:
    graph = {"a": frozenset("bc"), "b": frozenset("c"), "c": frozenset()}
    assert [("a", "b"), ("b", "c")] == _draw_rooms().direct(graph)


def test_the_table_names_every_room() -> None:
    rooms = {room.partition("/")[0] for room in _draw_rooms().imports_between_rooms()}
    _, table = DOCUMENT.split("## The rooms")
    named = {name.rstrip("/") for name in re.findall(r"`(\w+/?)`", table)}
    assert set() == rooms - named


def test_every_path_in_the_text_is_there() -> None:
    engine = ROOT / "backend" / "services" / "llm"
    paths = re.findall(r"`((?:\w+/)+(?:\w+\.py)?)`", DOCUMENT)
    places = (ROOT, ROOT / "backend", engine)
    assert [] == [path for path in paths if not any((place / path).exists() for place in places)]
