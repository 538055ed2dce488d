"""What manifests say, remembered: content never changes, so each is asked for once, in whatever repository and scan it is met."""

import sqlite3
import threading
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import msgspec

from careen.fleet.errors import BadInput
from careen.fleet.scanned import Blob
from careen.oci import manifest
from careen.oci.manifest import Descriptor, InvalidManifest

_AT_ONCE = 500
"""Digests in one statement; SQLite takes some tens of thousands of variables, older ones 999."""

_SHA256 = "sha256:"
_SHA256_BYTES = 32


class Content(NamedTuple):
    """What a manifest is made of."""

    children: tuple[Blob, ...] | None
    """What an index lists; None of anything else."""
    blobs: tuple[Blob, ...] | None
    """Configuration and layers, each once; None of an index."""


class _Packed(msgspec.Struct, array_like=True):
    children: list[tuple[bytes, int]] | None
    blobs: list[tuple[bytes, int]] | None


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Packed)


def content_of(text: str) -> Content | None:
    """Read a manifest; None if it is of no form that is known, such as Docker's first."""
    try:
        read = manifest.parse(text.encode())
    except InvalidManifest:
        return None
    if read.is_index:
        return Content(_blobs(read.children), None)
    return Content(None, _blobs(read.blobs()))


def _blobs(described: Sequence[Descriptor]) -> tuple[Blob, ...]:
    return tuple([Blob(each.digest, each.size) for each in described])


class Manifests:
    """A file of contents by digest, for any thread.

    Args:
        path: an SQLite database, made if there is none. It may be deleted at any time between two scans.

    Raises:
        BadInput: it is something else, or damaged.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        try:
            self._connection = sqlite3.connect(path, check_same_thread=False)
            # What a crash loses is asked for again.
            self._connection.executescript(
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;"
                "CREATE TABLE IF NOT EXISTS manifests (digest TEXT PRIMARY KEY, content BLOB NOT NULL) WITHOUT ROWID"
            )
        except sqlite3.Error as error:
            raise BadInput(f"{path}: {error}", "delete it: it only saves time") from None

    def known(self, digests: Iterable[str]) -> dict[str, Content]:
        """Those that are remembered."""
        found: dict[str, Content] = {}
        asked = iter(digests)
        while some := list(islice(asked, _AT_ONCE)):
            marks = ",".join("?" * len(some))
            statement = f"SELECT digest, content FROM manifests WHERE digest IN ({marks})"
            with self._lock:
                rows = self._connection.execute(statement, some).fetchall()
            found.update((digest, _unpacked(content)) for digest, content in rows)
        return found

    def remember(self, contents: Mapping[str, Content]) -> None:
        """Keep contents by digest."""
        rows = [(digest, _packed(content)) for digest, content in contents.items()]
        with self._lock, self._connection:
            self._connection.executemany("INSERT OR IGNORE INTO manifests VALUES (?, ?)", rows)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def _packed(content: Content) -> bytes:
    def packed(blobs: tuple[Blob, ...] | None) -> list[tuple[bytes, int]] | None:
        return None if blobs is None else [(_short(each.digest), each.size) for each in blobs]

    return _encoder.encode(_Packed(packed(content.children), packed(content.blobs)))


def _unpacked(data: bytes) -> Content:
    def unpacked(blobs: list[tuple[bytes, int]] | None) -> tuple[Blob, ...] | None:
        return None if blobs is None else tuple([Blob(_long(digest), size) for digest, size in blobs])

    packed = _decoder.decode(data)
    return Content(unpacked(packed.children), unpacked(packed.blobs))


def _short(digest: str) -> bytes:
    """A SHA-256 in half the room that its text takes, of which there are gigabytes in a large fleet; others as they are."""
    return bytes.fromhex(digest.removeprefix(_SHA256)) if digest.startswith(_SHA256) else digest.encode()


def _long(digest: bytes) -> str:
    return _SHA256 + digest.hex() if len(digest) == _SHA256_BYTES else digest.decode()
