"""Bedrock's model invocation jobs: records read from S3, answered in their own time."""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import dataclass
from datetime import datetime, timezone
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
from .errors import exception
from .s3 import S3

_CREATE, _LIST = "/model-invocation-job", "/model-invocation-jobs"
_ONE = re.compile(r"^/model-invocation-job/(?P<job>.+?)(?P<stop>/stop)?$")
_REQUIRED = ("jobName", "roleArn", "modelId", "inputDataConfig", "outputDataConfig")
_OPERATIONS = {"InvokeModel": "invoke", "Converse": "converse"}
_STATUS = {
    "validating": "Validating",
    "in_progress": "InProgress",
    "finalizing": "InProgress",
    "completed": "Completed",
}


@dataclass
class _Job:
    """One job as it was created; `started` is on the sandbox's clock."""

    arn: str
    organisation: str
    request: dict[str, Any]
    records: list[dict[str, Any]]
    submitted: float
    started: float
    message: str | None = None
    stopped: Progress | None = None
    outcome: dict[str, Any] | None = None

    @property
    def id(self) -> str:
        """The last part of the ARN."""
        return self.arn.rpartition("/")[2]


class BedrockJobs:
    """The jobs of all accounts; each takes `seconds` on the sandbox's clock."""

    def __init__(self, s3: S3, answer: OfflineAnswer, seconds: float) -> None:
        self._s3 = s3
        self._answer = answer
        self._seconds = seconds
        self._jobs: dict[str, _Job] = {}
        self._numbers = itertools.count(1)

    def clear(self) -> None:
        """Forget every job."""
        self._jobs.clear()

    def response(
        self, http_request: HttpRequest, organisation: str, moment: Moment
    ) -> HttpResponse:
        """The response to a request for jobs."""
        if http_request.path == _LIST:
            mine = [job for job in self._jobs.values() if job.organisation == organisation]
            return json_response(
                200, {"invocationJobSummaries": [self._shown(job, moment) for job in mine]}
            )
        if http_request.path == _CREATE:
            return self._create(body_json(http_request), organisation, moment)
        match = _ONE.match(http_request.path)
        job = self._jobs.get(match["job"].rpartition("/")[2]) if match else None
        if match is None or job is None or job.organisation != organisation:
            return exception("ResourceNotFoundException", "The specified job does not exist.")
        if match["stop"]:
            if job.outcome is None:
                job.stopped = job.stopped or self._progress(job, moment)
            return json_response(200, {})
        return json_response(200, self._shown(job, moment))

    def _create(self, body: Any, organisation: str, moment: Moment) -> HttpResponse:
        request = body if isinstance(body, dict) else {}
        missing = [name for name in _REQUIRED if not request.get(name)]
        if missing:
            return exception("ValidationException", f"{missing[0]} must be given.")
        kind = request.setdefault("modelInvocationType", "InvokeModel")
        hours = request.setdefault("timeoutDurationInHours", 24)
        if kind not in _OPERATIONS or not isinstance(hours, int) or not 24 <= hours <= 168:
            wanted = "modelInvocationType is InvokeModel or Converse, the timeout 24 to 168 hours."
            return exception("ValidationException", wanted)
        identity = f"sandbox{next(self._numbers):05d}"
        arn = f"arn:aws:bedrock:us-east-1:123456789012:model-invocation-job/{identity}"
        job = _Job(arn, organisation, request, [], moment.wall, moment.clock)
        job.message = self._read(job)
        self._jobs[identity] = job
        return json_response(200, {"jobArn": arn})

    def _read(self, job: _Job) -> str | None:
        """Read the job's records; what is wrong with them, if anything is."""
        name = _location(job.request["inputDataConfig"], "s3InputDataConfig")
        matching = [each for each in sorted(self._s3.objects) if each.startswith(name)]
        if not name or not matching:
            return f"No object was found at s3://{name}."
        for each in matching:
            for line in json_lines(self._s3.objects[each]):
                if isinstance(line, BadLine) or not isinstance(line.get("modelInput"), dict):
                    return f"s3://{each} holds a record without modelInput."
                number = len(job.records)
                job.records.append({"recordId": f"{number:011d}", **line})
        return None

    def _progress(self, job: _Job, moment: Moment) -> Progress:
        return Progress(moment.clock - job.started, self._seconds)

    def _shown(self, job: _Job, moment: Moment) -> dict[str, Any]:
        """The job as the API shows it; its answers are made when it is first seen to have ended."""
        expired = self._seconds > (hours := job.request["timeoutDurationInHours"] * 3_600) and (
            moment.clock - job.started >= hours
        )
        progress = job.stopped or self._progress(job, moment)
        shown = {
            **job.request,
            "jobArn": job.arn,
            "submitTime": _iso(job.submitted),
            "lastModifiedTime": _iso(moment.wall),
            "jobExpirationTime": _iso(job.submitted + hours),
        }
        if job.message:
            return {**shown, "status": "Failed", "message": job.message}
        ended = "Stopped" if job.stopped else "Expired" if expired else _STATUS[progress.phase]
        if ended in ("Validating", "InProgress"):
            done = int(len(job.records) * progress.share)
            counts = {"totalRecordCount": len(job.records), "processedRecordCount": done}
            return {**shown, "status": ended, **counts}
        if job.outcome is None:
            job.outcome = self._outcome(job, ended, progress.share, moment)
        return {**shown, **job.outcome}

    def _outcome(self, job: _Job, status: str, share: float, moment: Moment) -> dict[str, Any]:
        """The members of a job that has ended; its answers are put beside a manifest."""
        operation = _OPERATIONS[job.request["modelInvocationType"]]
        rows, failed, used = [], 0, [0, 0]
        for record in job.records[: int(len(job.records) * share)]:
            path = f"/model/{job.request['modelId']}/{operation}"
            response = self._answer(path, record["modelInput"], job.organisation)
            payload = answer_json(response)
            if response.status == 200:
                rows.append({**record, "modelOutput": payload})
                used = [total + more for total, more in zip(used, _tokens(payload), strict=True)]
            else:
                failed += 1
                message = payload.get("message") if isinstance(payload, dict) else payload
                error = {"errorCode": response.status, "errorMessage": message}
                rows.append({**record, "error": error})
        counts = {
            "totalRecordCount": len(job.records),
            "processedRecordCount": len(rows),
            "successRecordCount": len(rows) - failed,
            "errorRecordCount": failed,
        }
        self._write(job, rows, {**counts, "inputTokenCount": used[0], "outputTokenCount": used[1]})
        named = "PartiallyCompleted" if status == "Completed" and failed else status
        return {"status": named, "endTime": _iso(moment.wall), **counts}

    def _write(self, job: _Job, rows: list[dict[str, Any]], manifest: dict[str, Any]) -> None:
        source = _location(job.request["inputDataConfig"], "s3InputDataConfig")
        target = _location(job.request["outputDataConfig"], "s3OutputDataConfig").rstrip("/")
        name = source.rstrip("/").rpartition("/")[2]
        self._s3.objects[f"{target}/{job.id}/{name}.out"] = lines_of(rows)
        self._s3.objects[f"{target}/{job.id}/manifest.json.out"] = json.dumps(manifest).encode()


def _location(config: Any, member: str) -> str:
    inner = config.get(member) if isinstance(config, dict) else None
    uri = inner.get("s3Uri") if isinstance(inner, dict) else None
    return str(uri).removeprefix("s3://") if isinstance(uri, str) else ""


def _tokens(payload: Any) -> tuple[int, int]:
    usage = payload.get("usage") if isinstance(payload, dict) else None
    counted = usage if isinstance(usage, dict) else {}
    read = counted.get("inputTokens", counted.get("input_tokens", 0))
    written = counted.get("outputTokens", counted.get("output_tokens", 0))
    return int(read or 0), int(written or 0)


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
