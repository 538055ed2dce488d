"""Replication: what is to go to other registries, and how far it is. The copying itself is ``careen.replication``'s.

Whatever makes an image, or a tag of it, new here asks for a copy in the same transaction, one job for each image and destination;
whatever deletes asks for a deletion, where a rule wants that. A job asks what is true when it runs, not what was true when it
was asked for: the image with the tags that it has then, a deletion only while the image is not back. So jobs may run late, twice
and in any order, and what is asked for a second time while the first is under way is done again after it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import msgspec

from careen.clock import DAY, Instant
from careen.db import images, jobs, repositories
from careen.db import replication as rows
from careen.db.images import ImageRow
from careen.db.jobs import Job
from careen.db.replication import Deletion as Deletion
from careen.db.replication import Replication as Replication
from careen.db.replication import Standing as Standing
from careen.db.replication import Unfinished as Unfinished
from careen.db.repositories import Repository
from careen.ecr import replication as configurations
from careen.ecr.replication import NOTHING, Configuration
from careen.ecr.replication import Destination as Destination
from careen.ecr.replication import Route as Route
from careen.faults import Point, reach
from careen.registry.registry import Transaction

COPY = "replicate"
"""The kind of job that copies an image to a destination."""

DELETION = "replicate-deletion"
"""The kind of job that deletes at a destination."""

IN_PROGRESS = "IN_PROGRESS"
COMPLETE = "COMPLETE"
FAILED = "FAILED"

RETRY_FOR = DAY
"""For how long after a push a destination that cannot be reached is tried again, before the image has failed."""

KEPT = 90 * DAY
"""How long a deletion that failed is shown."""

ACTIVE = "ACTIVE"
"""The storage class of images that are replicated."""

IMMUTABLE_TAG = "IMAGE_TAG_ALREADY_EXISTS"
"""The failure code of a tag that names another image there and may not be moved; its image is there without it."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An image as it is to be at a destination."""

    repository_id: int
    repository: str
    """Its name."""
    digest: str
    media_type: str
    content: bytes | None
    """None: a scrub found the manifest damaged."""
    tags: Sequence[str]


@dataclass(frozen=True, slots=True)
class Removal:
    """What is to be deleted at a destination."""

    repository: str
    digest: str
    is_image: bool
    """Whether the image itself; else only tags of it."""
    tags: Sequence[str]
    """Tags that name nothing here any more."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended."""

    code: str | None = None
    """The failure code; None: the image is there."""
    reason: str | None = None
    """What happened, for people."""
    refused_tags: Sequence[str] = ()
    """Tags that the destination did not take, though it has the image."""
    sub_image_codes: Sequence[str] | None = None
    """Of an index: the failure codes of the images that it lists. None: it is no index."""


_read = lru_cache(8)(configurations.read)


def configuration(tx: Transaction) -> Configuration:
    """The registry's replication configuration; one without rules if nobody has set any."""
    text = rows.configuration(tx.rows)
    return NOTHING if text is None else _read(text)


def put_configuration(tx: Transaction, wanted: Configuration) -> Configuration:
    """Set the configuration. It is about what is pushed from now on.

    What waits to be tried again is tried at once: it may be right now, or no rule may lead there any more, and then it ends.
    """
    rows.set_configuration(tx.rows, configurations.write(wanted))
    for kind in (COPY, DELETION):
        jobs.hasten(tx.rows, kind, tx.now)
    reach(Point.REPLICATION_CONFIGURED)
    return wanted


def pushed(tx: Transaction, repository: Repository, row: ImageRow) -> None:
    """An image, or a tag of it, is new here: it goes wherever the repository is replicated to."""
    routes = configurations.routes(configuration(tx), repository.name)
    for route in routes:
        _ask(tx, row.id, route.destination)
    if routes:
        reach(Point.REPLICATION_ASKED)


def restored(tx: Transaction, manifest_id: int) -> None:
    """An image came back from the archive or the trash: it goes where it would go had it been pushed."""
    row = images.by_id(tx.rows, manifest_id)
    repository = None if row is None else repositories.by_id(tx.rows, row.repository_id)
    if row is not None and repository is not None and row.status == ACTIVE:
        pushed(tx, repository, row)


def deleted(tx: Transaction, repository: Repository, digest: str, tags: Sequence[str]) -> None:
    """An image that had these tags is deleted here: it goes there, too, wherever a rule says so.

    Source: ECR user guide, "Replicating image deletions in Amazon ECR".
    """
    _ask_deletions(tx, repository, Removal(repository.name, digest, is_image=True, tags=tags))


def untagged(tx: Transaction, repository: Repository, digest: str, tag: str) -> None:
    """A tag of an image is removed here, which keeps the image."""
    _ask_deletions(tx, repository, Removal(repository.name, digest, is_image=False, tags=[tag]))


