"""Deleting images now, by BatchDeleteImage: what Careen's evaluation marks, with protection rules and with what runs kept.

For those who do not want to wait for ECR's next evaluation, or whose wish ECR's grammar cannot say. What is shown first is worked
out from the inventory. Right before a repository is touched it is listed and worked out again, and only what goes both times, and
is what it was, is deleted: whoever looked at the list has seen all that can go.

ECR refuses to delete what an index lists, and an evaluation of its own leaves that to the next one. Here the next ones follow on
each other, on paper, until nothing more goes; so an index goes before what it lists.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import msgspec

from careen.clock import Instant
from careen.fleet import clients, listing
from careen.fleet.errors import Denied, FleetError
from careen.fleet.images import AT_ONCE
from careen.fleet.inventory import Inventory
from careen.fleet.journal import DeleteImages, Failure, Gone, Journal
from careen.fleet.scanned import Repository, Scanned
from careen.fleet.selection import Selection
from careen.fleet.targets import Fleet
from careen.fleet.together import together
from careen.lifecycle import policy as policies
from careen.lifecycle import protection as protections
from careen.lifecycle.beyond import Beyond
from careen.lifecycle.blast import DEFAULT_LIMITS, Breach, Limits, breaches
from careen.lifecycle.evaluate import evaluate
from careen.lifecycle.extension import ExtensionRules
from careen.lifecycle.image import Image
from careen.lifecycle.plan import Action, Decision, Plan
from careen.lifecycle.policy import InvalidLifecyclePolicy, LifecyclePolicy
from careen.lifecycle.protection import ProtectionRules
from careen.lifecycle.reason import reason
from careen.lifecycle.rule import ActionType

_NO_EXTENSION, _NO_PROTECTION = ExtensionRules(), ProtectionRules()


@dataclass(frozen=True, slots=True)
class Wish:
    """What to delete."""

    policy: LifecyclePolicy | None = None
    """None: each repository's own, if it has one."""
    extension: ExtensionRules = _NO_EXTENSION
    protection: ProtectionRules = _NO_PROTECTION
    limits: Limits = DEFAULT_LIMITS


