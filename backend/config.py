"""The settings of the backend: every knob of the client, from the environment and `.env`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from pydantic import ValidationError
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

if TYPE_CHECKING:
    from services.llm.settings import environment
    from services.llm.settings.knob_errors import refusal
    from services.llm.settings.knobs import Knobs
else:
    # `config` with backend/ on the path, `backend.config` from the repository's root.
    environment = import_module(
        ".services.llm.settings.environment"
        if __package__
        else "services.llm.settings.environment",
        __package__,
    )
    Knobs = import_module(
        ".services.llm.settings.knobs" if __package__ else "services.llm.settings.knobs",
        __package__,
    ).Knobs
    refusal = import_module(
        ".services.llm.settings.knob_errors"
        if __package__
        else "services.llm.settings.knob_errors",
        __package__,
    ).refusal

# No file that pydantic would read: those that count are read below. `_env_file` overrules this.
_OURS: tuple[str, ...] = ()


class Settings(BaseSettings, Knobs):
    """The knobs, read from environment variables of the same names, then from `.env`.

    The file counts in the working directory and beside this file. A variable that is blank counts
    as not set, everywhere. Add fields of your own as you like.
    """

    model_config = SettingsConfigDict(env_file=_OURS)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Say where values come from; the first place that holds one counts."""
        ours = isinstance(dotenv_settings, DotEnvSettingsSource) and (
            dotenv_settings.env_file == _OURS
        )
        variable_sources = environment.variable_sources() if ours else [environment.variables()]
        found = [_source(settings_cls, each) for each in variable_sources if each.values]
        return (init_settings, *found, *([] if ours else [dotenv_settings]), file_secret_settings)


def _source(
    settings_cls: type[BaseSettings], variables: environment.VariableSource
) -> EnvSettingsSource:
    source = EnvSettingsSource(settings_cls)
    fold = str if source.case_sensitive else str.lower
    source.env_vars = {fold(name): value for name, value in variables.values.items()}
    return source


def _settings() -> Settings:
    try:
        return Settings()
    except ValidationError as error:
        raise refusal(error) from None


settings = _settings()
