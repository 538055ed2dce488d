"""Forecasts: a policy carried out on paper, day after day."""

from random import Random

import pytest

from careen.clock import DAY
from careen.lifecycle import extension, protection
from careen.lifecycle.arrivals import arrivals
from careen.lifecycle.beyond import NOTHING, Beyond
from careen.lifecycle.blast import lost_families
from careen.lifecycle.evaluate import evaluate
from careen.lifecycle.forecast import Forecast, forecast
from careen.lifecycle.image import Image
from careen.lifecycle.policy import LifecyclePolicy
from careen.lifecycle.projection import Arrival, Projection
from careen.lifecycle.rule import Rule
from tests.lifecycle.build import ARCHIVE, NOW, image, rule
from tests.lifecycle.worlds import world


def ahead(rules: list[Rule], images: list[Image], days: int = 30, **options: object) -> Forecast:
    """The rules' forecast."""
    return forecast(LifecyclePolicy(tuple(rules)), images, NOW, days=days, **options)  # type: ignore[arg-type]


def gone(found: Forecast) -> dict[int, list[str]]:
    """What is acted on by day, on days that act."""
    return {day.day: [each.image.digest for each in day.acted_on] for day in found.days if day.acted_on}


def beside(extension_rule: str, protection_rule: str) -> Beyond:
    """One extension rule, a selection with an action, and one protection rule."""
    return Beyond(
        extension.parse(f'{{"rules":[{{"rulePriority":1,{extension_rule}}}]}}'),
        protection.parse(f'{{"rules":[{{"name":"it",{protection_rule}}}]}}').rules,
    )


BEYOND = beside(
    '"selection":{"tagStatus":"any","countType":"sinceImagePulled","countUnit":"days","countNumber":20},'
    '"action":{"type":"expire"}',
    '"anyTagPattern":["v*","latest"],"pulledWithinDays":35',
)

AGES = [image("a", 20, "v1", size=1), image("b", 10, "v2", size=10), image("c", 9.5, size=100)]

DAYS = {
    "nothing is due": ([rule(pushed=160)], {}),
    "by age, on the day after the limit": ([rule(pushed=14)], {0: ["a"], 5: ["b", "c"]}),
    "exactly as old is not older": ([rule(status="tagged", tagPatternList=["v2"], pushed=12)], {3: ["b"]}),
    "a count without pushes acts once": ([rule(count=2)], {0: ["a"]}),
    "to the archive, and from there": (
        [rule(1, pushed=15, action=ARCHIVE), rule(2, archived=90)],
        {0: ["a"], 6: ["b", "c"], 91: ["a"], 97: ["b", "c"]},
    ),
}


@pytest.mark.parametrize(("rules", "expected"), DAYS.values(), ids=DAYS)
def test_days(rules: list[Rule], expected: dict[int, list[str]]) -> None:
    """Every image goes on the first day on which an evaluation takes it, and is not there on the next."""
    found = ahead(rules, AGES, days=100)
    assert gone(found) == expected
    assert [day.at for day in found.days] == [NOW + number * DAY for number in range(101)]


def test_accounts() -> None:
    """Each day says what goes and what is left, in images and bytes; the sums are the forecast's."""
    found = ahead([rule(pushed=14)], AGES, days=6)
    assert [(day.expired, day.freed, day.stored) for day in found.days if day.day in (0, 4, 5)] == [
        (1, 1, (2, 110)),
        (0, 0, (2, 110)),
        (2, 110, (0, 0)),
    ]
    assert (found.expired, found.freed, found.exact) == (3, 111, False)


def test_archive_home_bytes_are_not_freed() -> None:
    """The archive is storage that costs."""
    found = ahead([rule(pushed=14, action=ARCHIVE)], AGES, days=0)
    assert (found.days[0].archived, found.days[0].expired, found.freed) == (1, 0, 0)


