"""What was acknowledged, as sets and dictionaries, and what a registry really has."""

import dataclasses
import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from careen import startup
from careen.blobs.archive import ArchivingBlobStore, at_home, is_archived
from careen.blobs.disk import DiskBlobStore
from careen.oci import digest as digests
from careen.oci import manifest as manifests
from careen.registry import gc, storage
from careen.registry.registry import Registry, Transaction
from careen.settings import Settings
from tests.registry import steps

FALSE_ALARM = "NULL value in manifest_blobs.repository_id"

FAR = 400 * 86_400
"""Seconds by which files are made older, as if the sweep came a year later."""


@dataclasses.dataclass
class State:
    """What clients can see."""

    repositories: set[str] = dataclasses.field(default_factory=set)
    blobs: set[tuple[str, str]] = dataclasses.field(default_factory=set)
    images: set[tuple[str, str]] = dataclasses.field(default_factory=set)
    tags: dict[tuple[str, str], str] = dataclasses.field(default_factory=dict)

    def copy(self) -> "State":
        """One of its own."""
        return State(set(self.repositories), set(self.blobs), set(self.images), dict(self.tags))

    def facts(self) -> set[tuple[str, ...]]:
        """All of it in one set."""
        return (
            {("repository", each) for each in self.repositories}
            | {("blob", *each) for each in self.blobs}
            | {("image", *each) for each in self.images}
            | {("tag", *key, digest) for key, digest in self.tags.items()}
        )


def _rows(tx: Transaction, statement: str) -> list[Any]:
    return tx.rows.execute(statement).fetchall()


def seen(registry: Registry) -> State:
    """What is there, read in one snapshot."""

    def look(tx: Transaction) -> State:
        return State(
            {name for (name,) in _rows(tx, "SELECT name FROM repositories")},
            {
                (name, digest)
                for name, digest in _rows(
                    tx,
                    "SELECT r.name, l.digest FROM repository_blobs l JOIN repositories r ON r.id = l.repository_id",
                )
            },
            {
                (name, digest)
                for name, digest in _rows(
                    tx,
                    "SELECT r.name, m.digest FROM manifests m JOIN repositories r ON r.id = m.repository_id",
                )
            },
            {
                (name, tag): digest
                for name, tag, digest in _rows(
                    tx,
                    "SELECT r.name, t.name, m.digest FROM tags t JOIN manifests m ON m.id = t.manifest_id"
                    " JOIN repositories r ON r.id = m.repository_id",
                )
            },
        )

    return registry.read(look)


def assert_whole(registry: Registry) -> None:
    """Nothing is half there: the database is sound, and whatever can be read has all its bytes, with the right digests.

    And what happened was told of: the log of events alone says which digest every tag has.
    """
    assert steps.told_tags(registry) == seen(registry).tags

    def look(tx: Transaction) -> None:
        # SQLite 3.40 sees NULLs where a WITHOUT ROWID table's key is not its first columns; we look for ourselves.
        unsound = {text for (text,) in _rows(tx, "PRAGMA integrity_check")} - {"ok", FALSE_ALARM}
        assert unsound == set()
        assert _rows(tx, "SELECT 1 FROM manifest_blobs WHERE repository_id IS NULL LIMIT 1") == []
        assert _rows(tx, "PRAGMA foreign_key_check") == []
        names = dict(_rows(tx, "SELECT id, name FROM repositories"))
        linked = set(_rows(tx, "SELECT repository_id, digest FROM repository_blobs"))
        stored = {
            digest: (size, generation)
            for digest, size, generation in _rows(tx, "SELECT digest, size, generation FROM blobs")
        }
        inline = dict(_rows(tx, "SELECT digest, content FROM blob_contents"))
        for digest, (size, generation) in stored.items():
            data = _bytes(registry, digest, generation) if generation else inline[digest]
            assert len(data) == size
            assert digests.digest_of(data, digests.algorithm(digest)) == digest
        listed = {
            (repository_id, digest)
            for repository_id, digest in _rows(tx, "SELECT repository_id, digest FROM manifests")
        }
        for repository_id, digest, content, media_type in _rows(
            tx,
            "SELECT m.repository_id, m.digest, c.content, m.media_type FROM manifests m"
            " LEFT JOIN manifest_contents c ON c.manifest_id = m.id",
        ):
            assert digests.digest_of(content) == digest, names[repository_id]
            manifest = manifests.parse(content, media_type)
            for blob in manifest.blobs():
                assert (repository_id, blob.digest) in linked
                assert blob.digest in stored
            for child in manifest.children:
                assert (repository_id, child.digest) in listed | linked

    registry.read(look)


