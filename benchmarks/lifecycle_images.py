"""What the lifecycle benchmark decides on: repositories of the hard kind, where almost everything goes.

Images have at most one tag, so that a table with one row for each holds them.
"""

import json
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

from careen.clock import DAY, Instant
from careen.lifecycle.image import Image
from careen.lifecycle.policy import LifecyclePolicy, parse

NOW: Instant = 1_800_000_000_000_000

UNTAGGED_DAYS, KEPT, ANY_DAYS = 14, 10, 90
"""The three rules: untagged images go after so many days, so many of ``v*`` stay, and anything else goes in the end."""

FAMILIES = ("v", "prod-", "dev-", "pr-", "main-", "release-", "rc-", "hot-")


def images(count: int, seed: int = 1) -> list[Image]:
    """A repository: 30 % untagged, the rest of eight families, pushed over 400 days, in no order.

    No order is that of a database, which reads a repository by its index of digests.
    """
    random = Random(seed)
    return [
        Image(
            digest=f"sha256:{number:064x}",
            tags=() if random.random() < 0.3 else (f"{random.choice(FAMILIES)}{number}",),
            pushed_at=NOW - random.randrange(400 * DAY),
            size=random.randrange(10**8),
        )
        for number in range(count)
    ]


def repositories(count: int, size: int, seed: int = 1) -> Iterator[Sequence[Image]]:
    """Small repositories of the same kind."""
    for number in range(count):
        yield images(size, seed * count + number)


def three_rules() -> LifecyclePolicy:
    """The rules that SQL and the dataframe know by heart."""
    return _policy(
        _rule("untagged", days=UNTAGGED_DAYS),
        _rule("tagged", ["v*"], count=KEPT),
        _rule("any", days=ANY_DAYS),
    )


def ten_rules() -> LifecyclePolicy:
    """Fifty of each family stay, and ages for the rest."""
    families = [_rule("tagged", [f"{family}*"], count=50) for family in FAMILIES]
    return _policy(*families, _rule("untagged", days=14), _rule("any", days=300))


def _rule(
    status: str, patterns: Sequence[str] = (), *, days: int | None = None, count: int | None = None
) -> dict[str, Any]:
    limit = (
        {"countType": "imageCountMoreThan", "countNumber": count}
        if days is None
        else {"countType": "sinceImagePushed", "countUnit": "days", "countNumber": days}
    )
    listed = {"tagPatternList": patterns} if patterns else {}
    return {"selection": {"tagStatus": status, **listed, **limit}, "action": {"type": "expire"}}


def _policy(*rules: dict[str, Any]) -> LifecyclePolicy:
    numbered = [{"rulePriority": priority, **rule} for priority, rule in enumerate(rules, start=1)]
    return parse(json.dumps({"rules": numbered}))
