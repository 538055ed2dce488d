"""Backups, made while the registry serves, and restores.

::

    careen-backup.json                what the backup is; it appears last and at once, so a folder without it is no backup
    careen-backup.lock                says that the folder is one of backups; whoever makes one holds it
    careen-<id>.db                    the database as it was at one instant
    master.key                        readable by its owner alone: without it no access key works
    blobs/<algorithm>/<xx>/<hex>.<generation>

The order makes it right (docs/adr/0016): a hold, under which the collector deletes no file; then the database, which names only
files that are durable; then those files. A second backup into the same folder copies only what is new, and the first stays whole
until the second replaces it by the rename of one file.

It does not matter where the registry keeps its rows and its blobs: a backup of a PostgreSQL and a bucket has the same files as one
of a data folder, and can be restored into either.
"""

import contextlib
import fcntl
import os
import secrets
import shutil
import threading
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import msgspec

from careen import durable
from careen.blobs.archive import at_home
from careen.blobs.store import BlobStore, UploadUnknown
from careen.clock import SECOND, isoformat, system_now
from careen.db import bulk, copies, founding, holds, layers, schema, scrubs, sqlite
from careen.db.engine import Connection, Place, name_of
from careen.iam import keys
from careen.registry import scrub
from careen.registry.registry import Registry, Transaction
from careen.registry.trouble import trouble

MANIFEST = "careen-backup.json"
LOCK = "careen-backup.lock"
FORMAT = 1

RESTORING = "restoring"
"""A file in a data folder whose restore has not ended: it must not be served."""

HOLD_SECONDS = 300.0
"""How long the collector waits for a backup that gives no sign of life."""

RENEW_SECONDS = 30.0


class BackupFailed(Exception):
    """A backup or a restore cannot be made. The message says why."""


class Lost(msgspec.Struct, frozen=True):
    """A blob or manifest that the backup has no whole bytes of, because the registry had none."""

    digest: str
    what: str
    """As :class:`careen.registry.scrub.Damage` says it."""
    generation: str = ""
    """Of a blob that is a file."""


class Backup(msgspec.Struct, frozen=True, rename="camel"):
    """What a backup is: the content of ``careen-backup.json``. Sizes are bytes."""

    format: int
    careen: str
    """The version that made it."""
    schema: str
    created_at: str
    """When the copy of the database was begun, ISO 8601."""
    database: str
    """The name of its file."""
    database_size: int
    repositories: int
    manifests: int
    blobs: int
    """In files and in the database."""
    principals: int
    files: int
    """Blobs in files."""
    file_size: int
    lost: tuple[Lost, ...] = ()


class Made(NamedTuple):
    """What making a backup did. Sizes are bytes."""

    backup: Backup
    copied: int
    """Files that were copied or linked."""
    copied_size: int
    kept: int
    """Files that were there already."""
    removed: int
    """Files that the backup before needed, and this does not."""


class Restored(NamedTuple):
    """What a restore did."""

    backup: Backup
    files: int
    lost: list[Lost]
    """What the backup did not have, or not with the right number of bytes."""


