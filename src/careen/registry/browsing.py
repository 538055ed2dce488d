"""A repository's images as people look at them: one row for an image, whatever it is made of.

An image of several platforms is an index and the manifests that it lists, and a signature or an SBOM is a manifest, too: ECR's
operations answer each by itself. Here the platforms are parts of their index, and what refers to an image is attached to it.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import msgspec

from careen.db import browsing, layers
from careen.db import images as image_rows
from careen.db.browsing import Order as Order
from careen.db.browsing import Wanted as Wanted
from careen.db.images import ImageRow
from careen.db.repositories import Repository
from careen.findings import formats
from careen.findings.finding import Severity
from careen.lifecycle.explain import Explanation, explain
from careen.lifecycle.pin import Pin
from careen.lifecycle.plan import ACTED_ON, Action, Decision
from careen.oci import attachments, image_config, media_types, platform
from careen.oci import manifest as manifests
from careen.oci.attachments import Kind
from careen.oci.image_config import ImageConfig
from careen.oci.manifest import Manifest
from careen.registry import images, lifecycle, pins, replication, rules, scans
from careen.registry import layers as layer_cases
from careen.registry import repositories as repository_cases
from careen.registry.registry import Registry, Transaction
from careen.registry.scans import State
from careen.registry.storage import Weight, weigh
from careen.registry.trash import RESTORED

MAX_CONFIG = 1024 * 1024
"""Bytes of a configuration that are read. Those of real images have a few thousand."""

MANY = 1000
"""Images that share a layer are counted up to here."""


class Course(StrEnum):
    """What the rules make of an image, for those who look for some."""

    GOES = "goes"
    """The next run deletes it, archives it, or takes tags off it."""
    HELD = "held"
    """A rule would, but it is protected, in use, or a part of an index that stays."""
    KEPT = "kept"


class Part(NamedTuple):
    """A manifest that an index lists."""

    row: ImageRow
    platform: str
    """``linux/arm64/v8``; empty: the index does not say."""
    tags: list[str]
    state: State | None


class Attached(NamedTuple):
    """A manifest that says something of an image."""

    row: ImageRow
    kind: Kind
    of: str
    """The digest of the image, or of the part of it."""


@dataclass(frozen=True, slots=True)
class Line:
    """An image as a list shows it."""

    row: ImageRow
    tags: list[str]
    parts: list[Part]
    attached: list[Attached]
    weight: Weight
    """With its parts, and what is attached to it."""
    state: State | None
    """What is wrong with it; of an index, with the worst of its parts."""
    pins: tuple[Pin, ...]
    """Who uses it or one of its parts, the latest first. That it was restored is no use of it."""

    @property
    def kinds(self) -> list[Kind]:
        """What is attached to it, each kind once."""
        return sorted({each.kind for each in self.attached}, key=list(Kind).index)

    @property
    def artifact_type(self) -> str | None:
        """Of what is no container image: its type. None: it is one, or an index."""
        found = self.row.artifact_type
        return None if found in media_types.IMAGE_CONFIGS else found


class Lines(NamedTuple):
    """A page of a list."""

    lines: list[Line]
    total: int
    """How many there are on all pages."""
    manifests: int
    """Of the repository, parts and what is attached included."""
    has_rules: bool
    """Whether there are rules that could act on any image."""
    fates: dict[str, Explanation] | None
    """By digest, what the rules make of the images of this page; None: they were not asked."""


def page(
    tx: Transaction,
    name: str,
    wanted: Wanted,
    start: int,
    limit: int,
    *,
    course: Course | None = None,
    in_use: bool = False,
    evaluate_up_to: int = 0,
) -> Lines:
    """Some of a repository's images.

    Args:
        tx: the transaction.
        name: the repository's.
        wanted: which images, and in which order.
        start: how many to leave out at the beginning.
        limit: how many at most.
        course: only those that the rules do this with; the rules are asked, however many images there are.
        in_use: only those that somebody has pinned.
        evaluate_up_to: ask the rules if the repository has no more manifests than this.

    Raises:
        careen.ecr.errors.RepositoryNotFound: there is no such repository.
    """
    repository = repository_cases.require(tx, name)
    found = browsing.by_themselves(tx.rows, repository.id, wanted)
    manifests_in_all = image_rows.count(tx.rows, repository.id)
    pinned = pins.load(tx, repository.id)
    if in_use:
        used = _in_use(tx, repository, pinned)
        found = [each for each in found if each[1] in used]
    holds = rules.effective_for(tx, repository)
    plan = None
    if course is not None or (manifests_in_all <= evaluate_up_to and not holds.is_empty):
        plan = lifecycle.plan(tx, repository, holds)
    if plan is not None and course is not None:
        on_it = {each.image.digest for each in plan.decisions if _course(each) is course}
        found = [each for each in found if each[1] in on_it]
    shown = found[start : start + limit]
    digests = [digest for _, digest in shown]
    fates = None if plan is None else dict(zip(digests, explain(plan, digests), strict=True))
    lines = [_line(tx, manifest_id, pinned) for manifest_id, _ in shown]
    return Lines(lines, len(found), manifests_in_all, not holds.is_empty, fates)


def _course(decision: Decision) -> Course:
    if decision.action in ACTED_ON:
        return Course.GOES
    return Course.KEPT if decision.action is Action.KEEP else Course.HELD


def _in_use(tx: Transaction, repository: Repository, pinned: Collection[str]) -> set[str]:
    """The digests that are pinned, and those of the indexes that they are parts of."""
    rows = [image_rows.by_digest(tx.rows, repository.id, digest) for digest in pinned]
    return set(pinned) | {
        digest for row in rows if row is not None for _, digest in image_rows.indexes(tx.rows, row.id)
    }


def _line(tx: Transaction, manifest_id: int, pinned: dict[str, tuple[Pin, ...]]) -> Line:
    row = _row(tx, manifest_id)
    parts = _parts(tx, row)
    attached = [each for one in (row, *(part.row for part in parts)) for each in _attached(tx, one)]
    attested = {each.row.id for each in attached}
    parts = [each for each in parts if each.row.id not in attested]
    everything = {row.id, *(each.row.id for each in parts), *attested}
    states = [scans.state(tx, row), *(each.state for each in parts)]
    uses = [pin for each in (row, *(part.row for part in parts)) for pin in pinned.get(each.digest, ())]
    users = [pin for pin in uses if pin.source != RESTORED]
    return Line(
        row,
        image_rows.tags_of(tx.rows, row.id),
        parts,
        attached,
        weigh(tx, everything),
        max(states, key=_badness),
        tuple(sorted(users, key=lambda pin: -pin.seen_at)),
    )


def _row(tx: Transaction, manifest_id: int) -> ImageRow:
    row = image_rows.by_id(tx.rows, manifest_id)
    assert row is not None  # noqa: S101 found in this snapshot
    return row


def _badness(state: State | None) -> tuple[int, ...]:
    """Sorts states: the worst findings last, what is not known first."""
    if state is None:
        return (0,)
    return (1 + (state.completed_at is not None), *(state.counts.get(each, 0) for each in Severity))


def _parts(tx: Transaction, row: ImageRow) -> list[Part]:
    """What an index lists and the repository has, in the order of the index."""
    if row.media_type not in media_types.INDEXES:
        return []
    children = {digest: child for child, digest in image_rows.children(tx.rows, row.id)}
    listed = {each.digest: each.platform for each in platform.listed(_content(tx, row))}
    in_order = [digest for digest in listed if digest in children]
    parts = []
    for digest in in_order or children:  # the index's bytes are damaged: what it lists is still known
        child = _row(tx, children[digest])
        tags = image_rows.tags_of(tx.rows, child.id)
        parts.append(Part(child, listed.get(digest, ""), tags, scans.state(tx, child)))
    return parts


def _content(tx: Transaction, row: ImageRow) -> bytes:
    return image_rows.content(tx.rows, row.id) or b""


def _attached(tx: Transaction, row: ImageRow) -> Iterator[Attached]:
    """What refers to a manifest, by its subject, by cosign's tags, or by BuildKit's entries in the same index."""
    for each in image_rows.referrers(tx.rows, row.repository_id, row.digest):
        annotations = msgspec.json.decode(each.annotations, type=dict[str, str]) if each.annotations else {}
        kind = attachments.kind_of(each.artifact_type, annotations)
        if kind is Kind.OTHER and formats.may_be_report(each.artifact_type):
            kind = Kind.REPORT
        yield Attached(each, kind, row.digest)
    for tag, kind in attachments.tags_for(row.digest).items():
        if (by_tag := image_rows.by_tag(tx.rows, row.repository_id, tag)) is not None:
            yield Attached(by_tag, kind, row.digest)
    if row.media_type in media_types.INDEXES:
        for entry in platform.listed(_content(tx, row)):
            if entry.describes is not None:
                found = image_rows.by_digest(tx.rows, row.repository_id, entry.digest)
                if found is not None:
                    yield Attached(found, Kind.ATTESTATION, entry.describes)


class Layer(NamedTuple):
    """A layer of an image."""

    digest: str
    media_type: str
    size: int
    images_here: int
    """How many other images of the repository need it, up to :data:`MANY`."""
    images_elsewhere: int
    """How many of other repositories do, up to :data:`MANY`."""


@dataclass(frozen=True, slots=True)
class Look:
    """Everything that the rows say of one image."""

    line: Line
    content: bytes | None
    """Of the manifest; None: it is damaged."""
    manifest: Manifest | None
    parents: list[str]
    """The digests of the indexes that list it."""
    subject_is_here: bool
    layers: list[Layer]
    replications: int
    """To how many other registries it goes, or went."""
    manifests: int
    """Of the repository."""


def look(tx: Transaction, name: str, digest: str) -> Look | None:
    """Look at one image; None: there is none of that digest.

    Raises:
        careen.ecr.errors.RepositoryNotFound: there is no such repository.
    """
    repository = repository_cases.require(tx, name)
    row = image_rows.by_digest(tx.rows, repository.id, digest)
    if row is None:
        return None
    content = images.content(tx, row)
    manifest = None if content is None else manifests.parse(content, row.media_type)
    subject = None if row.subject is None else image_rows.by_digest(tx.rows, repository.id, row.subject)
    return Look(
        _line(tx, row.id, pins.load(tx, repository.id)),
        content,
        manifest,
        image_rows.parents(tx.rows, row.id),
        subject is not None,
        [] if manifest is None else list(_layers(tx, row, manifest)),
        len(replication.statuses(tx, row)),
        image_rows.count(tx.rows, repository.id),
    )


def _layers(tx: Transaction, row: ImageRow, manifest: Manifest) -> Iterator[Layer]:
    for layer in manifest.layers:
        here = elsewhere = 0
        for manifest_id, repository_id in layers.needing(tx.rows, layer.digest):
            here += repository_id == row.repository_id and manifest_id != row.id
            elsewhere += repository_id != row.repository_id
            if here + elsewhere >= MANY:
                break
        yield Layer(layer.digest, layer.media_type, layer.size, here, elsewhere)


def configuration(registry: Registry, name: str, manifest: Manifest) -> ImageConfig | None:
    """An image's configuration. Blocks. None: it is of another kind, too large, not here, or malformed."""
    config = manifest.config
    if config is None or config.media_type not in media_types.IMAGE_CONFIGS or config.size > MAX_CONFIG:
        return None
    blob = registry.read(layer_cases.find, name, config.digest)
    if blob is None or blob.size > MAX_CONFIG:
        return None
    try:
        return image_config.read(b"".join(layer_cases.read(registry, blob)))
    except FileNotFoundError:  # collected, or lost, which the scrub tells
        return None


