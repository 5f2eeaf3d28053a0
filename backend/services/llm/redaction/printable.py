"""Shows texts of others: without control characters, and whatever their own methods do."""

from __future__ import annotations

import re

#: Control characters of both kinds (ECMA-48, C0 and C1), but for tabs and line breaks: they move
#: the cursor, colour or erase what stands there, set the title, or have the terminal type.
_OBEYED = re.compile(r"\r(?!\n)|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def printable(text: str) -> str:
    r"""Return *text* with each control character written out, as \u001b is in JSON."""
    return _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def words_of(error: BaseException) -> str:
    """Return the message of *error*, whatever a host's own exception makes of being shown."""
    try:
        return str(error)
    except Exception as unshown:
        return f"a message that cannot be shown ({type(unshown).__name__})"


def shown(value: object) -> str:
    """Return *value* as an error shows it, cut short, whatever its own repr does."""
    try:
        return f"{value!r:.60}"
    except ValueError:  # an integer may be too long to be written
        return f"a {type(value).__name__} of many digits"
    except Exception:
        return f"a {type(value).__name__} that cannot be shown"
