"""What the tests of the use cases share: a clock to set, pushes without HTTP, and sums over what is really stored."""

import asyncio
import contextlib
import dataclasses
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from careen import startup
from careen.clock import DAY, Instant, parse_instant
from careen.db.images import ImageRow
from careen.db.postgres.database import PostgresDatabase
from careen.db.tables import metadata
from careen.oci import manifest as manifests
from careen.oci.digest import digest_of
from careen.registry import events, images, layers, repositories, scrub
from careen.registry.deletions import Cause
from careen.registry.images import Put
from careen.registry.nodes import Company
from careen.registry.registry import Registry, Transaction
from careen.registry.repositories import Repository
from careen.settings import Settings
from tests import backend, begun, postgres
from tests.images import Built

TESTER = "arn:aws:iam::000000000000:user/tester"
"""Who deletes in the tests that do not ask."""


def cause() -> Cause:
    """One request to delete: what two requests delete does not belong together."""
    return Cause(TESTER, "BatchDeleteImage")


START = parse_instant("2026-01-01T00:00:00Z")


class Hands:
    """A clock that moves when a test moves it, and a microsecond at every look."""

    def __init__(self) -> None:
        self.now: Instant = START

    def __call__(self) -> Instant:
        self.now += 1
        return self.now

    def forward(self, time: Instant = DAY) -> None:
        """Let time pass."""
        self.now += time


def with_limits(registry: Registry, **limits: Any) -> Registry:
    """The same registry with other limits."""
    return dataclasses.replace(registry, limits=dataclasses.replace(registry.limits, **limits))


def reopen(registry: Registry) -> Registry:
    """The same registry as another process has it open. Close it."""
    another = startup.open_registry(
        Settings(
            **{"data": str(registry.scratch_folder), **backend.current().settings(registry.scratch_folder)}
        )
    )
    return dataclasses.replace(another, clock=registry.clock, limits=registry.limits)


@contextlib.contextmanager
def prepared(settings: Settings) -> Iterator[Registry]:
    """The registry of these settings, prepared as a start prepares it."""
    if not settings.database:
        begun.begin(Path(settings.data))
    startup.prepare(settings)
    registry = startup.open_registry(settings)
    try:
        yield registry
    finally:
        registry.close()


def dump_of(registry: Registry) -> str:
    """Every value of every row."""
    with registry.database.read() as rows:
        tables = [rows.execute(f"SELECT * FROM {table}").fetchall() for table in metadata.tables]
    return repr(tables)


def upload(registry: Registry, repository: str, data: bytes) -> str:
    """Push one blob, as a request does. Returns its digest."""
    target = registry.write_now(repositories.require_for_push, repository)
    asyncio.run(_upload(registry, target, data))
    return digest_of(data)


def begin(registry: Registry, target: Repository) -> str:
    """Begin an upload. Returns its id."""
    return asyncio.run(layers.begin(registry, target))


async def _upload(registry: Registry, target: Repository, data: bytes) -> None:
    async with layers.held(registry, target, await layers.begin(registry, target)) as held:
        await registry.in_thread(held.write, [data])
        await layers.complete(registry, target, held, digest_of(data))


def put(registry: Registry, repository: str, built: Built, tag: str | None = None) -> Put:
    """Put a manifest whose blobs are there."""
    target = registry.write_now(repositories.require_for_push, repository)
    return registry.write_now(images.put, target, built.manifest, tag=tag)


def push(registry: Registry, repository: str, built: Built, tag: str | None = None) -> Put:
    """Push an image: its blobs, then its manifest."""
    for data in built.blobs:
        upload(registry, repository, data)
    return put(registry, repository, built, tag)


def row(registry: Registry, repository: str, built: Built) -> ImageRow | None:
    """The image as it is stored now."""
    found = registry.read(repositories.require, repository)
    return registry.read(images.find, found, digest=built.digest)


def digests(registry: Registry, repository: str) -> set[str]:
    """The images of a repository."""
    found = registry.read(repositories.require, repository)
    return {image.row.digest for image in registry.read(images.page, found, "", 1000)}


