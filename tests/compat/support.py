"""What several of the tests in this folder use."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import httpx

ROOT = Path(__file__).parents[2]
BACKEND = ROOT / "backend"

SONNET = "anthropic.claude-3-sonnet-20240229-v1:0"
LLAMA = "meta.llama3-70b-instruct-v1:0"
MIXTRAL = "mistral.mixtral-8x7b-instruct-v0:1"


def completion(text: str) -> Mock:
    """Return what Groq answers in a host's test: a text, and mocks for all the rest."""
    reply = Mock()
    reply.choices = [Mock()]
    reply.choices[0].message.content = text
    return reply


def invocation(body: Any) -> dict[str, Any]:
    """Return what `invoke_model` answers in a host's test, with *body* as the parsed body."""
    return {"body": Mock(read=Mock(return_value=json.dumps(body).encode()))}


def claude(text: str) -> dict[str, Any]:
    """Return the body of Claude's answer."""
    return {"content": [{"type": "text", "text": text}]}


def response(status: int, headers: dict[str, str] | None = None) -> httpx.Response:
    """Return the HTTP response that the groq SDK's exceptions are built from."""
    request = httpx.Request("POST", "https://api.groq.com/openai/v1/chat/completions")
    return httpx.Response(status, headers=headers, request=request)


def run_python(code: str, *path: Path, cwd: Path = ROOT) -> Any:
    """Run *code* in an interpreter with *path* on its import path; return what it prints as JSON.

    Warnings are errors there. Nothing of the providers is set in its environment.
    """
    quiet = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("GROQ_", "AWS_", "BEDROCK_", "LLM_", "USE_GROQ", "PYTHON"))
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**quiet, "PYTHONPATH": os.pathsep.join(map(str, path))},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)
