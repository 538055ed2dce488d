"""What ECR itself says a policy would take, beside what was evaluated here: every disagreement is a mistake of one of the two.

ECR previews a policy without setting it (StartLifecyclePolicyPreview). Images are listed anew right before, so that both judge the
same ones; what time changes while a preview is made is no disagreement.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import msgspec

from careen.clock import Clock
from careen.fleet import clients, listing
from careen.fleet.errors import FleetError, NotReached, Refused
from careen.fleet.inventory import Inventory
from careen.fleet.plan import Change, Plan
from careen.fleet.planning import readable
from careen.fleet.progress import Progress
from careen.fleet.scan import refusal
from careen.fleet.scanned import Refusal, Scanned
from careen.fleet.selection import Selection
from careen.fleet.targets import Fleet
from careen.lifecycle import policy as policies
from careen.lifecycle.evaluate import evaluate
from careen.lifecycle.image import Image as RulesImage
from careen.lifecycle.plan import Action
from careen.lifecycle.policy import LifecyclePolicy
from careen.lifecycle.reason import SHORT, reason
from careen.lifecycle.rule import CountType

PATIENCE = 600.0
"""Seconds that a preview may take: ECR says nothing of how long."""

_FIRST_DELAY, _LONGEST_DELAY = 0.1, 10.0


class Disagreement(msgspec.Struct, frozen=True, rename="camel"):
    """An image on which ECR and this evaluation decide otherwise."""

    account: str
    region: str
    name: str
    digest: str
    tags: tuple[str, ...]
    ecr: str | None
    """What ECR does: ``expire by rule 2``; None: it keeps it."""
    here: str | None
    """What is evaluated here."""
    sentence: str
    """Both, and why here, without a full stop."""


class Comparison(msgspec.Struct, frozen=True, rename="camel"):
    """All previews against all evaluations."""

    compared: int
    """Repositories."""
    disagreements: tuple[Disagreement, ...]
    refusals: tuple[Refusal, ...]
    """Repositories that could not be compared."""


def targets_of(plan: Plan) -> Selection:
    """The accounts and Regions of a plan's changes."""
    return Selection(
        accounts=tuple(sorted({each.account for each in plan.changes})),
        regions=tuple(sorted({each.region for each in plan.changes})),
    )


def compare(
    plan: Plan,
    inventory: Inventory,
    fleet: Fleet,
    *,
    clock: Clock,
    progress: Progress,
    sleep: Callable[[float], None] = time.sleep,
) -> Comparison:
    """Let ECR preview the policy of every change.

    Args:
        plan: the plan.
        inventory: that it was made from, for what indexes list.
        fleet: ways into the accounts.
        clock: the present, by which both judge.
        progress: told of each repository.
        sleep: waits so many seconds.

    Raises:
        BadInput: the inventory is damaged.
    """
    changes = {each.arn for each in plan.changes}
    disagreements: list[Disagreement] = []
    refusals: list[Refusal] = []
    progress.begin("previews", len(changes))
    # Of the inventory only its indexes are kept, for what they list: not all of it need fit into memory.
    indexes = {
        each.repository.arn: Scanned(
            each.repository, [image for image in each.images if image.children is not None]
        )
        for each in inventory.scanned()
        if each.repository.arn in changes
    }
    ask = partial(_ask, fleet=fleet, clock=clock, sleep=sleep)
    with ThreadPoolExecutor(clients.THREADS) as pool:
        for found in pool.map(lambda change: ask(change, indexes[change.arn]), plan.changes):
            if isinstance(found, Refusal):
                refusals.append(found)
            else:
                disagreements += found
            progress.step(note=f"{len(disagreements):,} disagreements")
    return Comparison(len(changes) - len(refusals), tuple(disagreements), tuple(refusals))


def _ask(
    change: Change, indexes: Scanned, *, fleet: Fleet, clock: Clock, sleep: Callable[[float], None]
) -> Sequence[Disagreement] | Refusal:
    try:
        ecr = fleet.client(change.target, "ecr")
        policy = policies.parse(change.becomes)
        # A rule by pulls would be asked about another world than the one that was there.
        by_pulls = any(rule.selection.count_type is CountType.SINCE_IMAGE_PULLED for rule in policy.rules)
        before = clock()
        world = listing.again(ecr, indexes, is_pull=by_pulls).as_rules_see()
        theirs = preview(ecr, change.name, change.becomes, sleep)
        after = clock()
    except FleetError as error:
        return refusal(error, change.target, change.name)
    return [
        _disagreement(change, image, theirs.get(image.digest), here, why)
        for image, here, why in _against(policy, world, theirs, before, after)
    ]


