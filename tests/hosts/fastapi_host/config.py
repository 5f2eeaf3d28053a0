"""The application's settings: its own fields, and every knob of the client."""

from functools import lru_cache

from pydantic_settings import BaseSettings, SettingsConfigDict

from services.llm.settings.knobs import Knobs


class Settings(BaseSettings, Knobs):
    model_config = SettingsConfigDict(env_file=".env")

    APP_NAME: str = "tariff desk"
    ALLOWED_ORIGINS: list[str] = []
    USE_GROQ: bool = True
    LLM_TIMEOUT: float = 20.0


@lru_cache
def get_settings() -> Settings:
    return Settings()
