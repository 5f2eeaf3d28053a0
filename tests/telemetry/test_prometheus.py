"""Metrics as Prometheus scrapes them, and the dashboard that asks for them."""

from __future__ import annotations

import gc
import json
import math
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Histogram, Summary, generate_latest, values
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.parser import text_string_to_metric_families

from sandbox import Answer, Fault, Sandbox
from services.llm.call import call_events
from services.llm.errors import ConfigurationError, LLMError
from services.llm.events import (
    AttemptEnded,
    AttemptStarted,
    BatchSubmitted,
    CacheHit,
    CallJoined,
    CallStarted,
    Event,
    FirstPiece,
    LimitSources,
    ModelSwitched,
    OutageBegan,
    RepairPlanned,
    RetryPlanned,
    ScopePaused,
    WaitEnded,
    WaitStarted,
    hooks,
)
from services.llm.limit_types import Headroom
from services.llm.runtime import fork
from services.llm.telemetry import call_counts, prometheus
from services.llm.telemetry.call_counts import COUNTED, METERED, CallCounts
from services.llm.telemetry.labels import status_label
from services.llm.telemetry.metrics import BUCKETS, METRICS, Distribution
from services.llm.types import Attempt
from tests.telemetry.ended import (
    ATTEMPT,
    INFO,
    MODEL,
    USAGE,
    answered,
    batch_ended,
    cached,
    cancelled,
    failed,
)
from tests.wire.conftest import OpenFace
from tests.wire.faces import Face
from tests.wire.streaming import read

DASHBOARD = json.loads(
    (Path(__file__).parents[2] / "docs" / "grafana.json").read_text(encoding="utf-8")
)
Samples = dict[str, dict[frozenset[tuple[str, str]], float]]


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def scraped(registry: CollectorRegistry) -> Samples:
    """Samples by name and labels, as a scraper reads them."""
    samples: Samples = {}
    for family in text_string_to_metric_families(generate_latest(registry).decode()):
        for sample in family.samples:
            samples.setdefault(sample.name, {})[frozenset(sample.labels.items())] = sample.value
    return samples


def value(samples: Samples, name: str, **labels: str) -> float:
    """The sum of the samples that have these labels."""
    return sum(
        amount
        for each, amount in samples.get(name, {}).items()
        if labels.items() <= dict(each).items()
    )


#: One event of each kind, in an order in which they may come.
EVERYTHING: tuple[Event, ...] = (
    CallStarted(INFO, 1.0),
    CallJoined(INFO, 1.0),
    CacheHit(INFO, 1.0),
    WaitStarted(INFO, 1.0, "tokens", 2.0, MODEL),
    WaitEnded(INFO, 1.0, "tokens", 1.5, MODEL),
    ModelSwitched(INFO, 1.0, "llama3-70b-8192", MODEL),
    AttemptStarted(INFO, 1.0, 1, MODEL, MODEL),
    FirstPiece(INFO, 1.0, 0.3),
    AttemptEnded(INFO, 1.0, ATTEMPT, True),
    AttemptEnded(INFO, 1.0, replace(ATTEMPT, cost=None), True),
    ScopePaused(INFO, 1.0, MODEL, 7.0),
    OutageBegan(INFO, 1.0, MODEL, 9.0),
    RetryPlanned(INFO, 1.0, 1, "RateLimitError(rate_limit_exceeded)", 0.5),
    RepairPlanned(INFO, 1.0, 2, 1),
    answered(),
    cached(),
    failed(),
    cancelled(),
    BatchSubmitted(INFO, 1.0, "batch_1", 3),
    batch_ended(),
)


class _Account:
    """An account with one limit."""

    provider, now = "groq", float

    def __init__(self, left: float, amount: float = 30.0) -> None:
        self.quota, self.observed_scopes = self, set[str]()
        self._amount = amount
        self.has_left(left)

    def has_left(self, left: float) -> None:
        self._found = Headroom("RPM", "requests", 60.0, self._amount, left, 1.0)

    def headroom(self, scope: str, now: float) -> tuple[Headroom, ...]:
        return (self._found,)