class Selection(NamedTuple):
    """Some images, with all that goes when they are deleted."""

    lines: list[Line]
    """Those that were chosen and can go."""
    refused: list[tuple[Line, list[str]]]
    """Those that cannot, with the digests of the indexes that list them and stay."""
    gone: list[str]
    """Digests that were chosen and are not in the repository any more."""
    digests: list[str]
    """What has to be deleted so that they go: they, their parts, what cosign's tags attach; indexes before what they list."""
    manifests: int
    """How many go in all, referrers included."""
    weight: Weight


def select(tx: Transaction, name: str, digests: Sequence[str]) -> Selection:
    """What would happen if some images were deleted: each with its parts that have no tag, and that nothing else lists.

    Raises:
        careen.ecr.errors.RepositoryNotFound: there is no such repository.
    """
    repository = repository_cases.require(tx, name)
    pinned = pins.load(tx, repository.id)
    rows = {digest: image_rows.by_digest(tx.rows, repository.id, digest) for digest in digests}
    chosen = [row for row in rows.values() if row is not None]
    going = _going(tx, chosen)
    named = going | {each for manifest_id in going for each in _attached_by_tag(tx, manifest_id)}
    everything = _with_referrers(tx, repository, named)
    refused = []
    for row in chosen:
        if row.id not in going:
            listed_by = image_rows.indexes(tx.rows, row.id)
            staying = [digest for index, digest in listed_by if index not in going]
            refused.append((_line(tx, row.id, pinned), staying))
    return Selection(
        [_line(tx, row.id, pinned) for row in chosen if row.id in going],
        refused,
        [digest for digest, row in rows.items() if row is None],
        [_row(tx, manifest_id).digest for manifest_id in _indexes_first(tx, named)],
        len(everything),
        weigh(tx, everything),
    )


