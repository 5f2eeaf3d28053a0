"""Reads a form upload: `multipart/form-data`."""

from __future__ import annotations

from dataclasses import dataclass
from email.parser import BytesParser
from email.policy import HTTP


@dataclass(frozen=True)
class Part:
    """One field of a form; a file has a name of its own."""

    content: bytes
    filename: str | None = None


def form_of(content_type: str, body: bytes) -> dict[str, Part]:
    """The fields by name; empty where the body is no form."""
    head = f"content-type: {content_type}\r\n\r\n".encode("latin-1", "replace")
    message = BytesParser(policy=HTTP).parsebytes(head + body)
    fields = {}
    for part in message.walk():
        name = part.get_param("name", header="content-disposition")
        if isinstance(name, str):
            content = part.get_payload(decode=True)
            data = content if isinstance(content, bytes) else b""
            fields[name] = Part(data, part.get_filename())
    return fields