@pytest.fixture(autouse=True)
def sources(monkeypatch: pytest.MonkeyPatch) -> LimitSources:
    """The accounts whose limits are looked at: none of an earlier test."""
    known = LimitSources()
    for module in (prometheus, call_events):
        monkeypatch.setattr(module, "limit_sources", known)
    return known


@pytest.fixture
def accounts(sources: LimitSources) -> list[_Account]:
    """One such account, and those that a test adds."""
    held = [_Account(12.0)]
    sources.note(held[0], MODEL)  # type: ignore[arg-type]  # as much of an account as is asked
    return held


def tell(events: tuple[Event, ...] = EVERYTHING) -> None:
    for event in events:
        for each in hooks.registered:
            each.hook(event)


@pytest.mark.usefixtures("accounts")
def test_each_metric_of_the_table_is_in_a_scrape_with_its_labels(
    registry: CollectorRegistry,
) -> None:
    prometheus.instrument(registry=registry)
    tell()
    samples = scraped(registry)
    endings = {"counter": "_total", "gauge": "", "histogram": "_bucket", "summary": "_sum"}
    for metric in METRICS:
        (labels, *_) = samples[metric.name + endings[metric.kind]]
        assert {*metric.labels} == {name for name, _ in labels} - {"le"}, metric.name


def test_tokens_and_money_are_counted_by_kind_and_model(registry: CollectorRegistry) -> None:
    prometheus.instrument(registry=registry)
    written = replace(ATTEMPT, usage=replace(USAGE, cache_write_input_tokens=5))
    tell((AttemptEnded(INFO, 1.0, written, True), AttemptEnded(INFO, 1.0, ATTEMPT, True)))
    samples = scraped(registry)
    kinds = {
        kind: value(samples, "llm_tokens_total", model=MODEL, kind=kind)
        for kind in ("input", "output", "cached_input", "cache_write_input", "reasoning")
    }
    assert {
        "input": 200.0,
        "output": 80.0,
        "cached_input": 120.0,
        "cache_write_input": 5.0,
        "reasoning": 16.0,
    } == kinds
    assert pytest.approx(0.0004) == value(samples, "llm_cost_dollars_total", model=MODEL)
    assert 0.0 == value(samples, "llm_unpriced_tokens_total")


def test_a_plain_answer_has_no_tokens_of_other_kinds(registry: CollectorRegistry) -> None:
    prometheus.instrument(registry=registry)
    plain = replace(USAGE, cached_input_tokens=0, reasoning_tokens=0)
    unknown = Attempt(1, "mine/own", usage=replace(plain, reported=False))
    tell((AttemptEnded(INFO, 1.0, replace(ATTEMPT, usage=plain), True),))
    tell((AttemptEnded(INFO, 1.0, unknown, True), AttemptEnded(INFO, 1.0, unknown, False)))
    samples = scraped(registry)
    kinds = {dict(labels)["kind"] for labels in samples["llm_tokens_total"]}
    assert {"input", "output"} == kinds
    assert 1.0 == value(samples, "llm_attempts_total", model="other", status="none")


def test_what_the_clients_do_is_in_a_scrape(
    face: Face, sandbox: Sandbox, registry: CollectorRegistry
) -> None:
    prometheus.instrument(registry=registry)
    usage = face.respond("hi").usage
    read(face, "hi")
    sandbox.script(Fault.invalid_key())
    with pytest.raises(LLMError):
        face.generate("hi")
    samples, provider = scraped(registry), face.provider
    calls = {
        outcome: value(samples, "llm_calls_total", provider=provider, outcome=outcome)
        for outcome in ("answered", "failed", "cached", "cancelled")
    }
    assert {"answered": 2.0, "failed": 1.0, "cached": 0.0, "cancelled": 0.0} == calls
    assert 1.0 == value(samples, "llm_call_errors_total", error="AuthenticationError")
    assert 2.0 * usage.input_tokens == value(samples, "llm_tokens_total", kind="input")
    assert 3.0 == value(samples, "llm_call_duration_seconds_count", model="other")
    assert 1.0 == value(samples, "llm_time_to_first_token_seconds_count")
    status = {"groq": "401", "bedrock": "403"}[provider]
    assert 1.0 == value(samples, "llm_attempts_total", status=status)
    assert 0.0 == value(samples, "llm_calls_in_flight")
    assert 0.0 == value(samples, "llm_attempts_in_flight")


