"""What a host has set up wrongly is named when the client is built; regions come from boto3."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from services import llm_client
from services.llm.providers.bedrock import configuration
from services.llm_client import BedrockClient, ConfigurationError


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """One without AWS, in which boto3 has no session yet; settings without a field."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "LLM_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    monkeypatch.setattr(llm_client, "settings", SimpleNamespace(USE_GROQ=False))
    return monkeypatch


def refusal(**arguments: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        BedrockClient(**arguments)
    return str(caught.value)


def test_an_unknown_profile_is_named(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("AWS_PROFILE", "nobody")
    assert "AWS_PROFILE: boto3 cannot be set up" in refusal()


@pytest.mark.parametrize("variable", ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"])
def test_a_broken_file_is_named(
    environment: pytest.MonkeyPatch, tmp_path: Path, variable: str
) -> None:
    broken = tmp_path / "broken"
    broken.write_text("this is [ no file\nof boto3's\n")
    environment.setenv(variable, str(broken))
    said = refusal()
    assert variable in said
    assert str(broken) in said


@pytest.mark.parametrize("region", ["us east", "us\reast", "-", "a" * 64])
def test_what_is_no_region_is_named(environment: pytest.MonkeyPatch, region: str) -> None:
    assert repr(region) in refusal(region_name=region)
    environment.setenv("AWS_DEFAULT_REGION", region)
    assert "AWS_DEFAULT_REGION is" in refusal()


def test_a_mistake_in_any_variable_of_boto3_is_named(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("AWS_RETRY_MODE", "whatever")
    assert "AWS_RETRY_MODE: " in refusal()


def test_an_endpoint_that_is_none_is_named(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "ftp:/x y")
    assert "AWS_ENDPOINT_URL_BEDROCK_RUNTIME: " in refusal()


@pytest.mark.parametrize(
    "proxy",
    [
        *("socks9://x:1", "http://x:99999", "http://", "http://a b:1", "http://a..b:1"),
        *("http://x:1\r", "http://us%ffer:p@x:1", "http://é:p@x:1"),
    ],
)
@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy"])
def test_a_proxy_that_cannot_be_is_named(
    environment: pytest.MonkeyPatch, variable: str, proxy: str
) -> None:
    environment.setenv(variable, proxy)
    assert f"{variable} is " in refusal()


def test_a_space_that_is_not_seen_is_named(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("HTTPS_PROXY", "http://x:1\r")
    assert "a space or a line break" in refusal()


@pytest.mark.parametrize("password", ["hunter2secret", "a hunter2secret", "\nhunter2secret"])
def test_a_proxys_password_is_not_shown(environment: pytest.MonkeyPatch, password: str) -> None:
    environment.setenv("HTTPS_PROXY", f"socks9://me:{password}@x:1")
    assert "hunter2secret" not in refusal()


@pytest.mark.parametrize("proxy", ["http://x:3128", "https://x", "x:3128", "//x:3128"])
def test_a_proxy_that_can_be_is_taken(environment: pytest.MonkeyPatch, proxy: str) -> None:
    environment.setenv("HTTPS_PROXY", proxy)
    environment.setenv("NO_PROXY", "localhost,::1/128")
    BedrockClient().close()


@pytest.mark.parametrize("variable", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"])
@pytest.mark.parametrize("content", [None, "no certificates\n"])
def test_certificates_that_cannot_be_read_are_named(
    environment: pytest.MonkeyPatch, tmp_path: Path, variable: str, content: str | None
) -> None:
    file = tmp_path / "bundle.pem"
    if content is not None:
        file.write_text(content)
    environment.setenv(variable, str(file))
    assert f"{variable} is '{file}'" in refusal()


@pytest.mark.parametrize("has_list", [True, False])
def test_a_key_log_that_cannot_be_written_is_named_and_not_the_certificates(
    environment: pytest.MonkeyPatch, tmp_path: Path, one_certificate: Path, has_list: bool
) -> None:
    if has_list:
        environment.setenv("AWS_CA_BUNDLE", str(one_certificate))
    environment.setenv("SSLKEYLOGFILE", str(tmp_path / "none" / "keys"))
    assert "SSLKEYLOGFILE is " in refusal()


def test_certificates_of_the_configuration_file_are_named(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = tmp_path / "config"
    config.write_text("[default]\nca_bundle = /nowhere/at/all.pem\n")
    environment.setenv("AWS_CONFIG_FILE", str(config))
    assert "ca_bundle is '/nowhere/at/all.pem'" in refusal()


def test_a_bug_of_others_is_left_as_it_is() -> None:
    with pytest.raises(KeyError), configuration.configured():
        raise KeyError("no")


def test_a_refusal_of_ours_is_left_as_it_is() -> None:
    ours = ConfigurationError("ours")
    with pytest.raises(ConfigurationError) as caught, configuration.configured():
        raise ours
    assert ours is caught.value


def test_the_region_is_boto3s_where_the_settings_name_none(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert "us-east-1" == BedrockClient().region_name
    config = tmp_path / "config"
    config.write_text("[default]\nregion = sa-east-1\n[profile other]\nregion = eu-north-1\n")
    environment.setenv("AWS_CONFIG_FILE", str(config))
    environment.setattr(boto3, "DEFAULT_SESSION", None)
    assert "sa-east-1" == BedrockClient().region_name
    environment.setenv("AWS_PROFILE", "other")
    environment.setattr(boto3, "DEFAULT_SESSION", None)
    assert "eu-north-1" == BedrockClient().region_name
    environment.setenv("AWS_DEFAULT_REGION", "eu-west-3")
    assert "eu-west-3" == BedrockClient().region_name
    environment.setattr(llm_client, "settings", SimpleNamespace(AWS_REGION="ca-central-1"))
    assert "ca-central-1" == BedrockClient().region_name
    assert "eu-west-2" == BedrockClient(region_name="eu-west-2\r ").region_name


def test_the_region_is_that_of_the_hosts_own_session(environment: pytest.MonkeyPatch) -> None:
    environment.setattr(boto3, "DEFAULT_SESSION", boto3.Session(region_name="ap-south-1"))
    assert "ap-south-1" == BedrockClient().region_name


ARN = "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/abc"


def test_an_arn_of_another_region_is_refused_with_both() -> None:
    said = refusal(model_id=ARN)
    assert "eu-west-1" in said
    assert "us-east-1" in said
    assert "123456789012" not in said
    with BedrockClient() as client, pytest.raises(ConfigurationError, match="eu-west-1"):
        client.generate("hi", model=ARN)
    BedrockClient(region_name="eu-west-1", model_id=ARN).close()
