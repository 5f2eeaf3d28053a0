"""httpx's clients without cookies: what one answer sets is sent with no other request."""

from __future__ import annotations

from typing import Any

import httpx


class NoCookies(httpx.Cookies):
    """A jar that stays empty; httpx builds two objects for each answer to look for cookies."""

    def extract_cookies(self, response: httpx.Response) -> None:
        """Keep none."""


class Client(httpx.Client):
    """For threads."""

    #: The transport of ours that it was made with; a host may put another in its place.
    original_transport: Any = None

    @property  # type: ignore[misc] # a jar that stays empty needs no setter
    def cookies(self) -> httpx.Cookies:
        """None."""
        return NoCookies()


class AsyncClient(httpx.AsyncClient):
    """For asyncio."""

    #: The transport of ours that it was made with; a host may put another in its place.
    original_transport: Any = None

    @property  # type: ignore[misc] # a jar that stays empty needs no setter
    def cookies(self) -> httpx.Cookies:
        """None."""
        return NoCookies()