def test_what_is_in_flight_or_waits_is_a_level(registry: CollectorRegistry) -> None:
    prometheus.instrument(registry=registry)
    tell(EVERYTHING[:4] + EVERYTHING[6:7])
    samples = scraped(registry)
    assert [1.0, 1.0, 1.0] == [
        value(samples, "llm_calls_in_flight", provider="groq"),
        value(samples, "llm_calls_waiting", limit="tokens"),
        value(samples, "llm_attempts_in_flight"),
    ]
    tell((EVERYTHING[4], EVERYTHING[8], answered()))
    samples = scraped(registry)
    for name in ("llm_calls_in_flight", "llm_calls_waiting", "llm_attempts_in_flight"):
        assert [0.0] == list(samples[name].values())
    assert 1.5 == value(samples, "llm_wait_seconds_sum", limit="tokens")


def test_labels_stay_few_whatever_callers_send(registry: CollectorRegistry) -> None:
    prometheus.instrument(registry=registry)
    for number in range(50):
        call = replace(INFO, model=f"made/up-{number}", tags={"tenant": str(number)})
        attempt = replace(ATTEMPT, model=f"made/up-{number}", status=1000 + number)
        tell(
            (
                AttemptEnded(call, 1.0, attempt, True),
                failed(call=call, model=f"made/up-{number}", error_type=f"Made{number}Error"),
                RetryPlanned(call, 1.0, 1, f"RateLimitError(code-{number})", 1.0),
            )
        )
    series = [len(each) for name, each in scraped(registry).items() if name.endswith("_total")]
    assert max(series) <= 5


@pytest.mark.parametrize(
    ("status", "label"), [(200, "200"), (529, "529"), (None, "none"), (0, "other"), (600, "other")]
)
def test_a_status_is_one_of_http_or_other(status: int | None, label: str) -> None:
    assert label == status_label(status)


def test_what_is_left_of_a_limit_is_that_of_the_account_that_has_least(
    registry: CollectorRegistry, sources: LimitSources, accounts: list[_Account]
) -> None:
    prometheus.instrument(registry=registry)
    for scope, account in {
        MODEL: _Account(3.0),
        f"us.{MODEL}": _Account(9.0),
        "key 2 of 3": _Account(0.0, 0.0),
        "made/up": _Account(1.0, float("inf")),
    }.items():
        accounts.append(account)
        sources.note(account, scope)  # type: ignore[arg-type]  # as above
    samples = scraped(registry)
    assert {(MODEL, 3.0), ("key 2 of 3", 0.0), ("other", 9.0)} == {
        (dict(labels)["scope"], left) for labels, left in samples["llm_limit_left"].items()
    }
    assert 30.0 == value(samples, "llm_limit_amount", scope=MODEL, limit="RPM")
    accounts.clear()
    del account
    gc.collect()
    assert {} == scraped(registry).get("llm_limit_left", {})


def test_the_limits_of_a_client_are_looked_at_once_it_was_used(
    open_client: OpenFace, registry: CollectorRegistry
) -> None:
    prometheus.instrument(registry=registry)
    face = open_client("groq", GROQ_REQUESTS_PER_MINUTE=20)
    face.generate("hi")
    assert (19.0, 20.0) == (
        value(scraped(registry), "llm_limit_left", scope="other", limit="RPM"),
        value(scraped(registry), "llm_limit_amount", scope="other", limit="RPM"),
    )


def test_an_account_is_remembered_with_so_many_scopes() -> None:
    sources, account = LimitSources(), _Account(1.0)
    for number in range(100):
        sources.note(account, f"m-{number}")  # type: ignore[arg-type]  # as above
    assert 64 == len(list(sources.headroom()))


