"""The scrub: reads everything that is stored, slowly, and compares it with its digest; what is damaged is set aside and reported.

One scrub goes through four phases: the database's own checks, blobs by digest, manifests by id, files that no row names. How far it
is stands in a row, so a scrub that was stopped, or died, goes on from there. Damage is believed when it was seen twice, the second
time from the disk.

A damaged blob is marked in one transaction, which looks again whether it is still the same life of the blob; from then on nobody is
given it: a GET or HEAD answers 404, as for a blob that is not there. So the next push of an image that needs it uploads it again,
as a new generation, and every image is whole again. The bytes go to the quarantine after the mark; a crash between is mended by
the next scrub, which also takes back what was damaged and is whole again, such as a file that somebody restored.
"""

import errno
import os
import threading
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from careen.blobs.store import OpenFile
from careen.db import scrubs
from careen.db.failures import Failure, failure
from careen.db.scrubs import Affected as Affected
from careen.db.scrubs import DamagedBlob as DamagedBlob
from careen.db.scrubs import DamagedManifest as DamagedManifest
from careen.db.scrubs import Progress as Progress
from careen.db.scrubs import StoredBlob, StoredManifest
from careen.oci import digest as digests
from careen.oci import manifest as manifests
from careen.registry import repositories
from careen.registry.gc import ORPHAN_AGE, is_known
from careen.registry.registry import Registry, Transaction

PERIODIC = "periodic"
"""The scope of the worker's scrub."""

COMMAND = "command"
"""The scope of one that somebody asked for. One of a single repository has that repository's name after a colon."""

SAVE_SECONDS = 5.0
"""How often a scrub notes how far it is: a commit makes every process read anew what it remembers."""

PIECE_BYTES = 1024 * 1024

BATCH = 100
"""Rows that are read at once."""

MANIFESTS = 20
"""Manifests that are read at once: they have up to 4 MiB each."""


class Stopped(Exception):
    """Somebody asked the scrub to stop."""


class Damage(NamedTuple):
    """One thing that was found damaged."""

    digest: str
    """Of a blob or a manifest; empty: it is the database itself."""
    what: str
    """``missing``, ``size``, ``digest``, ``unreadable``; ``references``: a manifest's rows are not what it says; else SQLite's."""
    size: int
    """Bytes that it should have."""


class Report(NamedTuple):
    """Everything known to be damaged, and what that means."""

    blobs: list[DamagedBlob]
    manifests: list[DamagedManifest]
    images: list[Affected]


class Pace:
    """A token bucket: so many bytes a second, of which up to a second's may be had at once.

    Args:
        rate: bytes a second; 0: as many as there are.
        stop: set by whoever wants the scrub to stop.
    """

    def __init__(self, rate: float, stop: threading.Event) -> None:
        self._rate = rate
        self._stop = stop
        self._tokens = rate
        self._filled = time.monotonic()

    def spend(self, size: int) -> None:
        """Wait until ``size`` bytes may be read.

        Raises:
            Stopped: somebody asked for it.
        """
        wait = 0.0
        if self._rate:
            now = time.monotonic()
            self._tokens = min(self._rate, self._tokens + (now - self._filled) * self._rate) - size
            self._filled = now
            wait = max(-self._tokens / self._rate, 0.0)
        if self._stop.wait(wait):
            raise Stopped


def _unnoticed(_: Damage) -> None:
    """Nobody wants to hear of damage as it is found."""


def run(
    registry: Registry,
    pace: Pace,
    *,
    scope: str,
    repository: str | None = None,
    found: Callable[[Damage], None] = _unnoticed,
    keep: Callable[[], bool] = lambda: True,
) -> Progress:
    """Scrub, from where an earlier one of the same scope was stopped.

    Args:
        registry: the registry.
        pace: how fast, and when to stop.
        scope: :data:`PERIODIC` or :data:`COMMAND`.
        repository: only its blobs and manifests.
        found: told of everything damaged that this scrub finds, as it is found.
        keep: asked every few seconds whether to go on.

    Returns:
        How far it is: to the end, unless it was stopped.

    Raises:
        careen.ecr.errors.RepositoryNotFound: no repository has that name.
    """
    only = None if repository is None else registry.read(repositories.require, repository).id
    name = scope if repository is None else f"{scope}:{repository}"
    scrub = _Scrub(registry, pace, registry.write_now(_begin, name, whole=only is None), only, found, keep)
    return scrub.run()