def _going(tx: Transaction, chosen: Sequence[ImageRow]) -> set[int]:
    """The ids of images that can go, and of their parts that go with them: no index that stays lists any of these."""
    going = {row.id for row in chosen}
    waiting = list(going)
    while waiting:
        for child, _ in image_rows.children(tx.rows, waiting.pop()):
            if child not in going and not image_rows.tags_of(tx.rows, child):
                going.add(child)
                waiting.append(child)
    while staying := {each for each in going if not going.issuperset(_indexes(tx, each))}:
        going -= staying
    return going


def _indexes(tx: Transaction, manifest_id: int) -> list[int]:
    return [index for index, _ in image_rows.indexes(tx.rows, manifest_id)]


def _attached_by_tag(tx: Transaction, manifest_id: int) -> Iterator[int]:
    """What cosign attached to an image, and nobody calls otherwise."""
    row = _row(tx, manifest_id)
    for tag in attachments.tags_for(row.digest):
        by_tag = image_rows.by_tag(tx.rows, row.repository_id, tag)
        if (
            by_tag is not None
            and image_rows.tags_of(tx.rows, by_tag.id) == [tag]
            and not _indexes(tx, by_tag.id)
        ):
            yield by_tag.id


def _indexes_first(tx: Transaction, manifest_ids: Collection[int]) -> Iterator[int]:
    """The same in an order in which each can be deleted: an image holds no digest of what holds its own, so there is one."""
    left = {each: set(_indexes(tx, each)) for each in sorted(manifest_ids)}
    while left:
        free = [each for each, indexes in left.items() if indexes.isdisjoint(left)]
        for each in free:
            del left[each]
        yield from free


def _with_referrers(tx: Transaction, repository: Repository, going: set[int]) -> set[int]:
    """With what is attached to what goes, and goes with it (:func:`careen.registry.images.delete`)."""
    found, waiting = set(going), list(going)
    while waiting:
        for referrer in image_rows.referrers(tx.rows, repository.id, _row(tx, waiting.pop()).digest):
            if referrer.id not in found and found.issuperset(_indexes(tx, referrer.id)):
                found.add(referrer.id)
                waiting.append(referrer.id)
    return found
