"""Rules in words."""

import json
from pathlib import Path
from typing import Any

import pytest

from careen.lifecycle import extension, policy, protection, wording

EXPIRE, UNTAG = {"type": "expire"}, {"type": "untag"}


def counted(kind: str, number: int, **selection: Any) -> dict[str, Any]:
    """A selection of images by age or number."""
    unit = {} if kind == "imageCountMoreThan" else {"countUnit": "days"}
    return {"tagStatus": "any", "countType": kind, "countNumber": number, **unit, **selection}


def tagged(**lists: Any) -> dict[str, Any]:
    """What selects by tags."""
    return {"tagStatus": "tagged", **lists}


@pytest.mark.parametrize(
    ("selection", "action", "words"),
    [
        (
            counted("sinceImagePushed", 14, tagStatus="untagged"),
            EXPIRE,
            "deletes untagged images that were pushed more than 14 days ago",
        ),
        (
            counted("sinceImagePulled", 1),
            {"type": "transition", "targetStorageClass": "archive"},
            "archives images that nobody pulled for 1 day",
        ),
        (
            counted("sinceImageTransitioned", 365, storageClass="archive"),
            EXPIRE,
            "deletes archived images that were archived more than 365 days ago",
        ),
        (
            counted("imageCountMoreThan", 1000, **tagged(tagPatternList=["v*", "*-rc"])),
            EXPIRE,
            "deletes all but the newest 1,000 images tagged v* and *-rc",
        ),
        (
            counted("sinceImagePushed", 7, **tagged(tagPrefixList=["dev-"])),
            EXPIRE,
            "deletes images tagged dev-* that were pushed more than 7 days ago",
        ),
        (
            counted("sinceTagged", 14, **tagged(tagRegexList=["pr-[0-9]+"])),
            UNTAG,
            "takes tags pr-[0-9]+ off images after 14 days",
        ),
        (
            counted("imageCountMoreThan", 3, **tagged(tagPatternList=["pr-*"])),
            UNTAG,
            "takes tags pr-* off images beyond the newest 3",
        ),
    ],
)
def test_a_rule_says_what_it_does(selection: dict[str, Any], action: dict[str, Any], words: str) -> None:
    """What happens to which images, and from when."""
    text = json.dumps({"rules": [{"rulePriority": 1, "selection": selection, "action": action}]})
    (rule,) = extension.parse(text).rules
    assert wording.of_rule(rule) == words


@pytest.mark.parametrize(
    ("conditions", "words"),
    [
        ({"anyTagPattern": ["v*", "stable"]}, "keeps images that are tagged v* or stable"),
        (
            {"anyRepository": ["a/*"], "newest": 3},
            "keeps, in a/*, the newest 3 of every tag family",
        ),
        (
            {"semverRange": ">=1.4", "signed": True, "newest": 2},
            "keeps the newest 2 of every tag family of images that have a version >=1.4 and are signed",
        ),
        (
            {"anyTagRegex": ["r[0-9]"], "pulledWithinDays": 30, "pushedWithinDays": 1, "inUse": True},
            (
                "keeps images that have a tag that matches r[0-9] and were pulled within 30 days"
                " and were pushed within 1 day and are in use"
            ),
        ),
        (
            {"labels": {"keep": "*"}, "annotations": {"org.keep": "yes"}},
            "keeps images that have the label keep=* and have the annotation org.keep=yes",
        ),
    ],
)
def test_a_protection_rule_says_what_it_keeps(conditions: dict[str, Any], words: str) -> None:
    """All of its conditions, and of a list that any entry is enough."""
    (rule,) = protection.parse(json.dumps({"rules": [{"name": "kept", **conditions}]})).rules
    assert wording.of_protection(rule) == words


@pytest.mark.parametrize("path", sorted(Path("examples").glob("*.json")), ids=str)
def test_every_example_can_be_said(path: Path) -> None:
    """One sentence for each of its rules."""
    for rule in policy.parse(path.read_text()).rules:
        assert wording.of_rule(rule).startswith(("deletes ", "archives "))