def last(tx: Transaction, scope: str) -> Progress | None:
    """How far the last scrub of that scope is, or was when it ended; None: there was none yet."""
    return scrubs.find(tx.rows, scope)


def report(tx: Transaction) -> Report:
    """All damage that is not repaired yet, and the images that suffer from it."""
    return Report(scrubs.damaged_blobs(tx.rows), scrubs.damaged_manifests(tx.rows), scrubs.affected(tx.rows))


def damage_of(tx: Transaction, repository: str, digest: str) -> DamagedBlob | None:
    """What is wrong with a blob that the repository should have; None: nothing is known."""
    return scrubs.damage_of(tx.rows, repository, digest)


def mark(tx: Transaction, digest: str, generation: str, what: str) -> bool:
    """Let nobody have a blob any more. Returns False if it is not this generation that they are given."""
    blob = scrubs.blob(tx.rows, digest)
    if blob is None or blob.is_damaged or blob.generation != generation:
        return False
    scrubs.mark_blob(tx.rows, blob, what, tx.now)
    return True


def check_pieces(
    pieces: Iterable[bytes], digest: str, size: int, spend: Callable[[int], None] = lambda _: None
) -> str | None:
    """:func:`check_file`, of bytes that come from elsewhere: at most one more than ``size``."""
    hasher, count = digests.hasher(digests.algorithm(digest)), 0
    for piece in pieces:
        spend(len(piece))
        hasher.update(piece)
        count += len(piece)
    if count != size:
        return "size"
    return None if hasher.hexdigest() == digest.partition(":")[2] else "digest"


def check_file(fd: int, digest: str, size: int, spend: Callable[[int], None] = lambda _: None) -> str | None:
    """What is wrong with the bytes of an open file: ``size``, ``digest`` or ``unreadable``; None: nothing.

    Args:
        fd: the file; stays open.
        digest: the digest it should have.
        size: the bytes it should have.
        spend: told of each piece before it is read.
    """
    if os.fstat(fd).st_size != size:
        return "size"
    # Not what memory still has of the file is verified but what the disk has; and what is read here once is no reason to
    # forget something that is pulled all day.
    _forget_pages(fd)
    hasher, at = digests.hasher(digests.algorithm(digest)), 0
    try:
        while at < size:
            spend(min(PIECE_BYTES, size - at))
            piece = os.pread(fd, PIECE_BYTES, at)
            if not piece:
                return "size"
            hasher.update(piece)
            at += len(piece)
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        return "unreadable"
    finally:
        _forget_pages(fd)
    return None if digest == f"{digests.algorithm(digest)}:{hasher.hexdigest()}" else "digest"


def check_content(content: bytes | None, digest: str, size: int) -> str | None:
    """The same of bytes that are a row; ``missing`` if they are not there."""
    if content is None:
        return "missing"
    if len(content) != size:
        return "size"
    return None if digests.digest_of(content, digests.algorithm(digest)) == digest else "digest"


def _forget_pages(fd: int) -> None:
    if hasattr(os, "posix_fadvise"):  # not on macOS
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)


def _begin(tx: Transaction, scope: str, *, whole: bool) -> Progress:
    there = scrubs.find(tx.rows, scope)
    if there is not None and there.finished_at is None:
        return there
    begun = Progress(scope, tx.now, None, _DATABASE if whole else _BLOBS, "")
    scrubs.save(tx.rows, begun)
    return begun