def make(registry: Registry, folder: Path, target: Path, *, verify: bool = False) -> Made:
    """Make a backup, or bring the one that is there up to date.

    Args:
        registry: the registry; it may serve meanwhile, in any number of processes.
        folder: its data folder.
        target: the backup's folder, made if it is not there.
        verify: read all that the backup has and compare it with its digests.

    Raises:
        BackupFailed: the folder has something else in it, another backup is being made there, the hold was lost, or the
            registry's database or bucket does not answer.
    """
    with broken_off("backup", "what is copied stays"), _locked(folder, target), _held(registry) as hold:
        created = system_now()
        database = target / f"careen-{secrets.token_hex(4)}.db"
        with _copying():
            copies.make(registry.database.place, database)
        copied = copied_size = kept = file_size = 0
        lost: list[Lost] = []
        with copies.opened(database) as rows:
            if wrong_pages := sqlite.check_pages(rows):  # it must not take the place of a sound one
                database.unlink()
                raise BackupFailed(
                    f"the database of the registry is damaged ({wrong_pages[0]}): an earlier backup stays as it is"
                )
            counted = copies.counts(rows)
            for digest, generation, size in scrubs.files(rows):
                path = _blob_path(target, digest, generation)
                there = _size(path) == size
                wrong = None if there else _copy(registry.blobs, path, digest, generation, size)
                if verify and wrong is None:
                    wrong = _verified(registry.blobs, path, digest, generation, size)
                if wrong is not None:
                    lost.append(Lost(digest, wrong, generation))
                    continue
                file_size += size
                kept, copied = kept + there, copied + (not there)
                copied_size += 0 if there else size
            if verify:
                lost.extend(_wrong_rows(rows))
        if not hold.check():
            raise BackupFailed(
                "the backup stood still for so long that the collector went on: start it again; what is copied stays"
            )
        durable.write(target / "master.key", registry.master_key, 0o600)
        backup = Backup(
            format=FORMAT,
            careen=version("careen"),
            schema=schema.current(database) or "",
            created_at=isoformat(created),
            database=database.name,
            database_size=database.stat().st_size,
            files=copied + kept,
            file_size=file_size,
            lost=tuple(lost),
            **counted,
        )
        durable.sync_file(database)
        durable.write(target / MANIFEST, msgspec.json.format(msgspec.json.encode(backup), indent=2), 0o600)
        removed = _prune(target, database)
    return Made(backup, copied, copied_size, kept, removed)


def read(source: Path) -> Backup:
    """What a backup is.

    Raises:
        BackupFailed: it is none, or not whole, or one that only a later version can read.
    """
    try:
        backup = msgspec.json.decode((source / MANIFEST).read_bytes(), type=Backup)
    except FileNotFoundError:
        raise BackupFailed(
            f"{source} is no complete backup: it has no {MANIFEST}, which is written when everything else is there"
        ) from None
    except (OSError, msgspec.MsgspecError) as error:
        raise BackupFailed(f"{source / MANIFEST} cannot be read: {error}") from None
    if backup.format > FORMAT or backup.schema > schema.head():
        raise BackupFailed(
            f"{source} has schema {backup.schema}, made by Careen {backup.careen}; this version of Careen knows"
            f" {schema.head()}. Install the newer version."
        )
    if _size(source / backup.database) != backup.database_size:
        raise BackupFailed(
            f"{source / backup.database} does not have the {backup.database_size} bytes that it should have"
        )
    if _size(source / "master.key") != keys.MASTER_KEY_SIZE:
        raise BackupFailed(f"{source / 'master.key'} does not have {keys.MASTER_KEY_SIZE} bytes")
    return backup


class Goal(NamedTuple):
    """Where a restore goes."""

    data: Path
    """The data folder."""
    place: Place | None = None
    """A server's database for the rows; None: they stay in the folder."""
    blobs: str = ""
    """Where the blobs go, as the setting says it; empty: into the folder."""

    @property
    def copy(self) -> str:
        """How a server's database names the copy that it awaits."""
        return f"restore into {self.data.absolute()}" + (f" and {self.blobs}" if self.blobs else "")

    @property
    def note(self) -> str:
        """What the folder says until all is there. Older versions say the first line only."""
        rows = "" if self.place is None else f"the rows go to {name_of(self.place)}\n"
        return f"careen restore has not ended\n{rows}" + (
            f"the blobs go to {self.blobs}\n" if self.blobs else ""
        )


def begin_restore(goal: Goal, blobs: BlobStore | None) -> None:
    """Make all places ready for a restore. Until :func:`end_restore` they are not to be served.

    Args:
        goal: the places; the folder is made if it is not there.
        blobs: the home that :attr:`Goal.blobs` names.

    Raises:
        BackupFailed: there is something in one of them that no restore into just these has put there.
    """
    data, place = goal.data, goal.place
    data.mkdir(parents=True, exist_ok=True)
    # An empty file system of its own is an empty folder, too; and a restore may have died as it began.
    found = {entry.name for entry in data.iterdir()} - {"lost+found", f"{RESTORING}.part"}
    # The last step is the server's, and a restore may have died before it.
    has_only_to_be_released = (
        place is not None and found == {"master.key"} and copies.awaits(place, goal.copy)
    )
    if RESTORING in found:
        # An empty file is that of a machine that lost its power.
        noted = (data / RESTORING).read_text() or Goal(data).note
        if noted != goal.note:
            raise BackupFailed(
                f"a restore into {data} has not ended whose rows or blobs go elsewhere: give it the database and blobs that"
                f" {data / RESTORING} names, or begin anew with an empty folder"
            )
    elif not has_only_to_be_released:
        if found:
            raise BackupFailed(f"{data} is not empty: a restore needs a folder of its own")
        if blobs is not None and next(iter(blobs.stored()), None) is not None:
            raise BackupFailed("where the blobs are to go there are some: a restore needs a place of its own")
    if place is not None:
        with _copying():
            copies.reserve(place, goal.copy)
    durable.write(data / RESTORING, goal.note.encode(), 0o644)


