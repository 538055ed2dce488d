"""Why an image stays or goes, by every rule, and from when that changes."""

import json
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from careen.cli.policy.app import app
from careen.cli.policy.tables import LISTED
from careen.clock import DAY, parse_instant
from careen.lifecycle.evaluate import evaluate
from careen.lifecycle.explain import Explanation, Miss, explain
from careen.lifecycle.image import Image
from careen.lifecycle.narrate import narrate
from careen.lifecycle.plan import ACTED_ON, Action, Decision
from careen.lifecycle.rule import CountType, Rule
from tests.lifecycle.build import ARCHIVE, NOW, image, plan, rule
from tests.lifecycle.test_policy_command import IMAGES, POLICY
from tests.lifecycle.worlds import World, world

V = rule(1, status="tagged", tagPatternList=["v*"], count=2)
BOTH = rule(1, status="tagged", tagPrefixList=["dev", "tested"], pushed=7)
FORTNIGHT = rule(2, pushed=14)
UNUSED = rule(2, pulled=30, action=ARCHIVE)
UNTAGGED = rule(1, status="untagged", pushed=1)

NARRATIVES: dict[str, tuple[list[Rule], list[Image], list[str]]] = {
    "kept by a count, shielded from an age": (
        [V, FORTNIGHT],
        [image("a", 30, "v1", "x")],
        [
            "kept: rule 1 (tagged v*), youngest of 1, keeps 2; so rule 2 (any) may not expire it",
            "eligible after 2 more images that rule 1 (tagged v*) identifies, pushed or restored later than it",
            "rule 1 (tagged v*) identifies it, v1 meets v*: youngest of 1, keeps 2. It decides: not due",
            (
                "rule 2 (any) identifies it: pushed 30.0 days ago, limit 14 days."
                " It would expire it, but rule 1 (tagged v*) decides"
            ),
        ],
    ),
    "beyond a count": (
        [V],
        [image("a", 3, "v1"), image("b", 2, "v2"), image("c", 1, "v3")],
        [
            "expires: rule 1 (tagged v*), 3rd youngest of 3, keeps 2",
            "eligible now",
            "rule 1 (tagged v*) identifies it, v1 meets v*: 3rd youngest of 3, keeps 2. It decides: due",
        ],
    ),
    "kept by an age, and one entry of a list unmet": (
        [BOTH, FORTNIGHT],
        [image("a", 10, "dev-1")],
        [
            "kept: rule 2 (any), pushed 10.0 days ago, limit 14 days",
            "eligible after 2026-11-26T00:00:00Z, in 4.0 days, if nothing is pushed, pulled, tagged or deleted",
            "rule 1 (tagged, prefix dev and tested) does not identify it: no tag meets tested",
            "rule 2 (any) identifies it: pushed 10.0 days ago, limit 14 days. It decides: not due",
        ],
    ),
    "shielded, not due either": (
        [BOTH, FORTNIGHT],
        [image("a", 1, "dev-1", "dev-2", "tested")],
        [
            "kept: rule 1 (tagged, prefix dev and tested), pushed 1.0 days ago, limit 7 days",
            "eligible after 2026-11-28T00:00:00Z, in 6.0 days, if nothing is pushed, pulled, tagged or deleted",
            (
                "rule 1 (tagged, prefix dev and tested) identifies it, dev-1 and dev-2 meet dev and tested meets tested:"
                " pushed 1.0 days ago, limit 7 days. It decides: not due"
            ),
            (
                "rule 2 (any) identifies it: pushed 1.0 days ago, limit 14 days."
                " Not due, and rule 1 (tagged, prefix dev and tested) decides"
            ),
        ],
    ),
    "blocked": (
        [UNTAGGED],
        [image("a", 9), image("i", 9, "v1", lists="a"), image("j", 9, "v2", lists="a")],
        [
            "blocked: rule 1 (untagged) would expire it, but index i still lists it",
            "eligible since 2026-11-14T00:00:00Z; held back as long as indexes i and j list it",
            "rule 1 (untagged) identifies it: pushed 9.0 days ago, limit 1 day. It decides: due",
        ],
    ),
    "listed by an index that goes first": (
        [rule(1, pushed=1)],
        [image("a", 9), image("i", 10, lists="a")],
        [
            "expires: rule 1 (any), pushed 9.0 days ago, limit 1 day",
            "eligible since 2026-11-14T00:00:00Z",
            "rule 1 (any) identifies it: pushed 9.0 days ago, limit 1 day. It decides: due",
        ],
    ),
    "tagged, where untagged are asked for": (
        [UNTAGGED],
        [image("a", 9, "p", "q", "r", "s", "t")],
        [
            "kept: no rule identifies it",
            "not eligible as things are: no rule identifies it",
            "rule 1 (untagged) does not identify it: it is tagged p, q, r and 2 more",
        ],
    ),
    "untagged, where tags are asked for": (
        [V],
        [image("a", 9)],
        [
            "kept: no rule identifies it",
            "not eligible as things are: no rule identifies it",
            "rule 1 (tagged v*) does not identify it: it has no tag",
        ],
    ),
    "archived": (
        [FORTNIGHT, rule(3, archived=90)],
        [image("a", 300, archived=80)],
        [
            "kept: rule 3 (any, archived), archived 80.0 days ago, limit 90 days",
            "eligible after 2026-12-02T00:00:00Z, in 10.0 days, if nothing is pushed, pulled, tagged or deleted",
            "rule 2 (any) does not identify it: it is archived",
            "rule 3 (any, archived) identifies it: archived 80.0 days ago, limit 90 days. It decides: not due",
        ],
    ),
    "on its way out of the archive": (
        [FORTNIGHT],
        [image("a", 300, archived=80, status="ACTIVATING")],
        [
            "kept: it is on its way out of the archive, no rule identifies it until it is active",
            (
                "not eligible as things are: it is on its way out of the archive,"
                " no rule identifies it until it is active"
            ),
            "rule 2 (any) does not identify it: it is on its way out of the archive",
        ],
    ),
    "an artifact": (
        [FORTNIGHT],
        [image("a", 40, subject="b"), image("b", 4)],
        [
            "kept: it stays with b, to which it refers",
            (
                "like b, which it follows:"
                " eligible after 2026-12-02T00:00:00Z, in 10.0 days, if nothing is pushed, pulled, tagged or deleted"
            ),
            "rule 2 (any) does not identify it: it shares the fate of b, to which it refers",
        ],
    ),
    "an archived artifact cannot follow into the archive": (
        [UNUSED],
        [image("a", 40, archived=3, subject="b"), image("b", 40)],
        [
            "kept: it stays with b, to which it refers",
            (
                "like b, which it follows: not eligible as things are:"
                " rule 2 (any) archives, and only what is active follows to the archive"
            ),
            "rule 2 (any) does not identify it: it shares the fate of b, to which it refers",
        ],
    ),
    "artifacts in a circle": (
        [FORTNIGHT],
        [image("a", 40, subject="a")],
        [
            "kept: it stays with a, to which it refers",
            "not eligible as things are: it stays with a, to which it refers",
            "rule 2 (any) does not identify it: it shares the fate of a, to which it refers",
        ],
    ),
    "a limit beyond the calendar": (
        [rule(1, pushed=10_000_000)],
        [image("a", 0)],
        [
            "kept: rule 1 (any), pushed 0.0 days ago, limit 10000000 days",
            (
                "eligible after the end of the calendar, in 10,000,000.0 days,"
                " if nothing is pushed, pulled, tagged or deleted"
            ),
            "rule 1 (any) identifies it: pushed 0.0 days ago, limit 10000000 days. It decides: not due",
        ],
    ),
}


