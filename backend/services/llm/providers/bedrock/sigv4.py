"""Sign a request with AWS Signature Version 4, as botocore does it.

botocore's signer goes through the headers four times and derives the key of the day for every
call. Here the key is derived once a day, and headers of the same names are sorted once.
`request_templates.learn` compares a signature with botocore's before it relies on these.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping, Set
from functools import lru_cache
from hashlib import sha256
from typing import Any, NamedTuple
from urllib.parse import quote

_ALGORITHM = "AWS4-HMAC-SHA256"

_AUTHORIZATION = re.compile(
    _ALGORITHM + r" Credential=[^/]+/[0-9]{8}/([^/]+)/([^/]+)/aws4_request, SignedHeaders=([^,]+), "
)


class Payload(NamedTuple):
    """What of a request is signed beside its headers."""

    method: str
    path: str
    body: bytes


class Signer:
    """Signs for one service in one region; it keeps the key of the last day and credentials.

    *unsigned* are the headers that what stands between may change, in lower case.
    """

    def __init__(self, region: str, service: str, unsigned: Set[str]) -> None:
        self._scope = f"{region}/{service}/aws4_request"
        self._parts = region, service, "aws4_request"
        self._unsigned = unsigned
        self._key = "", "", b""
        #: The names of the last headers, and their order.
        self._order: tuple[tuple[str, ...], tuple[str, list[tuple[str, str]]]] = (), ("", [])

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> Signer | None:
        """The signer of a request with these *headers*, if it has this kind of signature."""
        lowered = {name.lower(): text for name, text in headers.items()}
        found = _AUTHORIZATION.match(lowered.get("authorization", ""))
        if found is None:
            return None
        return cls(found[1], found[2], lowered.keys() - found[3].split(";"))

    def authorization(
        self, payload: Payload, headers: Mapping[str, str], moment: str, credentials: Any
    ) -> str:
        """Return the header that signs *payload* and *headers*, whose names are in any case.

        *moment* is that of the `X-Amz-Date` among them; *credentials* are botocore's frozen ones.
        """
        day = moment[:8]
        names, lines = self._canonical_headers(headers)
        canonical = "\n".join(
            (
                *(payload.method, canonical_path(payload.path), "", *lines, "", names),
                sha256(payload.body).hexdigest(),
            )
        )
        digest = sha256(canonical.encode()).hexdigest()
        signed = f"{_ALGORITHM}\n{moment}\n{day}/{self._scope}\n{digest}"
        key = self._key_of(credentials.secret_key, day)
        signature = hmac.digest(key, signed.encode(), "sha256").hex()
        return (
            f"{_ALGORITHM} Credential={credentials.access_key}/{day}/{self._scope},"
            f" SignedHeaders={names}, Signature={signature}"
        )

    def _key_of(self, secret: str, day: str) -> bytes:
        known_secret, known_day, key = self._key
        if (known_secret, known_day) != (secret, day):
            key = f"AWS4{secret}".encode()
            for part in (day, *self._parts):
                key = hmac.digest(key, part.encode(), "sha256")
            self._key = secret, day, key
        return key

    def _canonical_headers(self, headers: Mapping[str, str]) -> tuple[str, list[str]]:
        """Return the names that are signed, joined, and a line for each of the headers."""
        joined, signed = self._order_of(tuple(headers))
        lines = [f"{lowered}:{' '.join(headers[name].split())}" for lowered, name in signed]
        return joined, lines

    def _order_of(self, names: tuple[str, ...]) -> tuple[str, list[tuple[str, str]]]:
        """Return the names that are signed, joined, and each of them in lower case and as it is."""
        known_names, order = self._order
        if known_names != names:
            lowered = [(name.lower(), name) for name in names]
            signed = sorted([pair for pair in lowered if pair[0] not in self._unsigned])
            order = ";".join([name for name, _ in signed]), signed
            self._order = names, order
        return order


@lru_cache(maxsize=64)
def canonical_path(path: str) -> str:
    """Quote the *path* of a URL, quoted already, once more."""
    return quote(path, safe="/~")
