"""Keeping what runs safe on plain ECR, which does not know what runs: a tag ``in-use-…``, and the rule that keeps images with it.

What runs gets a tag of twelve digits of its own digest. :mod:`careen.fleet.keep_rule` says why no rule acts on it then. What a
tagged index lists needs none: ECR deletes nothing that an index lists, and archives nothing that an active one does.

The tag comes off when nothing runs the image any more, and nobody has pulled it for a while: a job between two runs is in use too.
ECR deletes an image with its last tag. So where ours is the last, it is moved to another image first, which leaves the image
untagged as it was before, and taken off there.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from careen.clock import DAY, Instant
from careen.fleet import clients, listing
from careen.fleet.clean import failure, not_done
from careen.fleet.errors import FleetError, Refused
from careen.fleet.inventory import Inventory
from careen.fleet.journal import Failure, Journal, PutPolicy, PutTag, RemoveTag
from careen.fleet.keep_rule import COUNT, PREFIX, NoRoom, with_keep_rule
from careen.fleet.scanned import Image, Repository, Scanned
from careen.fleet.selection import Selection
from careen.fleet.targets import Fleet
from careen.fleet.together import together
from careen.lifecycle import policy as policies
from careen.lifecycle.evaluate import evaluate
from careen.lifecycle.image import ImageStatus
from careen.lifecycle.policy import InvalidLifecyclePolicy, LifecyclePolicy
from careen.lifecycle.protection import protect
from careen.lifecycle.reason import keeper
from careen.lifecycle.roster import roster

_DIGITS = 12
_OURS = re.compile(rf"{PREFIX}[0-9a-f]{{{_DIGITS}}}")

Deed = PutPolicy | PutTag | RemoveTag

_THERE = frozenset({"ImageAlreadyExistsException", "ImageTagAlreadyExistsException"})


def tag_of(digest: str) -> str:
    """``in-use-4b27c83d44a1``: the tag that says that an image is in use."""
    return PREFIX + digest.partition(":")[2][:_DIGITS]


def is_ours(tag: str) -> bool:
    """Whether a tag is one that :func:`tag_of` makes. Others that begin alike are somebody's, and are left alone."""
    return _OURS.fullmatch(tag) is not None


@dataclass(frozen=True, slots=True)
class Wish:
    """How to protect."""

    idle: Instant | None = 7 * DAY
    """How long an image that is not in use must not have been pulled or pushed to lose the tag; None: none loses it."""
    with_rules: bool = True
    """Whether policies may be changed. Where they may not and have no rule, nothing is tagged."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a repository needs."""

    scanned: Scanned
    deeds: Sequence[Deed] = ()
    """In order: the rule before the tags, as a tag without it may bring an image under another rule; then what is stale."""
    failures: Sequence[Failure] = ()
    """What cannot be done, and why."""
    pushed_out: Sequence[Image] = ()
    """What the policy takes now because of the tags: rules that ask for any tag count tagged images, and those are more."""

    @property
    def repository(self) -> Repository:
        """Where."""
        return self.scanned.repository


@dataclass(frozen=True, slots=True)
class Protected:
    """What came of one repository."""

    wanted: Wanted
    done: Sequence[Deed] = ()
    failures: Sequence[Failure] = ()

    @property
    def repository(self) -> Repository:
        """Where."""
        return self.wanted.repository


def want(scanned: Scanned, wish: Wish, now: Instant, seen_at: Instant) -> Wanted:
    """Work out what a repository needs.

    Args:
        scanned: a repository.
        wish: how to protect.
        now: the time.
        seen_at: when it was seen what runs.
    """
    if not scanned.is_whole:
        reasons = "; ".join(each.reason for each in scanned.refusals)
        return Wanted(scanned, failures=[Failure(reasons or "not all of its images could be listed")])
    in_use = _in_use(scanned, seen_at)
    failures = [
        Failure("it is archived, and no rule keeps what is: restore it", digest=image.digest)
        for image in scanned.images
        if image.digest in in_use and image.status is ImageStatus.ARCHIVED
    ]
    tags = [
        PutTag(image.digest, tag_of(image.digest), in_use[image.digest])
        for image in scanned.images
        if image.digest in in_use
        and image.status is not ImageStatus.ARCHIVED
        and tag_of(image.digest) not in image.tags
    ]
    stale, left = _stale(scanned.images, in_use, None if wish.idle is None else now - wish.idle)
    # The rule counts whatever has such a tag, also what nothing runs any more, and takes the oldest beyond its count.
    counted = in_use.keys() | {
        image.digest for image in scanned.images if any(tag.startswith(PREFIX) for tag in image.tags)
    }
    if len(counted) > COUNT:
        why = Failure(
            f"more than {COUNT:,} images are in use, or have a tag that says so, and no rule keeps as many"
        )
        return Wanted(scanned, stale, [*failures, why, *left])
    text = scanned.repository.policy
    needs_rule = text is not None and any(
        image.digest in in_use and image.status is not ImageStatus.ARCHIVED for image in scanned.images
    )
    try:
        before, after = _policies(scanned.repository, with_rule=needs_rule)
    except NoRoom as error:
        # Without the rule a tag may do harm: it makes an untagged image a tagged one, for which other rules are.
        return Wanted(scanned, stale, [*failures, Failure(error.message), *left])
    deeds: list[Deed] = []
    if before != after and after is not None:
        if not wish.with_rules:
            why = Failure("its policy has no rule that keeps what is in use, and may not be changed")
            return Wanted(scanned, stale, [*failures, why, *left])
        deeds.append(PutPolicy(text, policies.canonical(after)))
    deeds += [*tags, *stale]
    pushed_out = _pushed_out(scanned, before, after, tags, now) if after is not None and tags else ()
    return Wanted(scanned, deeds, [*failures, *left], pushed_out)