@contextlib.contextmanager
def broken_off(what: str, then: str) -> Iterator[None]:
    """Let it be a failure of the backup or restore if a database or a bucket does not answer; files' own errors go on.

    Args:
        what: is being done.
        then: is so when it is started again.
    """
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        if trouble(error) is None and not isinstance(error, UploadUnknown):
            raise
        why = str(error) or "the bucket does not know the upload any more"
        raise BackupFailed(f"the {what} was broken off: {why}; start it again: {then}") from error


@contextlib.contextmanager
def _copying() -> Iterator[None]:
    """Let what goes wrong with a copy be a failure of the backup or restore."""
    try:
        yield
    except (copies.CopyFailed, bulk.InUse, bulk.Unfit) as error:
        raise BackupFailed(str(error)) from None


def restore(source: Path, data: Path, blobs: BlobStore) -> Restored:
    """Put what a backup has into a folder that is ready; what is there already is not copied again. Sizes are verified.

    Args:
        source: the backup.
        data: the folder.
        blobs: the registry's home for blobs.

    Raises:
        BackupFailed: as :func:`read`.
    """
    backup = read(source)
    files, lost = 0, []
    with copies.opened(source / backup.database) as rows:
        for digest, generation, size in scrubs.files(rows):
            path = _blob_path(source, digest, generation)
            found = _size(path)
            if found != size:
                lost.append(Lost(digest, "missing" if found is None else "size", generation))
                continue
            blobs.copy_in(path, digest, at_home(generation))
            files += 1
    durable.write(data / "master.key", (source / "master.key").read_bytes(), 0o600)
    draft = data / "careen.db.part"  # never a link: a database is written to
    shutil.copyfile(source / backup.database, draft)
    durable.sync_file(draft)
    _remove_logs(data)  # of an attempt that was stopped: they are another file's
    draft.rename(data / "careen.db")
    schema.migrate(data / "careen.db")
    return Restored(backup, files, lost)


def mark_lost(registry: Registry, restored: Restored) -> None:
    """Say in the restored registry what the backup did not have, as a scrub does.

    Args:
        registry: the one whose rows are in the folder.
        restored: what :func:`restore` did.
    """
    registry.write_now(_bring_home, registry.master_key)
    for one in restored.lost:
        registry.write_now(scrub.mark, one.digest, at_home(one.generation), one.what)


def end_restore(goal: Goal, arrived: copies.Arrived) -> None:
    """Bring the rows to where they belong; then the registry may be served.

    Args:
        goal: as for :func:`begin_restore`; nobody has the folder open any more.
        arrived: has the last word on the rows that came to a server.

    Raises:
        BackupFailed: the server's database does not await this restore any more, or has something that it cannot keep.
    """
    data, place = goal.data, goal.place
    if place is not None:
        with _copying():
            copies.fill(data / "careen.db", place, goal.copy, lambda *_: None, arrived)
        _remove_logs(data)
        (data / "careen.db").unlink()
    (data / RESTORING).unlink()
    durable.sync_folder(data)
    if place is not None:
        with _copying():
            copies.release(place, goal.copy)


def _remove_logs(data: Path) -> None:
    for log in ("careen.db-wal", "careen.db-shm"):
        (data / log).unlink(missing_ok=True)


def _bring_home(tx: Transaction, key: bytes) -> None:
    """All blobs were restored into the data folder, those of the archive's home too: the restored registry stands alone."""
    layers.bring_home(tx.rows)
    founding.leave_homes(tx.rows)
    founding.bring_key(tx.rows, key=key, keep=False)


