"""A usage report as one HTML page with its charts: nothing in it is loaded from elsewhere; pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape as html_escape

from .report_text import COLUMNS, left_out, one_line, shown_cost
from .usage import UsageEntry, UsageSums, in_dollars
from .usage_report import UsageReport, days_between, report

#: The width of a chart, the height of a day chart, and of one bar of a list, in pixels.
_WIDTH, _HEIGHT, _BAR = 720, 180, 26
#: The longest bar of a model: its name stands before it, and after it a cost of up to 17 digits.
_WIDEST_BAR = 340
#: Models that have a bar of their own; the others share one.
_MOST_BARS = 12
#: Characters of a name beside its bar.
_LONGEST = 33

_STYLE = """
:root { color-scheme: light dark; --bar: #2f6fb0; --line: #8886; }
@media (prefers-color-scheme: dark) { :root { --bar: #6ea8e0; } }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; }
body { padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
svg { width: 100%; max-width: 58rem; height: auto; overflow: visible; }
svg.models { min-width: 34rem; }
svg text { font: 12px system-ui, sans-serif; fill: currentColor; }
@media (max-width: 40rem) { svg.days text { font-size: 20px; } }
.bar { fill: var(--bar); } .axis { stroke: var(--line); }
.wide { overflow-x: auto; padding: .4rem 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .5rem; border-bottom: 1px solid var(--line); text-align: right; }
th.text, td.text { text-align: left; white-space: nowrap; }
td.text { max-width: 20rem; overflow: hidden; text-overflow: ellipsis; }
tr.total { font-weight: 600; }
"""


def as_page(shown: UsageReport, entries: Sequence[UsageEntry]) -> str:
    """Return *shown* as a page, with charts of the *entries* that it was made of."""
    days = (shown.first_day, shown.last_day)
    by_day = report(entries, ("day",), *days)
    by_model = report(entries, ("model",), *days)
    title = f"Usage from {shown.first_day} to {shown.last_day}"
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{title}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{title}</h1>",
        f"<p>{shown.total.calls:,} calls, {shown.total.attempts:,} attempts, US$"
        f" {in_dollars(shown.total.cost)}. Days are UTC.</p>",
        *(f"<p>{escape(sentence)}</p>" for sentence in left_out(shown.total)),
        _day_chart("US dollars a day", by_day, lambda sums: sums.cost, in_dollars),
        _day_chart("Tokens a day", by_day, _tokens, "{:,}".format),
        _model_chart(by_model),
        _table(shown),
        "</body></html>",
    ]
    return "\n".join(parts) + "\n"


def _tokens(sums: UsageSums) -> int:
    return sums.input_tokens + sums.output_tokens


def _day_chart(
    title: str,
    by_day: UsageReport,
    value: Callable[[UsageSums], int],
    written: Callable[[int], str],
) -> str:
    """Bars of each day, also of those on which nothing was used."""
    values = {row.group[0]: value(row.sums) for row in by_day.rows}
    days = days_between(by_day.first_day, by_day.last_day)
    most = max([*values.values(), 0]) or 1
    step = _WIDTH / len(days)
    bars = []
    for n, day in enumerate(days):
        height = _HEIGHT * values.get(day, 0) / most
        bars.append(
            f'<rect class="bar" x="{n * step:.2f}" y="{20 + _HEIGHT - height:.2f}"'
            f' width="{step * 0.8:.2f}" height="{height:.2f}">'
            f"<title>{day}: {written(values.get(day, 0))}</title></rect>"
        )
    base = 20 + _HEIGHT
    return _chart(
        title,
        base + 20,
        [
            f'<text x="0" y="12">{written(max([*values.values(), 0]))}</text>',
            *bars,
            f'<line class="axis" x1="0" x2="{_WIDTH}" y1="{base}" y2="{base}"/>',
            f'<text x="0" y="{base + 15}">{days[0]}</text>',
            f'<text x="{_WIDTH}" y="{base + 15}" text-anchor="end">{days[-1]}</text>',
        ],
        "days",
    )


def _model_chart(by_model: UsageReport) -> str:
    """Bars of the models that cost most, and one of all others."""
    rows = ((row.sums.cost, row.group[0], row.sums.unpriced) for row in by_model.rows)
    costs = sorted(rows, reverse=True)
    shown = costs[:_MOST_BARS]
    if others := costs[_MOST_BARS:]:
        cost, unpriced = sum(each[0] for each in others), sum(each[2] for each in others)
        shown.append((cost, f"{len(others)} others", unpriced))
    most = max([*(cost for cost, _, _ in shown), 0]) or 1
    bars = []
    for n, (cost, model, unpriced) in enumerate(shown):
        width, y = _WIDEST_BAR * cost / most, n * _BAR
        label = f"{escape(_shortened(model))}<title>{escape(model)}</title>"
        bars.append(f'<text x="0" y="{y + 16}">{label}</text>')
        bars.append(
            f'<rect class="bar" x="250" y="{y + 4}" width="{width:.2f}" height="{_BAR - 8}"/>'
        )
        label = shown_cost(cost, unpriced)
        bars.append(f'<text x="{256 + width:.2f}" y="{y + 16}">{label}</text>')
    return _chart("US dollars by model", max(1, len(shown)) * _BAR, bars, "models")


def _chart(title: str, height: float, parts: Sequence[str], kind: str) -> str:
    drawing = "".join(parts)
    return (
        f'<h2>{title}</h2><div class="wide"><svg class="{kind}" viewBox="0 0 {_WIDTH} {height}"'
        f' role="img" aria-label="{title}">{drawing}</svg></div>'
    )


def _table(shown: UsageReport) -> str:
    heads = [f'<th class="text">{escape(each)}</th>' for each in shown.by]
    heads += [f"<th>{head}</th>" for head in (*(head for head, _ in COLUMNS), "US$")]
    rows = [_row(row.group, row.sums) for row in shown.rows]
    rows.append(_row(("total", *[""] * (len(shown.by) - 1)), shown.total, ' class="total"'))
    return (
        f'<h2>By {escape(", ".join(shown.by))}</h2><div class="wide"><table>'
        f"<thead><tr>{''.join(heads)}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _row(group: Sequence[str], sums: UsageSums, attributes: str = "") -> str:
    cells = [f'<td class="text" title="{escape(each)}">{escape(each)}</td>' for each in group]
    cells += [f"<td>{getattr(sums, name):,}</td>" for _, name in COLUMNS]
    cost = shown_cost(sums.cost, sums.unpriced)
    return f"<tr{attributes}>{''.join(cells)}<td>{cost}</td></tr>"


def _shortened(name: str) -> str:
    """Return *name* as it fits beside a bar: its beginning and its end tell most."""
    name = one_line(name)
    return name if len(name) <= _LONGEST else f"{name[:16]}\u2026{name[-16:]}"


def escape(text: str) -> str:
    """Return *text* as a page shows it, in one line."""
    return html_escape(one_line(text))
