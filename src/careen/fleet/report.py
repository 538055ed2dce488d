"""A report: what a fleet costs and for whom, what of it nobody needs, and what its policies do. Made in one pass over an inventory.

Costs are by layers, each once for a repository, as ECR bills them; where a scan has not read the layers, by image sizes, which
is more. Sums are of repositories: an account costs what its repositories cost.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import msgspec

from careen.clock import Instant
from careen.fleet.duplicates import Duplicate, Duplicates
from careen.fleet.footprint import Footprint
from careen.fleet.inventory import Inventory
from careen.fleet.plan import DAYS, NOTHING, InUse, Taken, summed
from careen.fleet.planning import in_use, readable, resolve
from careen.fleet.scanned import Refusal, Scanned
from careen.fleet.selection import Selection
from careen.fleet.waste import STALE_DAYS, Waste, waste
from careen.fleet.wishes import Mode, Wish
from careen.lifecycle import policy as policies
from careen.lifecycle.cost import DOLLARS_PER_GIB_MONTH, monthly_dollars
from careen.lifecycle.evaluate import evaluate
from careen.lifecycle.forecast import forecast
from careen.lifecycle.lint.finding import Finding, Severity
from careen.lifecycle.lint.linter import lint
from careen.lifecycle.pin import Pin
from careen.lifecycle.policy import LifecyclePolicy
from careen.lifecycle.rule import ActionType

MOST_DUPLICATES = 100
"""How many layers a report names."""

SENSIBLE = policies.canonical(
    policies.parse(
        """{"rules": [
        {"rulePriority": 1, "description": "Untagged images go after 14 days",
         "selection": {"tagStatus": "untagged", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 14},
         "action": {"type": "expire"}},
        {"rulePriority": 2, "description": "Of all images the newest 100 stay",
         "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 100},
         "action": {"type": "expire"}}]}"""
    )
)
"""A policy that few repositories mind: by which savings are told if no other is named."""

SAVING = Wish("the sensible default", SENSIBLE, Mode.MERGE)


class Cost(msgspec.Struct, frozen=True, rename="camel"):
    """Some repositories, and what they hold."""

    repositories: int
    images: int
    bytes: int
    dollars: float
    """In a month."""
    untagged_images: int
    """Without a tag, in no index and not in use; with what hangs on them."""
    untagged_bytes: int
    """Freed if those went."""
    stale_images: int
    """Neither pushed nor pulled for long, and not in use; not among the untagged."""
    stale_bytes: int
    """Freed if those went after the untagged."""
    is_exact: bool
    """Whether bytes are by layers in all of them."""


class Group(msgspec.Struct, frozen=True, rename="camel"):
    """What an account, a Region or a tag's value costs."""

    name: str
    cost: Cost


class TagGroups(msgspec.Struct, frozen=True, rename="camel"):
    """Costs by the values of one tag of repositories."""

    key: str
    groups: tuple[Group, ...]
    """The most expensive first."""
    without: Cost
    """Repositories that have no such tag, or whose tags could not be read."""


class Finds(msgspec.Struct, frozen=True, rename="camel"):
    """A mistake, in how many repositories."""

    code: str
    severity: Severity
    repositories: int
    example: str
    """One of them: :attr:`Row.place`."""
    sentence: str
    """What was found there."""
    advice: str


class Row(msgspec.Struct, frozen=True, rename="camel"):
    """A repository."""

    account: str
    region: str
    name: str
    arn: str
    account_name: str | None
    tags: dict[str, str]
    cost: Cost
    has_policy: bool | None
    """None if nobody could read it."""
    last_pushed_at: Instant | None
    last_pulled_at: Instant | None
    findings: tuple[Finding, ...]
    """What the linter says of its policy with its images."""
    ends: tuple[InUse, ...]
    """Images in use that its policy takes within :data:`careen.fleet.plan.DAYS` days."""
    saves: Taken
    """What the saving policy would take now, beyond what its own does."""
    saves_in_use: int
    """Images in use that would be among them."""
    is_whole: bool
    """Whether all of its images are known."""

    @property
    def place(self) -> str:
        """``123456789012/eu-west-1/team/app``."""
        return f"{self.account}/{self.region}/{self.name}"


