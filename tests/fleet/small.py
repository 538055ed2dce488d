"""A small fleet by hand: two accounts, four repositories, with a mistake in each."""

import json
from pathlib import Path
from typing import Any

import msgspec

from careen.clock import DAY
from careen.fleet import inventory
from careen.fleet.inventory import Inventory
from careen.fleet.scanned import Blob, Image, Refusal, Repository, Scanned, Target, Use
from careen.lifecycle import policy as policies
from careen.oci.media_types import OCI_INDEX, OCI_MANIFEST
from tests.fleet.samples import ACCOUNT, NOW, REGION, digest, header
from tests.fleet.samples import repository as _repository

OTHER = "210987654321"
MIB = 2**20


def rule(number: int, **members: Any) -> dict[str, Any]:
    """A rule that expires: ``pushed`` days or ``count``; ``pattern`` for tagged ones, else ``status``."""
    selection: dict[str, Any] = {"tagStatus": members.get("status", "any")}
    if "pattern" in members:
        selection = {"tagStatus": "tagged", "tagPatternList": [members["pattern"]]}
    if "pushed" in members:
        selection |= {
            "countType": "sinceImagePushed",
            "countUnit": "days",
            "countNumber": members["pushed"],
        }
    else:
        selection |= {"countType": "imageCountMoreThan", "countNumber": members["count"]}
    return {"rulePriority": number, "selection": selection, "action": {"type": "expire"}}


def policy(*rules: dict[str, Any]) -> str:
    """A policy's text, as ECR answers it."""
    return policies.canonical(policies.parse(json.dumps({"rules": rules}, indent=1).ljust(100)))


UNTAGGED = policy(rule(1, status="untagged", pushed=14))
"""A usual wish."""


def image(number: int, age: float, *tags: str, layers: int | None = 10, **members: Any) -> Image:
    """An image so many days old, with a base of 100 MiB that all have and ``layers`` MiB of its own; None: nobody read them."""
    blobs = None
    if layers is not None:
        blobs = (Blob(digest(1), 100 * MIB), Blob(digest(10_000 + number), layers * MIB))
    size = sum(blob.size for blob in blobs) if blobs else 110 * MIB
    values: dict[str, Any] = {"size": size, "media_type": OCI_MANIFEST, "blobs": blobs} | members
    return Image(digest(number), tags, NOW - round(age * DAY), **values)


def index(number: int, age: float, *tags: str, lists: tuple[int, ...]) -> Image:
    """An index of images."""
    children = tuple(Blob(digest(each), 500) for each in lists)
    return Image(
        digest(number),
        tags,
        NOW - round(age * DAY),
        size=110 * MIB,
        media_type=OCI_INDEX,
        children=children,
    )


def repository(name: str, account: str = ACCOUNT, **members: object) -> Repository:
    """A repository of either account."""
    made = _repository(name, **members)
    arn = made.arn.replace(ACCOUNT, account)
    label = "prod" if account == ACCOUNT else None
    return msgspec.structs.replace(made, account=account, arn=arn, account_name=label)


def used(name: str, number: int) -> Use:
    """That a service runs an image."""
    return Use(name, f"ecs/prod/{name}", "ecs", digest=digest(number), account=ACCOUNT, region=REGION)


def fleet() -> list[Scanned]:
    """The repositories."""
    return [
        Scanned(
            repository("team-a/web", tags={"owner": "a"}, policy=policy(rule(1, pattern="v*", pushed=30))),
            [
                image(101, 40, "v1"),
                image(102, 20, "v2", pulled_at=NOW - DAY),
                image(103, 100),
                image(104, 1),
            ],
            [used("team-a/web", 101), used("team-a/web", 102)],
        ),
        Scanned(
            repository("team-a/api", tags={"owner": "a"}),
            [
                index(200, 120, "1.0", lists=(201, 202)),
                image(201, 120),
                image(202, 120),
                image(203, 50),
            ],
        ),
        Scanned(
            repository("team-b/job", OTHER, tags={"owner": "b"}, policy=policy(rule(1, count=1))),
            [image(301, 2, "main", layers=None), image(302, 30, "old", layers=None)],
        ),
        Scanned(
            repository("locked", OTHER, tags=None, is_policy_known=False),
            [image(401, 5, "x")],
            refusals=[
                Refusal("GetLifecyclePolicy: denied", OTHER, REGION, "locked", "ecr:GetLifecyclePolicy")
            ],
        ),
    ]


def written(path: Path, found: list[Scanned] | None = None) -> Inventory:
    """An inventory in a file."""
    targets = (Target(ACCOUNT, REGION, "prod"), Target(OTHER, REGION))
    inventory.write(path, header(*targets), fleet() if found is None else found)
    return inventory.read(path)
