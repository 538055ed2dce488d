"""One process at a time: what several processes of a data folder would do at once, each in its turn.

A turn is a lock on one byte of a file, at a place that its name decides. The kernel ends it with the process that has it, so
nothing is left to clean up after a crash, and no clock is asked.
"""

import asyncio
import contextlib
import fcntl
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

POLL_SECONDS = 0.05
"""How often somebody who waits looks whether it is their turn: an import takes a second or more."""


class Turns:
    """The turns of one process. Within it the caller sees to it that nobody asks for a turn that is taken here.

    Args:
        path: the file, which is made when it is needed, and stays empty.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None

    @contextlib.asynccontextmanager
    async def of(self, name: str) -> AsyncIterator[bool]:
        """Wait for the turn of a name, and have it for the length of the block.

        Yields:
            Whether somebody else had it first, and may have done what there was to do.
        """
        # A lock of this kind ends when the process closes the file anywhere, so it is opened once and stays open.
        if self._fd is None:
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        place = int.from_bytes(hashlib.sha256(name.encode()).digest()[:7])
        waited = False
        while not _take(self._fd, place):
            waited = True
            await asyncio.sleep(POLL_SECONDS)
        try:
            yield waited
        finally:
            fcntl.lockf(self._fd, fcntl.LOCK_UN, 1, place)

    def close(self) -> None:
        """Give up every turn."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def _take(fd: int, place: int) -> bool:
    try:
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
    except BlockingIOError:
        return False
    except PermissionError:  # what POSIX allows a system to say instead
        return False
    return True