def test_shared_layers_are_freed_with_the_last_that_needs_them() -> None:
    """Where layers are known, bytes are exact."""
    blobs = {"a": {"base": 100, "x": 1}, "b": {"base": 100, "y": 10}, "c": {"z": 1000}}
    found = ahead([rule(pushed=14)], AGES[:2], days=6, blobs=blobs)
    assert [day.freed for day in found.days] == [1, 0, 0, 0, 0, 110, 0]
    assert found.exact


def test_an_index_needs_what_its_children_need() -> None:
    """Without layers an index adds nothing to the sizes of its children."""
    images = [image("i", 20, "v1", lists="x", size=7), image("x", 20, size=7)]
    assert ahead([], images).days[0].stored == (2, 7)


def test_what_an_index_held_goes_on_the_day_after() -> None:
    """A day has one evaluation: whose index went in it is free for the next."""
    images = [image("child", 30, size=1), image("index", 20, "v1", lists="child")]
    assert gone(ahead([rule(pushed=14)], images)) == {0: ["index"], 1: ["child"]}


def test_the_first_day_without_a_family() -> None:
    """A family is lost on the day when its last image goes; the youngest of that day stands for it."""
    images = [image("a", 20, "pr-1"), image("b", 10, "pr-2"), image("c", 10, "pr-3"), image("d", 1, "prod")]
    [loss] = ahead([rule(pushed=14)], images, days=10).losses
    assert (loss.family, loss.day, loss.at, loss.decision.image.digest) == ("pr-*", 5, NOW + 5 * DAY, "c")


@pytest.mark.parametrize(
    ("pulled", "in_use", "expected"),
    [(3, (), [(5, "EXPIRE")]), (40, (), []), (None, (), []), (None, ("cluster/eu",), [(5, "PROTECTED")])],
    ids=["pulled lately", "pulled long ago", "never pulled", "in use"],
)
def test_what_is_used_now(
    pulled: float | None, in_use: tuple[str, ...], expected: list[tuple[int, str]]
) -> None:
    """The first day on which an image that somebody uses would go is told, also if only its pin holds it."""
    used = image("a", 10, "v1", pulled=pulled)
    used = Image(**{name: getattr(used, name) for name in used.__struct_fields__} | {"in_use_by": in_use})
    found = ahead([rule(pushed=14)], [used, image("b", 3, "v2")])
    assert [(risk.day, risk.decision.action) for risk in found.risks] == expected


def test_arrivals_take_places_and_tags() -> None:
    """What is pushed counts at once, and a tag is on one image."""
    new = Arrival(image("new", -2.5, "latest"), {})
    images = [image("old", 20, "latest"), image("v", 30, "v1")]
    found = ahead([rule(count=2)], images, days=4, arrivals=[new])
    assert [day.arrived for day in found.days] == [0, 0, 0, 1, 0]
    assert gone(found) == {3: ["v"]}
    [loss] = found.losses
    assert loss.family == "v*"


def every_day(
    policy: LifecyclePolicy, images: list[Image], beyond: Beyond, days: int, coming: list[Arrival]
) -> list[tuple[list[str], int]]:
    """The same without any short cut: an evaluation on every day."""
    repository, made = Projection(images), []
    for number in range(days + 1):
        at = NOW + number * DAY
        repository.receive([each for each in coming if at - DAY < each.image.pushed_at <= at])
        plan = evaluate(policy, repository.images, at, beyond)
        made.append(([each.image.digest for each in plan.acted_on], repository.carry_out(plan)))
    return made


