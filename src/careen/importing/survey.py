"""A look over a source before anything is imported: how much there is, what is wrong with it, and what nobody needs.

Memory grows with the number of different digests, by some hundred bytes for each, and with the largest repository; never with
bytes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from careen.clock import Instant
from careen.importing.fault import Fault, as_text
from careen.importing.reading import Contents, Image, Reader, reached_by_tags
from careen.importing.selection import Selection
from careen.importing.source import Source
from careen.lifecycle.evaluate import evaluate
from careen.lifecycle.image import Image as RuledImage
from careen.lifecycle.policy import LifecyclePolicy
from careen.lifecycle.rule import Action, ActionType, CountType, Rule, TagStatus
from careen.lifecycle.rule import Selection as RuleSelection


@dataclass(frozen=True, slots=True)
class RepositorySurvey:
    """One repository, as an import would take it."""

    name: str
    target: str
    """What it would be called here."""
    images: int
    tags: int
    untagged: int
    """Images to which no tag leads."""
    bytes: int
    """Of what its images need and of their manifests, each once."""
    last_pushed_at: Instant | None
    left_out: int
    """Faults: images, tags, or the whole repository."""


class Amount(NamedTuple):
    """Some things and their bytes."""

    number: int = 0
    bytes: int = 0

    def plus(self, size: int) -> "Amount":
        """One more."""
        return Amount(self.number + 1, self.bytes + size)


@dataclass(slots=True)
class Survey:
    """All that was selected."""

    repositories: list[RepositorySurvey] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    empty: int = 0
    """Repositories without an image or a tag: they are not made here."""
    bytes: int = 0
    """Of every blob and manifest that would be imported, each once."""
    shared: int = 0
    """Bytes that several repositories share: so much more it would be if each had its own."""
    without_subject: int = 0
    """Signatures and the like, whose image is gone."""
    unneeded: Amount | None = None
    """Blobs that nothing that would be imported needs: of deleted images, say, which ``registry garbage-collect`` has not deleted
    yet. None: nobody looked, because only some of the repositories are meant."""
    uploads: Amount | None = None
    """Uploads that have not ended; None as above."""
    would_expire: Amount = field(default_factory=Amount)
    """Images that the policy would delete at once, and the bytes that this would give back."""

    @property
    def images(self) -> int:
        """How many images would be imported."""
        return sum(each.images for each in self.repositories)

    @property
    def tags(self) -> int:
        """How many tags they have."""
        return sum(each.tags for each in self.repositories)


class _Use:
    """How often a blob or a manifest is needed."""

    __slots__ = ("expiring", "images", "repositories", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self.repositories = self.images = self.expiring = 0


def keep_newest(number: int) -> LifecyclePolicy:
    """The policy that keeps so many images of every repository, whatever their tags."""
    counted = RuleSelection(
        tag_status=TagStatus.ANY, count_type=CountType.IMAGE_COUNT_MORE_THAN, count_number=number
    )
    return LifecyclePolicy((Rule(rule_priority=1, selection=counted, action=Action(type=ActionType.EXPIRE)),))


def survey(
    source: Source,
    selection: Selection,
    policy: LifecyclePolicy,
    now: Instant,
    *,
    verify: bool = False,
    told: Callable[[str], None] = lambda _: None,
) -> Survey:
    """Look over a source.

    Args:
        source: what there is.
        selection: what of it is meant.
        policy: a lifecycle policy, of which is said what it would delete.
        now: the instant at which it would be evaluated.
        verify: whether every blob is read and compared with its digest; without, its size is.
        told: hears of each repository that is read.

    Raises:
        OSError: the source cannot be read at all.
    """
    result, uses, reader = Survey(), dict[str, _Use](), Reader(source, verify=verify)
    for name in filter(selection.selects, source.repositories()):
        contents = reader.read(name)
        if contents.images or contents.faults:
            _add(result, uses, selection, contents, policy, now)
        else:
            result.empty += 1
        told(name)
    result.bytes = sum(use.size for use in uses.values())
    result.shared = sum(use.size * (use.repositories - 1) for use in uses.values())
    freed = sum(use.size for use in uses.values() if use.expiring == use.images)
    result.would_expire = result.would_expire._replace(bytes=freed)
    if not selection.patterns:
        result.unneeded = _unneeded(source, uses)
        result.uploads = Amount()
        for upload in source.uploads():
            result.uploads = result.uploads.plus(upload.size)
    return result


def _add(
    result: Survey,
    uses: dict[str, _Use],
    selection: Selection,
    contents: Contents,
    policy: LifecyclePolicy,
    now: Instant,
) -> None:
    refused = selection.refused(contents.name)
    reached = reached_by_tags(contents.images)
    images = reached if selection.is_tagged_only else contents.images
    faults = contents.faults if refused is None else [refused]
    taken: Sequence[Image] = images if refused is None else ()
    expiring = _expiring(taken, policy, now)
    result.would_expire = Amount(result.would_expire.number + len(expiring))
    here: set[str] = set()
    for image in taken:
        for digest, size in (
            (image.digest, image.size),
            *((blob, contents.sizes[blob]) for blob in image.blobs),
        ):
            use = uses.get(digest)
            if use is None:
                use = uses[digest] = _Use(size)
            use.images += 1
            use.expiring += image.digest in expiring
            if digest not in here:
                here.add(digest)
                use.repositories += 1
    result.without_subject += _without_subject(taken)
    result.faults += faults
    result.repositories.append(
        RepositorySurvey(
            name=as_text(contents.name),
            target=as_text(selection.target(contents.name)),
            images=len(taken),
            tags=sum(len(image.tags) for image in taken),
            untagged=len(taken) - (len(reached) if taken else 0),
            bytes=sum(uses[digest].size for digest in here),
            last_pushed_at=max((image.pushed_at for image in taken), default=None),
            left_out=len(faults),
        )
    )


def _without_subject(images: Sequence[Image]) -> int:
    there = {image.digest for image in images}
    return sum(image.subject is not None and image.subject not in there for image in images)


def _expiring(images: Sequence[Image], policy: LifecyclePolicy, now: Instant) -> set[str]:
    """The digests that the policy would delete."""
    plan = evaluate(policy, [_as_rules_see_it(image) for image in images], now)
    return {each.image.digest for each in plan.acted_on if each.effect is ActionType.EXPIRE}


def _as_rules_see_it(image: Image) -> RuledImage:
    return RuledImage(
        digest=image.digest,
        tags=tuple(tag.name for tag in image.tags),
        pushed_at=image.pushed_at,
        media_type=image.media_type,
        references=image.children,
        subject=image.subject,
        artifact_type=image.artifact_type,
    )


def _unneeded(source: Source, uses: dict[str, _Use]) -> Amount:
    found = Amount()
    for stored in source.stored():
        if stored.digest not in uses:
            found = found.plus(stored.size)
    return found
