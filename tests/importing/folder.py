"""A distribution registry's folder, written as the registry writes it, for as many as a test wants."""

import os
from collections.abc import Iterable
from pathlib import Path

from careen.clock import SECOND, Instant
from careen.oci.digest import digest_of
from tests.images import Built


class Folder:
    """The tree of a filesystem driver.

    Args:
        data: the folder that the registry's configuration names.
    """

    def __init__(self, data: Path) -> None:
        self.data = data
        self.root = data / "docker" / "registry" / "v2"
        (self.root / "repositories").mkdir(parents=True)

    def blob(self, digest: str) -> Path:
        """Where a blob lies."""
        hexadecimal = digest.partition(":")[2]
        return self.root / "blobs" / "sha256" / hexadecimal[:2] / hexadecimal / "data"

    def push(self, repository: str, built: Built, *tags: str, at: Instant) -> None:
        """Push an image, and tag it."""
        for data in (built.manifest, *built.blobs):
            path = self.blob(digest_of(data))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        manifests = self.root / "repositories" / repository / "_manifests"
        for digest in built.digests:
            link = manifests.with_name("_layers") / "sha256" / digest[7:] / "link"
            link.parent.mkdir(parents=True, exist_ok=True)
            link.write_text(digest)
        links = [manifests / "revisions" / "sha256" / built.digest[7:] / "link"]
        links += [manifests / "tags" / tag / "current" / "link" for tag in tags]
        for link in links:
            link.parent.mkdir(parents=True, exist_ok=True)
            link.write_text(built.digest)
            os.utime(link, ns=(at * 1000, at * 1000))

    def delete(self, repository: str, built: Built) -> None:
        """Delete an image by its digest, as the registry does: its tags stay, and name nothing."""
        revisions = self.root / "repositories" / repository / "_manifests" / "revisions"
        (revisions / "sha256" / built.digest[7:] / "link").unlink()

    def lose(self, digests: Iterable[str]) -> None:
        """Lose blobs, as a bad disk does."""
        for digest in digests:
            self.blob(digest).unlink(missing_ok=True)


def day(number: int) -> Instant:
    """An instant of a year that is over."""
    return (1_700_000_000 + 86_400 * number) * SECOND