def test_several_clients_count_in_one_registry_and_each_call_once(
    open_client: OpenFace, registry: CollectorRegistry
) -> None:
    one, other, third = (open_client("groq") for _ in range(3))
    ends = [prometheus.instrument(each.client, registry=registry) for each in (one, other)]
    prometheus.instrument(one.client, registry=registry)
    for face in (one, other, third):
        face.generate("hi")
    assert 2.0 == value(scraped(registry), "llm_calls_total")
    for end in ends:
        end()
    one.generate("hi")
    assert 2.0 == value(scraped(registry), "llm_calls_total")
    prometheus.instrument(registry=registry)
    prometheus.instrument(one.client, registry=registry)
    one.generate("hi")
    assert 3.0 == value(scraped(registry), "llm_calls_total")


def test_the_librarys_own_registry_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    import prometheus_client

    registry = CollectorRegistry()
    monkeypatch.setattr(prometheus_client, "REGISTRY", registry)
    prometheus.instrument()
    tell((answered(),))
    assert 1.0 == value(scraped(registry), "llm_calls_total")


def test_a_scrape_of_one_name_is_up_to_date(registry: CollectorRegistry) -> None:
    prometheus.instrument(registry=registry)
    tell((answered(),))
    restricted: Any = registry.restricted_registry(["llm_calls_total"])
    assert 1.0 == value(scraped(restricted), "llm_calls_total")


def test_observations_that_nobody_scrapes_do_not_pile_up(
    registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_counts, "_BATCH", 10)
    prometheus.instrument(registry=registry)
    hook: Any = hooks.registered[0].hook
    for _ in range(25):
        tell((answered(),))
        assert len(hook.meter._pending) < 10
    assert 25.0 == value(scraped(registry), "llm_call_duration_seconds_count")


