"""The guard of indexes, and artifacts that follow their subject."""

import pytest

from careen.lifecycle.image import Image
from careen.lifecycle.plan import Action
from careen.lifecycle.rule import ActionType, Rule
from tests.lifecycle.build import ARCHIVE, actions, image, plan, rule

OLD = [rule(pushed=30)]
OLD_TO_ARCHIVE = [rule(pushed=30, action=ARCHIVE)]
UNTAGGED = [rule(status="untagged", pushed=30)]
UNTAGGED_TO_ARCHIVE = [rule(status="untagged", pushed=30, action=ARCHIVE)]
ARCHIVE_OUT = [rule(archived=90)]

INDEXES: dict[str, tuple[list[Rule], list[Image], dict[str, str]]] = {
    "a child of an index that stays": (
        UNTAGGED,
        [image("child", 40), image("index", 40, "v1", lists="child")],
        {"child": "BLOCKED"},
    ),
    "a child older than its index, both due": (
        OLD,
        [image("child", 41), image("index", 40, lists="child")],
        {"child": "BLOCKED", "index": "EXPIRE"},
    ),
    "a child younger than its index, both due": (
        OLD,
        [image("index", 41, lists="child"), image("child", 40)],
        {"index": "EXPIRE", "child": "EXPIRE"},
    ),
    "a child of two indexes, one of which goes": (
        UNTAGGED,
        [image("first", 42, lists="child"), image("second", 42, "v1", lists="child"), image("child", 40)],
        {"first": "EXPIRE", "child": "BLOCKED"},
    ),
    "an index in an index": (
        UNTAGGED,
        [image("outer", 40, "v1", lists="inner"), image("inner", 41, lists="child"), image("child", 40)],
        {"inner": "BLOCKED", "child": "BLOCKED"},
    ),
    "a child follows its archived index into the archive": (
        UNTAGGED_TO_ARCHIVE,
        [image("index", 50, "v1", archived=5, lists="child"), image("child", 40)],
        {"child": "TRANSITION"},
    ),
    "a child of an archived index is not deleted": (
        UNTAGGED,
        [image("index", 50, "v1", archived=5, lists="child"), image("child", 40)],
        {"child": "BLOCKED"},
    ),
    "a child younger than its index, both to the archive": (
        OLD_TO_ARCHIVE,
        [image("index", 41, lists="child"), image("child", 40)],
        {"index": "TRANSITION", "child": "TRANSITION"},
    ),
    "a child of an index that is archived in the same run is not deleted": (
        [rule(1, status="untagged", pushed=30), rule(2, pushed=30, action=ARCHIVE)],
        [image("index", 41, "v1", lists="child"), image("child", 40)],
        {"index": "TRANSITION", "child": "BLOCKED"},
    ),
    "a child of an index that is being restored": (
        UNTAGGED_TO_ARCHIVE,
        [image("index", 50, archived=5, status="ACTIVATING", lists="child"), image("child", 40)],
        {"child": "BLOCKED"},
    ),
    "both in the archive": (
        ARCHIVE_OUT,
        [image("index", 200, archived=100, lists="child"), image("child", 200, archived=99)],
        {"index": "EXPIRE", "child": "EXPIRE"},
    ),
    "a listed image that is not here": (OLD, [image("index", 40, lists="elsewhere")], {"index": "EXPIRE"}),
}


@pytest.mark.parametrize(("rules", "images", "expected"), INDEXES.values(), ids=INDEXES)
def test_index(rules: list[Rule], images: list[Image], expected: dict[str, str]) -> None:
    """An image is acted on only when no index that lists it is left, or, on its way to the archive, outside it."""
    assert actions(rules, images) == expected


