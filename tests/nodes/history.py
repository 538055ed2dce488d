"""What clients did and what they were told: the one thing that :mod:`tests.nodes.checker` looks at."""

import enum
import threading
import time
from typing import NamedTuple


class Kind(enum.StrEnum):
    """What a client asked for."""

    PUSH = "push"
    """A manifest under a tag or its digest, after its blobs."""
    TAG = "tag"
    """A manifest that is there, under another tag."""
    PULL = "pull"
    DELETE_TAG = "delete-tag"
    DELETE_DIGEST = "delete-digest"


class Outcome(enum.StrEnum):
    """What it was told."""

    OK = "ok"
    ABSENT = "absent"
    """There is nothing of that name (404): a pull or a deletion that saw so."""
    FAIL = "fail"
    """It was refused and has no effect."""
    UNKNOWN = "unknown"
    """No answer, or one that does not tell: it may take effect at any time from its beginning on, or never."""


class Operation(NamedTuple):
    """One request, with the instants between which it happened if it happened."""

    client: str
    kind: Kind
    repository: str
    reference: str
    """A tag or a digest."""
    value: str | None
    """The digest that was written, or that of the bytes that were read."""
    invoked: int
    """Nanoseconds of the monotonic clock, as is :attr:`returned`."""
    returned: int
    outcome: Outcome

    @property
    def is_by_digest(self) -> bool:
        """Whether it names a digest."""
        return ":" in self.reference

    @property
    def is_write(self) -> bool:
        """Whether it gives a name its value."""
        return self.kind in {Kind.PUSH, Kind.TAG}


class History:
    """Operations as they end, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._operations: list[Operation] = []
        self._answered = 0

    def add(self, operation: Operation) -> None:
        """Note one."""
        with self._lock:
            self._operations.append(operation)
            self._answered += operation.outcome is not Outcome.UNKNOWN

    def answered(self) -> int:
        """How many are not unknown."""
        with self._lock:
            return self._answered

    def operations(self) -> list[Operation]:
        """All of them, in the order of their beginnings."""
        with self._lock:
            return sorted(self._operations, key=lambda each: (each.invoked, each.returned))


def now() -> int:
    """The instant that operations are noted with."""
    return time.monotonic_ns()