@pytest.mark.parametrize(("rules", "images", "expected"), NARRATIVES.values(), ids=NARRATIVES)
def test_narrative(rules: list[Rule], images: list[Image], expected: list[str]) -> None:
    """The first image's explanation reads as expected."""
    [explanation] = explain(plan(rules, images), [images[0].digest])
    assert narrate(explanation) == expected


def test_an_unknown_image() -> None:
    """Of an image that the plan has not, nothing is said."""
    with pytest.raises(KeyError):
        explain(plan([V], [image("a", 1)]), ["b"])


ROUND = 250


def explained(seed: int) -> tuple[World, list[Explanation]]:
    """A random world, and an explanation of each of its images."""
    made = world(Random(seed))  # noqa: S311 - chance that can be repeated, no secret
    decided = made.plan()
    return made, explain(decided, [decision.image.digest for decision in decided.decisions])


def decision_at(made: World, digest: str, now: int) -> Decision:
    """What becomes of an image at another time."""
    decisions = evaluate(made.parsed(), made.read(), now).decisions
    return next(decision for decision in decisions if decision.image.digest == digest)


@pytest.mark.parametrize("first", range(0, 1000, ROUND))
def test_explanations_agree_with_the_plan(first: int) -> None:
    """The decision is the plan's; the first rule that identifies the image decides, and marks it if it is due."""
    for seed in range(first, first + ROUND):
        made, explanations = explained(seed)
        assert [explanation.decision for explanation in explanations] == made.plan().decisions
        for explanation in explanations:
            decision = explanation.decision
            identifying = [finding for finding in explanation.findings if finding.miss is None]
            for finding in explanation.findings:
                unmet = [match.entry for match in finding.matches if not match.tags]
                assert finding.miss is not Miss.UNMET or unmet
                assert finding.miss is not None or not unmet
            if decision.follows is not None or decision.rule is None:
                assert not identifying
                continue
            decider = identifying[0]
            assert (decider.rule, decider.shielded_by) == (decision.rule, None)
            assert (decider.alone.rank, decider.alone.identified) == (decision.rank, decision.identified)
            assert decider.due == (decision.action is not Action.KEEP)
            assert {finding.shielded_by for finding in identifying[1:]} <= {decision.rule}
            assert decision.shielded_from == next(
                (other.rule for other in identifying[1:] if other.due and not decider.due), None
            )


