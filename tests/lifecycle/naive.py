"""A second evaluator, slow and literal: Amazon's evaluation rules one by one, on the JSON itself, with sets.

It shares nothing with the product, not even how a policy or a time is read. The numbers are those of the list
"How it works: evaluation rules" of the ECR user guide (page LifecyclePolicies), counted from 1.
"""

import re
from datetime import datetime, timedelta
from typing import Any

Json = dict[str, Any]
Verdicts = dict[str, tuple[str, int | None]]
"""Digest to action and rulePriority; images that are kept are not in it."""


def verdicts(policy: Json, images: list[Json], now: str) -> Verdicts:
    """What one run of the policy does."""
    rules = sorted(policy["rules"], key=lambda rule: int(rule["rulePriority"]))
    ordinary = [image for image in images if not _has_subject_here(image, images)]
    # Rule 2: all rules are evaluated at the same time, regardless of priority.
    identified = {
        rule["rulePriority"]: [image for image in ordinary if _identifies(rule["selection"], image)]
        for rule in rules
    }
    due = {
        rule["rulePriority"]: _due(
            rule["selection"], identified[rule["rulePriority"]], datetime.fromisoformat(now)
        )
        for rule in rules
    }
    marks: dict[str, Json] = {}
    for image in ordinary:
        for rule in rules:
            higher = [other for other in rules if other["rulePriority"] < rule["rulePriority"]]
            # Rules 4 and 5: what a rule identifies, no rule of lower priority can act on.
            shielded = any(image in identified[other["rulePriority"]] for other in higher)
            if image in due[rule["rulePriority"]] and not shielded:
                marks[image["imageDigest"]] = rule
    return _Run(images).carry_out(marks)


def _has_subject_here(image: Json, images: list[Json]) -> bool:
    return any(other["imageDigest"] == image.get("subjectManifestDigest") for other in images)


def _identifies(selection: Json, image: Json) -> bool:
    if selection.get("storageClass", "standard") == "standard":
        if image["imageStatus"] != "ACTIVE":
            return False
    elif image["imageStatus"] != "ARCHIVED" or "lastArchivedAt" not in image:
        return False
    tags = image["imageTags"]
    match selection["tagStatus"]:
        case "any":
            return True
        case "untagged":
            return not tags
    # Rules 10 and 11: every entry of the list, each by any tag.
    expressions = [
        "".join(".*" if c == "*" else re.escape(c) for c in p) for p in selection.get("tagPatternList", [])
    ]
    expressions += [re.escape(prefix) + ".*" for prefix in selection.get("tagPrefixList", [])]
    return all(any(re.fullmatch(expression, tag) for tag in tags) for expression in expressions)


def _due(selection: Json, identified: list[Json], now: datetime) -> list[Json]:
    number = selection["countNumber"]
    youngest_first = sorted(identified, key=_entered, reverse=True)
    age = timedelta(days=number)
    match selection["countType"]:
        case "imageCountMoreThan":  # rule 12
            return youngest_first[number:]
        case "sinceImagePulled":  # rule 14
            return [image for image in identified if now - _used(image) > age]
    return [image for image in identified if now - _entered(image)[0] > age]  # rules 13 and 15


def _entered(image: Json) -> tuple[datetime, str]:
    """Rule 9: pushed, or restored, or archived; equal times by digest."""
    since = image.get("lastActivatedAt") or image["imagePushedAt"]
    if image["imageStatus"] == "ARCHIVED":
        since = image.get("lastArchivedAt") or since
    return datetime.fromisoformat(since), image["imageDigest"]


def _used(image: Json) -> datetime:
    entered = _entered(image)[0]
    if "lastRecordedPullTime" not in image:
        return entered
    pulled = datetime.fromisoformat(image["lastRecordedPullTime"])
    return entered if "lastActivatedAt" in image and pulled < entered else pulled


class _Run:
    """Rules 1, 8 and 9: oldest first, indexes before what they list, artifacts after what they refer to."""

    def __init__(self, images: list[Json]) -> None:
        self.present = {image["imageDigest"]: image for image in images}
        self.archived = {image["imageDigest"] for image in images if image["imageStatus"] == "ARCHIVED"}
        self.verdicts: Verdicts = {}

    def carry_out(self, marks: dict[str, Json]) -> Verdicts:
        for digest in sorted(marks, key=lambda digest: _entered(self.present[digest])):
            rule = marks[digest]
            self.act(digest, rule["action"]["type"], rule["action"]["type"].upper(), rule["rulePriority"])
        return self.verdicts

    def act(self, digest: str, what: str, verdict: str, priority: int | None) -> None:
        for index in self.present.values():
            lets_follow = what == "transition" and index["imageDigest"] in self.archived
            if digest in index.get("imageReferences", []) and not lets_follow:
                self.verdicts[digest] = ("BLOCKED", priority)
                return
        self.verdicts[digest] = (verdict, priority)
        if what == "expire":
            del self.present[digest]
        else:
            self.archived.add(digest)
        for referrer in sorted(self.present.values(), key=_entered):
            if (
                referrer.get("subjectManifestDigest") == digest
                and referrer["imageDigest"] not in self.verdicts
            ):
                active = referrer["imageStatus"] == "ACTIVE"
                if what == "expire" or active:
                    self.act(referrer["imageDigest"], what, "CASCADE", None)
