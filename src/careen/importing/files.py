"""A folder of files, or a tar of one, that is only read."""

import io
import os
import tarfile
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import IO, NamedTuple, Protocol

from careen.clock import SECOND, Instant


class File(NamedTuple):
    """What is known of a file without reading it."""

    name: str
    """The last part of its path."""
    size: int
    modified_at: Instant


class Files(Protocol):
    """Files below one root. Paths are relative to it, with ``/`` between their parts."""

    def read(self, path: str, limit: int) -> bytes:
        """Up to ``limit`` bytes of a file.

        Raises:
            FileNotFoundError: there is none.
        """

    def open(self, path: str) -> BufferedReader:
        """A file, to be read from its beginning.

        Raises:
            FileNotFoundError: there is none.
        """

    def look(self, path: str) -> File | None:
        """What is known of a file; None: there is none."""

    def files(self, path: str) -> Iterator[File]:
        """The files in a folder, by name; none if there is no such folder."""

    def folders(self, path: str) -> list[str]:
        """The names of the folders in a folder, in order; none if there is no such folder."""


class Folder:
    """A folder of this machine's. Links to folders are not followed: one may lead back."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def read(self, path: str, limit: int) -> bytes:
        """See :class:`Files`."""
        with self.open(path) as file:
            return file.read(limit)

    def open(self, path: str) -> BufferedReader:
        """See :class:`Files`."""
        try:
            return (self._root / path).open("rb")
        except (IsADirectoryError, NotADirectoryError):
            raise FileNotFoundError(path) from None

    def look(self, path: str) -> File | None:
        """See :class:`Files`."""
        try:
            found = (self._root / path).stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return _file(path.rpartition("/")[2], found)

    def files(self, path: str) -> Iterator[File]:
        """See :class:`Files`. What goes while we look is left out."""
        for entry in self._entries(path):
            try:
                if entry.is_file():
                    yield _file(entry.name, entry.stat())
            except FileNotFoundError:
                continue

    def folders(self, path: str) -> list[str]:
        """See :class:`Files`."""
        return [entry.name for entry in self._entries(path) if entry.is_dir(follow_symlinks=False)]

    def _entries(self, path: str) -> "list[os.DirEntry[str]]":
        try:
            with os.scandir(self._root / path) as entries:
                return sorted(entries, key=lambda entry: entry.name)
        except (FileNotFoundError, NotADirectoryError):
            return []


def _file(name: str, found: os.stat_result) -> File:
    return File(name, found.st_size, found.st_mtime_ns // 1000)


class Tar:
    """A tar that is not compressed (see ``careen.importing.compressed``): any file of it can be read without those before it.

    Args:
        file: open for as long as anything is read. Threads may read at the same time.

    Raises:
        tarfile.TarError: it is none, or compressed.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._at: dict[str, tuple[int, File]] = {}
        """Of each file: where its bytes begin, and what is known of it."""
        self._in: dict[str, set[str]] = {}
        """Of each folder: the names of the folders in it."""
        file.seek(0)
        with tarfile.open(fileobj=file, mode="r:") as tar:
            for member in tar:
                if member.isreg():
                    self._add(member)

    def _add(self, member: tarfile.TarInfo) -> None:
        parts = [part for part in member.name.split("/") if part not in {"", "."}]
        at = "/".join(parts)
        self._at[at] = member.offset_data, File(parts[-1], member.size, round(member.mtime * SECOND))
        for depth in range(len(parts) - 1):
            self._in.setdefault("/".join(parts[:depth]), set()).add(parts[depth])

    def read(self, path: str, limit: int) -> bytes:
        """See :class:`Files`."""
        with self.open(path) as file:
            return file.read(limit)

    def open(self, path: str) -> BufferedReader:
        """See :class:`Files`."""
        found = self._at.get(path)
        if found is None:
            raise FileNotFoundError(path)
        at, about = found
        return BufferedReader(_Part(self._file, at, about.size))

    def look(self, path: str) -> File | None:
        """See :class:`Files`."""
        found = self._at.get(path)
        return None if found is None else found[1]

    def files(self, path: str) -> Iterator[File]:
        """See :class:`Files`."""
        for at in sorted(self._at):
            if at.rpartition("/")[0] == path:
                yield self._at[at][1]

    def folders(self, path: str) -> list[str]:
        """See :class:`Files`."""
        return sorted(self._in.get(path, ()))


class _Part(io.RawIOBase):
    """Some bytes of an open file, from somewhere on. Whoever else reads the file does not move it."""

    def __init__(self, file: IO[bytes], at: int, size: int) -> None:
        self._file, self._at, self._end = file, at, at + size

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: object, /) -> int:
        """The next bytes, as many as are left."""
        view = memoryview(buffer)[: self._end - self._at]  # type: ignore[arg-type]
        count = os.preadv(self._file.fileno(), [view], self._at)
        self._at += count
        return count
