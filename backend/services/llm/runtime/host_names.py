"""Whether a text can be the name of a host, told before anything is connected to it."""

from __future__ import annotations

import re

#: The longest name that DNS has, and what its labels are: an underscore is in use, too.
_LONGEST = 253
_LABEL = re.compile(r"[A-Za-z0-9_-]{1,63}")


def is_host_name(name: str) -> bool:
    """Whether *name*, of a URL that was read, can be looked up; an IPv6 address counts as one."""
    if ":" in name:
        return True  # it stood in brackets, and was read as an address
    if not name.isascii():
        from idna import IDNAError, encode  # httpx brings it; hardly anybody needs it

        try:
            name = encode(name.rstrip(".")).decode("ascii")
        except IDNAError:
            return False
    labels = name.removesuffix(".").split(".")
    return len(name) <= _LONGEST and all(map(_LABEL.fullmatch, labels))
