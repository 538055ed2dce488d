"""Short ways to write rules and images; ages in days before ``NOW``."""

from typing import Any

import msgspec

from careen.clock import DAY, Instant, parse_instant
from careen.lifecycle.evaluate import evaluate
from careen.lifecycle.image import Image, ImageStatus
from careen.lifecycle.plan import Plan
from careen.lifecycle.policy import LifecyclePolicy
from careen.lifecycle.rule import Rule

NOW = parse_instant("2026-11-22T00:00:00Z")

ARCHIVE = {"type": "transition", "targetStorageClass": "archive"}


def rule(
    priority: int = 1, *, status: str = "any", action: dict[str, str] | None = None, **selection: Any
) -> Rule:
    """A rule; give it ``count`` or ``pushed``, ``pulled`` or ``archived`` days, and lists as ECR names them."""
    kinds = {
        "count": "imageCountMoreThan",
        "pushed": "sinceImagePushed",
        "pulled": "sinceImagePulled",
        "archived": "sinceImageTransitioned",
    }
    short = next(name for name in kinds if name in selection)
    number = selection.pop(short)
    document = {"tagStatus": status, "countType": kinds[short], "countNumber": number} | selection
    if short != "count":
        document["countUnit"] = "days"
    if short == "archived":
        document["storageClass"] = "archive"
    return msgspec.convert(
        {"rulePriority": priority, "selection": document, "action": action or {"type": "expire"}}, Rule
    )


def ago(days: float) -> Instant:
    """The instant so many days before ``NOW``."""
    return NOW - round(days * DAY)


def image(
    digest: str,
    pushed: float,
    *tags: str,
    pulled: float | None = None,
    archived: float | None = None,
    restored: float | None = None,
    status: str | None = None,
    lists: str = "",
    subject: str | None = None,
    size: int = 0,
) -> Image:
    """An image pushed so many days ago; archived if it says since when and was not restored after."""
    if status is None:
        status = "ARCHIVED" if archived is not None and restored is None else "ACTIVE"
    return Image(
        digest=digest,
        tags=tags,
        pushed_at=ago(pushed),
        pulled_at=None if pulled is None else ago(pulled),
        archived_at=None if archived is None else ago(archived),
        activated_at=None if restored is None else ago(restored),
        status=ImageStatus(status),
        size=size,
        references=tuple(lists.split()),
        subject=subject,
    )


def plan(rules: list[Rule], images: list[Image]) -> Plan:
    """The rules' plan for the images at ``NOW``."""
    return evaluate(LifecyclePolicy(tuple(rules)), images, NOW)


def actions(rules: list[Rule], images: list[Image]) -> dict[str, str]:
    """What happens to each image that does not simply stay."""
    return {
        decision.image.digest: decision.action.value
        for decision in plan(rules, images).decisions
        if decision.action != "KEEP"
    }