ARTIFACTS: dict[str, tuple[list[Rule], list[Image], dict[str, str]]] = {
    "it goes with its subject, however young": (
        OLD,
        [image("image", 40), image("signature", 1, subject="image")],
        {"image": "EXPIRE", "signature": "CASCADE"},
    ),
    "it stays with its subject, however old": (
        UNTAGGED,
        [image("image", 40, "v1"), image("signature", 40, subject="image")],
        {},
    ),
    "it is not counted": (
        [rule(count=1)],
        [image("image", 40), image("signature", 1, subject="image")],
        {},
    ),
    "tags make no difference": (
        OLD,
        [image("image", 10), image("sbom", 40, "sbom", subject="image")],
        {},
    ),
    "an orphan is an image like others": (
        UNTAGGED,
        [image("signature", 40, subject="gone")],
        {"signature": "EXPIRE"},
    ),
    "artifacts of artifacts go too": (
        OLD,
        [image("image", 40), image("sbom", 1, subject="image"), image("signature", 1, subject="sbom")],
        {"image": "EXPIRE", "sbom": "CASCADE", "signature": "CASCADE"},
    ),
    "it goes to the archive with its subject": (
        OLD_TO_ARCHIVE,
        [image("image", 40), image("signature", 1, subject="image")],
        {"image": "TRANSITION", "signature": "CASCADE"},
    ),
    "what is in the archive already stays there": (
        OLD_TO_ARCHIVE,
        [image("image", 40), image("signature", 9, archived=5, subject="image")],
        {"image": "TRANSITION"},
    ),
    "it leaves the archive with its subject": (
        ARCHIVE_OUT,
        [image("image", 200, archived=100), image("signature", 1, subject="image")],
        {"image": "EXPIRE", "signature": "CASCADE"},
    ),
    "an index holds it": (
        OLD,
        [
            image("image", 40),
            image("sbom", 1, subject="image"),
            image("signature", 1, subject="sbom"),
            image("index", 1, lists="sbom"),
        ],
        {"image": "EXPIRE", "sbom": "BLOCKED"},
    ),
    "its subject is blocked": (
        UNTAGGED,
        [image("index", 40, "v1", lists="image"), image("image", 40), image("signature", 1, subject="image")],
        {"image": "BLOCKED"},
    ),
    "an index that is an artifact lets its children go": (
        OLD,
        [image("image", 41), image("index", 1, subject="image", lists="child"), image("child", 40)],
        {"image": "EXPIRE", "index": "CASCADE", "child": "EXPIRE"},
    ),
    "a circle of artifacts stays": (
        OLD,
        [image("a", 40, subject="b"), image("b", 40, subject="a"), image("c", 40, subject="c")],
        {},
    ),
}


@pytest.mark.parametrize(("rules", "images", "expected"), ARTIFACTS.values(), ids=ARTIFACTS)
def test_artifact(rules: list[Rule], images: list[Image], expected: dict[str, str]) -> None:
    """An artifact whose subject is here is not looked at by rules: it goes where, and when, the subject goes."""
    assert actions(rules, images) == expected


def test_order() -> None:
    """Images go oldest first, each followed at once by its artifacts, the oldest of those first, and by theirs."""
    images = [
        image("young", 40),
        image("sig-2", 20, subject="old"),
        image("sig-1", 30, subject="old"),
        image("sig-1-b", 1, subject="sig-1"),
        image("sig-1-a", 2, subject="sig-1"),
        image("old", 50),
    ]
    acted_on = [decision.image.digest for decision in plan(OLD, images).acted_on]
    assert acted_on == ["old", "sig-1", "sig-1-a", "sig-1-b", "sig-2", "young"]


def test_a_chain_of_any_length() -> None:
    """Ten thousand artifacts, each of the one before, go with the first."""
    chain = [image("0", 40), *(image(str(number), 1, subject=str(number - 1)) for number in range(1, 10_000))]
    assert [decision.image.digest for decision in plan(OLD, chain).acted_on] == [
        str(n) for n in range(10_000)
    ]


def test_blocked_names_the_index_that_holds() -> None:
    """A blocked decision names an index that is still there, and the rule that marked the image."""
    images = [image("first", 42, lists="child"), image("second", 1, lists="child"), image("child", 40)]
    decision = plan(OLD, images).decisions[2]
    assert (decision.action, decision.blocked_by, decision.rule_priority) == (Action.BLOCKED, "second", 1)
    assert decision.effect is None


def test_effect_of_a_cascade_is_that_on_the_subject() -> None:
    """What an executor does to an artifact is what it does to the subject."""
    for rules, effect in ((OLD, ActionType.EXPIRE), (OLD_TO_ARCHIVE, ActionType.TRANSITION)):
        acted_on = plan(rules, [image("image", 40), image("signature", 1, subject="image")]).acted_on
        assert [decision.effect for decision in acted_on] == [effect, effect]
        assert [decision.rule_priority for decision in acted_on] == [1, None]