@dataclass(frozen=True, slots=True)
class Marked:
    """What goes from one repository."""

    scanned: Scanned
    plan: Plan
    """The decision for each image once nothing more goes; ``acted_on`` are the deeds, in an order in which ECR accepts them."""
    breaches: Sequence[Breach] = ()
    """Limits that are exceeded: then nothing may be done."""

    @property
    def repository(self) -> Repository:
        """Where."""
        return self.scanned.repository

    @property
    def going(self) -> Sequence[Decision]:
        """The images that are deleted."""
        return [each for each in self.plan.acted_on if each.effect is ActionType.EXPIRE]

    @property
    def size(self) -> int:
        """Bytes of the images that go, each by itself: layers that they share count once for each."""
        return sum(each.image.size for each in self.going)

    @property
    def kept(self) -> int:
        """Images that would go, were they not in use or protected."""
        return self.plan.tallies[Action.PROTECTED].images


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What came of one repository."""

    repository: Repository
    marked: Marked | None = None
    """What goes, or went; None if that is not known."""
    deleted: int = 0
    untagged: int = 0
    size: int = 0
    """Bytes of the images that were deleted, as :attr:`Marked.size` counts them."""
    failures: Sequence[Failure] = ()
    """What was not done although it was marked, and why; without a digest nothing was done."""


def policy_of(repository: Repository, text: str | None, wish: Wish) -> LifecyclePolicy | Failure:
    """The policy that decides, or why there is none.

    Args:
        repository: a repository.
        text: of its own policy.
        wish: what to delete.
    """
    if wish.policy is not None:
        return wish.policy
    if not repository.is_policy_known:
        return Failure("its policy could not be read", permission="ecr:GetLifecyclePolicy")
    try:
        # No policy is no reason to stop: rules beyond ECR may have something to say.
        return LifecyclePolicy(()) if text is None else policies.parse(text)
    except InvalidLifecyclePolicy as invalid:
        return Failure(f"its policy cannot be read: {invalid.reason}")


def mark(
    scanned: Scanned,
    policy: LifecyclePolicy,
    wish: Wish,
    now: Instant,
    only: Collection[str] | None = None,
) -> Marked:
    """Work out what goes.

    Args:
        scanned: a repository with all its images.
        policy: what decides beside the rules beyond ECR; what it archives it leaves to ECR.
        wish: the rules beyond ECR, and the limits.
        now: the inventory's time: ages are measured against it, and what runs was seen then.
        only: digests; nothing else goes.
    """
    kept = protections.applicable(wish.protection.rules, scanned.repository.name)
    images = scanned.as_rules_see(scanned.pins(now))
    plan = _settled(images, policy, Beyond(wish.extension, kept), now, only)
    return Marked(scanned, plan, breaches(plan, wish.limits))


def _settled(
    images: Sequence[Image],
    policy: LifecyclePolicy,
    beyond: Beyond,
    now: Instant,
    only: Collection[str] | None,
) -> Plan:
    """Evaluate again and again without what is gone, until nothing goes."""
    here = {image.digest: image for image in images}
    held_by: dict[str, list[str]] = {}
    for image in images:
        for child in image.references:
            held_by.setdefault(child, []).append(image.digest)

    subjects = {image.digest: image.subject for image in images if image.subject is not None}

    def may_go(image: Image) -> bool:
        """What was not listed stays, and so does what an index lists that stays, and what belongs to a subject that does."""
        holders = (*held_by.get(image.digest, ()), image.subject)
        return (only is None or image.digest in only) and not any(each in here for each in holders)

    def held(going: Iterable[Decision]) -> set[str]:
        """What stays for what refers to it, a signature that is new, which would go along and was not listed."""
        found: set[str] = set()
        for each in going:
            subject = None if only is None or each.image.digest in only else each.image.subject
            while subject is not None and subject not in found:
                found.add(subject)
                subject = subjects.get(subject)
        return found

    decided: dict[str, Decision] = {}
    deeds: list[Decision] = []
    protected = None
    goes_on = True
    while goes_on:
        plan = evaluate(policy, tuple(here.values()), now, beyond)
        protected = plan.protected if protected is None else protected
        goes_on = False
        for each in plan.decisions:
            decided[each.image.digest] = each
        stays = held(plan.acted_on)
        for each in plan.acted_on:
            if each.effect is ActionType.EXPIRE and each.image.digest not in stays and may_go(each.image):
                del here[each.image.digest]
                deeds.append(each)
                goes_on = True
    # Tags come off what stays, and never the last: ECR deletes an image with that.
    deeds += [
        each
        for each in plan.acted_on
        if each.effect is ActionType.UNTAG
        and len(each.untagged) < len(each.image.tags)
        and (only is None or each.image.digest in only)
    ]
    done = {each.image.digest: each for each in deeds}
    decisions = [done.get(digest) or _staying(each) for digest, each in decided.items()]
    return Plan(policy, now, decisions, deeds, beyond, protected or {})


def _staying(decision: Decision) -> Decision:
    """A decision that is not carried out here: to archive, to take off a last tag, or of an image that was not listed."""
    return decision if decision.effect is None else msgspec.structs.replace(decision, action=Action.KEEP)


def marked(inventory: Inventory, selection: Selection, wish: Wish) -> Iterator[Cleaned]:
    """What :func:`clean` would delete: every repository of which there is something to say.

    Raises:
        BadInput: the inventory is damaged, or of a scan that did not come to its end.
    """
    now = inventory.header.began_at
    for scanned in inventory.scanned(selection):
        repository = scanned.repository
        policy = policy_of(repository, repository.policy, wish)
        if isinstance(policy, Failure):
            yield Cleaned(repository, failures=[policy])
        elif not scanned.is_whole:
            reasons = "; ".join(each.reason for each in scanned.refusals)
            yield Cleaned(repository, failures=[Failure(reasons or "not all of its images could be listed")])
        else:
            found = mark(scanned, policy, wish, now)
            if found.plan.acted_on or found.kept:
                yield Cleaned(repository, found, failures=_too_much(found))


def clean(
    fleet: Fleet, journal: Journal, inventory: Inventory, selection: Selection, wish: Wish
) -> Iterator[Cleaned]:
    """Delete what a wish marks in the selected repositories.

    Args:
        fleet: the ways to them.
        journal: where every deed is written before it is done.
        inventory: what there is, and what runs. Whether it is recent enough is for the caller to say.
        selection: which repositories.
        wish: what to delete.

    Yields:
        Every repository of which there is something to say, as it is done.

    Raises:
        BadInput: the inventory is damaged, or of a scan that did not come to its end.
    """
    now = inventory.header.began_at

    def do(each: Cleaned) -> Cleaned:
        if each.marked is None or each.failures:
            return each
        try:
            return _delete(fleet.client(each.repository.target, "ecr"), each.marked, wish, now, journal)
        except FleetError as error:
            return Cleaned(each.repository, each.marked, failures=[failure(error)])

    yield from together(do, marked(inventory, selection, wish))


def failure(error: FleetError, digest: str | None = None) -> Failure:
    """What an error keeps from being done."""
    return Failure(error.message, digest, error.permission if isinstance(error, Denied) else None)


def not_done(journal: Journal, number: int, error: FleetError) -> Failure:
    """What an error keeps from being done. The journal says so, unless nobody knows: then the deed is left without an outcome."""
    failed = failure(error)
    if not error.may_be_done:
        journal.done(number, failed)
    return failed


def _too_much(marked: Marked) -> Sequence[Failure]:
    return [Failure(f"too much at once: {breach.sentence}") for breach in marked.breaches]


def _delete(ecr: Any, expected: Marked, wish: Wish, now: Instant, journal: Journal) -> Cleaned:
    """Delete what goes from one repository, if it still does."""
    if not expected.plan.acted_on:
        return Cleaned(expected.repository, expected)
    known = {image.digest: image for image in expected.scanned.images}
    scanned = listing.again(ecr, expected.scanned)
    policy = expected.plan.policy
    if wish.policy is None:
        text = listing.policy(ecr, expected.repository.name)
        read = policy_of(expected.repository, text, wish)
        if isinstance(read, Failure) or read != policy:
            return Cleaned(expected.repository, expected, failures=[Failure("its policy is another by now")])
    same = {
        image.digest
        for image in scanned.images
        if image.digest in known and listing.is_same(image, known[image.digest])
    }
    only = same & {each.image.digest for each in expected.plan.acted_on}
    marked = mark(scanned, policy, wish, now, only)
    if marked.breaches:
        return Cleaned(expected.repository, marked, failures=_too_much(marked))
    return carry_out(ecr, marked, journal)


def carry_out(ecr: Any, marked: Marked, journal: Journal) -> Cleaned:
    """Delete what is marked in one repository; what the registry refuses is named, image by image.

    Args:
        ecr: a client of its account and Region.
        marked: what goes.
        journal: where each call is written before it is made.

    Returns:
        What was done. Whatever ends it in between is among the failures, beside what was deleted until then.
    """
    repository, name = marked.repository, marked.repository.name
    by_digest = {image.digest: image for image in marked.scanned.images}
    deleted = untagged = size = 0
    failures: list[Failure] = []
    for batch in _batches(marked.plan.acted_on):
        # What is archived cannot be read, nor be put back.
        readable = [by_digest[each.image.digest] for each in batch if each.image.status == "ACTIVE"]
        try:
            manifests = listing.manifests(ecr, name, readable)
        except FleetError as error:
            failures.append(failure(error))
            break
        gone = [_gone(each, marked.plan.now, manifests.get(each.image.digest)) for each in batch]
        number = journal.doing(repository.target, name, DeleteImages(tuple(gone)))
        try:
            answer = clients.call(ecr, "batch_delete_image", repositoryName=name, imageIds=_image_ids(batch))
        except FleetError as error:
            failures.append(not_done(journal, number, error))
            break
        refused = [
            Failure(f"{each['failureCode']}: {each['failureReason']}", _digest(each["imageId"], batch))
            for each in listing.failures(answer)
        ]
        journal.done(number, *refused)
        failures += refused
        kept = {each.digest for each in refused}
        for each in gone:
            if each.digest not in kept:
                deleted += not each.untagged
                untagged += bool(each.untagged)
                size += 0 if each.untagged else each.size
    return Cleaned(repository, marked, deleted, untagged, size, failures)


def _batches(deeds: Sequence[Decision]) -> Iterator[Sequence[Decision]]:
    """Deeds as BatchDeleteImage takes them: nothing in one call with an index that lists it, as it says nothing of an order.

    Each tag that comes off takes as much room as an image.
    """
    batch: list[Decision] = []
    held: set[str] = set()
    room = AT_ONCE
    for each in chain.from_iterable(map(_as_they_fit, deeds)):
        needs = len(each.untagged) or 1
        if batch and (needs > room or each.image.digest in held):
            yield batch
            batch, held, room = [], set(), AT_ONCE
        batch.append(each)
        held.update(each.image.references)
        room -= needs
    if batch:
        yield batch


def _as_they_fit(deed: Decision) -> Iterator[Decision]:
    """A deed, or several of it where it takes off more tags than one call may name."""
    for begin in range(0, len(deed.untagged) or 1, AT_ONCE):
        yield msgspec.structs.replace(deed, untagged=deed.untagged[begin : begin + AT_ONCE])


def _image_ids(batch: Sequence[Decision]) -> Sequence[dict[str, str]]:
    return [
        {"imageTag": tag} if tag else {"imageDigest": each.image.digest}
        for each in batch
        for tag in each.untagged or ("",)
    ]


def _digest(image_id: dict[str, str], batch: Sequence[Decision]) -> str | None:
    """Which image an answer is about: of tags it may name no more than the tag."""
    for each in batch:
        if image_id.get("imageDigest") == each.image.digest or image_id.get("imageTag") in each.untagged:
            return each.image.digest
    return None


def _gone(decision: Decision, now: Instant, manifest: listing.Manifest | None) -> Gone:
    image = decision.image
    return Gone(
        digest=image.digest,
        tags=image.tags,
        pushed_at=image.pushed_at,
        size=image.size,
        reason=reason(decision, now),
        untagged=decision.untagged,
        media_type=image.media_type if manifest is None else manifest.media_type,
        manifest=None if manifest is None else manifest.text,
    )