def preview(
    ecr: Any, repository: str, text: str, sleep: Callable[[float], None] = time.sleep
) -> Mapping[str, tuple[str, int]]:
    """What ECR would do to the images of a repository: action and rule by digest, for those that it acts on.

    Args:
        ecr: a client.
        repository: its name.
        text: of the policy.
        sleep: waits so many seconds.

    Raises:
        Refused: ECR refuses, or the preview failed.
        NotReached: no answer, or none in :data:`PATIENCE` seconds.
    """
    waits, wanted = _delays(), policies.parse(text)
    _start(ecr, repository, text, waits, sleep)
    while True:
        answers = clients.pages(ecr, "get_lifecycle_policy_preview", repositoryName=repository)
        first = next(answers)
        if readable(first["lifecyclePolicyText"]) != wanted:
            # A repository has one preview, and somebody else has started the last one.
            _wait(waits, sleep, repository)
            _start(ecr, repository, text, waits, sleep)
        elif first["status"] == "COMPLETE":
            return {
                each["imageDigest"]: (each["action"]["type"], each["appliedRulePriority"])
                for page in (first, *answers)
                for each in page.get("previewResults", ())
            }
        elif first["status"] != "IN_PROGRESS":
            raise Refused("GetLifecyclePolicyPreview", first["status"], "ECR made no preview", "try again")
        else:
            _wait(waits, sleep, repository)


def _start(
    ecr: Any, repository: str, text: str, waits: Iterator[float], sleep: Callable[[float], None]
) -> None:
    """Start a preview, after the one that is being made, if there is one."""
    while True:
        try:
            clients.call(
                ecr, "start_lifecycle_policy_preview", repositoryName=repository, lifecyclePolicyText=text
            )
        except Refused as error:
            if error.code != "LifecyclePolicyPreviewInProgressException":
                raise
            _wait(waits, sleep, repository)
        else:
            return


def _delays() -> Iterator[float]:
    delay, left = _FIRST_DELAY, PATIENCE
    while left > 0:
        yield delay
        left -= delay
        delay = min(2 * delay, _LONGEST_DELAY)


def _wait(delays: Iterator[float], sleep: Callable[[float], None], repository: str) -> None:
    delay = next(delays, None)
    if delay is None:
        raise NotReached(f"the preview of {repository} takes more than {PATIENCE:.0f} seconds")
    sleep(delay)


def _against(
    policy: LifecyclePolicy,
    world: Sequence[RulesImage],
    theirs: Mapping[str, tuple[str, int]],
    before: int,
    after: int,
) -> Iterator[tuple[RulesImage, tuple[str, int] | None, str]]:
    """The images on which both decide otherwise, with what is decided here and why."""
    first, last = evaluate(policy, world, before), evaluate(policy, world, after)
    for early, late in zip(first.decisions, last.decisions, strict=True):
        # ECR's preview names no image that only follows its subject.
        if early.action is Action.CASCADE or early.follows is not None:
            continue
        ours = [
            None
            if each.effect is None or each.rule_priority is None
            else (each.effect.value.upper(), each.rule_priority)
            for each in (early, late)
        ]
        if theirs.get(early.image.digest) not in ours:
            yield early.image, ours[1], reason(late, after)


def _disagreement(
    change: Change,
    image: RulesImage,
    theirs: tuple[str, int] | None,
    here: tuple[str, int] | None,
    why: str,
) -> Disagreement:
    ecr, ours = _said(theirs), _said(here)
    return Disagreement(
        account=change.account,
        region=change.region,
        name=change.name,
        digest=image.digest,
        tags=image.tags,
        ecr=ecr,
        here=ours,
        sentence=f"{image.tags[0] if image.tags else image.digest[:SHORT]}: ECR would {ecr or 'keep it'}; here: {why}",
    )


def _said(decided: tuple[str, int] | None) -> str | None:
    return None if decided is None else f"{decided[0].lower()} it by rule {decided[1]}"
