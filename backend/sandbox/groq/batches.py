"""Groq's Batch API: a file of requests, answered in its own time, in another order."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field
from typing import Any

from ..http_types import HttpRequest, HttpResponse, json_response
from ..offline import (
    BadLine,
    Moment,
    OfflineAnswer,
    Progress,
    answer_json,
    body_json,
    json_lines,
    lines_of,
)
from . import errors
from .files import GroqFiles, StoredFile

PATH = "/openai/v1/batches"
_ENDPOINT = "/v1/chat/completions"
_MOST_LINES = 50_000
_HOURS = {"h": 1, "d": 24}
_WINDOW = re.compile(r"(\d+)([hd])")


@dataclass
class _Batch:
    """One batch; times with `_at` are seconds since 1970, `started` is on the sandbox's clock."""

    id: str
    organisation: str
    source: StoredFile
    requests: list[dict[str, Any]]
    window: str
    hours: int
    metadata: Any
    created_at: int
    started: float
    errors: list[dict[str, Any]] = field(default_factory=list)
    cancelled: Progress | None = None
    outcome: dict[str, Any] | None = None


class GroqBatches:
    """The batches of all organisations; each takes `seconds` on the sandbox's clock."""

    def __init__(self, files: GroqFiles, answer: OfflineAnswer, seconds: float) -> None:
        self._files = files
        self._answer = answer
        self._seconds = seconds
        self._batches: dict[str, _Batch] = {}
        self._numbers = itertools.count(1)

    def clear(self) -> None:
        """Forget every batch."""
        self._batches.clear()

    def response(
        self, http_request: HttpRequest, organisation: str, moment: Moment
    ) -> HttpResponse:
        """The response to a request for batches."""
        path, method = http_request.path, http_request.method
        if path == PATH and method == "POST":
            return self._create(body_json(http_request), organisation, moment)
        if path == PATH:
            mine = [b for b in self._batches.values() if b.organisation == organisation]
            data = [self._listed(batch, moment) for batch in reversed(mine)]
            return json_response(200, {"object": "list", "data": data, "paging": {}})
        identity, _, rest = path[len(PATH) + 1 :].partition("/")
        batch = self._batches.get(identity)
        if batch is None or batch.organisation != organisation or rest not in ("", "cancel"):
            return errors.error(404, f"Batch `{identity}` not found", code="not_found")
        if rest and method == "POST" and batch.outcome is None:
            batch.cancelled = batch.cancelled or self._progress(batch, moment)
            return json_response(200, {**self._listed(batch, moment, cancelling=True)})
        return json_response(200, self._listed(batch, moment))

    def _create(self, body: Any, organisation: str, moment: Moment) -> HttpResponse:
        payload = body if isinstance(body, dict) else {}
        source = self._files.find(str(payload.get("input_file_id")), organisation)
        window = str(payload.get("completion_window"))
        hours = _hours(window)
        if payload.get("endpoint") != _ENDPOINT:
            return errors.error(400, f"`endpoint` must be `{_ENDPOINT}`", param="endpoint")
        if hours is None:
            wanted = "`completion_window` must be from `24h` to `7d`"
            return errors.error(400, wanted, param="completion_window")
        if source is None:
            return errors.error(
                404, f"File `{payload.get('input_file_id')}` not found", code="not_found"
            )
        requests, faults = _read(source.content)
        batch = _Batch(
            id=f"batch_01sandbox{next(self._numbers):017d}",
            organisation=organisation,
            source=source,
            requests=requests,
            window=window,
            hours=hours,
            metadata=payload.get("metadata"),
            created_at=int(moment.wall),
            started=moment.clock,
            errors=faults,
        )
        self._batches[batch.id] = batch
        return json_response(200, self._listed(batch, moment))

    def _progress(self, batch: _Batch, moment: Moment) -> Progress:
        return Progress(moment.clock - batch.started, self._seconds)

    def _listed(self, batch: _Batch, moment: Moment, *, cancelling: bool = False) -> dict[str, Any]:
        """The batch as the API shows it; its answers are made once it is seen to have ended."""
        progress = batch.cancelled or self._progress(batch, moment)
        total, expires = len(batch.requests), batch.hours * 3_600
        shown = {
            "id": batch.id,
            "object": "batch",
            "endpoint": _ENDPOINT,
            "input_file_id": batch.source.id,
            "completion_window": batch.window,
            "created_at": batch.created_at,
            "expires_at": batch.created_at + expires,
            "metadata": batch.metadata,
            "errors": {"object": "list", "data": batch.errors} if batch.errors else None,
            "output_file_id": None,
            "error_file_id": None,
            "request_counts": {
                "total": total,
                "completed": int(total * progress.share),
                "failed": 0,
            },
        }
        expired = self._seconds > expires and moment.clock - batch.started >= expires
        if batch.errors:
            return {**shown, "status": "failed", "failed_at": batch.created_at}
        if cancelling:
            return {**shown, "status": "cancelling", "cancelling_at": int(moment.wall)}
        ended = "cancelled" if batch.cancelled else "expired" if expired else progress.phase
        if ended not in ("cancelled", "expired", "completed"):
            return {**shown, "status": ended, "in_progress_at": batch.created_at}
        if batch.outcome is None:
            batch.outcome = self._outcome(batch, ended, progress.share, moment)
        return {**shown, **batch.outcome}

    def _outcome(self, batch: _Batch, status: str, share: float, moment: Moment) -> dict[str, Any]:
        """The members of a batch that has ended, with the files of what was answered until then."""
        answered: list[dict[str, Any]] = []
        failed: list[dict[str, Any]] = []
        for number, request in enumerate(batch.requests[: int(len(batch.requests) * share)]):
            response = self._answer(f"/openai{_ENDPOINT}", request["body"], batch.organisation)
            row = {
                "id": f"batch_req_{batch.id[-6:]}{number:06d}",
                "custom_id": request["custom_id"],
                "response": {
                    "status_code": response.status,
                    "request_id": f"req_{batch.id[-6:]}{number:06d}",
                    "body": answer_json(response),
                },
                "error": None,
            }
            (answered if response.status == 200 else failed).append(row)
        counts = {"completed": len(answered), "failed": len(failed)}
        # Documented: the order of the lines is not kept.
        return {
            "status": status,
            f"{status}_at": int(moment.wall),
            "output_file_id": self._kept(batch, "output", answered[::-1], moment),
            "error_file_id": self._kept(batch, "errors", failed[::-1], moment),
            "request_counts": {"total": len(batch.requests), **counts},
        }

    def _kept(
        self, batch: _Batch, name: str, rows: list[dict[str, Any]], moment: Moment
    ) -> str | None:
        if not rows:
            return None
        filename = f"{batch.id}_{name}.jsonl"
        stored = self._files.add(
            batch.organisation, filename, "batch_output", lines_of(rows), moment.wall
        )
        return stored.id


