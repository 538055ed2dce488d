"""The bytes: whether their home is there, whether blobs lack their files, and files their rows."""

import itertools
from collections.abc import Iterator
from pathlib import Path

from careen.blobs.s3 import CannotUse, S3BlobStore, parse_place
from careen.blobs.store import BlobStore, BlobsUnavailable
from careen.clock import system_now
from careen.db import inspection
from careen.db.engine import Connection
from careen.doctor.finding import Finding, ok, problem, warning
from careen.settings import Settings, is_bucket
from careen.startup.stores import blobs_of

SAMPLE = 500
"""Blobs, and files, that are looked at if not all are."""

YOUNG = 3600.0
"""Seconds for which a file may be without a row: its push is under way, or was a moment ago."""

FOLDERS = ("blobs/sha256", "blobs/sha512", "uploads")
"""What a home that is a folder has: where one is missing, opening it would make it."""


def look(settings: Settings, rows: Connection | None, *, deep: bool) -> Iterator[Finding]:
    """The findings.

    Args:
        settings: say where.
        rows: the database; None: it cannot be read, and only the homes themselves are looked at.
        deep: look at everything, and try to write to a bucket as each start does: an object that is removed again.
    """
    homes = [home for home in (settings.blobs or settings.data, settings.archive_blobs) if home]
    found = [each for home in homes for each in _home(settings, home, deep=deep)]
    yield from found
    if found:
        return
    if rows is None:
        yield ok("store", f"{' and '.join(homes)}: there")
        return
    try:
        yield from _compare(blobs_of(settings, system_now), rows, None if deep else SAMPLE)
    except BlobsUnavailable as error:
        yield problem(
            "store", f"the bucket does not answer: {error}", "docs/runbook.md, “The bucket is away”"
        )


def _home(settings: Settings, home: str, *, deep: bool) -> Iterator[Finding]:
    if is_bucket(home):
        try:
            store = S3BlobStore(parse_place(home), redirect=settings.s3_redirect)
            if deep:
                store.check()
            else:
                store.knock()
        except (CannotUse, BlobsUnavailable) as error:
            yield problem(
                "store", f"{home.partition('?')[0]}: {error}", "docs/s3.md says what the bucket must allow"
            )
        return
    missing = [folder for folder in FOLDERS if not (Path(home) / folder).is_dir()]
    if missing:
        yield problem(
            "store",
            f"{home} has no {', '.join(missing)}",
            "is its disk mounted? A registry that was never started has none either",
        )


def _compare(blobs: BlobStore, rows: Connection, most: int | None) -> Iterator[Finding]:
    named, missing = inspection.stored_blobs(rows, most), []
    for digest, generation, size in named:
        there = blobs.size(digest, generation)
        if there != size:
            missing.append((digest, there))
    for digest, there in missing[:5]:
        yield problem(
            "missing bytes",
            f"{digest} {'is gone' if there is None else f'has {there:,} bytes, which is not its size'}",
            "push an image that has it again, which mends it; `careen scrub` says which images suffer",
        )
    if len(missing) > 5:
        yield problem(
            "missing bytes", f"and {len(missing) - 5:,} more", "`careen scrub` looks at all of them"
        )
    known, files = inspection.generations(rows), 0
    orphans = size = 0
    for stored in itertools.islice(blobs.stored(), most):
        files += 1
        if stored.generation not in known and stored.age > YOUNG:
            orphans, size = orphans + 1, size + stored.size
    if orphans:
        yield warning(
            "orphan bytes",
            f"{orphans:,} of {files:,} files looked at are no blob's, {size:,} bytes",
            "the sweep removes them within a day (sweep_interval); `careen gc` does at once",
        )
    if not missing and not orphans:
        scope = "all" if most is None else "the newest"
        yield ok("store", f"{scope} {len(named):,} blobs have their bytes, and {files:,} files their blobs")
