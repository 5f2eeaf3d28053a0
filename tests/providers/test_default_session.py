"""boto3's default session reads the tables of services as boto3's own, but not all of them."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.exceptions import DataNotFoundError, UnknownServiceError
from botocore.loaders import Loader

from services.llm.providers.bedrock.default_session import make_default_session

RUNTIME = "bedrock-runtime"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """One without AWS, in which boto3 has no session yet."""
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    return monkeypatch


def loader() -> Any:
    """Return that of a default session that is made now."""
    make_default_session(boto3)
    session: Any = boto3.DEFAULT_SESSION
    return session._session.get_component("data_loader")


@pytest.mark.parametrize("table", ["service-2", "endpoint-rule-set-1", "paginators-1"])
def test_a_services_tables_are_botocores(table: str) -> None:
    ours, theirs = loader(), Loader()
    assert theirs.load_service_model(RUNTIME, table) == ours.load_service_model(RUNTIME, table)
    version = theirs.determine_latest_version(RUNTIME, table)
    assert ours.load_service_model(RUNTIME, table, api_version=version) == (
        theirs.load_service_model(RUNTIME, table, version)
    )


def test_the_tables_of_all_services_are_botocores() -> None:
    ours, theirs = loader(), Loader()
    for table in ("endpoints", "partitions", "sdk-default-configuration", "_retry"):
        assert theirs.load_data(table) == ours.load_data(table)


def test_no_other_services_are_looked_for(environment: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("all services are listed")

    environment.setattr(Loader, "list_available_services", refuse)
    assert loader().load_service_model(RUNTIME, "service-2")["metadata"]


def test_an_unknown_service_is_refused_as_by_botocore() -> None:
    with pytest.raises(UnknownServiceError, match=RUNTIME):
        loader().load_service_model("bedrock-walktime", "service-2")


def test_an_unknown_version_is_refused_as_by_botocore() -> None:
    with pytest.raises(DataNotFoundError):
        loader().load_service_model(RUNTIME, "service-2", api_version="1999-12-31")


def test_a_hosts_own_tables_count(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    version = tmp_path / "mine" / "2026-11-26"
    version.mkdir(parents=True)
    (version / "service-2.json").write_text('{"operations": {}}')
    (version / "service-2.sdk-extras.json").write_text('{"merge": {"operations": {"Ask": {}}}}')
    environment.setenv("AWS_DATA_PATH", str(tmp_path))
    assert {"operations": {"Ask": {}}} == loader().load_service_model("mine", "service-2")


def test_a_hosts_own_loader_stays(environment: pytest.MonkeyPatch) -> None:
    class Own(Loader):
        pass

    own = Own()
    session = botocore.session.get_session()
    session.register_component("data_loader", own)
    environment.setattr(botocore.session, "get_session", lambda: session)
    assert own is loader()


def test_a_hosts_own_session_stays(environment: pytest.MonkeyPatch) -> None:
    own = boto3.Session()
    environment.setattr(boto3, "DEFAULT_SESSION", own)
    make_default_session(boto3)
    assert own is boto3.DEFAULT_SESSION


@pytest.mark.parametrize(
    "stand_in",
    [SimpleNamespace(), SimpleNamespace(DEFAULT_SESSION=None, setup_default_session=print)],
)
def test_a_tests_stand_in_is_left_alone(stand_in: SimpleNamespace) -> None:
    before = dict(vars(stand_in))
    make_default_session(stand_in)
    assert before == vars(stand_in)


def test_the_session_is_boto3s_in_all_else() -> None:
    make_default_session(boto3)
    ours: Any = boto3.DEFAULT_SESSION
    theirs = boto3.Session()
    assert type(theirs) is type(ours)
    for name in ("user_agent_name", "user_agent_version", "user_agent_extra"):
        assert getattr(theirs._session, name) == getattr(ours._session, name)
    assert theirs.get_available_services() == ours.get_available_services()
    assert theirs.get_available_resources() == ours.get_available_resources()
