"""The application's start: `ready` is called once, before any view."""

from mysite.conf import settings

from services import llm_client


def ready() -> None:
    llm_client.configure(settings)
