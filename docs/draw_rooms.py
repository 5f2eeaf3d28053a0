"""Draws which room imports which, from the imports themselves: `make rooms` writes docs/rooms.svg.

A room stands above all that it imports. Arrows that a path of others implies are left out.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

LLM = Path(__file__).parents[1] / "backend" / "services" / "llm"
DRAWING = Path(__file__).parent / "rooms.svg"

#: Sizes in the drawing, in pixels.
_WIDTH, _BOX, _BOX_HEIGHT, _ROW_HEIGHT, _MARGIN = 1080, 150, 34, 84, 20

Graph = Mapping[str, frozenset[str]]


def imports_between_rooms() -> dict[str, frozenset[str]]:
    """Return each room of the engine with the other rooms that its files import."""
    graph: dict[str, set[str]] = {}
    for path in sorted(LLM.rglob("*.py")):
        parts = path.relative_to(LLM).with_suffix("").parts
        if parts == ("__init__",):
            continue
        graph.setdefault(_room(parts), set()).update(map(_room, _imported(path, parts)))
    return {room: frozenset(others - {room}) for room, others in graph.items()}


def rows_of(graph: Graph) -> list[list[str]]:
    """Return the rooms from the bottom row up: each row imports only from rows below it."""
    heights: dict[str, int] = {}

    def height(room: str) -> int:
        if room not in heights:
            heights[room] = 1 + max(map(height, graph[room]), default=-1)
        return heights[room]

    rows: list[list[str]] = [[] for _ in range(1 + max(map(height, graph)))]
    for room in sorted(graph):
        rows[heights[room]].append(room)
    return rows


def direct(graph: Graph) -> list[tuple[str, str]]:
    """Return the arrows without those that a path over other rooms implies."""
    below: dict[str, frozenset[str]] = {}

    def reach(room: str) -> frozenset[str]:
        if room not in below:
            below[room] = graph[room].union(*(reach(other) for other in graph[room]))
        return below[room]

    return [
        (room, other)
        for room in sorted(graph)
        for other in sorted(graph[room])
        if not any(other in reach(between) for between in graph[room] - {other})
    ]


def drawing() -> str:
    """Return the drawing as SVG."""
    graph = imports_between_rooms()
    rows = rows_of(graph)
    height = len(rows) * _ROW_HEIGHT + _MARGIN
    places = {
        room: (_center(index, len(row)), height - _MARGIN - number * _ROW_HEIGHT - _BOX_HEIGHT)
        for number, row in enumerate(rows)
        for index, room in enumerate(row)
    }
    lines = [_arrow(*places[room], *places[other]) for room, other in direct(graph)]
    boxes = [_box(room, *place) for room, place in places.items()]
    return "\n".join([_HEAD.format(width=_WIDTH, height=height), *lines, *boxes, "</svg>", ""])


def _imported(path: Path, parts: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield the modules of the engine that a file imports, as parts of their paths."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom) or not 0 < node.level <= len(parts):
            continue
        base = (*parts[: len(parts) - node.level], *filter(None, (node.module or "").split(".")))
        yield from ((*base, each.name) for each in node.names)


def _room(parts: tuple[str, ...]) -> str:
    if parts[0] == "providers":
        is_provider = len(parts) > 1 and (LLM / "providers" / parts[1]).is_dir()
        return f"providers/{parts[1]}" if is_provider else "providers"
    return parts[0]


def _center(index: int, count: int) -> int:
    return _WIDTH * (2 * index + 1) // (2 * count)


def _arrow(x: int, y: int, to_x: int, to_y: int) -> str:
    return (
        f'<line x1="{x}" y1="{y + _BOX_HEIGHT}" x2="{to_x}" y2="{to_y - 4}"'
        ' stroke="#888" marker-end="url(#head)"/>'
    )


def _box(room: str, x: int, y: int) -> str:
    left = x - _BOX // 2
    return (
        f'<rect x="{left}" y="{y}" width="{_BOX}" height="{_BOX_HEIGHT}" rx="6" fill="#eef3fa"'
        f' stroke="#456"/>\n<text x="{x}" y="{y + 22}" text-anchor="middle">{room}</text>'
    )


_HEAD = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" \
font-family="sans-serif" font-size="14">
<title>Rooms of backend/services/llm: an arrow points to what is imported</title>
<defs><marker id="head" markerWidth="8" markerHeight="8" refX="6" refY="3" orient="auto">\
<path d="M0,0 L6,3 L0,6 z" fill="#888"/></marker></defs>
<rect width="{width}" height="{height}" fill="#fff"/>"""


if __name__ == "__main__":
    DRAWING.write_text(drawing(), encoding="utf-8")
