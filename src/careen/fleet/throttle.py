"""How fast a service may be asked: a bucket of tokens for each account, Region and operation, as AWS has them.

A bucket begins at a rate that nobody minds. Every answer lets it grow a little, up to the published quota; every
ThrottlingException halves it, once for all the calls that were under way. So a scan finds the rate of an account without knowing
it, also where others ask the same account at the same time.
"""

import threading
import time
from collections.abc import Callable, Mapping

QUOTAS: Mapping[str, float] = {
    "ecr:BatchCheckLayerAvailability": 1000,
    "ecr:BatchGetImage": 2000,
    "ecr:CompleteLayerUpload": 100,
    "ecr:GetAuthorizationToken": 500,
    "ecr:GetDownloadUrlForLayer": 3000,
    "ecr:InitiateLayerUpload": 100,
    "ecr:PutImage": 10,
    "ecr:UploadLayerPart": 500,
}
"""Requests in a second (ECR user guide, "Amazon ECR service quotas"). AWS publishes none for the other operations."""

BEGIN = 50.0
"""Requests in a second that an operation begins with, if its quota is not less."""
CEILING = 500.0
"""What one without a published quota may grow to."""
FLOOR = 0.5
"""What throttling leaves in any case: else nothing would ever be learnt again."""
BURST = 0.5
"""Seconds whose tokens may be taken at once."""
GROWTH = 0.05
"""Of its ceiling, what a bucket gains in a second in which all goes well."""
CALM = 1.0
"""Seconds after a halving in which further refusals say the same thing again."""


class Bucket:
    """The tokens of one operation; it is told the time (seconds on any clock that does not go back).

    Args:
        quota: requests in a second that it may never exceed.
        now: the time.
    """

    def __init__(self, quota: float, now: float) -> None:
        self.rate = min(BEGIN, quota)
        """Requests in a second, at present."""
        self._quota = quota
        self._due = now - BURST
        """When the next token is there, if none was saved."""
        self._grown = now
        self._halved = now - CALM

    def take(self, now: float) -> float:
        """Take a token. Returns how many seconds to wait before using it."""
        self._due = max(self._due, now - BURST) + 1 / self.rate
        return max(0.0, self._due - now)

    def throttled(self, now: float) -> None:
        """A request was refused for coming too fast."""
        if now - self._halved >= CALM:
            self.rate = max(FLOOR, self.rate / 2)
            self._halved = now
        self._grown = now

    def answered(self, now: float) -> None:
        """A request was answered."""
        # A pause is no sign of health: no more than a second of growth at once.
        self.rate = min(self._quota, self.rate + self._quota * GROWTH * min(now - self._grown, 1.0))
        self._grown = now


class Throttle:
    """The buckets of all accounts; any thread may ask.

    Args:
        now: seconds on a clock that does not go back.
        sleep: waits so many seconds.
    """

    def __init__(
        self, now: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._now, self._sleep = now, sleep
        self._lock = threading.Lock()
        self._buckets: dict[tuple[str, str, str], Bucket] = {}
        self.refusals = 0
        """How many requests were throttled."""

    def wait(self, account: str, region: str, operation: str) -> None:
        """Wait for the turn of a request, ``ecr:DescribeImages``."""
        with self._lock:
            seconds = self._bucket(account, region, operation).take(self._now())
        if seconds:
            self._sleep(seconds)

    def learn(self, account: str, region: str, operation: str, *, throttled: bool) -> None:
        """Say how a request went."""
        with self._lock:
            bucket = self._bucket(account, region, operation)
            if throttled:
                self.refusals += 1
                bucket.throttled(self._now())
            else:
                bucket.answered(self._now())

    def _bucket(self, *key: str) -> Bucket:
        account, region, operation = key
        found = self._buckets.get((account, region, operation))
        if found is None:
            found = Bucket(QUOTAS.get(operation, CEILING), self._now())
            self._buckets[account, region, operation] = found
        return found