def _hours(window: str) -> int | None:
    match = _WINDOW.fullmatch(window)
    hours = int(match[1]) * _HOURS[match[2]] if match else 0
    return hours if 24 <= hours <= 168 else None


def _read(content: bytes) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The requests of an input file, and what is wrong with it by line."""
    requests: list[dict[str, Any]] = []
    faults: list[dict[str, Any]] = []
    seen: set[str] = set()
    for number, line in enumerate(json_lines(content), 1):
        if isinstance(line, BadLine):
            faults.append(_fault("invalid_json_line", line.number, "No JSON object"))
            continue
        identity = line.get("custom_id")
        right = line.get("method") == "POST" and line.get("url") == _ENDPOINT
        if not isinstance(identity, str) or not right or not isinstance(line.get("body"), dict):
            wanted = f"a line has custom_id, method POST, url {_ENDPOINT} and body"
            faults.append(_fault("invalid_request", number, wanted))
        elif identity in seen:
            faults.append(_fault("duplicate_custom_id", number, f"`{identity}` is there twice"))
        else:
            seen.add(identity)
            requests.append(line)
    if not requests and not faults:
        faults.append(_fault("empty_file", 1, "The input file is empty"))
    if len(requests) > _MOST_LINES:
        faults.append(_fault("too_many_lines", _MOST_LINES + 1, "More than 50,000 lines"))
    return requests, faults


def _fault(code: str, line: int, message: str) -> dict[str, Any]:
    return {"code": code, "line": line, "message": message, "param": None}
