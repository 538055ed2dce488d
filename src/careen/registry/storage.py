"""Exact accounts of what is stored: what the rows say, what the store holds, and whether the two agree."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import NamedTuple

from careen.blobs.store import BlobStore
from careen.db import images, layers, trash
from careen.lifecycle.cost import both_homes_dollars
from careen.registry import gc
from careen.registry import repositories as repository_cases
from careen.registry.registry import Registry, Transaction


class RepositoryStorage(NamedTuple):
    """One repository. Sizes are bytes."""

    name: str
    images: int
    blobs: int
    size: int
    """Of its blobs, each once; one that other repositories share counts in each of them."""
    billed: int
    """Of the blobs that its images need, each once: what Amazon ECR bills for it (layers are not shared between
    repositories there, unless they were mounted)."""


class ImageStorage(NamedTuple):
    """One image. Sizes are bytes of its config and layers; an index has none of its own."""

    digest: str
    tags: list[str]
    unique: int
    """Of the blobs that no other image of the registry needs: what deleting it alone gives back."""
    shared: int
    """Of the others."""


class Storage(NamedTuple):
    """The whole registry. Sizes are bytes."""

    blobs: int
    blob_bytes: int
    """Of all blobs, each once: what pushing them anew would upload."""
    row_bytes: int
    """The part of ``blob_bytes`` that is in the database."""
    file_bytes: int
    """The part of ``blob_bytes`` that is in files, as the rows say."""
    stored_bytes: int
    """Of all files that the store holds, as the store says. Beyond ``file_bytes`` are only bytes on their way out or in."""
    archive_bytes: int
    """The part of ``blob_bytes`` that only archived images need."""
    archive_home_bytes: int
    """The part of ``file_bytes`` that lies in the archive's home."""
    trash_images: int
    """Deleted images that can still come back."""
    trash_bytes: int
    """The part of ``blob_bytes`` that only images in the trash need: what emptying it gives back."""
    unneeded_bytes: int
    """The part of ``blob_bytes`` that no image needs: it waits for its grace period to end, or for the collector."""
    condemned_bytes: int
    """Of blobs that are gone or lie elsewhere by now, whose files are about to go."""
    orphan_bytes: int
    """Of files that no row names: left by a crash, or a commit under way."""
    upload_bytes: int
    """Of uploads under way or abandoned."""
    database_bytes: int
    """Of the database's own files."""
    manifests: int
    manifest_bytes: int
    repositories: list[RepositoryStorage]

    @property
    def billed_bytes(self) -> int:
        """What Amazon ECR would bill: the layers of each repository once."""
        return sum(repository.billed for repository in self.repositories)

    def monthly_dollars(self, price: float, archive_price: float) -> float:
        """What all of it costs in a month, if a GiB costs so much, and another price in the archive's home."""
        return both_homes_dollars(self.disk_bytes, self.archive_home_bytes, price, archive_price)

    @property
    def disk_bytes(self) -> int:
        """What is really taken: files, uploads and the database."""
        return self.stored_bytes + self.upload_bytes + self.database_bytes


def account(registry: Registry) -> Storage:
    """Add everything up: the rows in one snapshot, the files as they are."""
    totals, repositories, (trash_images, trash_bytes) = registry.read(_rows)
    stored = orphans = 0
    for each in registry.blobs.stored():
        stored += each.size
        if not registry.read(gc.is_known, each.digest, each.generation):
            orphans += each.size
    return Storage(
        blobs=totals.blobs,
        blob_bytes=totals.blob_bytes,
        row_bytes=totals.inline_bytes,
        file_bytes=totals.blob_bytes - totals.inline_bytes,
        stored_bytes=stored,
        archive_bytes=totals.archive_bytes,
        archive_home_bytes=totals.archive_home_bytes,
        trash_images=trash_images,
        trash_bytes=trash_bytes,
        unneeded_bytes=totals.blob_bytes - totals.referenced_bytes - trash_bytes,
        condemned_bytes=totals.condemned_bytes,
        orphan_bytes=orphans,
        upload_bytes=sum(size for _, _, size, _ in registry.blobs.uploads()),
        database_bytes=registry.database.size(),
        manifests=totals.manifests,
        manifest_bytes=totals.manifest_bytes,
        repositories=repositories,
    )


