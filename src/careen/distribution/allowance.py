"""How much an address may ask without saying who it is."""

import time
from collections.abc import Callable

MAX_SOURCES = 65_536
"""Addresses that are remembered at a time, one number for each."""


class Allowance:
    """A bucket of tokens for each address: one token a request, filled again at a steady rate. Belongs to the event loop.

    A bucket is kept as the instant at which it will be full again (the generic cell rate algorithm): one that is full need not
    be kept at all. Each worker process has buckets of its own.

    Args:
        rate: tokens a second; 0 allows any number.
        burst: tokens in a full bucket.
        clock: seconds that only go forward.
    """

    def __init__(self, rate: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._full_at: dict[str, float] = {}
        self.share(1)

    def share(self, processes: int) -> None:
        """Let so many processes give each address what one would: each fills a bucket of its part, of one token at least."""
        self._interval = processes / self._rate if self._rate else 0.0
        self._depth = max(self._burst / processes, 1) * self._interval

    def take(self, source: str) -> float:
        """Take a token.

        Returns:
            0 if there was one; else in how many seconds there will be.
        """
        now = self._clock()
        full_at = max(self._full_at.get(source, now), now) + self._interval
        wait = full_at - now - self._depth
        if wait > 1e-9:  # what adding fractions loses is no reason to wait
            return wait
        if source not in self._full_at and len(self._full_at) >= MAX_SOURCES:
            self._forget(now)
        self._full_at[source] = full_at
        return 0.0

    def _forget(self, now: float) -> None:
        """Make room: full buckets say nothing. Where that is not enough, whoever asks has more addresses than this can count."""
        self._full_at = {source: full_at for source, full_at in self._full_at.items() if full_at > now}
        if len(self._full_at) > MAX_SOURCES // 2:
            self._full_at.clear()
