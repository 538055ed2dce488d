"""Answers kept only as long as they are proved fresh.

Every commit, in this process or another, changes the database's version (:meth:`careen.db.engine.Database.version`). It is
read when a request begins; what was remembered is given only if the number still stands where it stood. So no request ever sees
a tag, a permission or a deletion later than a read of the rows at its beginning would have shown it.
"""

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from careen.db.engine import Database
from careen.db.engine import Version as Version

T = TypeVar("T")

MAX_ANSWERS = 16_384
MAX_BYTES = 16 * 1024 * 1024
"""Beyond either the memory is emptied."""

MAX_WEIGHT = 64 * 1024
"""A heavier answer is read again every time: sending it costs more than that."""


TOO_HEAVY = MAX_WEIGHT + 1
"""The weight of what must not be remembered: answers to questions that anybody can make up, of any length."""


class Fresh:
    """A memory of answers; belongs to one thread (the event loop's)."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._version: Version = -1
        self._answers: dict[Hashable, Any] = {}
        self._bytes = 0

    @property
    def version(self) -> Version:
        """The database's version that the answers are of. An answer that was read elsewhere is fresh while it stands."""
        return self._version

    def renew(self) -> None:
        """Forget everything if anything was committed.

        At the beginning of each request, and before relying on an answer after an ``await``.
        """
        version = self._database.version()
        if version != self._version:
            self._forget()
            self._version = version

    def get(self, key: Hashable, compute: Callable[[], T], weight: Callable[[T], int] = lambda _: 0) -> T:
        """The answer to ``key``: remembered, or computed now from the rows.

        Args:
            key: names the question.
            compute: answers it.
            weight: how many bytes an answer holds on to.
        """
        if key in self._answers:
            remembered: T = self._answers[key]
            return remembered
        answer = compute()
        self.keep(key, answer, weight(answer))
        return answer

    def find(self, key: Hashable) -> Any:
        """The answer remembered under ``key``, or None."""
        return self._answers.get(key)

    def keep(self, key: Hashable, answer: Any, weight: int) -> None:
        """Remember an answer that holds on to ``weight`` bytes, unless it is too heavy."""
        if weight > MAX_WEIGHT:
            return
        if len(self._answers) >= MAX_ANSWERS or self._bytes + weight > MAX_BYTES:
            self._forget()
        self._answers[key] = answer
        self._bytes += weight

    def _forget(self) -> None:
        self._answers.clear()
        self._bytes = 0