def test_a_call_has_what_was_noted_counted_once_that_is_enough(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(call_counts, "_BATCH", 32)
    counts = CallCounts(Distribution)
    for number in range(1, 17):
        counts.call_started("groq")
        ended = counts.call_ended("groq", "respond", MODEL, "answered", None, 1.0)
        assert (number == 16) == ended
    counts.catch_up()
    assert not counts._pending


def test_a_value_belongs_to_the_first_bucket_whose_bound_it_does_not_exceed() -> None:
    found = Distribution()
    for each in (0.0, 0.05, 0.06, 120.0, 120.1, 9e9):
        found.append(each)
    copy = found.copy()
    found.append(1.0)
    filled = {bound: count for bound, count in zip(BUCKETS, copy.counts, strict=True) if count}
    assert {0.05: 2, 0.1: 1, 120.0: 1, math.inf: 2} == filled
    assert 9e9 + 240.21 == pytest.approx(copy.sum)


def test_a_histogram_and_a_summary_are_those_of_the_library(registry: CollectorRegistry) -> None:
    prometheus.instrument(registry=registry)
    seconds = (0.05, 0.3, 4.0, 500.0)
    tell(tuple(answered(seconds=each) for each in seconds))
    tell(tuple(WaitEnded(INFO, 1.0, "tokens", each, MODEL) for each in seconds))
    library = CollectorRegistry()
    labels = {"provider": "groq", "model": MODEL}
    histogram = Histogram(
        "llm_call_duration_seconds", "-", labels, buckets=BUCKETS, registry=library
    )
    summary = Summary("llm_wait_seconds", "-", ("provider", "limit"), registry=library)
    for each in seconds:
        histogram.labels(**labels).observe(each)
        summary.labels("groq", "tokens").observe(each)
    expected, found = scraped(library), scraped(registry)
    names = {name for name in expected if not name.endswith("_created")}
    assert 5 == len(names)
    assert {name: expected[name] for name in names} == {name: found[name] for name in names}


def test_only_what_does_not_come_with_every_call_is_an_event_to_the_hook(
    registry: CollectorRegistry,
) -> None:
    prometheus.instrument(registry=registry)
    (registration,) = hooks.registered
    assert COUNTED - METERED == registration.kinds
    assert {type(event) for event in EVERYTHING} - {BatchSubmitted} == COUNTED


def test_a_call_makes_no_event_to_be_counted(
    registry: CollectorRegistry, face: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    prometheus.instrument(registry=registry)
    monkeypatch.setattr(call_events, "CallInfo", None)
    face.client.generate("Hello")
    assert 1.0 == value(scraped(registry), "llm_calls_total", outcome="answered")


def test_a_child_process_counts_nothing_of_its_parents(registry: CollectorRegistry) -> None:
    prometheus.instrument(registry=registry)
    hook: Any = hooks.registered[0].hook
    tell(EVERYTHING[:1])
    tell((answered(call=replace(INFO, provider="bedrock")),))
    fork._resets[hook.meter](hook.meter)
    tell((answered(),))  # the end of what the parent began
    samples = scraped(registry)
    assert (1.0, 0.0) == (
        value(samples, "llm_calls_total"),
        value(samples, "llm_calls_in_flight"),
    )


@pytest.fixture
def multi_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CollectorRegistry]:
    """The registry in which one process finds the metrics of all."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    opened: list[MmapedDict] = []

    class Noted(MmapedDict):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)  # type: ignore[no-untyped-call]  # the library's own
            opened.append(self)

    monkeypatch.setattr(values, "MmapedDict", Noted)
    # The library has looked for the folder when it was imported.
    made = values.MultiProcessValue()  # type: ignore[no-untyped-call]  # the library's own
    monkeypatch.setattr(values, "ValueClass", made)
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(tmp_path))  # type: ignore[no-untyped-call]  # it has none
    yield registry
    for file in opened:
        file.close()  # type: ignore[no-untyped-call]  # it leaves that to the process's end


def test_of_several_processes_the_one_that_has_least_of_a_limit_tells_of_it(
    multi_process: CollectorRegistry, accounts: list[_Account], monkeypatch: pytest.MonkeyPatch
) -> None:
    for process, left in enumerate((12.0, 5.0, 7.0)):
        made: Any = values.MultiProcessValue
        monkeypatch.setattr(values, "ValueClass", made(partial(int, process)))
        accounts[0].has_left(left)
        end = prometheus.instrument(registry=CollectorRegistry())
        tell((CallStarted(INFO, 1.0), answered()))
        end()
    samples = scraped(multi_process)
    assert 5.0 == value(samples, "llm_limit_left")
    assert 30.0 == value(samples, "llm_limit_amount")
    assert 3.0 == value(samples, "llm_calls_total")


@pytest.mark.usefixtures("accounts")
def test_several_processes_write_theirs_into_one_folder(
    multi_process: CollectorRegistry, registry: CollectorRegistry
) -> None:
    prometheus.instrument(registry=registry)
    tell()
    samples = scraped(multi_process)
    assert 4.0 == value(samples, "llm_calls_total")
    assert 4.0 == value(samples, "llm_call_duration_seconds_count")
    assert 0.0 == value(samples, "llm_calls_in_flight")
    assert 12.0 == value(samples, "llm_limit_left")
    assert [(None, None)] == [(each.kinds, each.meter) for each in hooks.registered]


@pytest.mark.parametrize("name", ["PROMETHEUS_MULTIPROC_DIR", "prometheus_multiproc_dir"])
@pytest.mark.parametrize("folder", ["missing", "file", ""])
def test_a_folder_of_metrics_that_cannot_be_written_is_told(
    name: str, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(name, folder)
    words = f"PROMETHEUS_MULTIPROC_DIR is '{folder}': give a folder that is there"
    with pytest.raises(ConfigurationError, match=words):
        prometheus.instrument(registry=CollectorRegistry())
    assert () == hooks.registered


def test_a_folder_that_the_library_has_not_found_when_it_was_imported_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    with pytest.raises(ConfigurationError, match="set after prometheus_client was imported"):
        prometheus.instrument(registry=CollectorRegistry())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"client": 5}, "client is 5: give a client of ours, or None for all clients"),
        ({"client": hooks.add}, "client is <bound method Hooks.add"),
        ({"registry": 5}, "registry is 5: give a CollectorRegistry, or None"),
        ({"registry": CollectorRegistry}, "registry is <class 'prometheus_client"),
    ],
)
def test_what_is_no_client_and_no_registry_is_named(arguments: Any, words: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(words)):
        prometheus.instrument(**arguments)
    assert () == hooks.registered


def test_a_registry_that_has_other_metrics_of_our_names_is_not_counted_in(
    registry: CollectorRegistry,
) -> None:
    Summary("llm_wait_seconds", "-", registry=registry)
    for _ in range(2):
        with pytest.raises(ValueError, match="Duplicated timeseries"):
            prometheus.instrument(registry=registry)


def test_without_the_package_an_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(ConfigurationError, match="pip install prometheus-client"):
        prometheus.instrument()
    assert () == hooks.registered


def test_a_batch_of_the_providers_is_counted_when_it_is_read_first(
    registry: CollectorRegistry,
) -> None:
    prometheus.instrument(registry=registry)
    tell((batch_ended(), batch_ended(is_new=False), batch_ended(cost=None)))
    samples = scraped(registry)
    assert [4.0, 2.0] == [
        value(samples, "llm_batch_prompts_total", outcome=each) for each in ("answered", "failed")
    ]
    assert 200.0 == value(samples, "llm_tokens_total", kind="input")
    assert 0.0002 == value(samples, "llm_cost_dollars_total")
    assert 140.0 == value(samples, "llm_unpriced_tokens_total", model=MODEL)
    assert 0.0 == value(samples, "llm_calls_total")


def queries() -> list[str]:
    return [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]


@pytest.mark.usefixtures("accounts")
def test_every_query_of_the_dashboard_finds_its_series(registry: CollectorRegistry) -> None:
    prometheus.instrument(registry=registry)
    tell()
    samples = scraped(registry)
    unanswered = []
    for query in queries():
        grouped = {name for by in re.findall(r"by \(([\w, ]+)\)", query) for name in by.split(", ")}
        for name, matchers in re.findall(r"(llm_\w+)(?:\{([^}]*)\})?", query):
            wanted = dict(re.findall(r'(\w+)=~?"([^"]*)"', matchers))
            found = [
                each
                for each in map(dict, samples.get(name, {}))
                if grouped | wanted.keys() <= each.keys()
                and all(
                    pattern.startswith("$") or re.fullmatch(pattern, each[label])
                    for label, pattern in wanted.items()
                )
            ]
            if not found:
                unanswered.append(f"{name}{{{matchers}}} by {sorted(grouped)}: {query}")
    assert [] == unanswered


def test_every_metric_is_on_the_dashboard() -> None:
    shown = " ".join(queries())
    assert [] == [metric.name for metric in METRICS if metric.name not in shown]


def test_the_legends_and_variables_of_the_dashboard_are_labels_that_there_are() -> None:
    labels = {label for metric in METRICS for label in metric.labels}
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]):
                assert label in labels
                assert re.search(rf"by \([^)]*\b{label}\b", target["expr"]), target
    variables = {each["name"] for each in DASHBOARD["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)\}?", json.dumps(DASHBOARD)))
    assert used == variables | {"__rate_interval", "__all"}


def test_no_two_panels_share_a_place() -> None:
    taken = [
        (x, y)
        for panel in DASHBOARD["panels"]
        for place in [panel["gridPos"]]
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) < 24


def test_a_structured_answer_that_is_repaired_is_counted(
    open_client: OpenFace, sandbox: Sandbox, registry: CollectorRegistry
) -> None:
    prometheus.instrument(registry=registry)
    sandbox.script(Answer(text="None."))
    open_client("groq").structured("hi", {"type": "object", "required": []})
    assert 1.0 == value(scraped(registry), "llm_repairs_total")
