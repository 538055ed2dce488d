"""A plan: which policy each repository is to have, and what comes of it. One file, which ``careen fleet apply`` carries out.

It is gzipped JSON Lines, so ``zcat plan.jsonl.gz | jq`` reads it::

    {"type": "plan", version, hash, evaluatedAt, price, wishes, …}
    {"type": "change", account, region, name, was, becomes, …}       a repository whose policy changes
    …
    {"type": "unchanged", account, region, name, why, …}             one that keeps what it has, and why
    …

The hash is over all of it: whoever has reviewed a plan accepts its hash, and a plan that somebody has edited is none. The same
inventory and the same wishes make the same plan.
"""

import gzip
import hashlib
import zlib
from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path

import msgspec

from careen.clock import Instant
from careen.fleet.errors import BadInput
from careen.fleet.scanned import Repository, Target
from careen.fleet.wishes import Wish
from careen.lifecycle.blast import Breach
from careen.lifecycle.image import Image
from careen.lifecycle.lint.finding import Finding
from careen.lifecycle.rule import ActionType

VERSION = 1
"""Of the form. A reader refuses one that it does not know."""

DAYS = 30
"""How far a plan looks ahead."""

_HINT = "careen fleet plan"


class Taken(msgspec.Struct, frozen=True, rename="camel"):
    """What a policy takes from a repository."""

    expired: int
    """Images deleted."""
    archived: int
    """Images that go to the archive."""
    freed: int
    """Bytes that no image of the repository needs any more; see :attr:`Change.is_exact`."""
    dollars: float
    """What storing them costs in a month."""


NOTHING = Taken(0, 0, 0, 0.0)


def summed(some: Iterable[Taken]) -> Taken:
    """All together."""
    total = NOTHING
    for each in some:
        total = Taken(
            total.expired + each.expired,
            total.archived + each.archived,
            total.freed + each.freed,
            total.dollars + each.dollars,
        )
    return total