@pytest.mark.parametrize("replay", [False, True])
@pytest.mark.parametrize("beyond", [NOTHING, BEYOND], ids=["alone", "beyond ECR"])
def test_quiet_days_are_skipped_without_loss(beyond: Beyond, replay: bool) -> None:
    """A forecast that looks only when something may be due says what one that looks every day says."""
    random = Random(20261123)  # noqa: S311 - chance that can be repeated, no secret
    acted = 0
    for _ in range(150):
        made = world(random)
        images = [each for each in made.read() if each.pushed_at <= NOW]
        coming = [each for each in arrivals(images, NOW, 40) if each.image.pushed_at > NOW] if replay else []
        found = forecast(made.parsed(), images, NOW, beyond, days=40, arrivals=coming)
        expected = every_day(made.parsed(), images, beyond, 40, coming)
        assert [([each.image.digest for each in day.acted_on], day.freed) for day in found.days] == expected
        acted += sum(bool(day.acted_on) for day in found.days[1:])
    assert acted > 25


def test_the_input_is_left_alone() -> None:
    """A forecast is a question: what was handed in is what it was, and the first day is today's plan."""
    made = world(Random(7))  # noqa: S311 - chance that can be repeated, no secret
    images = made.read()
    before = list(images)
    found = forecast(made.parsed(), images, NOW, days=5)
    assert images == before
    plan = evaluate(made.parsed(), images, NOW)
    assert list(found.days[0].acted_on) == list(plan.acted_on)
    assert {loss.family for loss in found.losses if loss.day == 0} == set(lost_families(plan))


# The incidents: what a forecast would have said on the evening before (sources in the test's sentences).


def test_pull_requests_push_production_out() -> None:
    """chanzuckerberg/single-cell-data-portal#5885: PR builds filled "keep 100", and the image of production went."""
    builds = [image(f"pr{number}", number / 10 + 0.05, f"pr-{900 - number}") for number in range(79)]
    releases = [
        image("prod", 9, "prod"),
        *(image(f"v{age}", age, f"v1.{90 - age}") for age in (2, 12, 22)),
    ]
    keep = [rule(count=100)]
    quiet = ahead(keep, [*builds, *releases])
    assert (gone(quiet), quiet.losses) == ({}, [])
    coming = arrivals([*builds, *releases], NOW, 30)
    found = ahead(keep, [*builds, *releases], arrivals=coming)
    assert [(loss.family, loss.day) for loss in found.losses][:1] == [("prod", 2)]


def test_a_pinned_digest_ages_out() -> None:
    """PostHog/posthog#83040: pods ran a digest that became older than 14 days, and new nodes could not pull it."""
    running = image("running", 12.5, pulled=0.5)
    found = ahead([rule(status="untagged", pushed=14)], [running, image("next", 1)])
    [risk] = found.risks
    assert (risk.day, risk.decision.image.digest, risk.decision.action) == (2, "running", "EXPIRE")


def test_a_keep_rule_that_matches_nothing_any_more() -> None:
    """METR/hawk#916: after a change of tags the rule that protected identified nothing, and what it was for went by age."""
    keep = rule(1, status="tagged", tagPatternList=["release-*"], count=9999)
    by_age = rule(2, pushed=30)
    before = [image("a", 29, "release-1"), image("b", 3, "release-2")]
    after = [image("a", 29, "rel-1", pulled=1), image("b", 3, "rel-2", pulled=1)]
    assert ahead([keep, by_age], before).losses == []
    found = ahead([keep, by_age], after)
    assert [(loss.family, loss.day) for loss in found.losses] == [("rel-*", 28)]
    assert [risk.day for risk in found.risks] == [2, 28]


def test_extension_and_protection_are_looked_at_every_day() -> None:
    """What stands beside a policy is part of every evaluation."""
    beyond = beside(
        '"selection":{"tagStatus":"any","countType":"sinceImagePulled","countUnit":"days","countNumber":14},'
        '"action":{"type":"expire"}',
        '"pushedWithinDays":20',
    )
    found = forecast(LifecyclePolicy(()), [image("a", 10, "v1", pulled=9)], NOW, beyond)
    assert gone(found) == {11: ["a"]}
    [risk] = found.risks
    assert (risk.day, risk.decision.action) == (6, "PROTECTED")