def test_eligible_at_is_the_first_instant() -> None:
    """Where an age decides, an image is marked at that instant and not a microsecond earlier; unheld, it goes."""
    kept, following = 0, 0
    for seed in range(400):
        made, explanations = explained(seed)
        for explanation in explanations:
            at, rule = explanation.eligible_at, explanation.root.rule
            if at is None or rule is None or rule.selection.count_type is CountType.IMAGE_COUNT_MORE_THAN:
                continue
            digest = explanation.decision.image.digest
            then = decision_at(made, digest, at).action
            assert decision_at(made, digest, at - 1).action is Action.KEEP
            assert then is not Action.KEEP or explanation.root is not explanation.decision
            assert then in ACTED_ON or explanation.held_by
            kept += explanation.decision.action is Action.KEEP
            following += explanation.root is not explanation.decision
    assert min(kept, following) >= 50, (kept, following)


def test_never_is_never() -> None:
    """An image without such an instant is kept however much time passes."""
    seen = 0
    for seed in range(200):
        made, explanations = explained(seed)
        for explanation in explanations:
            if explanation.eligible_at is None:
                digest = explanation.decision.image.digest
                later = parse_instant(made.now) + 10_000 * DAY
                assert decision_at(made, digest, later).action is Action.KEEP
                seen += 1
    assert seen >= 50


def test_newer_needed_is_the_exact_number() -> None:
    """That many newer images of its kind push an image beyond its count, and one fewer do not."""
    seen = 0
    for seed in range(200):
        made, explanations = explained(seed)
        for explanation in explanations:
            kept, needed = explanation.decision, explanation.newer_needed
            if needed is None or kept.follows is not None:
                continue
            newer = [
                msgspec.structs.replace(
                    kept.image,
                    digest=f"new:{n}",
                    pushed_at=NOW + DAY,
                    activated_at=None,
                    references=(),
                    subject=None,
                )
                for n in range(needed)
            ]
            for pushed, marked in (newer, True), (newer[1:], False):
                decisions = evaluate(made.parsed(), [*made.read(), *pushed], NOW).decisions
                then = next(decision for decision in decisions if decision.image.digest == kept.image.digest)
                assert (then.action is not Action.KEEP) is marked
            seen += 1
    assert seen >= 50


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """The arguments that name a file with a policy and one with images."""
    policy, images = tmp_path / "policy.json", tmp_path / "images.json"
    policy.write_text(json.dumps(POLICY))
    images.write_text(json.dumps(IMAGES))
    return ["explain", "--policy", str(policy), "--images", str(images), "--now", "2026-11-12T00:00:00Z"]


