"""A process that has imported all but the settings, and forks for each run of the command line.

Most of the time that a run takes goes into imports. Here they are made once; only the settings and
the script itself are read anew in every run, with the environment and in the folder of that run.
"""

from __future__ import annotations

import json
import os
import runpy
import socket
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

_BACKEND = str(Path(__file__).parents[2] / "backend")
_MODULES = ("groq", "services.groq_compliant.client", "services.groq_compliant.command_line")


class Preloaded:
    """Such a process; `run` is as `subprocess.run`, for one script and its arguments."""

    def __init__(self) -> None:
        self._ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())], pass_fds=[theirs.fileno()]
            )

    def run(
        self, argv: list[str], env: dict[str, str], cwd: str, said: bytes | None
    ) -> subprocess.CompletedProcess[bytes]:
        """Run the script *argv* to its end, with *said* to read, or nothing."""
        with _given(said) as given, TemporaryFile() as out, TemporaryFile() as errors:
            files = [given.fileno(), out.fileno(), errors.fileno()]
            asked = json.dumps({"argv": argv, "env": env, "cwd": cwd}).encode()
            self._ours.settimeout(60)
            socket.send_fds(self._ours, [len(asked).to_bytes(4, "big")], files)
            self._ours.sendall(asked)
            status = os.waitstatus_to_exitcode(int(self._ours.recv(32)))
            out.seek(0)
            errors.seek(0)
            return subprocess.CompletedProcess(argv, status, out.read(), errors.read())

    def close(self) -> None:
        """End it."""
        self._ours.close()
        self._process.wait(60)


def _given(said: bytes | None) -> Any:
    """A pipe that says so, or the file that says nothing."""
    if said is None:
        return open(os.devnull, "rb")
    assert len(said) < 60_000, "a pipe takes no more at once"
    ours, theirs = os.pipe()
    with open(theirs, "wb") as pipe:
        pipe.write(said)
    return open(ours, "rb")


def _next_run(line: socket.socket) -> dict[str, Any] | None:
    """Fork for each run that is asked for; return it in the child, and None at the end."""
    while True:
        size, files, _, _ = socket.recv_fds(line, 4, 3)
        if not size:
            return None
        asked = b""
        while len(asked) < int.from_bytes(size, "big"):
            asked += line.recv(65_536)
        pid = os.fork()
        if not pid:
            for number, file in enumerate(files):
                os.dup2(file, number)
                os.close(file)
            return dict(json.loads(asked))
        for file in files:
            os.close(file)
        line.sendall(str(os.waitpid(pid, 0)[1]).encode())


def _main(line: socket.socket) -> None:
    sys.path[0] = _BACKEND
    for name in _MODULES:
        import_module(name)
    with line:
        run = _next_run(line)
    if run is None:
        return
    os.chdir(run["cwd"])
    os.environ.clear()
    os.environ.update(run["env"])
    sys.argv = run["argv"]
    # Whether a file can be sought is found out once, when it is opened.
    sys.stdin = os.fdopen(0, closefd=False, encoding="utf-8")
    sys.stdout = os.fdopen(1, "w", closefd=False, encoding="utf-8")
    sys.stderr = os.fdopen(2, "w", 1, "utf-8", "backslashreplace", closefd=False)
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    _main(socket.socket(fileno=int(sys.argv[1])))
