"""What a repository's images need, in bytes: as ECR bills them where the layers are known, else by what it says of their sizes.

ECR bills a layer once for each repository that has it, whatever images share it. A scan that read the manifests knows the layers;
without them there are only ``imageSizeInBytes``, whose sum counts a layer once for each image.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property

from careen.fleet.scanned import Scanned
from careen.lifecycle.image import Image
from careen.lifecycle.projection import Blobs


@dataclass(frozen=True)
class Footprint:
    """A repository's images and bytes."""

    scanned: Scanned

    @cached_property
    def images(self) -> list[Image]:
        """As rules see them, and as Amazon does: it does not know what is in use."""
        return self.scanned.as_rules_see()

    @cached_property
    def blobs(self) -> Blobs | None:
        """The layers and the configuration of each image that has some, with their sizes; None if they were not all read."""
        found: dict[str, dict[str, int]] = {}
        for image in self.scanned.images:
            if image.blobs is not None:
                found[image.digest] = {blob.digest: blob.size for blob in image.blobs}
            elif image.children is None:
                return None
        return found

    @property
    def is_exact(self) -> bool:
        """Whether bytes are as ECR bills them."""
        return self.blobs is not None

    @cached_property
    def needed(self) -> Mapping[str, int]:
        """What all images together need, each once, with its size. By image, where layers are not known."""
        return self._needed_without(())

    @cached_property
    def size(self) -> int:
        """Bytes."""
        return sum(self.needed.values())

    def freed_by(self, digests: Collection[str]) -> int:
        """The bytes that no image needs any more without some of them."""
        return self.size - sum(self._needed_without(digests).values()) if digests else 0

    def _needed_without(self, digests: Collection[str]) -> dict[str, int]:
        needed: dict[str, int] = {}
        for image in self.images:
            if image.digest in digests:
                continue
            if self.blobs is not None:
                needed.update(self.blobs.get(image.digest, {}))
            elif not image.references:
                needed[image.digest] = image.size
        return needed
