"""The picture: calls a second from one caller to many, as an SVG without any library."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

#: For each client its calls a second, by how many callers there were.
Curves = Mapping[str, Sequence[tuple[int, float]]]

_WIDTH, _HEIGHT, _LEFT, _TOP = 340, 230, 56, 46
_COLOURS = {"ours": "#c2410c", "SDK": "#1d4ed8", "LangChain": "#15803d", "floor": "#6b7280"}
_TEXT = "font-family='system-ui, sans-serif' font-size='12' fill='#374151'"


def chart(panels: Mapping[str, Curves]) -> str:
    """Draw one panel for each provider, both axes logarithmic."""
    width = len(panels) * (_WIDTH + _LEFT + 16) + 8
    height = _HEIGHT + _TOP + 44
    drawn = [
        f"<g transform='translate({index * (_WIDTH + _LEFT + 16)},0)'>{_panel(title, curves)}</g>"
        for index, (title, curves) in enumerate(panels.items())
    ]
    return "\n".join(
        [
            f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}' role='img'>",
            "<title>Calls a second, by the number of callers</title>",
            f"<rect width='{width}' height='{height}' fill='#ffffff'/>",
            *drawn,
            "</svg>\n",
        ]
    )


def _panel(title: str, curves: Curves) -> str:
    points = [point for curve in curves.values() for point in curve]
    most = max((callers for callers, _ in points), default=2)
    rates = [rate for _, rate in points if rate > 0] or [1.0, 10.0]
    low, high = 10 ** math.floor(math.log10(min(rates))), 10 ** math.ceil(math.log10(max(rates)))
    scale = _Scale(most, low, high)
    return "\n".join(
        [
            f"<text x='{_LEFT}' y='18' {_TEXT} font-weight='600'>{title}</text>",
            *_axes(scale, sorted({callers for callers, _ in points})),
            *(_curve(scale, name, curve) for name, curve in curves.items() if curve),
            *_legend(list(curves)),
        ]
    )


class _Scale:
    """Where a number of callers and a rate are drawn."""

    def __init__(self, callers: int, low: float, high: float) -> None:
        self.callers, self.low, self.high = callers, low, high

    def x(self, callers: float) -> float:
        return _LEFT + _WIDTH * math.log(callers) / math.log(self.callers)

    def y(self, rate: float) -> float:
        part = math.log(max(rate, self.low) / self.low) / math.log(self.high / self.low)
        return _TOP + _HEIGHT * (1 - part)


def _axes(scale: _Scale, callers: Sequence[int]) -> Iterator[str]:
    bottom, rate = _TOP + _HEIGHT, scale.low
    while rate <= scale.high:
        y = scale.y(rate)
        yield (
            f"<line x1='{_LEFT}' y1='{y:.1f}' x2='{_LEFT + _WIDTH}' y2='{y:.1f}' stroke='#e5e7eb'/>"
            f"<text x='{_LEFT - 6}' y='{y + 4:.1f}' text-anchor='end' {_TEXT}>{rate:,.0f}</text>"
        )
        rate *= 10
    for number in callers:
        x = scale.x(number)
        yield f"<text x='{x:.1f}' y='{bottom + 18}' text-anchor='middle' {_TEXT}>{number:,}</text>"
    middle = _LEFT + _WIDTH / 2
    yield f"<text x='{middle}' y='{bottom + 36}' text-anchor='middle' {_TEXT}>callers</text>"


def _curve(scale: _Scale, name: str, curve: Sequence[tuple[int, float]]) -> str:
    path = " ".join(f"{scale.x(callers):.1f},{scale.y(rate):.1f}" for callers, rate in curve)
    thick = 3 if name == "ours" else 1.5
    style = f"fill='none' stroke='{_COLOURS.get(name, '#000')}' stroke-width='{thick}'"
    return f"<polyline points='{path}' {style}/>"


def _legend(names: Sequence[str]) -> Iterator[str]:
    for index, name in enumerate(names):
        x, colour = _LEFT + index * 86, _COLOURS.get(name, "#000")
        yield (
            f"<rect x='{x}' y='28' width='12' height='4' fill='{colour}'/>"
            f"<text x='{x + 16}' y='34' {_TEXT}>{name}</text>"
        )
