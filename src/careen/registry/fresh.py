"""Answers kept only as long as they are proved fresh.

Every commit, in this process or another, changes the database's version number (SQLite: ``PRAGMA data_version``, 5 µs). A
remembered answer is given only while that number stands still, so no request ever sees a tag, a permission or a deletion later
than a read of the rows would have shown it.
"""

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from careen.db.engine import Database

T = TypeVar("T")

MAX_ANSWERS = 4096
"""Beyond this the memory is emptied. Callers keep large answers out of it."""


class Fresh:
    """A memory of answers; belongs to one thread (the event loop's)."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._version = -1
        self._answers: dict[Hashable, Any] = {}

    def get(self, key: Hashable, compute: Callable[[], T], worth: Callable[[T], bool] = lambda _: True) -> T:
        """The answer to ``key``: remembered, or computed now from the rows. ``worth`` says which answers to remember."""
        version = self._database.version()
        if version != self._version or len(self._answers) >= MAX_ANSWERS:
            self._answers.clear()
            self._version = version
        if key in self._answers:
            remembered: T = self._answers[key]
            return remembered
        found = compute()
        if worth(found):
            self._answers[key] = found
        return found
