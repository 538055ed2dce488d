"""The audit log: one JSON document a line, in a file that several processes append to.

A line is one write, which the kernel appends whole. Nothing is waited for: what was written a moment before a power cut may be
missing, as with any log (a push that was answered is in the database's log of events, docs/events.md). When the file has grown
to its size it gets a name with the time, and the next is begun; Careen deletes none of them.
"""

import contextlib
import errno
import fcntl
import os
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import structlog

QUIET_SECONDS = 60.0
"""How often it is said that the log cannot be written."""

log = structlog.get_logger()


class AuditLog:
    """A log that is rotated by size. May be used from any thread, and by several processes at once.

    Args:
        path: the file; its folder must exist.
        size: bytes from which a file is not written to any more.
    """

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self._size = size
        self._fd = -1
        self._lock = threading.Lock()
        self._complained = float("-inf")
        self._is_torn = False
        """Whether the disk was full in the middle of a line: the next begins on a line of its own."""

    def write(self, record: Mapping[str, Any]) -> None:
        """Append a record. A log that cannot be written is told of in the server's log, and stops nobody's work."""
        line = msgspec.json.encode(record) + b"\n"
        try:
            with self._lock:
                self._append(line)
        except OSError as error:
            now = time.monotonic()
            if now - self._complained >= QUIET_SECONDS:
                self._complained = now
                log.error("the audit log cannot be written", path=str(self.path), error=repr(error))  # noqa: TRY400 a trace says no more

    def _append(self, line: bytes) -> None:
        line = b"\n" + line if self._is_torn else line
        self._is_torn = os.write(self._ready(), line) < len(line)
        if self._is_torn:
            raise OSError(errno.ENOSPC, "only part of a record was written")

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._forget()

    def _ready(self) -> int:
        """The descriptor of the file that has the log's name now, with room in it."""
        if self._fd >= 0 and not self._is_current():
            self._forget()  # another process has begun the next file, or a program for logs has
        if self._fd < 0:
            self._open()
        if os.fstat(self._fd).st_size >= self._size:
            self._rotate()
        return self._fd

    def _is_current(self) -> bool:
        try:
            named = self.path.stat()
        except FileNotFoundError:
            return False
        ours = os.fstat(self._fd)
        return (named.st_dev, named.st_ino) == (ours.st_dev, ours.st_ino)

    def _open(self) -> None:
        self._fd = os.open(self.path, os.O_CREAT | os.O_APPEND | os.O_WRONLY | os.O_CLOEXEC, 0o640)

    def _rotate(self) -> None:
        """Put a full file aside and begin the next, unless another process is just doing so."""
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        try:
            if self._is_current():
                stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
                self.path.rename(_free(self.path, stamp))
        finally:
            self._forget()
        self._open()

    def _forget(self) -> None:
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                os.close(self._fd)
            self._fd = -1


def _free(path: Path, stamp: str) -> Path:
    """A name beside the log's that no file has."""
    number = 0
    while (name := path.with_name(f"{path.name}.{stamp}{f'-{number}' if number else ''}")).exists():
        number += 1
    return name
