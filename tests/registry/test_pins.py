"""Pins in the registry: how they come, what ends them, what does not, and what runs and deletions make of them."""

import json
from collections.abc import Callable, Iterator, MutableMapping
from itertools import product
from typing import Any

import pytest
import structlog

from careen import worker
from careen.clock import DAY, HOUR, Instant
from careen.db import jobs
from careen.ecr import errors
from careen.lifecycle.pin import Pin
from careen.lifecycle.plan import Action
from careen.registry import archive, images, inventory, lifecycle, pins, previews, repositories, rules
from careen.registry.pins import InUse, Pinned
from careen.registry.registry import Registry
from tests.images import Built, artifact, image, index
from tests.registry.steps import Hands, cause, digests, push, put, row, with_limits
from tests.registry.test_lifecycle_runs import APP, Plan, outcomes, policy, run

PROD = "kubernetes/prod"
SIGNATURE = "application/vnd.example.signature"


def use(of: Built | str, consumer: str = "web") -> InUse:
    """An image by digest, or by tag."""
    digest, tag = (None, of) if isinstance(of, str) else (of.digest, None)
    return InUse(APP, digest, tag, consumer)


def report(
    registry: Registry, *uses: InUse, source: str = PROD, ttl: Instant = DAY, is_whole: bool = True
) -> Pinned:
    """A feed tells what it sees."""
    return registry.write_now(pins.report, source, ttl, uses, is_whole=is_whole)