class Going(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """An image that goes now."""

    digest: str
    tags: tuple[str, ...]
    size: int
    """Bytes, as ECR tells them."""
    effect: ActionType
    rule_priority: int | None
    """Of the rule in the new policy; None: it follows its subject."""


class InUse(msgspec.Struct, frozen=True, rename="camel"):
    """An image that something runs, and that goes."""

    digest: str
    tags: tuple[str, ...]
    consumers: tuple[str, ...]
    """What runs it: ``ecs/123456789012/eu-west-1/prod/web``."""
    day: int
    """When it goes: 0 is now."""
    reason: str
    """Why, in a sentence without a full stop."""
    is_new: bool
    """Whether the policy that the repository has spares it at least as long as a plan looks."""


class Change(msgspec.Struct, frozen=True, tag="change", rename="camel"):
    """A repository whose policy changes."""

    account: str
    region: str
    name: str
    arn: str
    account_name: str | None
    wish: int
    """The place of its wish among the plan's, from 0."""
    was: str | None
    """The text of its policy as the registry gave it; None: it has none."""
    becomes: str
    """The text of its policy to be, as ``PutLifecyclePolicy`` takes it."""
    world: str
    """The state that this was computed from: :func:`world`."""
    outcome: str
    """What is done now, ``lifecycle.plan_hash`` of the new policy: two evaluations with the same outcome do the same."""
    images: int
    """In the repository."""
    bytes: int
    """What they need."""
    is_exact: bool
    """Whether bytes are of layers, each once, as ECR bills them. Else they are sums of image sizes, which count layers that
    images share once for each of them: at most so much."""
    now: Taken
    month: Taken
    """In :data:`DAYS` days, what goes now included, if nothing is pushed."""
    was_month: Taken
    """The same under the policy that it has."""
    going: tuple[Going, ...]
    """What goes now, in that order."""
    saved: int
    """Images that the old policy would take now, and the new one leaves."""
    in_use: tuple[InUse, ...]
    """By day."""
    share: float
    """The blast radius: images deleted now as a part of all, 0 to 1."""
    breaches: tuple[Breach, ...]
    """Limits of ``lifecycle.blast`` that it exceeds."""
    findings: tuple[Finding, ...]
    """What the linter says of the new policy with these images."""

    @property
    def target(self) -> Target:
        """Where the repository is."""
        return Target(self.account, self.region, self.account_name)


class Why(StrEnum):
    """Why a repository keeps what it has."""

    AS_WISHED = "AS_WISHED"
    """Its policy is the wish's already, or has all of it."""
    HAS_POLICY = "HAS_POLICY"
    """The wish is for repositories without one."""
    TAGS_UNKNOWN = "TAGS_UNKNOWN"
    """The wish goes by tags, and they could not be read: nobody knows whether this wish is meant or the next."""
    POLICY_UNKNOWN = "POLICY_UNKNOWN"
    """Whether it has one could not be read."""
    IMAGES_UNKNOWN = "IMAGES_UNKNOWN"
    """Its images could not all be listed: nothing can be said of what would go."""
    CANNOT_MERGE = "CANNOT_MERGE"
    """ECR would refuse what the merge makes, or its policy cannot be read here."""


FAULTS = frozenset({Why.TAGS_UNKNOWN, Why.POLICY_UNKNOWN, Why.IMAGES_UNKNOWN, Why.CANNOT_MERGE})
"""Of those, what keeps a wish from being fulfilled."""


class Unchanged(msgspec.Struct, frozen=True, tag="unchanged", rename="camel"):
    """A repository that some wish is for, and that keeps what it has."""

    account: str
    region: str
    name: str
    arn: str
    wish: int
    why: Why
    detail: str = ""
    """More of it, without a full stop."""


class _Head(msgspec.Struct, frozen=True, tag="plan", rename="camel"):
    version: int
    hash: str
    evaluated_at: Instant
    price: float
    unwished: int
    wishes: tuple[Wish, ...]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What was decided for a fleet."""

    evaluated_at: Instant
    """Ages are told from here: when the inventory's scan began."""
    price: float
    """US dollars for a GiB and a month."""
    wishes: tuple[Wish, ...]
    unwished: int
    """Repositories of the inventory that no wish is for."""
    changes: tuple[Change, ...]
    """In the inventory's order."""
    unchanged: tuple[Unchanged, ...]

    @property
    def hash(self) -> str:
        """``sha256:…`` over everything that is in the plan."""
        return _hash(self, (_encoder.encode(row) for row in (*self.changes, *self.unchanged)))


_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[_Head | Change | Unchanged] = msgspec.json.Decoder(_Head | Change | Unchanged)


def world(repository: Repository, images: Sequence[Image]) -> str:
    """A name for what a decision was made from: ``sha256:…`` of the repository's policy, and of its images.

    Pulls are no part of it: they come all the time, and only rules that archive by them ask. What such a rule makes of them shows
    in the outcome.

    Args:
        repository: with its policy.
        images: as rules see them, in any order.
    """
    state = [
        (each.digest, sorted(each.tags), each.entered_at, each.status, each.references, each.subject)
        for each in sorted(images, key=lambda image: image.digest)
    ]
    return f"sha256:{hashlib.sha256(_encoder.encode((repository.policy, state))).hexdigest()}"


def write(path: Path, plan: Plan) -> str:
    """Write a plan, over whatever the file was. Returns the plan's hash.

    Raises:
        BadInput: the file cannot be written.
    """
    rows = [_encoder.encode(row) for row in (*plan.changes, *plan.unchanged)]
    hash_ = _hash(plan, rows)
    head = _Head(VERSION, hash_, plan.evaluated_at, plan.price, plan.unwished, plan.wishes)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(b"\n".join([_encoder.encode(head), *rows, b""]), 6, mtime=0))
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror}") from None
    return hash_


def read(path: Path) -> Plan:
    """Read a plan.

    Raises:
        BadInput: there is none, it is none that this version reads, or it is not what was written.
    """
    try:
        lines = gzip.decompress(path.read_bytes()).splitlines()
        head, *rows = [_decoder.decode(line) for line in lines]
    except OSError as error:
        reason = error.strerror or "it is no plan"
        raise BadInput(f"{path} cannot be read: {reason}", _HINT) from None
    except (EOFError, zlib.error, msgspec.MsgspecError, ValueError) as error:
        raise BadInput(f"{path} is damaged, or no plan: {error}", _HINT) from None
    if not isinstance(head, _Head):
        raise BadInput(f"{path} is no plan", _HINT)
    if head.version != VERSION:
        raise BadInput(f"{path} has version {head.version}, this careen reads {VERSION}", _HINT)
    plan = Plan(
        evaluated_at=head.evaluated_at,
        price=head.price,
        wishes=head.wishes,
        unwished=head.unwished,
        changes=tuple(row for row in rows if isinstance(row, Change)),
        unchanged=tuple(row for row in rows if isinstance(row, Unchanged)),
    )
    if plan.hash != head.hash:
        raise BadInput(f"{path} is not what was planned: it was edited, or damaged", _HINT)
    return plan


def _hash(plan: Plan, rows: Iterable[bytes]) -> str:
    hash_ = hashlib.sha256(
        _encoder.encode((VERSION, plan.evaluated_at, plan.price, plan.unwished, plan.wishes))
    )
    for row in rows:
        hash_.update(b"\n" + row)
    return f"sha256:{hash_.hexdigest()}"