class Report(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """All of it."""

    evaluated_at: Instant
    """Ages are told from here: when the scan began."""
    price: float
    """US dollars for a GiB and a month."""
    stale_days: int
    total: Cost
    accounts: tuple[Group, ...]
    """The most expensive first, as everywhere."""
    regions: tuple[Group, ...]
    tags: tuple[TagGroups, ...]
    """The keys that most repositories have first."""
    repositories: tuple[Row, ...]
    without_policy: Cost
    policies_unknown: int
    """Repositories whose policy could not be read."""
    findings: tuple[Finds, ...]
    """The worst first."""
    duplicates: tuple[Duplicate, ...]
    """The largest of them."""
    duplicate_layers: int
    duplicate_bytes: int
    duplicate_dollars: float
    saving: Wish
    """By which savings are told."""
    saves: Taken
    refusals: tuple[Refusal, ...]
    """What the scan could not see."""
    watched: tuple[str, ...]
    """Whom the scan asked what runs."""

    @property
    def ending(self) -> list[tuple[Row, InUse]]:
        """The images in use that the policies of today take, by day."""
        found = [(row, each) for row in self.repositories for each in row.ends]
        return sorted(found, key=lambda pair: (pair[1].day, pair[0].place, pair[1].digest))

    @property
    def savings(self) -> list[Row]:
        """The repositories in which there is something to save, the most first."""
        found = [row for row in self.repositories if row.saves.freed or row.saves.expired]
        return sorted(found, key=lambda row: (-row.saves.freed, -row.saves.expired, row.place))

    @property
    def is_saving_exact(self) -> bool:
        """Whether the bytes of all savings are by layers."""
        return all(row.cost.is_exact for row in self.savings)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a report is to say."""

    selection: Selection | None = None
    """Only what it selects; None for all."""
    tag_keys: tuple[str, ...] = ()
    """Of the tags by which costs are told; none for all that repositories have."""
    stale_days: int = STALE_DAYS
    """From when on an image is stale."""
    price: float = DOLLARS_PER_GIB_MONTH
    """US dollars for a GiB and a month."""
    saving: Wish = SAVING
    """The policy by which savings are told."""


EVERYTHING = Asked()


def report(inventory: Inventory, asked: Asked = EVERYTHING) -> Report:
    """Make a report.

    Args:
        inventory: what there is.
        asked: what it is to say.

    Raises:
        BadInput: the inventory is damaged, or of a scan that did not come to its end.
    """
    now = inventory.header.began_at
    rows: list[Row] = []
    refusals = list(inventory.refusals)
    duplicates = Duplicates()
    for scanned in inventory.scanned(asked.selection):
        footprint = Footprint(scanned)
        rows.append(_row(scanned, footprint, asked, now))
        refusals += scanned.refusals
        if footprint.is_exact:
            duplicates.add(scanned.repository.arn, footprint.needed)
    rows.sort(key=lambda row: (-row.cost.bytes, -row.cost.images, row.place))
    return Report(
        evaluated_at=now,
        price=asked.price,
        stale_days=asked.stale_days,
        total=_sum(rows, asked.price),
        accounts=_groups(rows, _account, asked.price),
        regions=_groups(rows, lambda row: row.region, asked.price),
        tags=tuple(_by_tags(rows, asked)),
        repositories=tuple(rows),
        without_policy=_sum([row for row in rows if row.has_policy is False], asked.price),
        policies_unknown=sum(row.has_policy is None for row in rows),
        findings=_findings(rows),
        duplicates=duplicates.largest(MOST_DUPLICATES),
        duplicate_layers=len(duplicates),
        duplicate_bytes=duplicates.extra,
        duplicate_dollars=monthly_dollars(duplicates.extra, asked.price),
        saving=asked.saving,
        saves=summed(row.saves for row in rows),
        refusals=tuple(refusals),
        watched=inventory.header.watched,
    )


def _account(row: Row) -> str:
    return row.account if row.account_name is None else f"{row.account_name} ({row.account})"


def _row(scanned: Scanned, footprint: Footprint, asked: Asked, now: Instant) -> Row:
    repository, images, pins = scanned.repository, footprint.images, scanned.pins(now)
    own = readable(repository.policy)
    saves, saves_in_use = _saves(scanned, footprint, own, asked, now)
    return Row(
        account=repository.account,
        region=repository.region,
        name=repository.name,
        arn=repository.arn,
        account_name=repository.account_name,
        tags=repository.tags or {},
        cost=_cost(footprint, waste(images, pins, now, asked.stale_days), asked.price),
        has_policy=repository.policy is not None if repository.is_policy_known else None,
        last_pushed_at=max((each.pushed_at for each in images), default=None),
        last_pulled_at=max((each.pulled_at for each in images if each.pulled_at is not None), default=None),
        findings=lint(own, images if scanned.is_whole else None, now) if own.rules else (),
        ends=_ends(scanned, footprint, own, pins, now),
        saves=saves,
        saves_in_use=saves_in_use,
        is_whole=scanned.is_whole,
    )


def _ends(
    scanned: Scanned,
    footprint: Footprint,
    own: LifecyclePolicy,
    pins: Mapping[str, Sequence[Pin]],
    now: Instant,
) -> tuple[InUse, ...]:
    """The images in use that the policy of today takes."""
    if not pins or not own.rules or not scanned.is_whole:
        return ()
    return tuple(in_use(forecast(own, footprint.images, now, days=DAYS).days, pins))


def _saves(
    scanned: Scanned, footprint: Footprint, own: LifecyclePolicy, asked: Asked, now: Instant
) -> tuple[Taken, int]:
    """What the saving policy takes beyond the policy of today, and how many images in use are among that."""
    wished = resolve(scanned, asked.saving)
    if not isinstance(wished, LifecyclePolicy):
        return NOTHING, 0
    taken_anyway = _expired(own, footprint, now)
    more = _expired(wished, footprint, now) - taken_anyway
    freed = footprint.freed_by(taken_anyway | more) - footprint.freed_by(taken_anyway)
    pins = scanned.pins(now)
    return Taken(len(more), 0, freed, monthly_dollars(freed, asked.price)), len(more & pins.keys())


def _expired(policy: LifecyclePolicy, footprint: Footprint, now: Instant) -> set[str]:
    plan = evaluate(policy, footprint.images, now)
    return {each.image.digest for each in plan.acted_on if each.effect is ActionType.EXPIRE}


def _cost(footprint: Footprint, wasted: Waste, price: float) -> Cost:
    untagged = footprint.freed_by(wasted.untagged)
    return Cost(
        repositories=1,
        images=len(footprint.images),
        bytes=footprint.size,
        dollars=monthly_dollars(footprint.size, price),
        untagged_images=len(wasted.untagged),
        untagged_bytes=untagged,
        stale_images=len(wasted.stale),
        stale_bytes=footprint.freed_by(wasted.untagged | wasted.stale) - untagged,
        is_exact=footprint.is_exact,
    )


def _sum(rows: Iterable[Row], price: float) -> Cost:
    costs = [row.cost for row in rows]
    size = sum(each.bytes for each in costs)
    return Cost(
        repositories=len(costs),
        images=sum(each.images for each in costs),
        bytes=size,
        dollars=monthly_dollars(size, price),
        untagged_images=sum(each.untagged_images for each in costs),
        untagged_bytes=sum(each.untagged_bytes for each in costs),
        stale_images=sum(each.stale_images for each in costs),
        stale_bytes=sum(each.stale_bytes for each in costs),
        is_exact=all(each.is_exact for each in costs),
    )


def _groups(rows: Iterable[Row], name: Callable[[Row], str], price: float) -> tuple[Group, ...]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(name(row), []).append(row)
    groups = [Group(each, _sum(some, price)) for each, some in found.items()]
    return tuple(sorted(groups, key=lambda group: (-group.cost.bytes, -group.cost.images, group.name)))


def _by_tags(rows: Sequence[Row], asked: Asked) -> Iterator[TagGroups]:
    having = Counter(key for row in rows for key in row.tags)
    keys = asked.tag_keys or sorted(having, key=lambda key: (-having[key], key))
    for key in keys:
        tagged = [row for row in rows if key in row.tags]
        without = [row for row in rows if key not in row.tags]
        groups = _groups(tagged, partial(_value, key), asked.price)
        yield TagGroups(key, groups, _sum(without, asked.price))


def _value(key: str, row: Row) -> str:
    return row.tags[key]


def _findings(rows: Iterable[Row]) -> tuple[Finds, ...]:
    found: dict[str, tuple[Row, Finding]] = {}
    counted: Counter[str] = Counter()
    for row in rows:
        for each in row.findings:
            found.setdefault(each.code, (row, each))
        counted.update({each.code for each in row.findings})
    order = list(Severity)
    return tuple(
        Finds(code, each.severity, counted[code], row.place, each.sentence, each.advice)
        for code, (row, each) in sorted(
            found.items(), key=lambda item: (order.index(item[1][1].severity), -counted[item[0]], item[0])
        )
    )