_DATABASE, _BLOBS, _MANIFESTS, _FILES, _DONE = "database", "blobs", "manifests", "files", "done"


class _Scrub:
    """One scrub under way."""

    def __init__(
        self,
        registry: Registry,
        pace: Pace,
        progress: Progress,
        repository_id: int | None,
        found: Callable[[Damage], None],
        keep: Callable[[], bool],
    ) -> None:
        self._registry = registry
        self._pace = pace
        self._progress = progress
        self._repository_id = repository_id
        self._found = found
        self._keep = keep
        self._saved = time.monotonic()

    def run(self) -> Progress:
        phases = {
            _DATABASE: (self._check_database, _BLOBS),
            _BLOBS: (self._check_blobs, _MANIFESTS),
            _MANIFESTS: (self._check_manifests, _FILES if self._repository_id is None else _DONE),
            _FILES: (self._count_strays, _DONE),
        }
        try:
            while self._progress.phase != _DONE:
                check, following = phases[self._progress.phase]
                try:
                    check()
                except Exception as error:
                    if failure(error) is not Failure.DAMAGED:
                        raise
                    self._found(Damage("", f"{self._progress.phase}: {error}", 0))
                self._enter(following)
        except Stopped:
            pass
        finally:
            self._save()
        return self._progress

    def _save(self) -> None:
        self._registry.write_now(_save, self._progress)
        self._saved = time.monotonic()

    def _spend(self, size: int) -> None:
        """Wait until so much may be read; note on the disk, now and then, how far this is."""
        self._pace.spend(size)
        if time.monotonic() - self._saved >= SAVE_SECONDS:
            self._save()
            if not self._keep():
                raise Stopped

    def _enter(self, phase: str) -> None:
        finished = self._registry.clock() if phase == _DONE else None
        self._progress = self._progress._replace(phase=phase, cursor="", finished_at=finished)
        self._save()

    def _check_database(self) -> None:
        for wrong in self._registry.database.check():
            self._found(Damage("", wrong, 0))

    def _check_blobs(self) -> None:
        while blobs := self._registry.read(_blobs_after, self._progress.cursor, self._repository_id):
            for blob in blobs:
                self._check_blob(blob)
                done = self._progress
                size = done.size + (0 if blob.is_damaged else blob.size)
                self._progress = done._replace(cursor=blob.digest, blobs=done.blobs + 1, size=size)

    def _check_blob(self, blob: StoredBlob) -> None:
        if blob.is_damaged:
            self._check_again(blob)
            return
        wrong = self._look_at(blob) and self._look_at(blob)
        if wrong is None:
            return
        if not blob.generation:
            if self._registry.write_now(_mark_row, self._registry, blob.digest):
                self._found(Damage(blob.digest, wrong, blob.size))
        elif self._registry.write_now(mark, blob.digest, blob.generation, wrong):
            self._registry.blobs.quarantine(blob.digest, blob.generation)
            self._found(Damage(blob.digest, wrong, blob.size))

    def _check_again(self, blob: StoredBlob) -> None:
        """A blob that is known as damaged: has somebody restored its file? Was it never set aside?"""
        if not blob.generation:
            return
        wrong = self._look_at(blob)
        if wrong is None:
            self._registry.write_now(_unmark, blob.digest, blob.generation)
        elif wrong != "missing":
            self._registry.blobs.quarantine(blob.digest, blob.generation)

    def _look_at(self, blob: StoredBlob) -> str | None:
        if not blob.generation:
            self._spend(blob.size)
            return check_content(blob.content, blob.digest, blob.size)
        blobs = self._registry.blobs
        try:
            match blobs.open(blob.digest, blob.generation):
                case OpenFile(fd):
                    try:
                        return check_file(fd, blob.digest, blob.size, self._spend)
                    finally:
                        os.close(fd)
                case _:
                    pieces = blobs.pieces(blob.digest, blob.generation, blob.size + 1)
                    return check_pieces(pieces, blob.digest, blob.size, self._spend)
        except FileNotFoundError:  # or just collected: the transaction that marks it looks
            return "missing"

    def _check_manifests(self) -> None:
        while found := self._registry.read(
            _manifests_after, int(self._progress.cursor or 0), self._repository_id
        ):
            for manifest in found:
                self._spend(manifest.size)
                if (manifest.what or wrong_with(manifest)) and (
                    what := self._registry.write_now(_judge_manifest, self._registry, manifest.id)
                ):
                    self._found(Damage(manifest.digest, what, manifest.size))
                done = self._progress
                size = done.size + manifest.size
                self._progress = done._replace(
                    cursor=str(manifest.id), manifests=done.manifests + 1, size=size
                )

    def _count_strays(self) -> None:
        strays = size = 0
        for stored in self._registry.blobs.stored():
            self._spend(0)
            if stored.age > ORPHAN_AGE and not self._registry.read(
                is_known, stored.digest, stored.generation
            ):
                strays, size = strays + 1, size + stored.size
            self._progress = self._progress._replace(strays=strays, stray_size=size)