def _in_use(scanned: Scanned, seen_at: Instant) -> Mapping[str, str]:
    """What has to be tagged, with the reason: what runs, the indexes by which it is found, and subjects that would take it along.

    What an index that is among them lists is held by it, unless that is archived.
    """
    images = scanned.as_rules_see(scanned.pins(seen_at))
    repository = roster(images)
    protected = protect((), repository, seen_at)

    def is_held(number: int) -> bool:
        """Whether an index keeps it that is kept itself. One in the archive lets it be archived, and cannot be tagged."""
        return any(
            index in protected and images[index].status is not ImageStatus.ARCHIVED
            for index in repository.indexes.get(number, ())
        )

    return {
        images[number].digest: keeper(why)
        for number, why in protected.items()
        if images[number].pins or not is_held(number)
    }


def _policies(
    repository: Repository, *, with_rule: bool
) -> tuple[LifecyclePolicy | None, LifecyclePolicy | None]:
    """What the policy is, and what it has to be; None for none.

    Raises:
        NoRoom: it cannot be that.
    """
    if not repository.is_policy_known:
        raise NoRoom("its policy could not be read, so nobody knows what a tag would do")
    if repository.policy is None:
        return None, None
    try:
        before = policies.parse(repository.policy)
    except InvalidLifecyclePolicy as invalid:
        raise NoRoom(f"its policy cannot be read here: {invalid.reason}") from None
    return before, with_keep_rule(before) if with_rule else before


def _stale(
    images: Sequence[Image], in_use: Mapping[str, str], before: Instant | None
) -> tuple[list[RemoveTag], list[Failure]]:
    """Our tags on what is not in use and was not used since an instant, and those that must stay."""
    stale: list[RemoveTag] = []
    left: list[Failure] = []
    if before is None:
        return stale, left
    for image in images:
        ours = [tag for tag in image.tags if is_ours(tag)]
        wrong = [tag for tag in ours if tag != tag_of(image.digest)]  # of a removal that was broken off
        idle = image.digest not in in_use and max(image.pulled_at or 0, image.pushed_at) < before
        going = ours if idle else wrong
        if not going:
            continue
        if len(going) < len(image.tags):
            stale += [RemoveTag(image.digest, tag) for tag in going]
        elif (other := _carrier(images, image)) is not None:
            stale += [RemoveTag(image.digest, tag, through=other) for tag in going]
        else:
            left.append(
                Failure(
                    f"{' and '.join(going)} stays: the image has no other tag, and would go with it",
                    image.digest,
                )
            )
    return stale, left


def _carrier(images: Sequence[Image], but: Image) -> str | None:
    """An image that has a tag of somebody's, and so will have one when ours is taken off it again."""
    return next(
        (
            image.digest
            for image in reversed(images)
            if image.digest != but.digest
            and image.status is ImageStatus.ACTIVE
            and not all(is_ours(tag) for tag in image.tags)
        ),
        None,
    )


def _pushed_out(
    scanned: Scanned,
    before: LifecyclePolicy | None,
    after: LifecyclePolicy,
    tags: Sequence[PutTag],
    now: Instant,
) -> Sequence[Image]:
    """What Amazon's evaluation takes with rule and tags, and does not take without."""
    new = {each.digest: each.tag for each in tags}
    images = scanned.as_rules_see()
    tagged = [
        msgspec.structs.replace(image, tags=(*image.tags, new[image.digest]))
        if image.digest in new
        else image
        for image in images
    ]
    rules = before or LifecyclePolicy(())
    gone = {each.image.digest for each in evaluate(rules, images, now).acted_on}
    goes = {each.image.digest for each in evaluate(after, tagged, now).acted_on}
    return [image for image in scanned.images if image.digest in goes - gone]