def run(arguments: list[str]) -> int | str | None:
    """Run `careen policy`. Returns the exit status."""
    with pytest.raises(SystemExit) as ended:
        app(arguments)
    return ended.value.code


@pytest.mark.parametrize("name", ["v1", "sha256:aaaa", "aaaa"])
def test_one_image(files: list[str], name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """An image is named by a tag or by the beginning of its digest, and every rule is told."""
    assert run([*files, "--image", name]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "sha256:aaaaaaaaaaaaaaaa  v1",
        "  expires: rule 1 (tagged v*), 2nd youngest of 2, keeps 1",
        "  eligible now",
        "  rule 1 (tagged v*) identifies it, v1 meets v*: 2nd youngest of 2, keeps 1. It decides: due",
        "  rule 2 (untagged) does not identify it: it is tagged v1",
    ]


def test_every_image_briefly(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Without a name all images are told, in two sentences each."""
    assert run(files) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[::3]] == [letter * 12 for letter in "abcde"]
    assert lines[6:9] == [
        "cccccccccccc  -",
        "  kept: rule 2 (untagged), pushed 11.0 days ago, limit 14 days",
        "  eligible after 2026-11-15T00:00:00Z, in 3.0 days, if nothing is pushed, pulled, tagged or deleted",
    ]


def test_a_long_list_is_cut(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Of very many images the first are told, and the number of the others."""
    many = [{"imageDigest": f"sha256:{number}", "imagePushedAt": 0} for number in range(LISTED + 7)]
    Path(files[4]).write_text(json.dumps(many))
    assert run(files) == 0
    lines = capsys.readouterr().out.splitlines()
    assert (len(lines), lines[-1]) == (3 * LISTED + 1, "and 7 more; --image explains one, --json all")


def test_json(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """The document has the decision, the instant, and what every rule says."""
    assert run([*files, "--json", "--image", "d", "--image", "dddd"]) == 0
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert answer["now"] == "2026-11-12T00:00:00Z"
    [explanation] = answer["explanations"]
    first, second = explanation.pop("rules")
    assert explanation == {
        "imageDigest": f"sha256:{'d' * 16}",
        "imageTags": [],
        "imageSizeInBytes": 30,
        "action": "KEEP",
        "appliedRulePriority": None,
        "rule": "rule 2 (untagged)",
        "reason": "kept: rule 2 (untagged), pushed 11.0 days ago, limit 14 days",
        "eligibleAt": "2026-11-15T00:00:00.000001Z",
        "outlook": "eligible after 2026-11-15T00:00:00Z, in 3.0 days, if nothing is pushed, pulled, tagged or"
        " deleted; held back as long as index sha256:eeeeeeeeeeee lists it",
        "newerImagesNeeded": None,
        "heldBy": [f"sha256:{'e' * 16}"],
        "protection": None,
        "follows": None,
    }
    assert (first["identified"], first["miss"], first["rank"]) == (False, "UNTAGGED", None)
    assert first["tagMatches"] == [{"entry": "v*", "imageTags": []}]
    assert (second["identified"], second["rank"], second["identifiedImages"], second["due"]) == (
        True,
        1,
        2,
        False,
    )


def test_an_image_that_is_not_there(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A name that no image has ends with status 2, what to try, and the same as JSON."""
    assert run([*files, "--image", "v9", "--json"]) == 2
    captured = capsys.readouterr()
    message = "no image has the tag or the digest v9"
    assert captured.err == f"error: {message}\ntry: a tag, or the beginning of a digest\n"
    assert json.loads(captured.out) == {"error": {"code": "InvalidInput", "message": message}}
