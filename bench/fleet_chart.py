"""The picture of a simulated fleet: what is used and refused, as an SVG without any library."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .fleet_world import STEP, Plan

_WIDTH, _HEIGHT, _LEFT, _TOP, _GAP = 760, 170, 56, 46, 44
_COLOURS = ("#c2410c", "#1d4ed8", "#6b7280")
_TEXT = "font-family='system-ui, sans-serif' font-size='12' fill='#374151'"
#: Of the axes: the part of the limit that is used, and of the requests that are refused.
_MOST_USED, _MOST_REFUSED = 1.5, 1.0


@dataclass(frozen=True)
class Curve:
    """What one way has used of the limit in each step, and what part of its requests was refused.

    Both are parts, 1 is all.
    """

    way: str
    used: Sequence[float]
    refused: Sequence[float]


def chart(plan: Plan, curves: Sequence[Curve]) -> str:
    """Draw what is used above, and what is refused below, with what happens meanwhile."""
    height = _TOP + 2 * (_HEIGHT + _GAP)
    return "\n".join(
        [
            f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {_LEFT + _WIDTH + 16} {height}'"
            " role='img'>",
            f"<title>A limit and {plan.workers:,} workers, second by second</title>",
            f"<rect width='{_LEFT + _WIDTH + 16}' height='{height}' fill='#ffffff'/>",
            *_legend([curve.way for curve in curves]),
            *_panel(plan, "used", [curve.used for curve in curves], _MOST_USED, _TOP),
            *_panel(
                plan,
                "refused",
                [curve.refused for curve in curves],
                _MOST_REFUSED,
                _TOP + _HEIGHT + _GAP,
            ),
            "</svg>\n",
        ]
    )


def _panel(
    plan: Plan, title: str, series: Sequence[Sequence[float]], most: float, top: float
) -> Iterator[str]:
    yield from _happenings(plan, top)
    for part in range(int(most * 2) + 1):
        y = top + _HEIGHT * (1 - part / 2 / most)
        yield (
            f"<line x1='{_LEFT}' y1='{y:.1f}' x2='{_LEFT + _WIDTH}' y2='{y:.1f}' stroke='#e5e7eb'/>"
            f"<text x='{_LEFT - 6}' y='{y + 4:.1f}' text-anchor='end' {_TEXT}>{part * 50} %</text>"
        )
    yield f"<text x='{_LEFT}' y='{top - 6}' {_TEXT} font-weight='600'>{title}</text>"
    for minute in range(int(plan.seconds // 60) + 1):
        x = _x(plan, minute * 60.0)
        yield f"<text x='{x:.1f}' y='{top + _HEIGHT + 16}' text-anchor='middle' {_TEXT}>"
        yield f"{minute} min</text>"
    for values, colour in reversed(list(zip(series, _COLOURS, strict=False))):
        heights = (top + _HEIGHT * (1 - min(value, most) / most) for value in values)
        points = " ".join(
            f"{_x(plan, (step + 0.5) * STEP):.1f},{y:.1f}" for step, y in enumerate(heights)
        )
        yield f"<polyline points='{points}' fill='none' stroke='{colour}' stroke-width='2'/>"


def _happenings(plan: Plan, top: float) -> Iterator[str]:
    spans = [
        *((time, time + plan.restart, "kill -9") for time in plan.killed_at),
        *((begin, end, "Redis away") for begin, end in plan.outages),
        *((time, time + STEP / 2, "failover") for time in plan.failovers),
    ]
    for begin, end, name in spans:
        x = _x(plan, begin)
        yield (
            f"<rect x='{x:.1f}' y='{top}' width='{_x(plan, end) - x:.1f}' height='{_HEIGHT}'"
            f" fill='#fde68a'/><text x='{x:.1f}' y='{top - 6}' {_TEXT}>{name}</text>"
        )


def _x(plan: Plan, time: float) -> float:
    return _LEFT + _WIDTH * time / plan.seconds


def _legend(ways: Sequence[str]) -> Iterator[str]:
    for index, (way, colour) in enumerate(zip(ways, _COLOURS, strict=False)):
        x = _LEFT + 180 * index
        yield (
            f"<rect x='{x}' y='10' width='12' height='4' fill='{colour}'/>"
            f"<text x='{x + 18}' y='16' {_TEXT}>{way}</text>"
        )
