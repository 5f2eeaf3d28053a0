"""As much of S3 as a batch needs: objects put, got, listed and deleted, also in parts.

A bucket is there once something is put into it.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from email.utils import formatdate
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from ..http_types import HttpRequest, HttpResponse
from ..offline import Moment

_RANGE = re.compile(r"bytes=(\d+)-(\d*)")
_XML = {"content-type": "application/xml"}
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>'
_NAMESPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


class S3:
    """Objects by `bucket/key`."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self._uploads: dict[str, dict[int, bytes]] = {}
        self._numbers = itertools.count(1)

    def clear(self) -> None:
        """Forget every object."""
        self.objects.clear()
        self._uploads.clear()

    def response(
        self, http_request: HttpRequest, organisation: str, moment: Moment
    ) -> HttpResponse:
        """The response to a request for an object or a bucket."""
        name = http_request.path.lstrip("/")
        query = {key: values[0] for key, values in parse_qs(http_request.query, True).items()}
        bucket, _, key = name.partition("/")
        if not key:
            return self._bucket(http_request.method, bucket, query)
        if "uploads" in query or "uploadId" in query:
            return self._in_parts(http_request, name, query)
        if http_request.method == "PUT":
            self.objects[name] = _content(http_request)
            return HttpResponse(200, b"", {"etag": _etag(self.objects[name])})
        if http_request.method == "DELETE":
            self.objects.pop(name, None)
            return HttpResponse(204, b"")
        return self._got(http_request, name, moment)

    def _bucket(self, method: str, bucket: str, query: dict[str, str]) -> HttpResponse:
        if method != "GET":
            return HttpResponse(200, b"", {"location": f"/{bucket}"})
        prefix = query.get("prefix", "")
        names = [name for name in sorted(self.objects) if name.startswith(f"{bucket}/{prefix}")]
        rows = "".join(
            f"<Contents><Key>{escape(name.partition('/')[2])}</Key>"
            f"<Size>{len(self.objects[name])}</Size><ETag>{_etag(self.objects[name])}</ETag>"
            "<LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
            for name in names
        )
        return _xml(
            f"<ListBucketResult {_NAMESPACE}><Name>{escape(bucket)}</Name>"
            f"<Prefix>{escape(prefix)}</Prefix><KeyCount>{len(names)}</KeyCount>"
            f"<MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>{rows}</ListBucketResult>"
        )

    def _got(self, http_request: HttpRequest, name: str, moment: Moment) -> HttpResponse:
        data = self.objects.get(name)
        if data is None:
            error = _xml(
                "<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message>"
                f"<Key>{escape(name.partition('/')[2])}</Key></Error>",
                404,
            )
            return error if http_request.method != "HEAD" else HttpResponse(404, b"")
        headers = {
            "etag": _etag(data),
            "accept-ranges": "bytes",
            "last-modified": formatdate(moment.wall, usegmt=True),
            "content-type": "binary/octet-stream",
        }
        if http_request.method == "HEAD":
            return HttpResponse(200, b"", {**headers, "content-length": str(len(data))})
        part = _RANGE.fullmatch(http_request.headers.get("range", ""))
        if part is None:
            return HttpResponse(200, data, headers)
        first, last = int(part[1]), int(part[2] or len(data) - 1)
        extent = f"bytes {first}-{min(last, len(data) - 1)}/{len(data)}"
        return HttpResponse(206, data[first : last + 1], {**headers, "content-range": extent})

    def _in_parts(
        self, http_request: HttpRequest, name: str, query: dict[str, str]
    ) -> HttpResponse:
        bucket, _, key = name.partition("/")
        where = f"<Bucket>{escape(bucket)}</Bucket><Key>{escape(key)}</Key>"
        if "uploads" in query:
            upload = f"upload-{next(self._numbers)}"
            self._uploads[upload] = {}
            started = f"{where}<UploadId>{upload}</UploadId>"
            kind = "InitiateMultipartUploadResult"
            return _xml(f"<{kind} {_NAMESPACE}>{started}</{kind}>")
        parts = self._uploads.get(query["uploadId"], {})
        if http_request.method == "PUT":
            parts[int(query.get("partNumber", "1"))] = data = _content(http_request)
            return HttpResponse(200, b"", {"etag": _etag(data)})
        self._uploads.pop(query["uploadId"], None)
        if http_request.method == "DELETE":
            return HttpResponse(204, b"")
        self.objects[name] = b"".join(parts[number] for number in sorted(parts))
        done = f"{where}<ETag>{_etag(self.objects[name])}</ETag>"
        kind = "CompleteMultipartUploadResult"
        return _xml(f"<{kind} {_NAMESPACE}>{done}</{kind}>")


def _content(http_request: HttpRequest) -> bytes:
    """The body, also where it comes in AWS's own chunks, whose sizes and signatures go."""
    if "aws-chunked" not in http_request.headers.get("content-encoding", ""):
        return http_request.body
    rest, data = http_request.body, b""
    while rest:
        line, _, rest = rest.partition(b"\r\n")
        size = int(line.partition(b";")[0] or b"0", 16)
        if not size:
            break
        data, rest = data + rest[:size], rest[size + 2 :]
    return data


def _etag(data: bytes) -> str:
    return f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'


def _xml(text: str, status: int = 200) -> HttpResponse:
    return HttpResponse(status, (_HEAD + text).encode(), _XML)