def _bytes(registry: Registry, digest: str, generation: str) -> bytes:
    return b"".join(registry.blobs.pieces(digest, generation, 1 << 40))


def assert_tidy(registry: Registry) -> None:
    """What no image needs goes when the collector and the sweep come, and after that the accounts agree to the byte."""
    folder = registry.scratch_folder
    long_ago = time.time() - FAR
    for part in ("blobs", "uploads", "archive"):
        for path in (folder / part).rglob("*"):
            if path.is_file():
                os.utime(path, (long_ago, long_ago))
    gc.collect(registry, grace=0)
    gc.sweep(registry)
    account = storage.account(registry)
    assert account.unneeded_bytes == account.condemned_bytes == account.upload_bytes == 0
    assert account.stored_bytes == account.file_bytes
    assert steps.stored_bytes(registry) == account.blob_bytes
    named = registry.read(_rows, "SELECT digest, generation FROM blobs WHERE generation <> ''")
    assert {_path(registry, *row) for row in named} == set(steps.files(registry))
    assert registry.read(_rows, "SELECT count(*) FROM reviews") == [(0,)]
    strays = [path.name for path in folder.iterdir() if path.is_file() and path.name not in KNOWN]
    assert strays == []
    assert gc.sweep(registry) == gc.Collected()


def _path(registry: Registry, digest: str, generation: str) -> Path:
    """The file that a row names, in whichever home."""
    assert isinstance(registry.blobs, ArchivingBlobStore)
    home = registry.blobs.archive if is_archived(generation) else registry.blobs.home
    assert isinstance(home, DiskBlobStore)
    return home.path(digest, at_home(generation))


KNOWN = {"owner", "careen.db", "careen.db-wal", "careen.db-shm", "master.key"}
"""The files of a data folder, beside the folders with bytes."""


MOMENT = 1e-8
"""Less than a millisecond, in days."""


def settings_of(folder: Path, **others: Any) -> Settings:
    """With a home for the archive and a trash that lets go at the next collection; no grace period; pushes create."""
    given: dict[str, Any] = {
        "archive_blobs": str(folder / "archive"),
        "blob_grace": 0,
        "reserve": 0,
        "trash_days": MOMENT,
    } | others
    return Settings(data=str(folder), create_on_push=True, **given)


def reopened(folder: Path) -> Registry:
    """What a start after the crash finds."""
    settings = settings_of(folder)
    startup.prepare(settings)
    return startup.open_registry(settings)


def end_leases(folder: Path) -> None:
    """As if five minutes had passed: the jobs of a dead worker are anyone's again."""
    with sqlite3.connect(folder / "careen.db") as rows:
        rows.execute("UPDATE jobs SET leased_until = 0, run_at = 0")
    rows.close()


class Journal:
    """Begun and done, line by line in a file: what was written there outlives the process that wrote it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = os.open(path, os.O_CREAT | os.O_APPEND | os.O_RDWR, 0o644)

    def note(self, **entry: Any) -> None:
        """Add a line, in one write."""
        os.write(self._fd, json.dumps(entry).encode() + b"\n")

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def read(self) -> Iterator[Any]:
        """What was noted."""
        yield from map(json.loads, self._path.read_text().splitlines())


Effect = Callable[[State], None]
"""What a step does to what clients can see."""
