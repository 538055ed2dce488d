"""Rules beyond ECR in a registry: which hold for a repository, and that runs and previews go by them."""

import json
from typing import Any

import pytest

from careen.clock import DAY
from careen.ecr import errors
from careen.lifecycle.policy import InvalidLifecyclePolicy
from careen.registry import gc, images, lifecycle, previews, repositories, rules
from careen.registry.lifecycle import Ran
from careen.registry.registry import Registry
from careen.registry.rules import Origin
from tests.images import image
from tests.registry.steps import Hands, digests, push

APP = "team/app"


def policy(number: int) -> str:
    """Keep so many images."""
    selection = {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": number}
    return json.dumps({"rules": [{"rulePriority": 1, "selection": selection, "action": {"type": "expire"}}]})


def extension(action: str = "expire", **selection: Any) -> str:
    """One rule beyond ECR."""
    rule = {"rulePriority": 1, "selection": {"tagStatus": "any"} | selection, "action": {"type": action}}
    return json.dumps({"rules": [rule]})


UNPULLED = extension(countType="sinceImagePulled", countUnit="days", countNumber=30)


def protection(**conditions: Any) -> str:
    """One protection rule."""
    return json.dumps({"rules": [{"name": "kept", **conditions}]})


def run(registry: Registry) -> Ran:
    """Evaluate and carry out."""
    ran = lifecycle.run(registry, registry.read(repositories.require, APP).id)
    assert ran is not None
    return ran


def pushed(registry: Registry, clock: Hands, *tags: str) -> dict[str, str]:
    """One image a day for each tag. Returns their digests."""
    found = {}
    for tag in tags:
        found[tag] = push(registry, APP, image(tag), tag).image.row.digest
        clock.forward()
    return found


@pytest.mark.parametrize(
    ("patterns", "chosen"),
    [
        ([], None),
        (["other/*"], None),
        (["*"], "*"),
        (["*", "team/*"], "team/*"),
        (["team/*", "*/app"], "team/*"),
        (["team/*", APP, "team/ap*"], APP),
    ],
)
def test_the_most_specific_default_holds(registry: Registry, patterns: list[str], chosen: str | None) -> None:
    """A repository without a policy has the default whose pattern says most; one that has its own keeps it."""
    registry.write_now(repositories.create, APP)
    for number, pattern in enumerate(patterns, start=1):
        registry.write_now(rules.put_default, pattern, policy(number))
    found = registry.read(rules.effective, APP)
    assert (found.origin, found.pattern) == (Origin.DEFAULT if chosen else Origin.NONE, chosen)
    assert found.is_empty is (chosen is None)
    if chosen:
        assert found.policy.rules[0].selection.count_number == patterns.index(chosen) + 1
    registry.write_now(lifecycle.put_policy, APP, policy(99))
    found = registry.read(rules.effective, APP)
    assert (found.origin, found.pattern) == (Origin.REPOSITORY, None)
    assert found.policy.rules[0].selection.count_number == 99


def test_a_default_policy_runs_and_ecr_does_not_see_it(registry: Registry, clock: Hands) -> None:
    """The round takes up repositories that only a default holds for; GetLifecyclePolicy goes on answering none."""
    found = pushed(registry, clock, "a", "b")
    assert lifecycle.enqueue_runs(registry) == 0
    registry.write_now(rules.put_default, "team/*", policy(1))
    assert lifecycle.enqueue_runs(registry) == 1
    assert run(registry).expired == 1
    assert digests(registry, APP) == {found["b"]}
    with pytest.raises(errors.LifecyclePolicyNotFound):
        registry.read(lifecycle.get_policy, APP)


def test_an_extension_runs_beside_the_policy(registry: Registry, clock: Hands) -> None:
    """What was not pulled for so long goes; a pull keeps it; without a policy, too."""
    found = pushed(registry, clock, "a", "b")
    pulled = registry.read(images.find, registry.read(repositories.require, APP), tag="a")
    assert pulled is not None
    clock.forward(29 * DAY)
    registry.write_now(images.record_pulls, [(pulled.id, clock.now, 1)])
    registry.write_now(rules.put_extension, APP, UNPULLED)
    clock.forward(2 * DAY)
    assert run(registry).expired == 1
    assert digests(registry, APP) == {found["a"]}


def test_untag_takes_only_the_tag(registry: Registry, clock: Hands) -> None:
    """By the time since the tag was put on: the image and its other tags stay."""
    push(registry, APP, image("a"), "v1")
    clock.forward(10 * DAY)
    push(registry, APP, image("a"), "rc-1")
    push(registry, APP, image("b"), "rc-2")
    clock.forward(8 * DAY)
    push(registry, APP, image("b"), "rc-3")
    text = extension(
        "untag",
        tagStatus="tagged",
        tagPatternList=["rc-*"],
        countType="sinceTagged",
        countUnit="days",
        countNumber=7,
    )
    registry.write_now(rules.put_extension, APP, text)
    ran = run(registry)
    assert (ran.untagged, ran.expired) == (2, 0)
    assert registry.read(images.tag_names, APP, "", 9) == ["rc-3", "v1"]
    [(_, actions)] = registry.read(lifecycle.history, APP, 1)
    assert {action.outcome for action in actions} == {lifecycle.UNTAGGED}
    assert run(registry).untagged == 0


KEPT = {
    "a tag": protection(anyTagPattern=["a"]),
    "the newest of what meets a regular expression": protection(anyTagRegex=["a|x"], newest=1),
    "a label of its configuration": protection(labels={"layers": "a"}),
}


@pytest.mark.parametrize("case", KEPT)
@pytest.mark.parametrize("registrys", [True, False], ids=["of the registry", "of the repository"])
def test_protection_holds_runs_and_previews_back(
    registry: Registry, clock: Hands, case: str, registrys: bool
) -> None:
    """What a document protects survives the run, and the preview does not list it."""
    found = pushed(registry, clock, "a", "b", "c")
    registry.write_now(lifecycle.put_policy, APP, policy(1))
    registry.write_now(rules.put_protection, None if registrys else APP, KEPT[case])
    plan = registry.read(lifecycle.simulate, APP)
    gone = {each.image.digest for each in plan.acted_on}
    registry.write_now(previews.start, APP, None)
    previews.compute(registry, registry.read(repositories.require, APP).id)
    results = registry.read(previews.results, registry.read(repositories.require, APP))
    assert {result.digest for result in results} == gone
    ran = run(registry)
    assert (ran.expired, ran.protected) == (1, 1)
    assert set(found.values()) - digests(registry, APP) == gone


def test_the_registrys_document_asks_for_names(registry: Registry, clock: Hands) -> None:
    """A rule of the registry holds where the name matches; a repository's own must not ask."""
    pushed(registry, clock, "a", "b")
    registry.write_now(lifecycle.put_policy, APP, policy(1))
    registry.write_now(rules.put_protection, None, protection(anyRepository=["other/*"], anyTagPattern=["*"]))
    assert registry.read(rules.effective, APP).beyond.protection == ()
    registry.write_now(rules.put_protection, None, protection(anyRepository=["team/*"], anyTagPattern=["*"]))
    assert run(registry).expired == 0
    with pytest.raises(errors.InvalidParameter, match="anyRepository"):
        registry.write_now(rules.put_protection, APP, protection(anyRepository=["x"], newest=1))


def test_who_protects_images_stops_a_run(registry: Registry, clock: Hands) -> None:
    """A document that is put between plan and deed holds at once."""
    pushed(registry, clock, "a", "b")
    registry.write_now(lifecycle.put_policy, APP, policy(1))
    to_do = registry.read(lifecycle.planned, registry.read(repositories.require, APP).id)
    assert to_do is not None
    registry.write_now(rules.put_protection, None, protection(anyTagPattern=["a"]))
    assert lifecycle.carry_out(registry, to_do).expired == 0
    assert len(digests(registry, APP)) == 2


def test_documents_come_and_go(registry: Registry) -> None:
    """Put answers what is kept, get the same, delete what was; where there is none both say so."""
    registry.write_now(repositories.create, APP)
    text = registry.write_now(rules.put_extension, APP, UNPULLED)
    assert registry.read(rules.get_extension, APP) == text == registry.write_now(rules.delete_extension, APP)
    for name in (None, APP):
        kept = registry.write_now(rules.put_protection, name, protection(newest=1))
        assert registry.read(rules.get_protection, name) == kept
        assert registry.write_now(rules.delete_protection, name) == kept
        with pytest.raises(errors.ProtectionRulesNotFound):
            registry.read(rules.get_protection, name)
    with pytest.raises(errors.ExtensionRulesNotFound):
        registry.read(rules.get_extension, APP)
    kept = registry.write_now(rules.put_default, "*", policy(1))
    assert [tuple(each) for each in registry.read(rules.defaults)] == [("*", kept)]
    assert registry.write_now(rules.delete_default, "*") == kept
    with pytest.raises(errors.DefaultLifecyclePolicyNotFound):
        registry.write_now(rules.delete_default, "*")


def test_what_is_no_document_is_refused(registry: Registry) -> None:
    """Nothing is stored that could not be read again."""
    registry.write_now(repositories.create, APP)
    with pytest.raises(errors.InvalidParameter, match="unknown field"):
        registry.write_now(rules.put_extension, APP, '{"rule":[]}')
    with pytest.raises(errors.InvalidParameter, match="no condition"):
        registry.write_now(rules.put_protection, None, protection())
    with pytest.raises(errors.InvalidParameter, match="1 to 256 characters"):
        registry.write_now(rules.put_default, "", policy(1))
    with pytest.raises(InvalidLifecyclePolicy):
        registry.write_now(rules.put_default, "*", "{}")
    with pytest.raises(errors.LifecyclePolicyNotFound):
        registry.read(lifecycle.simulate, APP)


def test_the_collector_frees_what_an_extension_took(registry: Registry, clock: Hands) -> None:
    """Bytes go the same way whichever document took the image."""
    pushed(registry, clock, "a")
    clock.forward(40 * DAY)
    registry.write_now(rules.put_extension, APP, UNPULLED)
    assert run(registry).expired == 1
    assert gc.collect(registry, grace=0).freed > 0


def test_a_default_knows_its_repositories(registry: Registry) -> None:
    """Those without a policy that fit no more specific pattern: the same that go by it, page after page, as many as are counted."""
    names = [f"team-{letter}/app{number}" for letter in "ab" for number in range(5)]
    for name in names:
        registry.write_now(repositories.create, name)
    registry.write_now(lifecycle.put_policy, names[0], policy(9))
    for pattern in ("*", "team-a/*", "team-*/app1", "elsewhere/*"):
        registry.write_now(rules.put_default, pattern, policy(3))
    expected: dict[str, list[str]] = {}
    for name in names[1:]:
        expected.setdefault(str(registry.read(rules.effective, name).pattern), []).append(name)

    counts = registry.read(rules.default_counts)
    assert counts == {"elsewhere/*": 0} | {pattern: len(each) for pattern, each in expected.items()}
    for pattern, each in expected.items():
        first = registry.read(rules.repositories_of_default, pattern, "", 2)
        rest = registry.read(rules.repositories_of_default, pattern, first[-1], 100)
        assert first + rest == each
    assert registry.read(rules.repositories_of_default, "elsewhere/*", "", 100) == []
