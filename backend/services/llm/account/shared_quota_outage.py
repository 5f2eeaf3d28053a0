"""While the shared quota of a fleet is away: when it is asked again, and who is told."""

from __future__ import annotations

import logging
import math

log = logging.getLogger(__name__)

#: Seconds after which a shared quota that failed is asked again: at first, and at most.
FIRST_RETRY, LONGEST_RETRY = 0.5, 5.0
#: Seconds between two warnings, where it comes and goes.
WARNING_INTERVAL = 60.0


class SharedQuotaOutage:
    """Whether the shared quota is away, and when one probe may ask it again; times are in seconds.

    Its owner guards it.
    """

    def __init__(self) -> None:
        self.is_away = False
        #: Whether the probe has been sent, and has not returned.
        self.is_probing = False
        #: How often it has failed since it last answered.
        self.failures = 0
        self._delay = 0.0
        self._retry_at = 0.0
        self._warned_at = -math.inf

    def fail(self, now: float) -> bool:
        """Note a failure, which puts the next probe off; return whether to warn of it."""
        self.is_away, self.is_probing = True, False
        self.failures += 1
        self._delay = min(LONGEST_RETRY, max(FIRST_RETRY, 2 * self._delay))
        self._retry_at = now + self._delay
        is_news = now - self._warned_at >= WARNING_INTERVAL
        if is_news or self._warned_at > now:
            self._warned_at = now
        return is_news

    def acquire_probe(self, now: float) -> bool:
        """Whether the shared quota is to be asked again now, by this caller alone."""
        if not self.is_away or self.is_probing or now < self._retry_at:
            return False
        self.is_probing = True
        return True

    def end(self) -> None:
        """Note that the shared quota has answered."""
        self.is_away = self.is_probing = False
        self._delay, self.failures = 0.0, 0


def outage_note(shared_quota: object, share: float) -> str:
    """Return what an error says of a limit that a process keeps alone: *shared_quota* is away."""
    return (
        f" (LLM_QUOTA_URL cannot be asked, {shared_quota}: this process goes on within its"
        f" LLM_QUOTA_FALLBACK_SHARE, {share:g} of each limit)"
    )


def warn_of_outage(words: str) -> None:
    """Log that the shared quota does not answer, and why, in *words*."""
    log.warning("the shared quota cannot be asked, each worker goes on within its share: %s", words)
