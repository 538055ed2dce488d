"""How much of a process one connection may take, and how slow a client may be. docs/limits.md is the whole story.

Pure: whoever asks brings the time and the counts.
"""

from dataclasses import dataclass

PIECE_BYTES = 1024 * 1024
"""How much of a body is gathered before it is handed on, as long as few requests are being answered."""

SMALLEST_PIECE = 64 * 1024

BODY_BYTES = 16 * 1024 * 1024
"""What the bodies that are being gathered may come to, until each is down to :data:`SMALLEST_PIECE`."""

MIN_RATE = 250
"""The slowest a transfer may be, in bytes a second, over a whole stall time. Two hundred times slower than a modem."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one HTTP process allows its clients. Times are seconds."""

    connections: int = 1000
    """Connections that are served; the requests of others are answered 503."""
    head: float = 30.0
    """How long the head of a request may take, and how long a new connection may be silent."""
    stall: float = 60.0
    """How long a transfer may be slower than :data:`MIN_RATE`, in either direction."""
    idle: float = 75.0
    """How long a connection is kept between requests."""


class Pace:
    """Whether a transfer gets on: within ``seconds``, every time anew, at least :data:`MIN_RATE` times as many bytes."""

    __slots__ = ("_at", "_count", "_seconds")

    def __init__(self, seconds: float, now: float = 0.0, count: int = 0) -> None:
        self._seconds = seconds
        self.restart(now, count)

    def restart(self, now: float, count: int) -> None:
        """Begin anew: until now there was nothing to wait for."""
        self._at, self._count = now, count

    def is_lost(self, now: float, count: int) -> bool:
        """Whether the transfer is too slow. ``count`` is all the bytes so far, ``now`` any clock's seconds."""
        if count - self._count >= MIN_RATE * self._seconds:
            self.restart(now, count)
        return now - self._at >= self._seconds


def piece_bytes(requests: int) -> int:
    """How much of each body to gather while so many requests are being answered."""
    return max(SMALLEST_PIECE, min(PIECE_BYTES, BODY_BYTES // max(requests, 1)))
