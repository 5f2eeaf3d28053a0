"""The README's table of knobs, made from the knobs themselves: `make knobs` writes it."""

from __future__ import annotations

from pathlib import Path

from pydantic import SecretStr

from services.llm.settings.knobs import Knobs

README = Path(__file__).parents[2] / "README.md"
_BEGIN, _END = "<!-- knobs -->\n", "<!-- /knobs -->\n"


def table() -> str:
    """Return the rows, in the order in which the knobs are defined."""
    rows = []
    for name, field in Knobs.model_fields.items():
        default = field.default
        if isinstance(default, SecretStr):
            default = default.get_secret_value()
        shown = "none" if default in (None, "") else f"`{str(default).lower()}`"
        if name in ("GROQ_MODEL", "BEDROCK_MODEL_ID"):
            shown += " (gone: its successor answers)"
        rows.append(f"| `{name}` | {shown} | {field.description} |\n")
    return "".join(rows)


def in_readme() -> tuple[str, str, str]:
    """Return the README before the table's rows, the rows, and the README after them."""
    text = README.read_text(encoding="utf-8")
    before, rest = text.split(_BEGIN)
    rows, after = rest.split(_END)
    return before + _BEGIN, rows, _END + after


if __name__ == "__main__":
    before, _, after = in_readme()
    README.write_text(before + table() + after, encoding="utf-8")
