"""What a scanner promises. ``careen.scanners.command`` runs one, ``careen.scanners.harbor`` asks a scanner adapter."""

import threading
import time
from collections.abc import Callable
from typing import NamedTuple, Protocol

KEEP_SECONDS = 30.0
"""How often whoever waits for a scanner says that it still does."""


class ScanFailed(Exception):
    """There is no report. The message says why, for whoever may see the image; it holds no credential."""


class Stopped(Exception):
    """The scan was told to stop, or is somebody else's by now."""


class Target(NamedTuple):
    """An image, and how a scanner gets at it."""

    registry: str
    """``http://127.0.0.1:5000``."""
    repository: str
    digest: str
    tag: str | None
    """One of its tags, for the scanner's own log."""
    media_type: str
    user: str
    password: str
    """Good for pulling from this repository, for as long as a scan may take."""

    @property
    def host(self) -> str:
        """``127.0.0.1:5000``."""
        return self.registry.partition("://")[2]

    @property
    def reference(self) -> str:
        """``127.0.0.1:5000/team/app@sha256:…``."""
        return f"{self.host}/{self.repository}@{self.digest}"


class Watch:
    """Looks, while somebody waits, whether to go on.

    Args:
        stop: set by whoever wants the scan to end.
        keep: says that the scan goes on; False: it is somebody else's by now.
    """

    def __init__(self, stop: threading.Event, keep: Callable[[], bool] = lambda: True) -> None:
        self._stop = stop
        self._keep = keep
        self._kept = time.monotonic()

    def wait(self, seconds: float) -> None:
        """Wait so long, or look only.

        Raises:
            Stopped: the scan is to end.
        """
        until = time.monotonic() + seconds
        while True:
            left = until - time.monotonic()
            if self._stop.wait(min(max(left, 0), KEEP_SECONDS)):
                raise Stopped
            if time.monotonic() - self._kept >= KEEP_SECONDS:
                self._kept = time.monotonic()
                if not self._keep():
                    raise Stopped
            if time.monotonic() >= until:
                return


class Scanner(Protocol):
    """Something that looks for vulnerabilities."""

    @property
    def registry(self) -> str:
        """Where it finds the images, as :attr:`Target.registry`."""

    @property
    def timeout(self) -> float:
        """Seconds that a scan may take."""

    def scan(self, target: Target, watch: Watch) -> bytes:
        """Scan an image, and answer the report as the scanner wrote it. Blocks.

        Raises:
            ScanFailed: there is no report.
            Stopped: the watch says so; then nothing of the scan goes on.
        """