def _ask(tx: Transaction, manifest_id: int, to: Destination) -> None:
    rows.ask(tx.rows, manifest_id, to.region, to.registry_id, tx.now)
    jobs.enqueue(tx.rows, COPY, _key(manifest_id, to), tx.now)


def _ask_deletions(tx: Transaction, repository: Repository, removal: Removal) -> None:
    for route in configurations.routes(configuration(tx), repository.name):
        if route.deletes:
            _ask_deletion(tx, removal, route.destination)


def _ask_deletion(tx: Transaction, removal: Removal, to: Destination) -> None:
    deletion_id = rows.add_deletion(
        tx.rows,
        removal.repository,
        removal.digest,
        is_image=removal.is_image,
        tags=msgspec.json.encode(list(removal.tags)).decode(),
        region=to.region,
        registry_id=to.registry_id,
        now=tx.now,
    )
    jobs.enqueue(tx.rows, DELETION, _key(deletion_id, to), tx.now)
    reach(Point.REPLICATION_DELETION_ASKED)


def _key(row_id: int, to: Destination) -> str:
    return f"{row_id} {to.region} {to.registry_id}"


def read_key(key: str) -> tuple[int, Destination]:
    """What the key of a job names: a manifest's id or a deletion's, and the destination."""
    row_id, region, registry_id = key.split()
    return int(row_id), Destination(region, registry_id)


def statuses(tx: Transaction, row: ImageRow) -> list[Replication]:
    """How far an image is on its way to each destination."""
    return rows.of_image(tx.rows, row.id)


def refused_tags(of: Replication) -> list[str]:
    """The tags of an image that a destination did not take."""
    return msgspec.json.decode(of.refused_tags, type=list[str])


def outgoing(tx: Transaction, manifest_id: int, to: Destination) -> tuple[Outgoing, Instant] | None:
    """What a copy job is to bring to its destination, and when it was asked for.

    None if there is nothing to do any more: the image is gone or archived, or no rule leads there now.
    """
    asked = rows.one(tx.rows, manifest_id, to.region, to.registry_id)
    found = images.by_id(tx.rows, manifest_id)
    if asked is None or found is None:
        return None
    repository = repositories.by_id(tx.rows, found.repository_id)
    if repository is None or found.status != ACTIVE or not _leads(tx, repository.name, to):
        return None
    return _outgoing(tx, repository.name, found), asked.asked_at


def find(tx: Transaction, repository: str, digest: str) -> Outgoing | None:
    """An active image as it is to be elsewhere: one of a backfill, or one that an index lists."""
    found = repositories.by_name(tx.rows, repository)
    row = None if found is None else images.by_digest(tx.rows, found.id, digest)
    return None if row is None or row.status != ACTIVE else _outgoing(tx, repository, row)


def _outgoing(tx: Transaction, repository: str, row: ImageRow) -> Outgoing:
    content, tags = images.content(tx.rows, row.id), images.tags_of(tx.rows, row.id)
    return Outgoing(row.repository_id, repository, row.digest, row.media_type, content, tags)


def _leads(tx: Transaction, repository: str, to: Destination) -> bool:
    routes = configurations.routes(configuration(tx), repository)
    return any(route.destination == to for route in routes)


def _deletes(tx: Transaction, repository: str, to: Destination) -> bool:
    routes = configurations.routes(configuration(tx), repository)
    return any(route.destination == to and route.deletes for route in routes)


def is_tagged(tx: Transaction, image: Outgoing, tag: str) -> bool:
    """Whether a tag still names the image here: while its bytes were on their way it may have moved."""
    row = images.by_tag(tx.rows, image.repository_id, tag)
    return row is not None and row.digest == image.digest


def withdraw(tx: Transaction, manifest_id: int, to: Destination) -> None:
    """A copy job found nothing to do."""
    rows.withdraw(tx.rows, manifest_id, to.region, to.registry_id)


def landed(tx: Transaction, image: Outgoing, to: Destination, outcome: Outcome) -> None:
    """An attempt has ended, well or for good. What changed here while it was under way is made good there."""
    repository = repositories.by_name(tx.rows, image.repository)
    if repository is not None:
        row = images.by_digest(tx.rows, repository.id, image.digest)
        if row is not None:
            _settle(tx, row.id, to, COMPLETE if outcome.code is None else FAILED, outcome)
        _make_good(tx, repository, image, to, is_gone=row is None and outcome.code is None)
    reach(Point.REPLICATION_SETTLED)