def pass_time(registry: Registry, clock: Hands, time: Instant) -> int:
    """Let time pass as it does while a worker looks at the watch. Returns how many pins ended."""
    ended = 0
    for _ in range(time // HOUR):
        clock.forward(HOUR)
        ended += registry.write_now(pins.lapse).ended
    return ended


def pinned(registry: Registry) -> set[tuple[str, str]]:
    """Digest and consumer of every pin."""
    found = registry.read(pins.page, None, None, None, ("",) * 4, 1000)
    return {(each.pin.digest, each.pin.consumer) for each in found}


@pytest.fixture
def old(registry: Registry, clock: Hands) -> Built:
    """The older of two images: what the policy of these tests would expire."""
    push(registry, APP, built := image("old"), "v1")
    clock.forward()
    push(registry, APP, image("new"), "v2")
    return built


def test_a_pinned_image_is_kept_and_says_why(registry: Registry, old: Built) -> None:
    """By a plan, with who uses it and when that was seen."""
    report(registry, use("v1", "kubernetes/prod/shop/web-7f9c"))
    registry.write_now(lifecycle.put_policy, APP, policy())
    plan = registry.read(lifecycle.simulate, APP)
    [decision] = [each for each in plan.decisions if each.image.digest == old.digest]
    assert decision.action is Action.PROTECTED
    assert decision.protected_by is not None
    [pin] = decision.protected_by.pins
    assert (pin.consumer, pin.source) == ("kubernetes/prod/shop/web-7f9c", PROD)
    assert run(registry).protected == 1
    assert old.digest in digests(registry, APP)


TIMES = {
    "not seen, and its time is not over": (True, 23 * HOUR, True),
    "not seen, and its time is over": (True, 24 * HOUR, False),
    "not seen by a part of the feed, long after": (False, 3 * DAY, True),
}


@pytest.mark.parametrize("case", TIMES)
def test_what_a_feed_does_not_see_any_more(registry: Registry, clock: Hands, old: Built, case: str) -> None:
    """Goes with a whole report, its time to live after it was seen; a part of a report ends nothing."""
    is_whole, later, stays = TIMES[case]
    report(registry, use(old), use("v2"))
    pass_time(registry, clock, later)
    report(registry, use("v2"), is_whole=is_whole)
    assert ((old.digest, "web") in pinned(registry)) is stays


def test_a_silent_feed_keeps_its_pins_for_the_grace(registry: Registry, clock: Hands, old: Built) -> None:
    """Time alone ends them only after the grace; meanwhile the feed is stale."""
    registry = with_limits(registry, pin_grace=3 * DAY)
    report(registry, use(old), ttl=DAY)
    [feed] = registry.read(pins.feeds)
    assert not feed.is_stale
    assert pass_time(registry, clock, 2 * DAY) == 0
    [feed] = registry.read(pins.feeds)
    assert (feed.is_stale, feed.pins, feed.silent // DAY) == (True, 1, 2)
    [held] = registry.read(pins.page, APP, None, None, ("",) * 4, 9)
    assert held.ends_at is not None
    assert held.ends_at - clock.now == pytest.approx(DAY, abs=HOUR)
    assert pass_time(registry, clock, DAY + HOUR) == 1


@pytest.fixture
def logs() -> Iterator[list[MutableMapping[str, Any]]]:
    """What is logged, of any level: a command run in this process may have asked for less."""
    before = structlog.get_config()
    structlog.reset_defaults()
    try:
        with structlog.testing.capture_logs() as captured:
            yield captured
    finally:
        structlog.configure(**before)


def test_the_worker_says_which_feeds_are_silent(
    registry: Registry, clock: Hands, old: Built, logs: list[MutableMapping[str, Any]]
) -> None:
    """Once an hour, in its log; and drops what has ended."""
    registry = with_limits(registry, pin_grace=5 * HOUR)
    report(registry, use(old), ttl=HOUR)
    registry.write_now(lambda tx: jobs.enqueue(tx.rows, "pins", "", tx.now))
    for _ in range(7 * 6):
        clock.forward(pins.LOOK_EVERY)
        assert worker.run_one(registry, "w")
    said = [each for each in logs if each["event"].startswith("a feed of images in use is silent")]
    assert [each["silent_hours"] for each in said][:3] == [1, 2, 3]
    assert {(each["source"], each["log_level"]) for each in said} == {(PROD, "warning")}
    assert [each["pins"] for each in logs if each["event"] == "pins ended"] == [1]


def test_a_statement_ends_with_its_time(registry: Registry, clock: Hands, old: Built) -> None:
    """Whoever says for how long means it."""
    registry.write_now(pins.put, "anna", 3 * DAY, [use(old, "the audit")])
    assert pass_time(registry, clock, 3 * DAY - HOUR) == 0
    [held] = registry.read(pins.page, None, old.digest, None, ("",) * 4, 9)
    assert held.ends_at is not None
    assert held.ends_at - clock.now == pytest.approx(HOUR, abs=HOUR // 60)
    assert pass_time(registry, clock, 2 * HOUR) == 1


@pytest.mark.parametrize("jump", [-400 * DAY, 400 * DAY])
def test_a_clock_that_jumps_ends_nothing(registry: Registry, clock: Hands, old: Built, jump: Instant) -> None:
    """Nor does a registry that was off while nobody could report: a look counts for an hour at most."""
    report(registry, use(old))
    registry.write_now(pins.put, "anna", DAY, [use("v2", "the audit")])
    clock.forward(jump)
    assert registry.write_now(pins.lapse) == pins.Lapsed(0, [])
    report(registry, use("v2"))  # whole, and without the other
    assert {consumer for _, consumer in pinned(registry)} == {"web", "the audit"}
    assert (old.digest, "web") in pinned(registry)
    assert pass_time(registry, clock, 2 * DAY) == 1


def test_an_empty_report_is_taken_for_a_part(registry: Registry, clock: Hands, old: Built) -> None:
    """A feed that looks in the wrong place sees nothing: that ends no pin, and the feed grows stale."""
    assert report(registry).is_whole  # it never saw anything
    report(registry, use(old))
    pass_time(registry, clock, 2 * DAY)
    assert not report(registry).is_whole
    assert pinned(registry) == {(old.digest, "web")}
    assert [each.is_stale for each in registry.read(pins.feeds)] == [True]


def test_parts_make_a_whole(registry: Registry, clock: Hands, old: Built) -> None:
    """A feed with more images than fit into a call sends parts, and says with the last that this was all."""
    report(registry, use(old, "a"), use(old, "gone"))
    pass_time(registry, clock, 2 * DAY)
    report(registry, use(old, "a"), is_whole=False)
    assert report(registry, use("v2", "b")).ended == 1
    assert {consumer for _, consumer in pinned(registry)} == {"a", "b"}


def test_feeds_know_nothing_of_each_other(registry: Registry, clock: Hands, old: Built) -> None:
    """One that sees nothing of another's images ends none of its pins."""
    report(registry, use(old), source="ecs/prod")
    pass_time(registry, clock, 3 * DAY)
    report(registry, use("v2"))
    assert (old.digest, "web") in pinned(registry)


def test_what_a_tag_means_now_is_pinned_beside_what_runs(registry: Registry, old: Built) -> None:
    """The digest that runs and the one that the tag has moved to since."""
    found = report(registry, InUse(APP, old.digest, "v2", "web"))
    assert (found.pinned, found.unresolved) == (2, [])
    by_digest = {
        each.pin.digest: each.pin.tag for each in registry.read(pins.page, APP, None, PROD, ("",) * 4, 9)
    }
    assert by_digest == {old.digest: None, image("new").digest: "v2"}


def test_what_is_not_here(registry: Registry, old: Built) -> None:
    """A digest is pinned for when it comes back; a tag or a repository that nobody has is said to be missing."""
    away = image("away")
    found = report(
        registry,
        use(away),
        use("v9"),
        InUse("no/such", old.digest, None, "web"),
    )
    assert (found.pinned, [each.code for each in found.unresolved]) == (
        1,
        ["ImageNotFound", "RepositoryNotFound"],
    )
    [held] = registry.read(pins.page, APP, None, None, ("",) * 4, 9)
    assert (held.pin.digest, held.is_present) == (away.digest, False)
    push(registry, APP, away)
    assert run(registry, policy()).protected == 0  # it is the newest
    [loaded] = [each for each in registry.read(_images) if each.digest == away.digest]
    assert [pin.consumer for pin in loaded.pins] == ["web"]


def _images(tx: Any) -> list[Any]:
    return inventory.load(tx, repositories.require(tx, APP).id)


def test_a_feed_is_not_overruled_by_statements(registry: Registry, old: Built) -> None:
    """Whose pins would end by time although the feed was silent."""
    report(registry, use(old))
    with pytest.raises(errors.InvalidParameter, match="kubernetes/prod is a feed"):
        registry.write_now(pins.put, PROD, DAY, [use(old)])


REMOVED = {
    "by source": ({"source": PROD}, 2),
    "by digest": ({"digest": image("old").digest}, 2),
    "by consumer": ({"consumer": "web"}, 2),
    "by source and consumer": ({"source": PROD, "consumer": "web"}, 1),
    "in a repository": ({"repository": APP}, 3),
    "nobody's": ({"source": "nobody"}, 0),
}


@pytest.mark.parametrize("case", REMOVED)
def test_removing(registry: Registry, old: Built, case: str) -> None:
    """Takes what all conditions name; by source alone the feed is forgotten, too."""
    by, removed = REMOVED[case]
    report(registry, use(old, "web"), use("v2", "job"))
    registry.write_now(pins.put, "anna", DAY, [use(old, "web")])
    assert registry.write_now(pins.remove, **by) == removed
    left = registry.read(pins.page, None, None, None, ("",) * 4, 9)
    assert len(left) == 3 - removed
    assert bool(registry.read(pins.feeds)) is (by != {"source": PROD})


def test_removing_everything_by_accident(registry: Registry) -> None:
    """Is refused: something must say which."""
    with pytest.raises(errors.InvalidParameter, match="say which pins"):
        registry.write_now(pins.remove)


def test_a_preview_leaves_it_out(registry: Registry, old: Built) -> None:
    """ECR's own has no word for what is protected: it is not among what goes."""
    report(registry, use(old))
    registry.write_now(previews.start, APP, policy())
    found = registry.read(repositories.require, APP)
    previews.compute(registry, found.id)
    assert registry.read(previews.results, found) == []
    registry.write_now(pins.remove, source=PROD)
    registry.write_now(previews.start, APP, policy())
    previews.compute(registry, found.id)
    assert [each.digest for each in registry.read(previews.results, found)] == [old.digest]


def test_an_explicit_delete_takes_a_pinned_image(registry: Registry, old: Built) -> None:
    """As on Amazon ECR, which asks nobody; the pin stays and shows what runs without its image."""
    report(registry, use(old))
    found = registry.read(repositories.require, APP)
    registry.write_now(images.delete_by_digest, found, old.digest, cause())
    [held] = registry.read(pins.page, APP, None, None, ("",) * 4, 9)
    assert not held.is_present


def test_pins_go_with_their_repository(registry: Registry, old: Built) -> None:
    """And leave the feed, which will not find it any more."""
    report(registry, use(old))
    registry.write_now(repositories.delete, APP, cause(), force=True)
    assert pinned(registry) == set()
    assert [each.pins for each in registry.read(pins.feeds)] == [0]


def due(registry: Registry) -> bool:
    """Whether the next round looks at the repository."""
    return registry.read(repositories.require, APP).id in registry.read(lifecycle.due)


def end_by_time(registry: Registry, clock: Hands) -> None:
    """The feed falls silent for longer than the grace."""
    pass_time(registry, clock, 3 * DAY)


def end_by_report(registry: Registry, clock: Hands) -> None:
    """The feed does not see it any more."""
    pass_time(registry, clock, DAY)
    report(registry, use("v2"))


def end_by_hand(registry: Registry, _: Hands) -> None:
    """Somebody forgets the feed."""
    registry.write_now(pins.remove, source=PROD)


@pytest.mark.parametrize("end", [end_by_time, end_by_report, end_by_hand])
def test_what_was_pinned_goes_in_the_next_round(
    registry: Registry, clock: Hands, old: Built, end: Callable[[Registry, Hands], None]
) -> None:
    """Nobody looks as long as the pin holds; its end, however it comes, makes the round look."""
    registry = with_limits(registry, pin_grace=2 * DAY)
    registry.write_now(lifecycle.put_policy, APP, policy())
    report(registry, use(old))
    assert run(registry).protected == 1
    assert not due(registry)
    report(registry, use(old, "another"))  # a pin that comes can only hold back
    assert not due(registry)
    end(registry, clock)
    assert due(registry)
    assert run(registry).expired == 1


EXPIRES = policy()
ARCHIVES = policy(to="transition")


@pytest.mark.parametrize(
    ("text", "which"), list(product([EXPIRES, ARCHIVES], ["index", "child", "referrer"]))
)
def test_a_pin_that_comes_between_plan_and_deed(
    registry: Registry, clock: Hands, text: str, which: str
) -> None:
    """Holds back what it would have: the index of a child, what an artifact refers to, what an index lists."""
    push(registry, APP, child := image("child"))
    clock.forward()
    put(registry, APP, parent := index(child), "all")
    clock.forward()
    push(registry, APP, referrer := artifact(SIGNATURE, subject=parent))
    clock.forward()
    push(registry, APP, image("new"), "new")
    on = {"index": parent, "child": child, "referrer": referrer}[which]
    plan = Plan(registry, text)
    report(registry, use(on))
    done = set(plan.carry_out())
    assert lifecycle.PROTECTED in done
    assert done <= {lifecycle.PROTECTED, lifecycle.BLOCKED, lifecycle.SKIPPED}
    assert all(row(registry, APP, each) is not None for each in (child, parent, referrer))
    assert {row(registry, APP, each).status for each in (child, parent, referrer)} == {images.ACTIVE}  # type: ignore[union-attr]
    [(_, actions)] = registry.read(lifecycle.history, APP, 1)
    [why] = [each.reason for each in actions if each.outcome == lifecycle.PROTECTED][-1:]
    assert why.endswith("it is in use by web, seen 2026-01-04T00:00:00Z")


UNTAG = json.dumps(
    {
        "rules": [
            {
                "rulePriority": 1,
                "selection": {
                    "tagStatus": "tagged",
                    "tagPatternList": ["v*"],
                    "countType": "imageCountMoreThan",
                    "countNumber": 1,
                },
                "action": {"type": "untag"},
            }
        ]
    }
)


@pytest.mark.parametrize("late", [False, True])
def test_a_pinned_image_keeps_its_tags(registry: Registry, old: Built, late: bool) -> None:
    """What runs may be started again by its tag."""
    registry.write_now(rules.put_extension, APP, UNTAG)
    found = registry.read(repositories.require, APP)
    if late:
        to_do = registry.read(lifecycle.planned, found.id)
        assert to_do is not None
        report(registry, use("v1"))
        lifecycle.carry_out(registry, to_do)
    else:
        report(registry, use("v1"))
        lifecycle.run(registry, found.id)
    kept = registry.read(images.find, found, tag="v1")
    assert kept is not None
    assert kept.digest == old.digest


def test_the_children_of_an_archived_index(registry: Registry, clock: Hands) -> None:
    """Are held, if it is pinned, in whatever storage class it is: an index in the archive holds nothing by itself."""
    push(registry, APP, child := image("child"))
    put(registry, APP, parent := index(child), "all")
    found = row(registry, APP, parent)
    assert found is not None
    registry.write_now(archive.archive, found)
    clock.forward()
    push(registry, APP, image("new"), "new")
    plan = Plan(registry, ARCHIVES)
    report(registry, use(parent))
    assert plan.carry_out() == [lifecycle.PROTECTED]
    assert run(registry, ARCHIVES).protected == 1
    kept = row(registry, APP, child)
    assert kept is not None
    assert kept.status == images.ACTIVE


def test_the_history_says_why_an_image_stayed(registry: Registry, old: Built) -> None:
    """Beside what went."""
    push(registry, APP, image("newest"), "v3")
    report(registry, use(old, "ecs/prod/shop/web"))
    run(registry, policy())
    assert sorted(outcome for _, outcome in outcomes(registry)) == ["EXPIRED", "PROTECTED"]
    [(_, actions)] = registry.read(lifecycle.history, APP, 1)
    [why] = [each.reason for each in actions if each.outcome == "PROTECTED"]
    would = "protected: rule 1 (any) would expire it"
    assert why == f"{would}, but it is in use by ecs/prod/shop/web, seen 2026-01-02T00:00:00Z"


def test_what_keeps_an_image_is_the_same_in_plan_and_deed(registry: Registry, clock: Hands) -> None:
    """Whatever is pinned: the transaction that would delete holds what the plan protects."""
    leaves = [image(f"leaf {number}") for number in range(4)]
    for each in leaves:
        push(registry, APP, each)
    inner, other = index(leaves[0], leaves[1]), index(leaves[1], leaves[2])
    put(registry, APP, inner)
    put(registry, APP, other)
    outer = index(inner, leaves[3])
    put(registry, APP, outer)
    signature = artifact(SIGNATURE, subject=inner)
    push(registry, APP, signature)
    everything = [*leaves, inner, other, outer, signature]
    protect_all = policy(to="expire", countType="sinceImagePushed", countUnit="days", countNumber=1)
    registry.write_now(lifecycle.put_policy, APP, protect_all)
    clock.forward(3 * DAY)
    for each in everything:
        report(registry, use(each))
        plan = registry.read(lifecycle.simulate, APP)
        held = {
            built.digest
            for built in everything
            if (found := row(registry, APP, built)) is not None
            and registry.read(pins.holding, found) is not None
        }
        follows = {decision.image.digest for decision in plan.decisions if decision.follows is not None}
        assert held - follows == set(plan.protected) - follows
        assert plan.protected[each.digest].pins == (
            Pin("web", PROD, plan.protected[each.digest].pins[0].seen_at),
        )
        registry.write_now(pins.remove, source=PROD)