def of_images(tx: Transaction, repository: str) -> list[ImageStorage]:
    """The images of a repository, those that give back most first.

    Raises:
        careen.ecr.errors.RepositoryNotFound: there is no such repository.
    """
    found = repository_cases.require(tx, repository)
    unique: defaultdict[int, int] = defaultdict(int)
    shared: defaultdict[int, int] = defaultdict(int)
    for manifest_id, size, needed_by in layers.needs(tx.rows, found.id):
        (unique if needed_by == 1 else shared)[manifest_id] += size
    rows = images.every(tx.rows, found.id)
    listed = [
        ImageStorage(row.digest, images.tags_of(tx.rows, row.id), unique[row.id], shared[row.id])
        for row in rows
    ]
    return sorted(listed, key=lambda each: (-each.unique, each.digest))


def damaged(registry: Registry) -> list[str]:
    """The digests of blobs whose files are gone, or have another size than they should: a push of the same bytes mends them."""
    suspects = registry.read(_suspects, registry.blobs)
    return registry.read(_still_there, suspects) if suspects else []


def _suspects(tx: Transaction, blobs: BlobStore) -> list[tuple[str, str, int]]:
    return [
        row
        for row in layers.files(tx.rows)
        if not blobs.is_far(row[1]) and blobs.size(row[0], row[1]) != row[2]
    ]


def _still_there(tx: Transaction, suspects: list[tuple[str, str, int]]) -> list[str]:
    """Without those that the collector deleted while we looked."""
    return [
        digest
        for digest, generation, size in suspects
        if layers.stored(tx.rows, digest) == (size, generation)
    ]


def freed_by(tx: Transaction, doomed: Mapping[str, Collection[str]]) -> int:
    """The bytes that the collector will give back once these images are deleted, exactly.

    Args:
        tx: the transaction.
        doomed: per repository the digests of the images to be deleted; all of them, as if deleted together.

    Returns:
        Bytes of the blobs that only these images need. A blob that is unneeded already, or that another repository links
        without needing it, is not their doing.
    """
    needed: set[str] = set()
    released: dict[str, int] = {}
    for repository, manifest, blob, size in layers.all_references(tx.rows):
        if manifest in doomed.get(repository, ()):
            released[blob] = size
        else:
            needed.add(blob)
    return sum(size for blob, size in released.items() if blob not in needed)


class Weight(NamedTuple):
    """What some images weigh. Sizes are bytes of configs and layers, each once."""

    unique: int
    """Of the blobs that no other image of the registry needs: what deleting them together gives back."""
    shared: int
    """Of the others."""


def weigh(tx: Transaction, manifests: Collection[int]) -> Weight:
    """What some images weigh, by the ids of their rows. The same as :func:`freed_by` says, without looking at all the others."""
    blobs = {digest: size for each in manifests for digest, size in layers.of_manifest(tx.rows, each)}
    unique = sum(
        size
        for digest, size in blobs.items()
        if all(manifest in manifests for manifest, _ in layers.needing(tx.rows, digest))
    )
    return Weight(unique, sum(blobs.values()) - unique)


def in_trash(tx: Transaction) -> tuple[int, int]:
    """Images in the trash, and the bytes that only they need."""
    return trash.totals(tx.rows)


def _rows(tx: Transaction) -> tuple[layers.Totals, list[RepositoryStorage], tuple[int, int]]:
    repositories = [RepositoryStorage(*row) for row in layers.repository_bytes(tx.rows)]
    return layers.totals(tx.rows), repositories, in_trash(tx)