def told_tags(registry: Registry) -> dict[tuple[str, str], str]:
    """Which digest each tag has by the log of events alone, as long as nothing of it was pruned."""
    tags: dict[tuple[str, str], str] = {}
    settle(registry)
    for stamped in registry.read(events.following, 0, 1_000_000):
        detail = stamped.event.detail
        name, digest = detail.get("repository-name", ""), detail.get("image-digest", "")
        match stamped.event.action:
            case "PUSH" if "image-tag" in detail:
                tags[name, detail["image-tag"]] = digest
            case "DELETE" if "image-tag" in detail:
                assert tags.pop((name, detail["image-tag"])) == digest
            case "RESTORE":
                tags |= {(name, tag): digest for tag in detail["image-tags"]}
    return tags


def settle(registry: Registry) -> None:
    """Wait until every event that was written is shown."""
    if isinstance(registry.database, PostgresDatabase):
        postgres.settle(registry.database.url)


def delete(registry: Registry, repository: str, built: Built) -> list[str]:
    """Delete by digest, as one request does. Returns the digests of all that went."""
    found = registry.read(repositories.require, repository)
    gone = registry.write_now(images.delete_by_digest, found, built.digest, cause())
    return [image.row.digest for image in gone]


def blob(registry: Registry, repository: str, digest: str) -> bytes | None:
    """A blob's bytes as a pull reads them, or None if the repository does not have it."""
    found = registry.read(layers.find, repository, digest)
    if found is None or found.content is not None:
        return None if found is None else found.content
    return b"".join(registry.blobs.pieces(digest, found.generation, 2**62))


def is_whole(registry: Registry, repository: str, built: Built) -> bool:
    """Whether an image can be pulled with all its blobs, byte for byte."""
    pulled = registry.read(images.pullable, repository, built.digest)
    return (
        pulled is not None
        and pulled.content == built.manifest
        and all(blob(registry, repository, digest_of(data)) == data for data in built.blobs)
    )


def files(registry: Registry) -> list[Path]:
    """Every file with committed bytes; those in the archive's home, too, if that is the folder ``archive`` of the data folder."""
    data = registry.scratch_folder
    homes = (data / "blobs", data / "archive" / "blobs")
    return [path for home in homes for path in home.rglob("*") if path.is_file()]


def kept(registry: Registry) -> dict[str, int]:
    """All committed bytes that are no rows, by the name of their file or object: as the disk and the bucket really have them."""
    objects = backend.current().objects(registry.scratch_folder)
    return {path.name: path.stat().st_size for path in files(registry)} | {
        key: size for key, size in objects.items() if key.startswith("blobs/") and "." not in key
    }


def stored_bytes(registry: Registry) -> int:
    """The bytes of all blobs, as the disk, the bucket and the rows really have them."""
    return sum(kept(registry).values()) + registry.read(_row_bytes)


def _row_bytes(tx: Transaction) -> int:
    return int(tx.rows.execute("SELECT coalesce(sum(length(content)), 0) FROM blob_contents").fetchone()[0])


def everything(registry: Registry) -> dict[tuple[str, str], tuple[list[str], bytes]]:
    """Every image with its tags and bytes, by repository and digest; each must have all that it needs, byte for byte."""
    found = {}
    for (name,) in registry.read(lambda tx: tx.rows.execute("SELECT name FROM repositories").fetchall()):
        repository = registry.read(repositories.require, name)
        for one in registry.read(images.page, repository, "", 100_000):
            data = registry.read(images.content, one.row)
            assert data is not None
            manifest = manifests.parse(data, one.row.media_type)
            for needed in manifest.blobs():
                content = blob(registry, name, needed.digest)
                assert content is not None
                assert len(content) == needed.size
            for child in manifest.children:
                assert registry.read(images.pullable, name, child.digest) is not None
            found[name, one.row.digest] = (one.tags, data)
    return found


def damage(registry: Registry) -> list[scrub.Damage]:
    """What a scrub finds."""
    found: list[scrub.Damage] = []
    scrub.run(registry, scrub.Pace(0, threading.Event()), scope=scrub.COMMAND, found=found.append)
    return found


def noted(registry: Registry) -> Company:
    """What a worker knows of the nodes when it has said that its own is there."""
    company = Company(registry)
    company.note()
    return company
