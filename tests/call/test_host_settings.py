"""Settings are read off whatever a host has, and found by more than one road."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import MagicMock, Mock

import pytest
from pydantic import BaseModel, SecretStr
from pydantic_settings import BaseSettings

from services import llm_client
from services.llm.errors import ConfigurationError
from services.llm.settings import host
from services.llm.settings.host import configure, current, read
from services.llm.settings.knobs import Knobs


class Plain:
    USE_GROQ = "true"


class Lower(BaseModel):
    use_groq: bool = True
    groq_api_key: str = "gsk"


class Own(BaseSettings, Knobs):
    pass


def a_module(name: str = "host_part", **names: Any) -> ModuleType:
    module = ModuleType(name)
    vars(module).update(names)
    return module


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(llm_client, "settings", llm_client.settings)
    yield
    configure(None)


@pytest.mark.parametrize(
    "settings",
    [
        *(Plain, Plain(), SimpleNamespace(USE_GROQ=1), {"USE_GROQ": "yes"}),
        *(lambda: Plain(), a_module(USE_GROQ=True), Own(USE_GROQ=True), MagicMock(USE_GROQ="on")),
    ],
)
def test_any_object_with_a_knob_will_do(settings: object) -> None:
    assert Knobs(USE_GROQ=True) == read(settings)


@pytest.mark.parametrize(
    "mock",
    [MagicMock(), Mock(spec=[]), MagicMock(spec=Plain), Mock()],
)
def test_a_mock_of_settings_sets_nothing(mock: Any) -> None:
    assert set() == read(mock).model_fields_set


@pytest.mark.parametrize("spec", [Own, Own()])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_mock_of_a_class_of_knobs_sets_nothing(spec: object) -> None:
    assert set() == read(Mock(spec=spec)).model_fields_set


@pytest.mark.parametrize("settings", [object(), None, 7, {}, "config.settings", lambda: object()])
def test_settings_without_a_knob_are_refused(settings: object) -> None:
    with pytest.raises(ConfigurationError, match="no field such as USE_GROQ"):
        read(settings)


@pytest.mark.parametrize("settings", [Lower, Own])
def test_a_class_that_wants_an_instance_is_named(settings: object) -> None:
    with pytest.raises(ConfigurationError, match=r"is the class .*: give an instance"):
        read(settings)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        (Lower(), "use_groq for USE_GROQ, groq_api_key for GROQ_API_KEY"),
        (SimpleNamespace(groqApiKey="x"), "groqApiKey for GROQ_API_KEY"),
        (SimpleNamespace(USE_GROQ=True, Groq_Api_Key="x"), "Groq_Api_Key for GROQ_API_KEY"),
        ({"USE_GROQ": True, "llm_timeout": 5}, "llm_timeout for LLM_TIMEOUT"),
        (a_module(useGroq=True), "useGroq for USE_GROQ"),
    ],
)
def test_a_knob_in_another_case_is_an_error_that_says_so(settings: object, named: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^The settings have {named}: name them as"):
        read(settings)


def test_a_name_in_another_case_beside_the_right_one_is_the_hosts_own() -> None:
    both = SimpleNamespace(AWS_REGION="eu-west-1", aws_region="us-west-2")
    assert "eu-west-1" == read(both).AWS_REGION


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (Own(), set()),
        (Own(AWS_REGION="us-east-1"), {"AWS_REGION"}),
        (SimpleNamespace(AWS_REGION="us-east-1"), {"AWS_REGION"}),
        (SimpleNamespace(AWS_REGION="", USE_GROQ=None), set()),
        (Own.model_construct(AWS_REGION="x").model_copy(update={"GROQ_MODEL": "m"}), None),
    ],
)
def test_what_is_set_can_be_told_from_a_default(
    settings: object, expected: set[str] | None
) -> None:
    wanted = {"AWS_REGION", "GROQ_MODEL"} if expected is None else expected
    assert wanted == read(settings).model_fields_set


@pytest.mark.parametrize("value", [object(), SimpleNamespace, print, SimpleNamespace(a=1)])
def test_an_object_that_says_nothing_is_not_set_and_told_of(
    value: object, caplog: pytest.LogCaptureFixture
) -> None:
    assert set() == read(SimpleNamespace(LLM_TIMEOUT=value)).model_fields_set
    kind = type(value).__name__
    assert [f"LLM_TIMEOUT is an object of type {kind}, which says nothing: it is not set"] == (
        caplog.messages
    )


@pytest.mark.parametrize("value", [None, " ", MagicMock(), SecretStr(""), 0.5, "1"])
def test_what_is_not_set_on_purpose_is_not_told_of(
    value: object, caplog: pytest.LogCaptureFixture
) -> None:
    read(SimpleNamespace(LLM_TIMEOUT=value))
    assert [] == caplog.messages


def test_a_default_of_a_hosts_own_class_is_set() -> None:
    class Here(BaseSettings, Knobs):
        AWS_REGION: str = "eu-west-1"

    known = read(Here())
    assert ("eu-west-1", {"AWS_REGION"}) == (known.AWS_REGION, known.model_fields_set)


def test_a_wrong_value_is_named_and_a_secret_one_not_shown() -> None:
    with pytest.raises(ConfigurationError, match=r"^LLM_TIMEOUT is 'soon': "):
        read(SimpleNamespace(LLM_TIMEOUT="soon"))
    with pytest.raises(ConfigurationError, match=r"^LLM_TIMEOUT is ") as caught:
        read(SimpleNamespace(LLM_TIMEOUT=SecretStr("s3cret")))
    assert "s3cret" not in repr(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "make",
    [
        lambda settings: a_module("config", settings=settings),
        lambda settings: a_module("config", get_settings=lambda: settings),
        lambda settings: a_module("config", settings=None, get_settings=lambda: settings),
        lambda settings: a_module("config", settings=a_module(settings=settings)),
        lambda settings: a_module("config", settings=a_module(get_settings=lambda: settings)),
        lambda settings: a_module(
            "config", settings=a_module(Settings=Own), get_settings=lambda: settings
        ),
        lambda settings: a_module("config", settings=a_module(**vars(settings))),
    ],
)
def test_settings_are_found_by_more_than_one_road(
    monkeypatch: pytest.MonkeyPatch, make: Callable[[Any], ModuleType]
) -> None:
    monkeypatch.setitem(sys.modules, "config", make(SimpleNamespace(GROQ_MODEL="found")))
    assert "found" == read(current()).GROQ_MODEL


def test_a_part_of_a_package_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    package = a_module("config", __path__=[])
    monkeypatch.setitem(sys.modules, "config", package)
    with pytest.raises(ConfigurationError, match=r"^There are no settings"):
        read(current())

    def imported(name: str, package_name: str | None) -> ModuleType:
        if name == "config.settings":
            package.settings = a_module(GROQ_MODEL="found")  # type: ignore[attr-defined]  # as import does
        return package

    monkeypatch.setattr(host, "import_module", imported)
    assert "found" == read(current()).GROQ_MODEL


@pytest.mark.parametrize("config", [a_module("config"), a_module("config", settings=a_module())])
def test_without_any_the_error_names_the_roads(
    monkeypatch: pytest.MonkeyPatch, config: ModuleType
) -> None:
    monkeypatch.setitem(sys.modules, "config", config)
    with pytest.raises(ConfigurationError, match=r"get_settings\(\).*configure\(settings\)"):
        read(current())


def test_a_host_without_a_config_may_configure(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str, package: str | None) -> ModuleType:
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(host, "import_module", missing)
    with pytest.raises(ConfigurationError, match=r"^There are no settings"):
        read(current())
    llm_client.configure(SimpleNamespace(GROQ_MODEL="configured"))
    assert "configured" == read(current()).GROQ_MODEL


def test_what_a_config_itself_lacks_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str, package: str | None) -> ModuleType:
        raise ModuleNotFoundError(name="dotenv")

    monkeypatch.setattr(host, "import_module", broken)
    with pytest.raises(ModuleNotFoundError):
        current()


def test_configured_settings_reach_both_kinds_of_client() -> None:
    from groq_client_compliant import GroqClient as CompliantClient

    chosen = SimpleNamespace(GROQ_API_KEY="gsk", GROQ_MODEL="m", GROQ_BASE_URL="http://127.0.0.1:9")
    llm_client.configure(lambda: chosen)
    with llm_client.GroqClient() as client:
        assert ("m", "http://127.0.0.1:9") == (client.default_model, client._base_url)
    assert "http://127.0.0.1:9" == CompliantClient("gsk", cache_path=None)._base_url


def test_settings_that_cannot_work_are_not_configured() -> None:
    before = llm_client.settings
    with pytest.raises(ConfigurationError, match="no field"):
        llm_client.configure(object())
    assert before is llm_client.settings


def _raising(error: Exception) -> property:
    def read(_: object) -> object:
        raise error

    return property(read)


class _Vault:
    USE_GROQ = True
    GROQ_API_KEY = _raising(ConnectionError("the vault is down"))


class _Unset:
    USE_GROQ = True
    LLM_TIMEOUT = _raising(AttributeError("not configured"))


class _Lazy:
    def __getattr__(self, name: str) -> object:
        # What pytest asks is none of it.
        raise RuntimeError("not configured") if name.isupper() else AttributeError(name)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (_Vault(), "GROQ_API_KEY raises ConnectionError: the vault is down"),
        (SimpleNamespace(**{"USE_GROQ": True, "GROQ_API_KEY": 10**5000}), "GROQ_API_KEY is a int"),
        (SimpleNamespace(**{"USE_GROQ": True, "LLM_TIMEOUT": 10**5000}), "LLM_TIMEOUT is a int"),
        (_Unset(), "LLM_TIMEOUT raises AttributeError: not configured"),
        (_Lazy(), "USE_GROQ raises RuntimeError: not configured"),
        (lambda: 1 // 0, "their function raises ZeroDivisionError"),
        (lambda: host.read({}), "have no field such as USE_GROQ"),
    ],
)
def test_settings_that_fail_when_they_are_read_are_an_error_that_says_so(
    settings: object, words: str
) -> None:
    with pytest.raises(ConfigurationError, match=words):
        host.read(settings)
