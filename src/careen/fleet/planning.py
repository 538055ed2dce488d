"""Making a plan: every repository of an inventory gets the policy that is wished for it, on paper.

What goes is what Amazon's evaluation takes: it knows of no image in use, so those that are and would go are named.
"""

from collections.abc import Iterator, Mapping, Sequence

from careen.clock import Instant
from careen.fleet.footprint import Footprint
from careen.fleet.inventory import Inventory
from careen.fleet.keep_rule import NoRoom, is_keep_rule, with_keep_rule
from careen.fleet.merge import merge
from careen.fleet.plan import DAYS, Change, Going, InUse, Plan, Taken, Unchanged, Why, world
from careen.fleet.scanned import Scanned
from careen.fleet.selection import Selection
from careen.fleet.wishes import Mode, Wish, chosen
from careen.lifecycle import policy as policies
from careen.lifecycle.blast import breaches
from careen.lifecycle.cost import DOLLARS_PER_GIB_MONTH, monthly_dollars
from careen.lifecycle.evaluate import evaluate
from careen.lifecycle.forecast import Day, forecast
from careen.lifecycle.lint.linter import lint
from careen.lifecycle.pin import Pin
from careen.lifecycle.plan_hash import plan_hash
from careen.lifecycle.policy import InvalidLifecyclePolicy, LifecyclePolicy
from careen.lifecycle.reason import reason
from careen.lifecycle.rule import ActionType

NO_POLICY = LifecyclePolicy(())


def plan(
    inventory: Inventory,
    wishes: Sequence[Wish],
    selection: Selection | None = None,
    price: float = DOLLARS_PER_GIB_MONTH,
) -> Plan:
    """Put wishes to a fleet.

    Args:
        inventory: what there is; ages are told from when its scan began.
        wishes: of which each repository gets the first that is for it.
        selection: only what it selects.
        price: US dollars for a GiB and a month.

    Raises:
        BadInput: the inventory is damaged, or of a scan that did not come to its end.
    """
    changes: list[Change] = []
    unchanged: list[Unchanged] = []
    unwished = 0
    for scanned in inventory.scanned(selection):
        place = chosen(wishes, scanned.repository)
        if place is None:
            unwished += 1
            continue
        made = planned(scanned, place, wishes[place], inventory.header.began_at, price)
        if isinstance(made, Change):
            changes.append(made)
        else:
            unchanged.append(made)
    return Plan(
        evaluated_at=inventory.header.began_at,
        price=price,
        wishes=tuple(wishes),
        unwished=unwished,
        changes=tuple(changes),
        unchanged=tuple(unchanged),
    )


def planned(
    scanned: Scanned, place: int, wish: Wish, now: Instant, price: float = DOLLARS_PER_GIB_MONTH
) -> Change | Unchanged:
    """Put a wish to one repository.

    Args:
        scanned: what is in it.
        place: of the wish in the plan.
        wish: the wish.
        now: ages are told from here.
        price: US dollars for a GiB and a month.
    """
    repository = scanned.repository
    becomes = (
        (Why.TAGS_UNKNOWN, _refusal(scanned, "its tags could not be read"))
        if wish.is_unsure(repository)
        else resolve(scanned, wish)
    )
    if isinstance(becomes, LifecyclePolicy):
        return _change(scanned, place, becomes, now, price)
    why, detail = becomes
    return Unchanged(
        repository.account, repository.region, repository.name, repository.arn, place, why, detail
    )


def resolve(scanned: Scanned, wish: Wish) -> LifecyclePolicy | tuple[Why, str]:
    """The policy that a repository is to have, or why it keeps the one it has, with more of that."""
    repository = scanned.repository
    if not repository.is_policy_known:
        return Why.POLICY_UNKNOWN, _refusal(scanned, "its policy could not be read")
    becomes = _combined(repository.policy, wish)
    if isinstance(becomes, LifecyclePolicy) and not scanned.is_whole:
        return Why.IMAGES_UNKNOWN, _refusal(scanned, "not all of its images could be listed")
    return becomes