def wanted(inventory: Inventory, selection: Selection, wish: Wish, now: Instant) -> Iterator[Wanted]:
    """What :func:`keep` would do: every selected repository of which there is something to say.

    Raises:
        BadInput: the inventory is damaged, or of a scan that did not come to its end.
    """
    for scanned in inventory.scanned(selection):
        found = want(scanned, wish, now, inventory.header.began_at)
        if found.deeds or found.failures:
            yield found


def keep(
    fleet: Fleet, journal: Journal, inventory: Inventory, selection: Selection, wish: Wish, now: Instant
) -> Iterator[Protected]:
    """Tag what runs in the selected repositories, and untag what does not.

    Args:
        fleet: the ways to them.
        journal: where every deed is written before it is done.
        inventory: what there is, and what runs. Whether it is recent enough, and saw all, is for the caller to say.
        selection: which repositories.
        wish: how.
        now: the time.

    Yields:
        Every repository of which there is something to say, as it is done.

    Raises:
        BadInput: the inventory is damaged, or of a scan that did not come to its end.
    """

    def do(each: Wanted) -> Protected:
        if not each.deeds:
            return Protected(each, failures=each.failures)
        try:
            ecr = fleet.client(each.repository.target, "ecr")
            repository = msgspec.structs.replace(
                each.repository, policy=listing.policy(ecr, each.repository.name), is_policy_known=True
            )
            fresh = replace(listing.again(ecr, each.scanned), repository=repository)
            return _carry_out(ecr, want(fresh, wish, now, inventory.header.began_at), journal)
        except FleetError as error:
            return Protected(each, failures=[*each.failures, failure(error)])

    yield from together(do, wanted(inventory, selection, wish, now))


def _carry_out(ecr: Any, wanted: Wanted, journal: Journal) -> Protected:
    by_digest = {image.digest: image for image in wanted.scanned.images}
    needed = {each.digest for each in wanted.deeds if isinstance(each, PutTag)}
    needed |= {each.through for each in wanted.deeds if isinstance(each, RemoveTag) and each.through}
    name = wanted.repository.name
    manifests = listing.manifests(ecr, name, [by_digest[each] for each in needed])
    done: list[Deed] = []
    failures = list(wanted.failures)
    for each in wanted.deeds:
        number = journal.doing(wanted.repository.target, name, each)
        try:
            _do(ecr, name, each, manifests)
        except FleetError as error:
            digest = None if isinstance(each, PutPolicy) else each.digest
            failures.append(msgspec.structs.replace(not_done(journal, number, error), digest=digest))
            if isinstance(each, PutPolicy):
                break  # see Wanted.deeds: no tags without the rule
        else:
            journal.done(number)
            done.append(each)
    return Protected(wanted, done, failures)


def _do(ecr: Any, repository: str, deed: Deed, manifests: Mapping[str, listing.Manifest]) -> None:
    match deed:
        case PutPolicy():
            listing.put_policy(ecr, repository, deed.after)
        case PutTag():
            _put_tag(ecr, repository, deed.digest, deed.tag, manifests)
        case RemoveTag():
            if deed.through is not None:
                _put_tag(ecr, repository, deed.through, deed.tag, manifests)
            answer = clients.call(
                ecr, "batch_delete_image", repositoryName=repository, imageIds=[{"imageTag": deed.tag}]
            )
            for each in listing.failures(answer):
                raise Refused("BatchDeleteImage", each["failureCode"], each["failureReason"])


def _put_tag(
    ecr: Any, repository: str, digest: str, tag: str, manifests: Mapping[str, listing.Manifest]
) -> None:
    if digest not in manifests:
        raise Refused("BatchGetImage", "ImageNotFound", "its manifest cannot be read, and so not be tagged")
    text, media_type = manifests[digest]
    try:
        clients.call(
            ecr,
            "put_image",
            repositoryName=repository,
            imageManifest=text,
            imageManifestMediaType=media_type,
            imageTag=tag,
            imageDigest=digest,
        )
    except Refused as error:
        # Somebody was quicker: another run of the same command. Of an immutable tag ECR does not say whose it is,
        # and of ours the digits do.
        if error.code not in _THERE or tag != tag_of(digest):
            raise
