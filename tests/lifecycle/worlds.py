"""Small repositories with a policy, made at random.

They are dense with coincidences: equal times, exact ages, nested indexes, artifacts of artifacts, images in and
out of the archive. Everything is JSON as ECR writes it, so that a world goes to the product and to the naive evaluator alike.
"""

import json
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, NamedTuple

from careen.clock import parse_instant
from careen.lifecycle.evaluate import evaluate
from careen.lifecycle.image import Image
from careen.lifecycle.image_details import read
from careen.lifecycle.plan import Plan
from careen.lifecycle.policy import LifecyclePolicy, parse

NOW = datetime(2026, 11, 22, tzinfo=UTC)

_TAGS = [
    "v1",
    "v2",
    "v10",
    "prod",
    "prod-1",
    "prod-2",
    "dev",
    "dev-1",
    "main",
    "latest",
    "a.b",
    "V1",
    "x-prod-y",
]
_PATTERNS = [
    "*",
    "v*",
    "prod*",
    "*prod*",
    "*-1",
    "prod",
    "main",
    "d*v*",
    "*v",
    "a.b",
    "v1*",
    "*-*",
    "prod-*",
    "**",
]
_PREFIXES = ["v", "prod", "prod-", "dev", "a.", "x", "*", ""]
_DAYS = [0, 1, 2, 3, 5, 7, 29, 30, 31, 90, 91, 120, 365, 400]


class World(NamedTuple):
    """A policy, the images of a repository, and a time."""

    policy: dict[str, Any]
    images: list[dict[str, Any]]
    now: str = NOW.isoformat()

    def parsed(self) -> LifecyclePolicy:
        """The policy, read by the product; white space brings the shortest to ECR's minimum length."""
        return parse(json.dumps(self.policy).ljust(100))

    def read(self) -> list[Image]:
        """The images, read by the product."""
        return read(json.dumps(self.images).encode())

    def plan(self) -> Plan:
        """What the product makes of it."""
        return evaluate(self.parsed(), self.read(), parse_instant(self.now))


def world(random: Random) -> World:
    """A random world. The policy is valid."""
    return World(policy(random), images(random))


def policy(random: Random) -> dict[str, Any]:
    """A random valid policy of one to six rules, in any order."""
    selections: list[dict[str, Any]] = []
    for storage_class in ("standard", "archive") if random.random() < 0.4 else ("standard",):
        tagged = [_tag_list(random) for _ in range(random.randrange(4))]
        unique = {(name, frozenset(entries)): entries for name, entries in tagged}
        tag_statuses: list[dict[str, Any]] = [
            {"tagStatus": "tagged", name: entries} for (name, _), entries in unique.items()
        ]
        if random.random() < 0.5 or not tag_statuses:
            tag_statuses.insert(random.randrange(len(tag_statuses) + 1), {"tagStatus": "untagged"})
        if random.random() < 0.6:
            tag_statuses.append({"tagStatus": "any"})
        selections += [status | _count(random, storage_class) for status in tag_statuses]
    priorities = sorted(random.sample(range(1, 40), len(selections)))
    rules = [
        {"rulePriority": priority, "selection": selection, "action": _action(random, selection)}
        for priority, selection in zip(priorities, selections, strict=True)
    ]
    random.shuffle(rules)
    return {"rules": rules}


def images(random: Random) -> list[dict[str, Any]]:
    """Up to twelve random images."""
    digests = [f"sha256:{number:02}" for number in random.sample(range(100), random.randrange(13))]
    return [_image(random, digest, digests) for digest in digests]


def plain(random: Random, number: int) -> list[dict[str, Any]]:
    """Active images with nothing between them: no indexes, no artifacts."""
    return [
        {
            "imageDigest": f"sha256:{digest:03}",
            "imageTags": random.sample(_TAGS, random.choice([0, 1, 1, 2])),
            "imagePushedAt": _time(random),
            "imageStatus": "ACTIVE",
        }
        for digest in random.sample(range(1000), number)
    ]


def _tag_list(random: Random) -> tuple[str, list[str]]:
    name, entries = random.choice([("tagPatternList", _PATTERNS), ("tagPrefixList", _PREFIXES)])
    return name, random.sample(entries, random.choice([1, 1, 1, 2, 3]))


def _count(random: Random, storage_class: str) -> dict[str, Any]:
    if storage_class == "archive":
        kind, number = "sinceImageTransitioned", random.choice([90, 91, 365])
        return {"storageClass": "archive", "countType": kind, "countUnit": "days", "countNumber": number}
    kind = random.choice(["imageCountMoreThan", "imageCountMoreThan", "sinceImagePushed", "sinceImagePulled"])
    if kind == "imageCountMoreThan":
        return {"countType": kind, "countNumber": random.choice([1, 1, 2, 3, 5, 9])}
    explicit = {"storageClass": "standard"} if random.random() < 0.2 else {}
    return {
        "countType": kind,
        "countUnit": "days",
        "countNumber": random.choice([1, 2, 5, 30, 90]),
    } | explicit


def _action(random: Random, selection: dict[str, Any]) -> dict[str, str]:
    transition = {"type": "transition", "targetStorageClass": "archive"}
    match selection["countType"]:
        case "sinceImageTransitioned":
            return {"type": "expire"}
        case "sinceImagePulled":
            return transition
    return transition if random.random() < 0.25 else {"type": "expire"}


def _image(random: Random, digest: str, digests: list[str]) -> dict[str, Any]:
    image: dict[str, Any] = {
        "imageDigest": digest,
        "imageTags": random.sample(_TAGS, random.choice([0, 0, 1, 1, 2, 3])),
        "imagePushedAt": _time(random),
        "imageStatus": random.choice(["ACTIVE"] * 6 + ["ARCHIVED", "ARCHIVED", "ACTIVATING"]),
        "imageSizeInBytes": random.randrange(1000),
    }
    if image["imageStatus"] == "ARCHIVED" or random.random() < 0.1:
        image["lastArchivedAt"] = _time(random)
    if random.random() < 0.15:
        image["lastActivatedAt"] = _time(random)
    if random.random() < 0.4:
        image["lastRecordedPullTime"] = _time(random)
    if random.random() < 0.05:
        image.pop("lastArchivedAt", None)
    others = [other for other in digests if other != digest]
    if others and random.random() < 0.25:
        image["imageReferences"] = random.sample(others, min(len(others), random.choice([1, 2, 3])))
    if random.random() < 0.25:
        image["subjectManifestDigest"] = random.choice([*others, "sha256:gone"])
    return image


def _time(random: Random) -> str:
    seconds = random.choice([0, 0, 0, 1, -1, 3600])
    return (NOW - timedelta(days=random.choice(_DAYS), seconds=seconds)).isoformat()