def _make_good(
    tx: Transaction, repository: Repository, image: Outgoing, to: Destination, *, is_gone: bool
) -> None:
    """Ask anew for what an image that came late undid there: tags that moved on, and what was deleted."""
    removed = []
    for tag in image.tags:
        row = images.by_tag(tx.rows, repository.id, tag)
        if row is None:
            removed.append(tag)
        # What was never asked for came from another registry and goes no further: two would pass the tag back and forth.
        elif row.digest != image.digest and rows.one(tx.rows, row.id, to.region, to.registry_id):
            _ask(tx, row.id, to)
    # One of that name that was made anew says nothing of what the old one had: deletions of repositories are not replicated.
    is_same = repository.id == image.repository_id
    if (is_gone or removed) and is_same and _deletes(tx, repository.name, to):
        tags = image.tags if is_gone else removed
        _ask_deletion(tx, Removal(repository.name, image.digest, is_image=is_gone, tags=tags), to)


def note_attempt(tx: Transaction, manifest_id: int, to: Destination, outcome: Outcome) -> None:
    """An attempt failed, and there will be another."""
    _settle(tx, manifest_id, to, IN_PROGRESS, outcome)


def _settle(tx: Transaction, manifest_id: int, to: Destination, status: str, outcome: Outcome) -> None:
    rows.settle(
        tx.rows,
        manifest_id,
        to.region,
        to.registry_id,
        status=status,
        code=outcome.code,
        reason=outcome.reason,
        refused_tags=msgspec.json.encode(list(outcome.refused_tags)).decode(),
        now=tx.now,
    )


def wait_behind(tx: Transaction, to: Destination, job: Job, wait: Instant) -> None:
    """A destination was not to be reached, and a job waits to try it again: whatever else is to go there waits behind it."""
    for kind in (COPY, DELETION):
        jobs.postpone(tx.rows, kind, f" {to.region} {to.registry_id}", tx.now + wait, job)


def deletion(tx: Transaction, deletion_id: int) -> tuple[Removal, Instant] | None:
    """What a deletion job is to delete now, and when it was asked for: less what is back here since.

    None if nothing is left: the image, or the tags, were pushed or restored, or no rule wants deletions there any more.
    """
    found = rows.deletion(tx.rows, deletion_id)
    if found is None or not _deletes(tx, found.repository, Destination(found.region, found.registry_id)):
        return None
    removal = _removal(found)
    back = list(_back(tx, removal))
    digests, tags = {row.digest for row, _ in back}, {tag for _, tag in back}
    is_image = removal.is_image and removal.digest not in digests
    left = [tag for tag in removal.tags if tag not in tags]
    if not is_image and not left:
        return None
    return Removal(found.repository, found.digest, is_image, left), found.asked_at


def _removal(of: Deletion) -> Removal:
    return Removal(of.repository, of.digest, bool(of.is_image), msgspec.json.decode(of.tags, type=list[str]))


def _back(tx: Transaction, removal: Removal) -> Iterator[tuple[ImageRow, str | None]]:
    """The images that make a deletion wrong, with the tag that names them: they were pushed or restored since."""
    repository = repositories.by_name(tx.rows, removal.repository)
    if repository is None:
        return
    row = images.by_digest(tx.rows, repository.id, removal.digest) if removal.is_image else None
    if row is not None:
        yield row, None
    for tag in removal.tags:
        row = images.by_tag(tx.rows, repository.id, tag)
        if row is not None:
            yield row, tag


def is_ours(tx: Transaction, repository: str, digest: str) -> bool:
    """Whether an image is here: then the tags that it has there are those that it has here, and others are left over."""
    found = repositories.by_name(tx.rows, repository)
    return found is not None and images.by_digest(tx.rows, found.id, digest) is not None


def end_deletion(tx: Transaction, deletion_id: int) -> None:
    """A deletion is done. What came back here while it was under way goes there anew."""
    found = rows.deletion(tx.rows, deletion_id)
    if found is not None:
        for row, _ in _back(tx, _removal(found)):
            _ask(tx, row.id, Destination(found.region, found.registry_id))
    rows.end_deletions(tx.rows, [deletion_id])
    reach(Point.REPLICATION_DELETED)


def note_deletion(tx: Transaction, deletion_id: int, outcome: Outcome, *, final: bool) -> None:
    """A deletion failed: for good, if ``final``, and then it is shown for a while."""
    rows.note_deletion(tx.rows, deletion_id, outcome.code if final else None, outcome.reason)
    rows.forget_deletions(tx.rows, tx.now - KEPT)
    reach(Point.REPLICATION_DELETED)


def standings(tx: Transaction) -> list[Standing]:
    """How many images are how far on their way to each destination."""
    return rows.standings(tx.rows)


def unfinished(tx: Transaction, limit: int) -> list[Unfinished]:
    """Up to ``limit`` images that are not where they should be, the latest first."""
    return rows.unfinished(tx.rows, limit)


def deletions(tx: Transaction, limit: int) -> list[Deletion]:
    """Up to ``limit`` deletions that are under way or have failed, the latest first."""
    return rows.deletions(tx.rows, limit)
