"""Rules beyond ECR: what they may say, what they do, and that the policy beside them stays Amazon's."""

import json
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from careen.clock import DAY, parse_instant
from careen.lifecycle.beyond import Beyond
from careen.lifecycle.evaluate import evaluate
from careen.lifecycle.explain import explain
from careen.lifecycle.extension import InvalidExtensionRules, canonical, parse
from careen.lifecycle.narrate import narrate
from careen.lifecycle.plan import Action, Plan
from careen.lifecycle.policy import InvalidLifecyclePolicy, LifecyclePolicy
from careen.lifecycle.policy import parse as parse_policy
from careen.lifecycle.reason import reason
from careen.lifecycle.rule import Rule
from tests.lifecycle.build import NOW, ago, image, rule
from tests.lifecycle.worlds import plain, policy, world

NO_POLICY = LifecyclePolicy(())
EXPIRE, UNTAG = {"type": "expire"}, {"type": "untag"}


def document(*rules: dict[str, Any]) -> Beyond:
    """An extension document of selections with an action."""
    numbered = [{"rulePriority": number} | each for number, each in enumerate(rules, start=1)]
    return Beyond(parse(json.dumps({"rules": numbered})))


def selecting(status: str = "any", action: dict[str, str] = EXPIRE, **selection: Any) -> dict[str, Any]:
    """A rule; ``count``, or an age in ``days`` of the countType ``since``."""
    days, since = selection.pop("days", None), selection.pop("since", "sinceImagePulled")
    if days is None:
        count = {"countType": "imageCountMoreThan", "countNumber": selection.pop("count")}
    else:
        count = {"countType": since, "countUnit": "days", "countNumber": days}
    return {"selection": {"tagStatus": status} | count | selection, "action": action}


UNPULLED = document(selecting(days=30))


def said(plan: Plan) -> dict[str, str]:
    """The reason for each image."""
    return {each.image.digest: reason(each, plan.now) for each in plan.decisions}


def test_by_the_last_pull() -> None:
    """An image goes when it was not pulled for so long; one that never was counts from its push."""
    images = [image("a", 90, pulled=31), image("b", 90, pulled=29), image("c", 31), image("d", 29)]
    assert said(evaluate(NO_POLICY, images, NOW, UNPULLED)) == {
        "a": "expires: extension rule 1 (any), last pulled 31.0 days ago, limit 30 days",
        "b": "kept: extension rule 1 (any), last pulled 29.0 days ago, limit 30 days",
        "c": "expires: extension rule 1 (any), not pulled since it was pushed 31.0 days ago, limit 30 days",
        "d": "kept: extension rule 1 (any), not pulled since it was pushed 29.0 days ago, limit 30 days",
    }


def test_by_regular_expressions() -> None:
    """All entries of the list must be met, each by a whole tag."""
    rules = document(selecting("tagged", count=1, tagRegexList=[r"pr-\d+", "[0-9a-f]{7}"]))
    images = [
        image("a", 1, "pr-1", "abcdef0"),
        image("b", 2, "pr-2", "abcdef1"),
        image("c", 3, "pr-3"),
        image("d", 4, "pr-4x", "abcdef2"),
    ]
    assert said(evaluate(NO_POLICY, images, NOW, rules)) == {
        "a": r"kept: extension rule 1 (tagged, regex pr-\d+ and [0-9a-f]{7}), youngest of 2, keeps 1",
        "b": r"expires: extension rule 1 (tagged, regex pr-\d+ and [0-9a-f]{7}), 2nd youngest of 2, keeps 1",
        "c": "kept: no rule identifies it",
        "d": "kept: no rule identifies it",
    }


def test_untag() -> None:
    """The tags that meet the list come off, the others stay, and so does the image."""
    rules = document(selecting("tagged", UNTAG, count=1, tagPatternList=["tmp-*"]))
    plan = evaluate(NO_POLICY, [image("a", 1, "tmp-2"), image("b", 2, "tmp-1", "v1", "tmp-x")], NOW, rules)
    assert [(each.image.digest, each.action, each.untagged) for each in plan.acted_on] == [
        ("b", Action.UNTAG, ("tmp-1", "tmp-x"))
    ]
    assert said(plan)["b"].startswith("loses tmp-1 and tmp-x: extension rule 1 (tagged tmp-*), 2nd youngest")


