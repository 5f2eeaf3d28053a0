"""The settings of the backend: every knob of the client, from the environment and `.env`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from dotenv import find_dotenv
from pydantic import ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

if TYPE_CHECKING:
    from services.llm.knobs import Knobs
else:
    # `config` with backend/ on the path, `backend.config` from the repository's root.
    Knobs = import_module(
        ".services.llm.knobs" if __package__ else "services.llm.knobs", __package__
    ).Knobs


class Settings(BaseSettings, Knobs):
    """The knobs, read from environment variables of the same names, then from `.env`.

    The file is looked for in the working directory and above it. A variable that is set and
    empty counts as not set.
    """

    model_config = SettingsConfigDict(
        env_file=find_dotenv(usecwd=True) or None, extra="ignore", hide_input_in_errors=True
    )

    @field_validator("*", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: Any, info: ValidationInfo) -> Any:
        name = info.field_name
        return cls.model_fields[name].default if value == "" and name else value


settings = Settings()