def _combined(text: str | None, wish: Wish) -> LifecyclePolicy | tuple[Why, str]:
    """What a wish makes of a policy that is there, or is not."""
    rules = wish.rules
    if text is None:
        return rules
    if wish.mode is Mode.ONLY_IF_MISSING:
        return Why.HAS_POLICY, ""
    try:
        own = policies.parse(text)
    except InvalidLifecyclePolicy as invalid:
        if wish.mode is Mode.MERGE:
            return Why.CANNOT_MERGE, f"its policy cannot be read: {invalid.reason}"
        return rules
    try:
        # What runs is kept whatever is wished: merging leaves the rule for that where it is.
        kept = with_keep_rule(rules) if any(map(is_keep_rule, own.rules)) else rules
    except NoRoom as error:
        return Why.CANNOT_MERGE, f"what runs is kept by a rule that has to stay: {error.message}"
    becomes = merge(own, rules) if wish.mode is Mode.MERGE else kept
    if becomes == own:
        return Why.AS_WISHED, ""
    try:
        return policies.parse(policies.canonical(becomes))
    except InvalidLifecyclePolicy as invalid:
        return Why.CANNOT_MERGE, f"ECR would refuse both together: {invalid.reason}"


def _refusal(scanned: Scanned, otherwise: str) -> str:
    return "; ".join(each.reason for each in scanned.refusals) or otherwise


def _change(scanned: Scanned, place: int, becomes: LifecyclePolicy, now: Instant, price: float) -> Change:
    repository, footprint = scanned.repository, Footprint(scanned)
    images, pins = footprint.images, scanned.pins(now)
    new = evaluate(becomes, images, now)
    ahead = forecast(becomes, images, now, days=DAYS, blobs=footprint.blobs).days
    own = readable(repository.policy)
    behind = forecast(own, images, now, days=DAYS, blobs=footprint.blobs).days if own.rules else ()
    month = taken(ahead, price)
    gone = {each.image.digest for each in new.acted_on}
    expired = sum(each.effect is ActionType.EXPIRE for each in new.acted_on)
    return Change(
        account=repository.account,
        region=repository.region,
        name=repository.name,
        arn=repository.arn,
        account_name=repository.account_name,
        wish=place,
        was=repository.policy,
        becomes=policies.canonical(becomes),
        world=world(repository, images),
        outcome=plan_hash(new),
        images=len(images),
        bytes=ahead[-1].stored.size + month.freed,
        is_exact=footprint.is_exact,
        now=taken(ahead[:1], price),
        month=month,
        was_month=taken(behind, price),
        going=tuple(
            Going(each.image.digest, each.image.tags, each.image.size, effect, each.rule_priority)
            for each in new.acted_on
            if (effect := each.effect) is not None
        ),
        saved=sum(each.image.digest not in gone for day in behind[:1] for each in day.acted_on),
        in_use=tuple(in_use(ahead, pins, spared=behind)),
        share=expired / len(images) if images else 0.0,
        breaches=breaches(new),
        findings=lint(becomes, images, now),
    )


def readable(text: str | None) -> LifecyclePolicy:
    """The policy of a repository: no rules if it has none, or one that cannot be read here, as then nobody knows what it does."""
    if text is None:
        return NO_POLICY
    try:
        return policies.parse(text)
    except InvalidLifecyclePolicy:
        return NO_POLICY


def taken(days: Sequence[Day], price: float) -> Taken:
    """What a policy takes in some days."""
    freed = sum(day.freed for day in days)
    return Taken(
        expired=sum(day.expired for day in days),
        archived=sum(day.archived for day in days),
        freed=freed,
        dollars=monthly_dollars(freed, price),
    )


def in_use(
    days: Sequence[Day], pins: Mapping[str, Sequence[Pin]], spared: Sequence[Day] = ()
) -> Iterator[InUse]:
    """The images in use that go, by day.

    Args:
        days: of a forecast.
        pins: what is in use, by digest.
        spared: of the policy before: what it takes too is nothing new.
    """
    if not pins:
        return
    before = {each.image.digest for day in spared for each in day.acted_on}
    for day in days:
        for each in day.acted_on:
            users = pins.get(each.image.digest)
            if users:
                yield InUse(
                    digest=each.image.digest,
                    tags=each.image.tags,
                    consumers=tuple(dict.fromkeys(pin.consumer for pin in users)),
                    day=day.day,
                    reason=reason(each, day.at),
                    is_new=each.image.digest not in before,
                )
