"""What a scan finds: repositories, their images, and what of them is in use."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import msgspec

from careen.clock import Instant
from careen.fleet.selection import Selection
from careen.lifecycle import image as lifecycle
from careen.lifecycle.image import ImageStatus
from careen.lifecycle.pin import Pin


class Target(msgspec.Struct, frozen=True, order=True, omit_defaults=True):
    """One account in one Region: a registry."""

    account: str
    """Twelve digits."""
    region: str
    name: str | None = None
    """What people call the account: its profile, or its name in an accounts file."""

    def __str__(self) -> str:
        """``123456789012/eu-west-1``."""
        return f"{self.account}/{self.region}"


class Blob(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Content by its digest: a layer, a configuration, or a manifest that an index lists."""

    digest: str
    size: int


class Use(msgspec.Struct, frozen=True, tag="use", omit_defaults=True):
    """That something runs an image, or would start it next."""

    repository: str
    consumer: str
    """``ecs/123456789012/eu-west-1/prod/web``."""
    kind: str
    """Who said so: ``ecs``, ``lambda``, ``kubernetes``, ``apprunner``, ``batch``."""
    tag: str | None = None
    digest: str | None = None
    """The digest, the tag, or both: then what runs and what the tag names are both in use."""
    account: str | None = None
    region: str | None = None
    """Whose registry; None for both: any that has the repository, as the host did not say."""


class Refusal(msgspec.Struct, frozen=True, tag="refusal", omit_defaults=True):
    """What could not be seen."""

    reason: str
    account: str | None = None
    region: str | None = None
    repository: str | None = None
    permission: str | None = None
    """What somebody has to allow, ``ecr:DescribeImages``; None if it is not a permission that is missing."""


class Repository(msgspec.Struct, frozen=True, tag="repository", rename="camel", omit_defaults=True):
    """A repository, without its images."""

    account: str
    region: str
    name: str
    arn: str
    uri: str
    created_at: Instant
    tags: dict[str, str] | None = None
    """None if they could not be read."""
    policy: str | None = None
    """The text of its lifecycle policy."""
    is_policy_known: bool = True
    """Whether no policy means that it has none."""
    mutability: str = "MUTABLE"
    mutability_filters: tuple[str, ...] = ()
    """Of the tags that are the exception."""
    scan_on_push: bool = False
    encryption: str = "AES256"
    kms_key: str | None = None
    account_name: str | None = None

    @property
    def target(self) -> Target:
        """Where it is."""
        return Target(self.account, self.region, self.account_name)


class Image(msgspec.Struct, frozen=True, gc=False):
    """One manifest of a repository: an image, an index, or an artifact with a subject."""

    digest: str
    tags: tuple[str, ...]
    pushed_at: Instant
    size: int = 0
    """Bytes as ECR tells them, ``imageSizeInBytes``."""
    pulled_at: Instant | None = None
    media_type: str | None = None
    artifact_type: str | None = None
    subject: str | None = None
    status: ImageStatus = ImageStatus.ACTIVE
    archived_at: Instant | None = None
    activated_at: Instant | None = None
    children: tuple[Blob, ...] | None = None
    """What an index lists; None if nobody could read it, or it is no index."""
    blobs: tuple[Blob, ...] | None = None
    """Configuration and layers, each once; None if nobody read them, or it is an index."""


NO_PINS: Mapping[str, tuple[Pin, ...]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Scanned:
    """A repository with all that was found in it."""

    repository: Repository
    images: Sequence[Image]
    uses: Sequence[Use] = ()
    """What runs out of it."""
    refusals: Sequence[Refusal] = ()
    is_whole: bool = True
    """Whether ``images`` are all: of a repository that is not whole nothing can be decided."""

    def pins(self, seen_at: Instant) -> dict[str, tuple[Pin, ...]]:
        """Who uses which image, by digest. A use by tag is one of the image that has it now.

        Args:
            seen_at: when that was seen: the inventory's time.
        """
        tagged = {tag: image.digest for image in self.images for tag in image.tags}
        found: dict[str, dict[Pin, None]] = {}
        for use in self.uses:
            for digest in (use.digest, tagged.get(use.tag or "")):
                if digest is not None:
                    found.setdefault(digest, {})[Pin(use.consumer, use.kind, seen_at)] = None
        return {digest: tuple(pins) for digest, pins in found.items()}

    def as_rules_see(self, pins: Mapping[str, tuple[Pin, ...]] = NO_PINS) -> list[lifecycle.Image]:
        """The images for ``careen.lifecycle.evaluate``.

        Args:
            pins: what is in use, which Careen's evaluation protects. Amazon's does not know of it: without pins the answer is
                Amazon's.
        """
        return [
            lifecycle.Image(
                digest=each.digest,
                tags=each.tags,
                pushed_at=each.pushed_at,
                pulled_at=each.pulled_at,
                archived_at=each.archived_at,
                activated_at=each.activated_at,
                status=each.status,
                size=each.size,
                media_type=each.media_type,
                references=tuple(child.digest for child in each.children or ()),
                subject=each.subject,
                artifact_type=each.artifact_type,
                pins=pins.get(each.digest, ()),
            )
            for each in self.images
        ]


def is_selected(repository: Repository, selection: Selection) -> bool:
    """Whether a repository is selected; one whose tags could not be read is by no selector of tags, not even by what leaves out."""
    return (
        selection.has_account(repository.account, repository.account_name)
        and selection.has_region(repository.region)
        and selection.has_repository(repository.name)
        and (not selection.tags or (repository.tags is not None and selection.has_tags(repository.tags)))
    )
