"""Undoing what a journal says: policies as they were, and images as long as the registry has their layers.

A policy is put back only where it is still the one that was put: what somebody has changed since is theirs. An image is put back by
its manifest, which the journal has. Amazon ECR collects the layers of deleted images when it likes; without them the image is
lost. Careen keeps deleted images in its trash for a while: ``careen trash restore`` brings back more than this, push times too.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from careen.fleet import clients, listing
from careen.fleet.clean import failure, not_done
from careen.fleet.errors import BadInput, FleetError, Refused
from careen.fleet.images import AT_ONCE
from careen.fleet.journal import Deed, DeleteImages, Failure, Gone, Journal, PutImage, PutPolicy, Written
from careen.fleet.keep_rule import as_kept
from careen.fleet.selecting import Place
from careen.fleet.targets import Fleet
from careen.fleet.together import together

COMMAND = "rollback"
_UNDONE_BY = {"protect": "careen fleet protect --apply, once nothing runs what it tagged"}
_THERE = frozenset({"ImageAlreadyExistsException"})


@dataclass(frozen=True, slots=True)
class Undoing:
    """What is to be undone in one repository, the last deed first."""

    deeds: Sequence[Deed]
    failed: Mapping[int, frozenset[str]]
    """By number: the images that a deed did not delete."""

    @property
    def first(self) -> Deed:
        """The deed that was done first, which says where this is."""
        return self.deeds[-1]


@dataclass(frozen=True, slots=True)
class Undone:
    """What came of one repository."""

    undoing: Undoing
    policies: int = 0
    images: int = 0
    failures: Sequence[Failure] = ()


def place(undoing: Undoing) -> Place:
    """Its repository."""
    return Place(undoing.first.target, undoing.first.repository)


def undoing(written: Written) -> Sequence[Undoing]:
    """What a journal has to undo, by repository. Deeds whose outcome nobody knows are among it.

    Raises:
        BadInput: the journal is of a command that is undone otherwise.
    """
    command = written.head.command
    if command not in {"apply", "clean"}:
        raise BadInput(f"a journal of {command} is not rolled back", _UNDONE_BY.get(command))
    by_place: dict[tuple[str, str, str], list[Deed]] = {}
    failed: dict[int, frozenset[str]] = {}
    for number, deed in sorted(written.deeds.items(), reverse=True):
        outcome = written.outcomes.get(number)
        if outcome is not None and outcome.is_undone:
            continue
        failed[number] = frozenset(each.digest or "" for each in (outcome.failures if outcome else ()))
        by_place.setdefault((deed.account, deed.region, deed.repository), []).append(deed)
    return [Undoing(deeds, failed) for _, deeds in sorted(by_place.items())]


def undo(fleet: Fleet, journal: Journal, some: Sequence[Undoing]) -> Iterator[Undone]:
    """Undo.

    Args:
        fleet: the ways to the repositories.
        journal: of this; where each deed is written before it is done.
        some: what is to be undone.

    Yields:
        What came of each repository, as it is done.
    """

    def do(each: Undoing) -> Undone:
        try:
            return _undo(fleet.client(each.first.target, "ecr"), journal, each)
        except FleetError as error:
            return Undone(each, failures=[failure(error)])

    yield from together(do, some)


def _undo(ecr: Any, journal: Journal, some: Undoing) -> Undone:
    policies = images = 0
    failures: list[Failure] = []
    try:
        for deed in some.deeds:
            match deed.do:
                case PutPolicy():
                    failed = _undo_policy(ecr, journal, deed, deed.do)
                    policies += failed is None
                    failures += [failed] if failed else []
                case DeleteImages():
                    # What lists an image went before it, and comes after it.
                    for gone in reversed(deed.do.images):
                        if gone.digest not in some.failed[deed.number]:
                            failed = _undo_image(ecr, journal, deed, gone)
                            images += failed is None
                            failures += [failed] if failed else []
                case _:
                    raise AssertionError(deed)
    except FleetError as error:
        # Beside what came back until then.
        failures.append(failure(error))
    return Undone(some, policies, images, failures)


def _undo_policy(ecr: Any, journal: Journal, deed: Deed, put: PutPolicy) -> Failure | None:
    now = listing.policy(ecr, deed.repository)
    if listing.fulfils(now, put.before):
        return None
    if not listing.fulfils(now, put.after):
        return Failure("its policy is another by now, and stays")
    before = as_kept(put.before, like=now)
    number = journal.doing(deed.target, deed.repository, PutPolicy(now, before))
    try:
        listing.put_policy(ecr, deed.repository, before)
    except FleetError as error:
        return not_done(journal, number, error)
    journal.done(number)
    return None


def _undo_image(ecr: Any, journal: Journal, deed: Deed, gone: Gone) -> Failure | None:
    """Put an image back with its tags, but for those that another image has by now."""
    if gone.manifest is None:
        return Failure("its manifest was not to be had: it was archived", gone.digest)
    taken = _taken(ecr, deed.repository, gone)
    tags = tuple(tag for tag in gone.tags if tag not in taken)
    number = journal.doing(deed.target, deed.repository, PutImage(gone.digest, tags))
    try:
        for tag in tags or (None,):
            _put(ecr, deed.repository, gone, gone.manifest, tag)
    except FleetError as error:
        return msgspec.structs.replace(not_done(journal, number, error), digest=gone.digest)
    journal.done(number)
    if taken:
        return Failure(
            f"{' and '.join(sorted(taken))} stays with another image, which has it now", gone.digest
        )
    return None


def _taken(ecr: Any, repository: str, gone: Gone) -> frozenset[str]:
    """Its tags that other images have."""
    taken: set[str] = set()
    for begin in range(0, len(gone.tags), AT_ONCE):
        asked = [{"imageTag": tag} for tag in gone.tags[begin : begin + AT_ONCE]]
        answer = clients.call(ecr, "batch_get_image", repositoryName=repository, imageIds=asked)
        taken.update(
            each["imageId"]["imageTag"]
            for each in answer.get("images", ())
            if each["imageId"]["imageDigest"] != gone.digest
        )
    return frozenset(taken)


def _put(ecr: Any, repository: str, gone: Gone, manifest: str, tag: str | None) -> None:
    parameters = {"imageTag": tag} if tag else {}
    if gone.media_type:
        parameters["imageManifestMediaType"] = gone.media_type
    try:
        clients.call(
            ecr,
            "put_image",
            repositoryName=repository,
            imageManifest=manifest,
            imageDigest=gone.digest,
            **parameters,
        )
    except Refused as error:
        if error.code not in _THERE:
            raise