def wrong_with(manifest: StoredManifest) -> str | None:
    """What is wrong with a manifest's bytes, or with what its rows say it needs."""
    wrong = check_content(manifest.content, manifest.digest, manifest.size)
    if wrong is not None or manifest.content is None:
        return wrong
    try:
        said = manifests.parse(manifest.content, manifest.media_type)
    except manifests.InvalidManifest:  # it was taken when fewer were refused
        return None
    needed = manifest.blobs | manifest.children
    wanted = {it.digest for it in _listed(said)}
    return None if wanted == needed else "references"


def _listed(manifest: manifests.Manifest) -> Iterable[manifests.Descriptor]:
    return manifest.children if manifest.is_index else manifest.blobs()


def _save(tx: Transaction, progress: Progress) -> None:
    scrubs.save(tx.rows, progress)


def _blobs_after(tx: Transaction, after: str, repository_id: int | None) -> list[StoredBlob]:
    return scrubs.blobs_after(tx.rows, after, BATCH, repository_id)


def _manifests_after(tx: Transaction, after: int, repository_id: int | None) -> list[StoredManifest]:
    return scrubs.manifests_after(tx.rows, after, MANIFESTS, repository_id)


def _mark_row(tx: Transaction, registry: Registry, digest: str) -> bool:
    """The same for bytes that are a row: they may be another life's by now, so they are read again here."""
    blob = scrubs.blob(tx.rows, digest)
    if blob is None or blob.is_damaged or blob.generation:
        return False
    wrong = check_content(blob.content, digest, blob.size)
    if wrong is None:
        return False
    if blob.content is not None:
        registry.blobs.quarantine_content(f"{digest}.row", blob.content)
    scrubs.mark_blob(tx.rows, blob, wrong, tx.now)
    return True


def _unmark(tx: Transaction, digest: str, generation: str) -> bool:
    return scrubs.unmark_blob(tx.rows, digest, generation)


def _judge_manifest(tx: Transaction, registry: Registry, manifest_id: int) -> str | None:
    """Look again in a transaction, and note what is wrong or that nothing is. Returns what is wrong and was not known."""
    manifest = scrubs.manifest(tx.rows, manifest_id)
    if manifest is None:
        return None
    wrong = wrong_with(manifest)
    if wrong is None:
        scrubs.unmark_manifest(tx.rows, manifest_id)
        return None
    lost = wrong != "references"
    if lost and manifest.content is not None:
        registry.blobs.quarantine_content(f"{manifest.digest}.manifest-{manifest_id}", manifest.content)
    if manifest.what is None:
        scrubs.mark_manifest(tx.rows, manifest_id, wrong, tx.now, lost=lost)
        return wrong
    if lost and manifest.content is not None:
        scrubs.mark_manifest(tx.rows, manifest_id, wrong, tx.now, lost=True)
    return None
