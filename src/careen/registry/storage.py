"""Exact accounts of what is stored: what the rows say, what the store holds, and whether the two agree."""

from collections.abc import Collection, Mapping
from typing import NamedTuple

from careen.blobs.store import BlobStore
from careen.db import layers
from careen.registry.registry import Registry, Transaction


class RepositoryStorage(NamedTuple):
    """One repository. Sizes are bytes."""

    name: str
    images: int
    blobs: int
    size: int
    """Of its blobs, each once; one that other repositories share counts in each of them."""


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
    unneeded_bytes: int
    """The part of ``blob_bytes`` that no manifest needs: it waits for its grace period to end, or for the collector."""
    condemned_bytes: int
    """Of blobs that are gone, whose files are about to go."""
    upload_bytes: int
    """Of uploads under way or abandoned."""
    manifests: int
    manifest_bytes: int
    repositories: list[RepositoryStorage]


def account(registry: Registry) -> Storage:
    """Add everything up: the rows in one snapshot, the files as they are."""
    totals, repositories = registry.read(_rows)
    return Storage(
        blobs=totals.blobs,
        blob_bytes=totals.blob_bytes,
        row_bytes=totals.inline_bytes,
        file_bytes=totals.blob_bytes - totals.inline_bytes,
        stored_bytes=sum(stored.size for stored in registry.blobs.stored()),
        unneeded_bytes=totals.blob_bytes - totals.referenced_bytes,
        condemned_bytes=totals.condemned_bytes,
        upload_bytes=sum(size for _, _, size, _ in registry.blobs.uploads()),
        manifests=totals.manifests,
        manifest_bytes=totals.manifest_bytes,
        repositories=repositories,
    )


def damaged(registry: Registry) -> list[str]:
    """The digests of blobs whose files are gone, or have another size than they should: a push of the same bytes mends them."""
    suspects = registry.read(_suspects, registry.blobs)
    return registry.read(_still_there, suspects) if suspects else []


def _suspects(tx: Transaction, blobs: BlobStore) -> list[tuple[str, str, int]]:
    return [row for row in layers.files(tx.rows) if blobs.size(row[0], row[1]) != row[2]]


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


def _rows(tx: Transaction) -> tuple[layers.Totals, list[RepositoryStorage]]:
    return layers.totals(tx.rows), [RepositoryStorage(*row) for row in layers.repository_bytes(tx.rows)]
