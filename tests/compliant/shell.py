"""Where the command line lies, and how its tests run it; `conftest` has the fixtures."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "backend" / "groq_client_compliant.py"

#: Runs it with these arguments to its end.
Run = Callable[..., "subprocess.CompletedProcess[str]"]
