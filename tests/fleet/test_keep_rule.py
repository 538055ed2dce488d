"""The rule that keeps what runs: where it goes in a policy, and that Amazon's evaluation leaves alone what it keeps."""

import json
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

import msgspec
import pytest

from careen.clock import DAY, Instant, parse_instant
from careen.fleet.journal import PutPolicy, PutTag
from careen.fleet.keep_rule import COUNT, NoRoom, as_kept, with_keep_rule
from careen.fleet.protect import Wish, tag_of, want
from careen.fleet.scanned import Blob, Image, Scanned, Use
from careen.lifecycle import image as lifecycle
from careen.lifecycle import policy as policies
from careen.lifecycle.evaluate import evaluate
from careen.lifecycle.image import ImageStatus
from careen.lifecycle.policy import LifecyclePolicy
from careen.lifecycle.rule import ActionType
from tests.fleet.samples import repository
from tests.lifecycle.worlds import World, world

ROUND = 150


def rule(priority: int, **selection: Any) -> dict[str, Any]:
    """A rule that keeps three images, if nothing else is said."""
    chosen = {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 3} | selection
    return {"rulePriority": priority, "selection": chosen, "action": {"type": "expire"}}


def policy(*rules: dict[str, Any]) -> LifecyclePolicy:
    """A policy."""
    return policies.parse(json.dumps({"rules": rules}).ljust(100))


def priorities(of: LifecyclePolicy) -> list[int]:
    """The priorities of a policy's rules, in order."""
    return [each.rule_priority for each in of.rules]


UNTAGGED = {"tagStatus": "untagged"}
TAGGED = {"tagStatus": "tagged", "tagPrefixList": ["v"]}
OURS = {"tagStatus": "tagged", "tagPrefixList": ["in-use-"], "countNumber": COUNT}

ROOM: dict[str, tuple[list[dict[str, Any]], list[int]]] = {
    "there is room": ([rule(5, **UNTAGGED), rule(9)], [1, 5, 9]),
    "the first is taken": ([rule(1)], [1, 2]),
    "those that follow on each other move": ([rule(1, **UNTAGGED), rule(2, **TAGGED), rule(7)], [1, 2, 3, 7]),
    "ours is there, but not first": ([rule(1, **UNTAGGED), rule(2, **OURS)], [1, 2]),
}


@pytest.mark.parametrize("case", ROOM)
def test_the_first_place(case: str) -> None:
    """The rule comes first; the others stay in order, and move only as far as they must."""
    rules, expected = ROOM[case]
    made = with_keep_rule(policy(*rules))
    assert priorities(made) == expected
    assert made.rules[0].selection.tag_prefix_list == ("in-use-",)
    assert [each.selection for each in made.rules[1:]] == [
        each.selection for each in policy(*rules).rules if each.selection.tag_prefix_list != ("in-use-",)
    ]


def test_a_policy_that_has_it() -> None:
    """Stays as it is, also if somebody wrote the rule as a pattern."""
    made = with_keep_rule(policy(rule(1)))
    assert with_keep_rule(made) == made
    pattern = {"tagStatus": "tagged", "tagPatternList": ["in-use-*"], "countNumber": COUNT}
    theirs = policy(rule(3, **pattern), rule(4))
    assert with_keep_rule(theirs) == theirs


