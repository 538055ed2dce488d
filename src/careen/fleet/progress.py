"""How far a command is: counted by whoever works, shown by whoever talks to people."""

import threading
from collections.abc import Callable
from typing import NamedTuple


class Standing(NamedTuple):
    """How far it is."""

    what: str
    """What is being done: ``repositories``."""
    done: int
    total: int | None
    """None as long as nobody knows."""
    seconds: float
    """Since the beginning."""
    note: str = ""
    """What else is worth saying: ``48,211 images, 3 refused``."""

    @property
    def rate(self) -> float:
        """Done in a second."""
        return self.done / self.seconds if self.seconds > 0 else 0.0

    @property
    def left(self) -> float | None:
        """Seconds to the end at this rate; None if nothing says."""
        if self.total is None or not self.rate:
            return None
        return (self.total - self.done) / self.rate


class Progress:
    """A count that many threads add to.

    Args:
        show: called after every step, in the thread that made it and never by two at once; it must be quick.
        elapsed: seconds on a clock that nobody sets.
    """

    def __init__(self, show: Callable[[Standing], None], elapsed: Callable[[], float]) -> None:
        self._show, self._elapsed = show, elapsed
        self._lock = threading.Lock()
        self._standing = Standing("", 0, None, 0.0)
        self._began = elapsed()

    def begin(self, what: str, total: int | None = None) -> None:
        """Start to count something.

        Args:
            what: a plural noun.
            total: how many there are to do, if it is known.
        """
        with self._lock:
            self._began = self._elapsed()
            self._standing = Standing(what, 0, total, 0.0)
            self._show(self._standing)

    def step(self, number: int = 1, note: str | None = None) -> None:
        """Count on."""
        with self._lock:
            last = self._standing
            self._standing = last._replace(
                done=last.done + number,
                seconds=self._elapsed() - self._began,
                note=last.note if note is None else note,
            )
            self._show(self._standing)
