"""What holds for every policy and every repository."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from careen.clock import to_datetime
from careen.lifecycle.evaluate import evaluate
from careen.lifecycle.image import Image, ImageStatus
from careen.lifecycle.plan import ACTED_ON, Action, Decision, Plan
from careen.lifecycle.policy import LifecyclePolicy
from careen.lifecycle.rule import ActionType
from tests.lifecycle.build import NOW, image, plan, rule
from tests.lifecycle.worlds import World, plain, policy, world

randoms = st.randoms(use_true_random=False)


def marks(made: Plan) -> dict[str, int | None]:
    """The images that rules act on, with the priority of the rule."""
    return {decision.image.digest: decision.rule_priority for decision in made.acted_on}


def after(made: Plan) -> list[Image]:
    """The images that are there when a plan has been carried out."""
    effects = {decision.image.digest: decision.effect for decision in made.acted_on}
    left = [
        decision.image
        for decision in made.decisions
        if effects.get(decision.image.digest) != ActionType.EXPIRE
    ]
    return [_archived(image, made.now) if image.digest in effects else image for image in left]


def _archived(image: Image, now: int) -> Image:
    return Image(
        digest=image.digest,
        tags=image.tags,
        pushed_at=image.pushed_at,
        archived_at=now,
        status=ImageStatus.ARCHIVED,
        references=image.references,
        subject=image.subject,
    )


@given(randoms)
def test_every_image_is_decided_on_once(random: Random) -> None:
    """A plan has one decision for each image, in the order of the images; what it acts on is among them, once."""
    made = world(random)
    result = made.plan()
    assert [decision.image for decision in result.decisions] == made.read()
    acted_on = [decision for decision in result.decisions if decision.action in ACTED_ON]
    assert sorted(result.acted_on, key=_digest) == sorted(acted_on, key=_digest)


@given(randoms)
def test_the_order_of_the_images_makes_no_difference(random: Random) -> None:
    """However the images are shuffled, each meets the same, and in the same order."""
    made = world(random)
    shuffled = made._replace(images=random.sample(made.images, len(made.images)))
    first, second = made.plan(), shuffled.plan()
    assert list(first.acted_on) == list(second.acted_on)
    assert sorted(first.decisions, key=_digest) == sorted(second.decisions, key=_digest)


def _digest(decision: Decision) -> str:
    return decision.image.digest


@given(randoms)
def test_lower_rules_do_not_matter_to_higher_ones(random: Random) -> None:
    """Without its last rule a policy marks the same images by the rules that are left."""
    made = World(policy(random), plain(random, 12))
    *higher, last = made.parsed().rules
    with_all = {digest: by for digest, by in marks(made.plan()).items() if by != last.rule_priority}
    assert marks(evaluate(LifecyclePolicy(tuple(higher)), made.read(), NOW)) == with_all


@given(randoms)
def test_one_more_image_spares_no_other(random: Random) -> None:
    """Whatever is marked stays marked when another image is pushed: there is never more room than before."""
    *images, another = plain(random, 13)
    made = World(policy(random), images)
    assert marks(made.plan()).items() <= marks(World(made.policy, [*images, another]).plan()).items()


@given(randoms)
def test_one_more_image_shields_no_fewer(random: Random) -> None:
    """Whatever a rule keeps from lower ones, it keeps from them when another image is pushed, or takes it itself."""
    *images, another = plain(random, 13)
    made = World(policy(random), images)
    more = {each.image.digest: each for each in World(made.policy, [*images, another]).plan().decisions}
    for before in made.plan().decisions:
        after = more[before.image.digest]
        assert after.rule == before.rule
        if before.shielded_from is not None:
            assert after.shielded_from is not None or after.rule_priority == before.rule.rule_priority  # type: ignore[union-attr]


@given(randoms)
def test_the_first_rule_that_identifies_an_image_decides(random: Random) -> None:
    """No rule acts on an image that a rule of higher priority identifies by itself."""
    made = World(policy(random), plain(random, 12))
    for decision in made.plan().decisions:
        for one in made.parsed().rules:
            alone = evaluate(LifecyclePolicy((one,)), made.read(), NOW)
            if decision.rule is not None and one.rule_priority < decision.rule.rule_priority:
                assert next(d for d in alone.decisions if d.image == decision.image).rule is None


@given(randoms)
def test_a_second_run_finds_only_what_was_blocked(random: Random) -> None:
    """Carried out and evaluated again at the same instant, a policy only goes on where it was blocked."""
    made = world(random)
    first = made.plan()
    second = evaluate(first.policy, after(first), first.now)
    blocked = {decision.image.digest for decision in first.decisions if decision.action is Action.BLOCKED}
    blocked_artifact = any(
        decision.follows for decision in first.decisions if decision.action is Action.BLOCKED
    )
    again = {decision.image.digest for decision in second.decisions if decision.rule_priority is not None}
    # An artifact whose subject went without it has become an image like others: it counts, and may crowd one out.
    assert blocked_artifact or again <= blocked


@given(randoms)
def test_what_an_index_lists_outlives_it(random: Random) -> None:
    """After a plan no index is left without a child that it had before."""
    made = world(random)
    left = after(made.plan())
    before, there = {image.digest for image in made.read()}, {image.digest for image in left}
    assert all(set(index.references) & before <= there for index in left)


@given(randoms)
def test_no_artifact_outlives_its_subject_unless_an_index_holds_it(random: Random) -> None:
    """After a plan an artifact has lost its subject only if it had before, or was blocked itself."""
    made = world(random)
    result = made.plan()
    there = {image.digest for image in after(result)}
    for decision in result.decisions:
        image = decision.image
        if decision.follows is not None and image.digest in there:
            assert decision.follows in there or decision.action is Action.BLOCKED


@given(randoms)
def test_the_oldest_go_first(random: Random) -> None:
    """Rules act in the order of age; equal ages by digest."""
    by_rule = [decision.image for decision in world(random).plan().acted_on if decision.rule_priority]
    assert by_rule == sorted(by_rule, key=lambda image: (image.entered_at, image.digest))


def test_no_images() -> None:
    """A policy for an empty repository has an empty plan."""
    assert plan([rule(count=1)], []).decisions == []


def test_equal_ages_are_ranked_by_digest() -> None:
    """Of images pushed at the same instant the one with the greater digest is the younger."""
    result = plan([rule(count=1)], [image("b", 1), image("c", 1), image("a", 1)])
    assert [decision.rank for decision in result.decisions] == [2, 1, 3]


def test_ages_are_exact() -> None:
    """An image is older than a day from the first microsecond after it, on any day of the calendar."""
    day_old = image("a", 1)
    on_the_dot = evaluate(LifecyclePolicy((rule(pushed=1),)), [day_old], NOW)
    a_moment_later = evaluate(LifecyclePolicy((rule(pushed=1),)), [day_old], NOW + 1)
    assert [on_the_dot.decisions[0].action, a_moment_later.decisions[0].action] == ["KEEP", "EXPIRE"]
    assert to_datetime(NOW).hour == 0


def test_decisions_keep_what_they_were_made_from() -> None:
    """A decision knows its rule, the rank and count there, and the rule it was shielded from."""
    keep, sweep = rule(1, status="tagged", tagPatternList=["v*"], count=2), rule(2, pushed=7)
    first, second, third, other = plan(
        [sweep, keep],
        [image("a", 10, "v1"), image("b", 9, "v2"), image("c", 1, "v3"), image("d", 1)],
    ).decisions
    assert (first.action, first.rule_priority, first.rank, first.identified) == (Action.EXPIRE, 1, 3, 3)
    assert (second.action, second.rule_priority, second.rule, second.shielded_from) == (
        Action.KEEP,
        None,
        keep,
        sweep,
    )
    assert (third.rule, third.rank, third.shielded_from) == (keep, 1, None)
    assert (other.rule, other.rank, other.identified) == (sweep, 1, 4)


def test_an_image_nobody_knows_the_archive_time_of_stays() -> None:
    """Without a time of archival an age cannot be told: no rule identifies the image."""
    archived = image("a", 1000, status="ARCHIVED")
    (decision,) = plan([rule(archived=90)], [archived]).decisions
    assert (decision.action, decision.rule) == (Action.KEEP, None)


def test_an_image_between_the_classes_stays() -> None:
    """An image on its way out of the archive is identified by no rule, of neither class."""
    returning = image("a", 1000, archived=500, status="ACTIVATING")
    result = plan([rule(1, pushed=1), rule(2, archived=90)], [returning])
    assert [decision.rule for decision in result.decisions] == [None]
