"""What all tests rely on, however the run was started."""

from __future__ import annotations

import gc
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from weakref import WeakKeyDictionary

import certifi
import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.redis_server import redis_url

__all__ = ["redis_url"]  # a fixture

# Where the same tests have run on another interpreter, fewer examples do.
FEWER = int(os.environ.get("FEWER_EXAMPLES", "1"))
# Where nobody reads which example fails, as of a mutant, none is made smaller.
UNREAD = {Phase.shrink, Phase.explain} if "UNREAD_FAILURES" in os.environ else set()
# How long an example takes, or its making, says more about the machine than about the code.
settings.register_profile(
    "unhurried",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    max_examples=100 // FEWER,
    phases=[phase for phase in Phase if phase not in UNREAD],
)
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


@pytest.fixture(scope="session", autouse=True)
def _one_trust_store(one_certificate: Path) -> Iterator[None]:
    """Each client would read all that the machine trusts, which takes longer than most tests."""
    with pytest.MonkeyPatch.context() as patched:
        for name in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_DIR"):
            patched.delenv(name, raising=False)
        patched.setenv("SSL_CERT_FILE", str(one_certificate))
        yield


def _backoff_from(seconds: float, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    from services.llm.call import retry

    monkeypatch.setattr(retry, "FIRST_BACKOFF", seconds)
    retry._transient_errors.cache_clear()
    yield
    retry._transient_errors.cache_clear()


@pytest.fixture
def short_backoff(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Retries come at once, in a test that is about something else."""
    yield from _backoff_from(0.001, monkeypatch)


@pytest.fixture
def long_backoff(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Retries come after seconds, in a test of what happens before."""
    yield from _backoff_from(8.0, monkeypatch)


@pytest.fixture
def short_first_answer_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client's first requests wait 10 ms for the first answer, in tests where none comes."""
    monkeypatch.setattr("services.llm.account.registry.MAX_FIRST_ANSWER_WAIT", 0.01)


@pytest.fixture
def forks_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that plays a child resets what it makes itself, and no lock of another thread."""
    from services.llm.runtime import fork

    monkeypatch.setattr(fork, "_forking", threading.RLock())
    for registry in ("_resets", "_pauses"):
        monkeypatch.setattr(fork, registry, WeakKeyDictionary())


@pytest.fixture
def own_prices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prices that a test gives, which hold for the whole process, go with it."""
    from services.llm.models import prices

    monkeypatch.setattr(prices, "_own", {})


def freeze_what_stays() -> None:
    """Let no garbage collection look again at what lives now, which is most of the heap."""
    gc.collect()
    gc.freeze()


def pytest_collection_finish() -> None:
    """Freeze the suite."""
    freeze_what_stays()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Freeze what a file's tests leave behind, such as the tables of SDKs."""
    if nextitem is not None and nextitem.path != item.path:
        freeze_what_stays()
