"""What all tests rely on, however the run was started."""

from __future__ import annotations

import signal
from pathlib import Path

import certifi
import pytest
from hypothesis import settings

# How long an example takes says more about the machine than about the code.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

# A shell starts background jobs with interrupts ignored, and programs under test inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def one_certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trust store that loads at once, where nothing is reached by TLS anyway."""
    end = "-----END CERTIFICATE-----\n"
    first, *_ = Path(certifi.where()).read_text(encoding="ascii").split(end)
    file = tmp_path_factory.mktemp("trust") / "one.pem"
    file.write_text(first[first.index("-----BEGIN") :] + end, encoding="ascii")
    return file
