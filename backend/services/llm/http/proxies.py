"""What a proxy hears before a connection leads through it: bytes in and bytes out.

RFC 9110, 9.3.6 (CONNECT); RFC 1928 and 1929 (SOCKS 5, and its name and password).
"""

from __future__ import annotations

import re
import ssl
from base64 import b64encode
from collections.abc import Generator, Sequence
from dataclasses import field
from ipaddress import ip_address

from ..frozen import dataclass

#: What is sent is yielded, and what was received sent back: nothing at the connection's end.
Handshake = Generator[memoryview, bytes, None]

#: The longest head of a proxy's answer, in bytes.
_LONGEST = 64 * 1024

_STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3})([^\r\n]*)")
_NOTHING = memoryview(b"")

#: The reasons of a refusal, after RFC 1928.
_REASONS = (
    *("succeeded", "general failure", "connection not allowed", "network unreachable"),
    *("host unreachable", "connection refused", "TTL expired", "command not supported"),
    "address type not supported",
)
#: Bytes of a name or a password, whose length is one byte.
_LONGEST_PART = 255
#: Bytes of an address by its type; None where the address says it.
_ADDRESSES = {1: 4, 3: None, 4: 16}


class ProxyRefusedError(OSError):
    """A proxy lets no connection through."""


@dataclass(frozen=True)
class Proxy:
    """A proxy, to which one connects by TLS if there is a context; it shows no password."""

    host: str
    port: int
    context: ssl.SSLContext | None = None
    is_socks: bool = False
    credentials: tuple[bytes, bytes] | None = field(default=None, repr=False)

    @property
    def authorization(self) -> str | None:
        """The value of the header Proxy-Authorization."""
        if self.credentials is None:
            return None
        return "Basic " + b64encode(b":".join(self.credentials)).decode("ascii")

    def handshake(self, host: str, port: int) -> Handshake:
        """What opens a tunnel to *host*; raises ProxyRefusedError."""
        return self._socks(host, port) if self.is_socks else self._connect(host, port)

    def _connect(self, host: str, port: int) -> Handshake:
        received = yield self._request(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        head = bytearray(received)
        while b"\r\n\r\n" not in head:
            if not received or len(head) > _LONGEST:
                raise ProxyRefusedError("the proxy gave no answer to CONNECT")
            received = yield _NOTHING
            head += received
        status_line = _STATUS.match(head)
        if status_line is None:
            raise ProxyRefusedError("the proxy's answer to CONNECT is no HTTP")
        if not status_line[1].startswith(b"2"):
            raise ProxyRefusedError((status_line[1] + status_line[2]).decode("latin-1"))

    def _request(self, target: str) -> memoryview:
        """What asks for a tunnel, in a form that no traceback shows."""
        lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}", "Accept: */*"]
        if self.authorization is not None:
            lines.append(f"Proxy-Authorization: {self.authorization}")
        return memoryview("\r\n".join((*lines, "", "")).encode("latin-1"))

    def _socks(self, host: str, port: int) -> Handshake:
        received = bytearray()
        method = 0 if self.credentials is None else 2
        chosen = yield from _take(2, received, memoryview(bytes((5, 1, method))))
        if chosen != bytes((5, method)):
            raise ProxyRefusedError("the proxy wants to be told in another way who asks")
        if self.credentials is not None:
            answer = yield from _take(2, received, _login(self.credentials))
            if answer[1]:
                raise ProxyRefusedError("the proxy takes neither name nor password")
        command = b"\x05\x01\x00" + _address(host) + port.to_bytes(2, "big")
        _, reason, _, kind = yield from _take(4, received, memoryview(command))
        if reason:
            named = _REASONS[reason] if reason < len(_REASONS) else f"error {reason}"
            raise ProxyRefusedError(f"the proxy says: {named}")
        size = _ADDRESSES.get(kind)
        if size is None:
            (size,) = yield from _take(1, received)
        yield from _take(size + 2, received)


def _take(
    count: int, received: bytearray, sent: memoryview = _NOTHING
) -> Generator[memoryview, bytes, bytes]:
    """Send *sent*, and return the next *count* bytes of what is received."""
    if sent:
        received += yield sent
    while len(received) < count:
        more = yield _NOTHING
        if not more:
            raise ProxyRefusedError("the proxy closed the connection")
        received += more
    taken = bytes(received[:count])
    del received[:count]
    return taken


def _login(credentials: Sequence[bytes]) -> memoryview:
    if max(map(len, credentials)) > _LONGEST_PART:
        raise ProxyRefusedError("SOCKS takes a name and a password of at most 255 bytes each")
    return memoryview(b"\x01" + b"".join(bytes((len(each),)) + each for each in credentials))


def _address(host: str) -> bytes:
    """*host* as SOCKS takes it: its name is looked up by the proxy."""
    try:
        packed = ip_address(host).packed
    except ValueError:
        return b"\x03" + bytes((len(host),)) + host.encode("ascii")
    return (b"\x01" if len(packed) == 4 else b"\x04") + packed