def test_untag_by_the_age_of_the_tag() -> None:
    """A tag's age counts from when it was put on; where nobody knows that, from the push."""
    rules = document(selecting("tagged", UNTAG, days=7, since="sinceTagged", tagPatternList=["rc-*"]))
    known = msgspec.structs.replace(image("a", 90, "rc-1", "rc-2", "v1"), tagged_at=(ago(8), ago(6), ago(80)))
    plan = evaluate(NO_POLICY, [known, image("b", 8, "rc-3"), image("c", 6, "rc-4")], NOW, rules)
    assert {each.image.digest: each.untagged for each in plan.acted_on} == {"a": ("rc-1",), "b": ("rc-3",)}
    assert said(plan)["a"] == "loses rc-1: extension rule 1 (tagged rc-*), limit 7 days since it was tagged"
    [explanation] = explain(plan, ["c"])
    assert explanation.eligible_at == ago(6) + 7 * DAY + 1


def test_untagged_images_keep_their_children_and_artifacts() -> None:
    """Taking a tag off an index blocks nothing and takes nothing along."""
    rules = document(selecting("tagged", UNTAG, days=7, since="sinceTagged", tagPatternList=["*"]))
    images = [image("index", 9, "x", lists="a"), image("a", 9, "y"), image("s", 9, subject="a")]
    plan = evaluate(NO_POLICY, images, NOW, rules)
    assert {each.image.digest for each in plan.acted_on} == {"index", "a"}


def test_documents_do_not_mix() -> None:
    """Neither document's keep-rules hold for the other; where both act, the policy does."""
    keeps_all = LifecyclePolicy(
        (rule(1, status="tagged", count=99, tagPatternList=("v*",)), rule(2, pushed=60))
    )
    images = [image("v", 50, "v1"), image("both", 90), image("new", 1)]
    plan = evaluate(keeps_all, images, NOW, UNPULLED)
    assert [(each.image.digest, each.rule_priority) for each in plan.acted_on] == [("both", 2), ("v", 1)]
    assert said(plan)["v"].startswith(
        "expires: extension rule 1 (any), not pulled since it was pushed 50.0 days"
    )
    assert said(plan)["new"] == "kept: rule 2 (any), pushed 1.0 days ago, limit 60 days"


def test_explained() -> None:
    """An explanation has the findings of both documents, and the earlier of their instants."""
    plan = evaluate(LifecyclePolicy((rule(count=2),)), [image("a", 10)], NOW, UNPULLED)
    identified = "rule 1 (any) identifies it: not pulled since it was pushed 10.0 days ago, limit 30 days. It decides: not due"
    outlook = (
        "eligible after 2026-12-12T00:00:00Z, in 20.0 days, if nothing is pushed, pulled, tagged or deleted,"
        " or after 2 more images that rule 1 (any) identifies, pushed or restored later than it"
    )
    assert narrate(explain(plan, ["a"])[0]) == [
        "kept: rule 1 (any), youngest of 1, keeps 2",
        outlook,
        "rule 1 (any) identifies it: youngest of 1, keeps 2. It decides: not due",
        f"extension {identified}",
    ]


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        (selecting("tagged", days=30), "rule 1: with tagStatus tagged, give one of"),
        (selecting("tagged", count=1, tagPatternList=["a"], tagRegexList=["a"]), "give one of"),
        (selecting("any", count=1, tagRegexList=["a"]), "remove the list"),
        (selecting("tagged", count=1, tagRegexList=["a("]), "RE2 knows no such regular expression"),
        (selecting("tagged", count=1, tagPatternList=["*a*b*c*d*"]), "at most 4 times"),
        (selecting("untagged", UNTAG, count=1), "untag goes with tagStatus tagged"),
        (selecting(days=1, since="sinceTagged"), "sinceTagged goes with action untag"),
        (
            selecting(days=90, since="sinceImageTransitioned"),
            "storageClass archive and sinceImageTransitioned",
        ),
        (selecting(count=1, action={"type": "transition"}), "targetStorageClass must be"),
        (selecting(count=0), "must be 1 or more"),
        (selecting(count=1, countUnit="days"), "remove countUnit"),
        (selecting(count=1, tagStaus="any"), "unknown field `tagStaus`"),
        (selecting(count=1, action={"type": "delete"}), "Invalid enum value 'delete'"),
    ],
)
def test_what_is_no_document(sent: dict[str, Any], message: str) -> None:
    """A document that means nothing is refused, with the place and the reason."""
    with pytest.raises(InvalidExtensionRules, match=message.replace("(", r"\(")):
        document(sent)