class _Hold:
    """Keeps the collector from deleting files, until it is closed."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._name = f"backup-{secrets.token_hex(8)}"
        self._ended = threading.Event()
        self._lost = False
        registry.write_now(_hold, self._name)
        self._renewing = threading.Thread(target=self._renew, daemon=True)
        self._renewing.start()

    def _renew(self) -> None:
        while not self._ended.wait(RENEW_SECONDS) and not self._lost:
            # It lasts for ten of these: one that fails is no loss, and whether any was is what :meth:`check` finds out.
            with contextlib.suppress(Exception):
                self._renew_once()

    def _renew_once(self) -> None:
        self._lost |= not self._registry.write_now(_renew, self._name)

    def check(self) -> bool:
        """Whether it has lasted until now. Raises what the database does, if it cannot say."""
        self._renew_once()
        return not self._lost

    def close(self) -> None:
        """Let the collector go on. A hold that cannot be ended now ends by itself, and is no reason for a backup to fail."""
        self._ended.set()
        self._renewing.join()
        with contextlib.suppress(Exception):
            self._registry.write_now(_release, self._name)


@contextlib.contextmanager
def _held(registry: Registry) -> Iterator[_Hold]:
    hold = _Hold(registry)
    try:
        yield hold
    finally:
        hold.close()


def _hold(tx: Transaction, name: str) -> None:
    holds.hold(tx.rows, name, system_now() + round(HOLD_SECONDS * SECOND))


def _renew(tx: Transaction, name: str) -> bool:
    now = system_now()
    return holds.renew(tx.rows, name, now, now + round(HOLD_SECONDS * SECOND))


def _release(tx: Transaction, name: str) -> None:
    holds.release(tx.rows, name, system_now())


@contextlib.contextmanager
def _locked(folder: Path, target: Path) -> Iterator[None]:
    """Make sure that the target is a folder for backups, and ours alone for now."""
    if target.resolve().is_relative_to(folder.resolve()):
        raise BackupFailed(f"{target} is in the data folder {folder}: a backup belongs on another disk")
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not (target / LOCK).exists() and any(entry.name != "lost+found" for entry in target.iterdir()):
        raise BackupFailed(f"{target} is not empty, and what it has is no backup")
    fd = os.open(target / LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise BackupFailed(f"another backup is being made in {target}") from None
    finally:
        os.close(fd)


def _copy(blobs: BlobStore, path: Path, digest: str, generation: str, size: int) -> str | None:
    """Copy one file. Returns what is wrong with it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        blobs.copy_out(digest, generation, path)
    except FileNotFoundError:  # a scrub has just set it aside, or it is lost
        path.unlink(missing_ok=True)
        return "missing"
    if _size(path) != size:
        path.unlink()
        return "size"
    return None


def _verified(blobs: BlobStore, path: Path, digest: str, generation: str, size: int) -> str | None:
    """What is wrong with a file of the backup, after it was copied anew if anything was."""
    if _check(path, digest, size) is None:
        return None
    wrong = _copy(blobs, path, digest, generation, size) or _check(path, digest, size)
    if wrong is not None:
        path.unlink(missing_ok=True)
    return wrong


def _check(path: Path, digest: str, size: int) -> str | None:
    with path.open("rb") as file:
        return scrub.check_file(file.fileno(), digest, size)


def _wrong_rows(rows: Connection) -> Iterator[Lost]:
    """Blobs and manifests of the database whose bytes are not theirs."""
    for found in copies.contents(rows):
        wrong = scrub.check_content(found.content, found.digest, found.size)
        if wrong is not None:
            yield Lost(found.digest, wrong)


def _prune(target: Path, database: Path) -> int:
    """Delete what earlier backups left that this one does not need. Returns how many blobs that were."""
    for old in target.glob("careen-*.db*"):
        if not old.name.startswith(database.name):
            old.unlink()
    with copies.opened(database) as rows:
        needed = {_blob_path(target, digest, generation) for digest, generation, _ in scrubs.files(rows)}
    removed = 0
    for path in (target / "blobs").glob("*/*/*"):
        if path not in needed:
            path.unlink()
            removed += 1
    return removed


def _blob_path(folder: Path, digest: str, generation: str) -> Path:
    algorithm, _, hexadecimal = digest.partition(":")
    return folder / "blobs" / algorithm / hexadecimal[:2] / f"{hexadecimal}.{generation}"


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None