REFUSED: dict[str, tuple[list[dict[str, Any]], str]] = {
    "another rule about these tags": ([rule(1, **OURS | {"countNumber": 5})], "does not keep them"),
    "no room": (
        [rule(number, tagStatus="tagged", tagPrefixList=[f"{number}"]) for number in range(1, 51)],
        "allows no more",
    ),
    "too long": ([{**rule(1), "description": "x" * 30_550}], "with the rule the policy is none"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_no_room(case: str) -> None:
    """A policy that cannot take the rule says why."""
    rules, message = REFUSED[case]
    with pytest.raises(NoRoom, match=message):
        with_keep_rule(policy(*rules))


def test_what_another_policy_has() -> None:
    """The rule goes from one policy to the next, and only if it was there."""
    plain, kept = (
        policies.canonical(each) for each in (policy(rule(1)), with_keep_rule(policy(rule(1, **UNTAGGED))))
    )
    assert as_kept(plain, like=kept) == policies.canonical(with_keep_rule(policy(rule(1))))
    assert as_kept(plain, like=plain) == plain
    assert as_kept(None, like=kept) is None
    assert as_kept(plain, like="no policy") == plain


def scanned(made: World, used: Sequence[str]) -> Scanned:
    """A random world as a scan finds it. What refers to another is of higher digest, as nothing can list itself."""
    images = [
        Image(
            each.digest,
            each.tags,
            each.pushed_at,
            each.size,
            each.pulled_at,
            subject=each.subject if each.subject is not None and each.subject > each.digest else None,
            status=each.status,
            archived_at=each.archived_at,
            activated_at=each.activated_at,
            children=tuple(Blob(digest, 1) for digest in each.references if digest > each.digest),
        )
        for each in made.read()
    ]
    uses = [Use("r", "ecs/web", "ecs", digest=digest) for digest in used]
    return Scanned(repository("r", policy=policies.canonical(made.parsed())), images, uses)


def after(of: Scanned, now: Instant) -> tuple[LifecyclePolicy, list[lifecycle.Image]]:
    """Policy and images once everything that is wanted is done."""
    wanted = want(of, Wish(idle=None), now, now)
    rules = policies.parse(of.repository.policy or "")
    images = {image.digest: image for image in of.as_rules_see()}
    for deed in wanted.deeds:
        if isinstance(deed, PutPolicy):
            rules = policies.parse(deed.after or "")
        if isinstance(deed, PutTag):
            image = images[deed.digest]
            images[deed.digest] = msgspec.structs.replace(image, tags=(*image.tags, deed.tag))
    return rules, list(images.values())


def needed(of: Scanned, used: Sequence[str]) -> set[str]:
    """What runs and can be kept, and all that it lists. What is archived cannot, nor what follows it: both are named."""
    images = {image.digest: image for image in of.images}
    found: set[str] = set()
    waiting = [digest for digest in used if not archived(images, digest)]
    while waiting:
        digest = waiting.pop()
        if digest not in found and digest in images:
            found.add(digest)
            waiting += [
                child.digest
                for child in images[digest].children or ()
                if child.digest in images and images[child.digest].status is ImageStatus.ACTIVE
            ]
    return found


def archived(images: Mapping[str, Image], digest: str | None) -> bool:
    """Whether an image is archived, or its subject is."""
    image = images.get(digest or "")
    return image is not None and (image.status is ImageStatus.ARCHIVED or archived(images, image.subject))


def lost(seed: int) -> set[str]:
    """What runs in the world of a seed, and what Amazon's evaluations of the next year take of it."""
    random = Random(seed)  # noqa: S311 - chance that can be repeated, no secret
    made = world(random)
    digests = [each["imageDigest"] for each in made.images]
    used = random.sample(digests, min(len(digests), random.randrange(4)))
    of, now = scanned(made, used), parse_instant(made.now)
    rules, images = after(of, now)
    gone: set[str] = set()
    for day in (0, 1, 2, 6, 31, 90, 366):
        plan = evaluate(rules, images, now + day * DAY)
        acted = {each.image.digest: each.effect for each in plan.acted_on}
        gone |= acted.keys()
        images = [
            msgspec.structs.replace(image, status=ImageStatus.ARCHIVED, archived_at=now + day * DAY)
            if acted.get(image.digest) is ActionType.TRANSITION
            else image
            for image in images
            if acted.get(image.digest) is not ActionType.EXPIRE
        ]
    return gone & needed(of, used)


@pytest.mark.parametrize("first", range(0, 2 * ROUND, ROUND))
def test_what_runs_stays(first: int) -> None:
    """Whatever the policy and the images: of what runs, and of what it lists, Amazon's evaluation never takes anything."""
    assert {seed: found for seed in range(first, first + ROUND) if (found := lost(seed))} == {}


@pytest.mark.slow
@pytest.mark.parametrize("first", range(100_000, 110_000, 10 * ROUND))
def test_what_runs_stays_in_many_more_worlds(first: int) -> None:
    """The same, of thousands."""
    assert {seed: found for seed in range(first, first + 10 * ROUND) if (found := lost(seed))} == {}


def test_the_worlds_of_that_test_say_something() -> None:
    """Without rule and tags, much of what runs would go."""
    losing = 0
    for seed in range(ROUND):
        random = Random(seed)  # noqa: S311 - chance that can be repeated, no secret
        made = world(random)
        digests = [each["imageDigest"] for each in made.images]
        used = random.sample(digests, min(len(digests), random.randrange(4)))
        losing += any(each.image.digest in used for each in made.plan().acted_on)
    assert losing > ROUND // 10


def test_a_tag_says_which_image() -> None:
    """Twelve digits of the digest."""
    assert tag_of("sha256:" + "4b27c83d44a1" + "0" * 52) == "in-use-4b27c83d44a1"