def test_priorities_are_unique() -> None:
    """Two rules of one priority have no order."""
    with pytest.raises(InvalidExtensionRules, match="more than one rule has 7"):
        document(*(selecting(count=1) | {"rulePriority": 7} for _ in range(2)))


@pytest.mark.parametrize("text", ["", "[]", '{"rules": 1}', "\ud800", "[" * 100_000, " " * 30_721])
def test_what_is_no_json(text: str) -> None:
    """Anything else is refused, too."""
    with pytest.raises(InvalidExtensionRules):
        parse(text)


def test_the_canonical_text_is_the_document() -> None:
    """What is stored reads back as what was put, rules by priority."""
    text = canonical(
        document(selecting("tagged", UNTAG, days=7, since="sinceTagged", tagRegexList=["x"])).extension
    )
    assert canonical(parse(text)) == text
    assert json.loads(text)["rules"][0]["selection"]["tagRegexList"] == ["x"]


@pytest.mark.parametrize(
    "beyond",
    [
        selecting(days=30),
        selecting("tagged", count=1, tagRegexList=["x"]),
        selecting("tagged", UNTAG, count=1, tagPatternList=["x"]),
        selecting("tagged", UNTAG, days=1, since="sinceTagged", tagPatternList=["x"]),
    ],
)
def test_the_policy_stays_amazons(beyond: dict[str, Any]) -> None:
    """What an extension document may say, a lifecycle policy may not."""
    document(beyond)
    with pytest.raises(InvalidLifecyclePolicy):
        parse_policy(json.dumps({"rules": [{"rulePriority": 1} | beyond]}).ljust(100))


def as_extension(rules: tuple[Rule, ...]) -> Beyond:
    """A policy's rules as an extension document, where its action allows it."""
    return Beyond(parse(json.dumps({"rules": msgspec.to_builtins(rules)})))


@given(st.randoms(use_true_random=False))
def test_the_same_rules_do_the_same_in_either_document(random: Random) -> None:
    """An extension document that says what ECR can say acts as ECR does."""
    made = world(random)
    images, now = made.read(), parse_instant(made.now)
    as_policy = evaluate(made.parsed(), images, now)
    beside = evaluate(NO_POLICY, images, now, as_extension(made.parsed().rules))
    assert [(each.image.digest, each.action) for each in beside.decisions] == [
        (each.image.digest, each.action) for each in as_policy.decisions
    ]


@given(st.randoms(use_true_random=False))
def test_together_they_take_what_either_takes(random: Random) -> None:
    """Without ties between images, what goes is what the one or the other document takes."""
    made = world(random)._replace(images=plain(random, 12))
    other = made._replace(policy=policy(random))
    images, now = made.read(), parse_instant(made.now)
    beyond = as_extension(other.parsed().rules)
    first = {each.image.digest for each in evaluate(made.parsed(), images, now).acted_on}
    second = {each.image.digest for each in evaluate(NO_POLICY, images, now, beyond).acted_on}
    both = evaluate(made.parsed(), images, now, beyond)
    assert {each.image.digest for each in both.acted_on} == first | second
    for each in both.acted_on:
        assert each.rule in (made.parsed().rules if each.image.digest in first else beyond.extension.rules)
