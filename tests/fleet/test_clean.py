"""`careen fleet clean`: on paper, in Amazon's cloud (moto), and on Careen, which guards indexes as Amazon does."""

import json
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from careen.clock import DAY, parse_instant, system_now
from careen.fleet import clean, inventory, journal
from careen.fleet.clean import Wish, mark
from careen.fleet.journal import DeleteImages
from careen.fleet.scanned import Blob, Image, Scanned, Use
from careen.lifecycle import extension, policy, protection
from careen.lifecycle.blast import Limits
from careen.lifecycle.evaluate import evaluate
from careen.lifecycle.policy import LifecyclePolicy
from careen.lifecycle.rule import ActionType
from careen.oci.digest import digest_of
from tests.ecrapi.client import push
from tests.fleet.amazon import Amazon
from tests.fleet.amazon import repository as made
from tests.fleet.conftest import Run
from tests.fleet.samples import NOW, digest, header, repository
from tests.fleet.test_keep_rule import scanned as of_world
from tests.images import image, index
from tests.lifecycle.worlds import world
from tests.server import Server

ANYTHING = Limits(max_share=1.0, last_of_family=True)


def keeping(number: int, **selection: Any) -> str:
    """A policy that keeps so many of the images."""
    chosen = {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": number} | selection
    rule = {"rulePriority": 1, "selection": chosen, "action": {"type": "expire"}}
    return json.dumps({"rules": [rule]}).ljust(100)


def old(number: int, *tags: str, children: Sequence[int] = (), **members: Any) -> Image:
    """An image that was pushed so many days ago."""
    listed = tuple(Blob(digest(each), 1) for each in children)
    return Image(digest(number), tags, NOW - number * DAY, 100, children=listed, **members)


def going(of: Scanned, text: str, wish: Wish | None = None, only: set[str] | None = None) -> list[int]:
    """The numbers of the images that go, in order."""
    found = mark(of, policy.parse(text), wish or Wish(limits=ANYTHING), NOW, only)
    return [int(each.image.digest.removeprefix("sha256:"), 16) for each in found.going]


R = repository("r")
UNTAGGED_DAY = keeping(1, tagStatus="untagged", countType="sinceImagePushed", countUnit="days")

MARKS: dict[str, tuple[Scanned, str, Wish | None, list[int]]] = {
    "the oldest first": (Scanned(R, [old(3, "c"), old(1, "a"), old(2, "b")]), keeping(1), None, [3, 2]),
    "an index before what it lists, at once": (
        Scanned(R, [old(9), old(8), old(5, "multi", children=[9, 8]), old(1, "a")]),
        keeping(1),
        None,
        [5, 9, 8],
    ),
    "what an index lists that stays": (
        Scanned(R, [old(9), old(8), old(5, "multi", children=[9])]),
        UNTAGGED_DAY,
        None,
        [8],
    ),
    "an artifact after its subject": (
        Scanned(R, [old(4, subject=digest(6)), old(6, "b"), old(1, "a")]),
        keeping(1),
        None,
        [6, 4],
    ),
    "what runs": (
        Scanned(R, [old(3, "c"), old(2, "b"), old(1, "a")], [Use("r", "ecs/web", "ecs", tag="c")]),
        keeping(1),
        None,
        [2],
    ),
    "what a running index lists": (
        Scanned(
            R,
            [old(9), old(5, "multi", children=[9]), old(1, "a")],
            [Use("r", "ecs/web", "ecs", digest=digest(5))],
        ),
        keeping(1),
        None,
        [],
    ),
    "what is protected": (
        Scanned(R, [old(3, "v1"), old(2, "b"), old(1, "a")]),
        keeping(1),
        Wish(
            protection=protection.parse(
                '{"rules":[{"name":"releases","anyRepository":["r"],"anyTagPattern":["v*"]}]}'
            ),
            limits=ANYTHING,
        ),
        [2],
    ),
    "what is protected elsewhere": (
        Scanned(R, [old(2, "v1"), old(1, "a")]),
        keeping(1),
        Wish(
            protection=protection.parse(
                '{"rules":[{"name":"releases","anyRepository":["x"],"anyTagPattern":["v*"]}]}'
            ),
            limits=ANYTHING,
        ),
        [2],
    ),
    "what only Careen's rules can say": (
        Scanned(R, [old(40, "a"), old(41, "b", pulled_at=NOW - DAY)]),
        keeping(10),
        Wish(
            extension=extension.parse(
                '{"rules":[{"rulePriority":1,"selection":{"tagStatus":"any","countType":"sinceImagePulled",'
                '"countUnit":"days","countNumber":30},"action":{"type":"expire"}}]}'
            ),
            limits=ANYTHING,
        ),
        [40],
    ),
}


@pytest.mark.parametrize("case", MARKS)
def test_what_goes(case: str) -> None:
    """In an order in which ECR accepts it, and nothing that runs or is protected."""
    of, text, wish, expected = MARKS[case]
    assert going(of, text, wish) == expected


def test_what_was_not_listed_stays() -> None:
    """And with it what it lists."""
    of = Scanned(R, [old(9), old(8), old(5, "multi", children=[9]), old(1, "a")])
    assert going(of, keeping(1)) == [8, 5, 9]
    assert going(of, keeping(1), only={digest(9), digest(8)}) == [8]


def test_what_was_signed_since_stays() -> None:
    """With its signature, which was not listed; and so does what the signed one belongs to."""
    of = Scanned(R, [old(7), old(4, subject=digest(6)), old(3, subject=digest(4)), old(6, "b"), old(1, "a")])
    assert going(of, keeping(1)) == [7, 6, 4, 3]
    assert going(of, keeping(1), only={digest(7), digest(6), digest(4)}) == [7]


def test_the_end_of_all_evaluations() -> None:
    """Whatever the policy: what stays is what Amazon's evaluations leave, one after the other."""
    for seed in range(200):
        of_seed = world(Random(seed))  # noqa: S311 - chance that can be repeated, no secret
        of, now = of_world(of_seed, []), parse_instant(of_seed.now)
        rules = _expiring(policy.parse(of.repository.policy or ""))
        images = of.as_rules_see()
        while gone := {each.image.digest for each in evaluate(rules, images, now).acted_on}:
            images = [each for each in images if each.digest not in gone]
        marked = mark(of, rules, Wish(limits=ANYTHING), now)
        left = {each.digest for each in of.images} - {each.image.digest for each in marked.going}
        assert left == {each.digest for each in images}, seed


def _expiring(rules: LifecyclePolicy) -> LifecyclePolicy:
    """The rules that delete: what is archived, clean leaves to ECR."""
    return LifecyclePolicy(tuple(each for each in rules.rules if each.action.type is ActionType.EXPIRE))


def test_limits() -> None:
    """A repository of which too much would go is left alone, and says so; the others are done."""
    few = Scanned(repository("few"), [old(number, f"v{number}") for number in range(1, 40)])
    marked = mark(few, policy.parse(keeping(5)), Wish(), NOW)
    assert [each.sentence for each in marked.breaches] == [
        "34 of 39 images would be deleted, 87%; unseen at most 25%"
    ]


def cloud_policy(folder: Path, text: str) -> str:
    """A policy's file."""
    (folder / "policy.json").write_text(text)
    return "policy.json"


def tags(ecr: Any, name: str) -> set[str]:
    """The tags of a repository."""
    found = ecr.describe_images(repositoryName=name)["imageDetails"]
    return {tag for each in found for tag in each.get("imageTags", ())}


TAGS = ("v1", "v2", "v3", "v4")
ALL = ("--max-share", "100", "--last-of-family")


@pytest.fixture
def shop(amazon: Amazon, fleet: Run, tmp_path: Path) -> Any:
    """A repository with four images, scanned; moto's push times are equal, so a rule takes what it names. Returns a client."""
    ecr = amazon.boto("ecr")
    made(ecr, "shop/api", *TAGS)
    cloud_policy(tmp_path, keeping(1, tagStatus="tagged", tagPrefixList=["v"]))
    assert fleet("scan").returncode == 0
    return ecr


def test_nothing_is_done_unless_it_is_asked_for(shop: Any, amazon: Amazon, fleet: Run) -> None:
    """It is said what would go, and why; no call is made at all."""
    amazon.asked.clear()
    done = fleet("clean", "--policy", "policy.json", *ALL)
    assert done.returncode == 0, done.stderr
    assert "123456789012/eu-central-1/shop/api: 3 of 4 images" in done.stdout
    assert "expires: rule 1 (tagged, prefix v), 4th youngest of 4, keeps 1" in done.stdout
    assert "nothing is done: --apply does it" in done.stdout
    assert amazon.asked.total() == 0
    assert tags(shop, "shop/api") == set(TAGS)


def test_it_is_done_and_written_down(shop: Any, fleet: Run, tmp_path: Path) -> None:
    """What was said goes; the journal has digest, tags, reason and manifest of each."""
    said = json.loads(fleet("clean", "--policy", "policy.json", *ALL, "--json").stdout)
    marked = {tag for each in said["repositories"][0]["marked"] for tag in each["imageTags"]}
    done = fleet("clean", "--policy", "policy.json", *ALL, "--apply", "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["deleted"], answer["repositories"][0]["failures"]) == (3, [])
    assert tags(shop, "shop/api") == set(TAGS) - marked
    written = journal.read(tmp_path / answer["journal"])
    assert written.is_ended
    [deed] = written.deeds.values()
    assert isinstance(deed.do, DeleteImages)
    assert {tag for each in deed.do.images for tag in each.tags} == marked
    assert all("expires: rule 1" in each.reason for each in deed.do.images)
    assert all(digest_of((each.manifest or "").encode()) == each.digest for each in deed.do.images)


def test_what_changed_since_the_scan_stays(shop: Any, fleet: Run) -> None:
    """An image that got another tag is not what was looked at; one that is gone is no failure."""
    said = json.loads(fleet("clean", "--policy", "policy.json", *ALL, "--json").stdout)
    retagged, gone, _ = (each["imageTags"][0] for each in said["repositories"][0]["marked"])
    manifest = shop.batch_get_image(repositoryName="shop/api", imageIds=[{"imageTag": retagged}])["images"][0]
    shop.put_image(repositoryName="shop/api", imageManifest=manifest["imageManifest"], imageTag="stable")
    shop.batch_delete_image(repositoryName="shop/api", imageIds=[{"imageTag": gone}])
    done = fleet("clean", "--policy", "policy.json", *ALL, "--apply", "--json")
    assert done.returncode == 0, done.stderr
    assert {retagged, "stable"} <= tags(shop, "shop/api")
    assert len(tags(shop, "shop/api")) == 3


def test_too_much_at_once(amazon: Amazon, fleet: Run, tmp_path: Path) -> None:
    """A repository of which more than the limit would go is left alone: status 4, and nothing is deleted."""
    ecr = amazon.boto("ecr")
    names = [f"v{number}" for number in range(8)]
    made(ecr, "shop/api", *names)
    cloud_policy(tmp_path, keeping(1))
    fleet("scan")
    done = fleet("clean", "--policy", "policy.json", "--apply")
    assert done.returncode == 4
    assert "too much at once: 7 of 8 images would be deleted, 88%; unseen at most 25%" in done.stderr
    assert tags(ecr, "shop/api") == set(names)


def test_denied(shop: Any, amazon: Amazon, fleet: Run) -> None:
    """One repository is denied: it is named with the permission, the other is done, status 3."""
    made(shop, "shop/web", *TAGS)
    fleet("scan")
    amazon.deny("ecr:BatchDeleteImage", about="shop/api")
    done = fleet("clean", "--policy", "policy.json", *ALL, "--apply")
    assert done.returncode == 3
    assert "not done: ecr:BatchDeleteImage: AccessDeniedException" in done.stderr
    assert "(allow ecr:BatchDeleteImage)" in done.stderr
    assert "Traceback" not in done.stderr
    assert (len(tags(shop, "shop/api")), len(tags(shop, "shop/web"))) == (4, 1)


def test_throttled(shop: Any, amazon: Amazon, fleet: Run) -> None:
    """Calls that are throttled are made again."""
    amazon.every(3)
    done = fleet("clean", "--policy", "policy.json", *ALL, "--apply")
    amazon.rule = lambda *_: None
    assert done.returncode == 0, done.stderr
    assert len(tags(shop, "shop/api")) == 1


def test_the_repositorys_own_policy(amazon: Amazon, fleet: Run) -> None:
    """Without --policy each repository's own decides, as it is now; one that has none is left alone."""
    ecr = amazon.boto("ecr")
    made(ecr, "shop/api", *TAGS)
    made(ecr, "shop/web", *TAGS)
    ecr.put_lifecycle_policy(repositoryName="shop/api", lifecyclePolicyText=keeping(3))
    fleet("scan")
    done = fleet("clean", *ALL, "--apply")
    assert done.returncode == 0, done.stderr
    assert (len(tags(ecr, "shop/api")), len(tags(ecr, "shop/web"))) == (3, 4)
    ecr.put_lifecycle_policy(repositoryName="shop/api", lifecyclePolicyText=keeping(2))
    fleet("scan")
    ecr.put_lifecycle_policy(repositoryName="shop/api", lifecyclePolicyText=keeping(1))
    changed = fleet("clean", *ALL, "--apply")
    assert changed.returncode == 1
    assert "its policy is another by now" in changed.stderr
    assert len(tags(ecr, "shop/api")) == 3


UNSEEN: dict[str, tuple[tuple[str, ...], str]] = {
    "a scan that asked nobody": (("--in-use", "none"), "the scan did not see all that runs: it asked nobody"),
    "a scan that was denied": ((), "the scan did not see all that runs: ecs: "),
}


@pytest.mark.parametrize("case", UNSEEN)
def test_a_scan_that_did_not_see_what_runs(case: str, shop: Any, amazon: Amazon, fleet: Run) -> None:
    """Is no reason to delete anything, unless somebody says that it does not matter."""
    options, message = UNSEEN[case]
    amazon.deny("ecs:ListClusters")
    fleet("scan", *options)
    done = fleet("clean", "--policy", "policy.json", *ALL, "--apply")
    assert done.returncode == 4
    assert message in done.stderr
    assert len(tags(shop, "shop/api")) == 4
    accepted = fleet("clean", "--policy", "policy.json", *ALL, "--accept-unseen")
    assert accepted.returncode == 0, accepted.stderr


def test_an_old_inventory(fleet: Run, tmp_path: Path) -> None:
    """Knows nothing of what was started since."""
    file = tmp_path / "old"
    inventory.write(
        file, msgspec.structs.replace(header(), began_at=parse_instant("2026-01-01T00:00:00Z")), []
    )
    done = fleet("clean", "--inventory", str(file))
    assert done.returncode == 4
    assert "hours old, and knows nothing of what was started since" in done.stderr


def test_on_careen(server: Server, fleet: Run, name: str, tmp_path: Path) -> None:
    """An index goes before what it lists, which the registry would refuse otherwise; a child of one that stays, stays."""
    ecr = server.boto()
    ecr.create_repository(repositoryName=name)
    children = [image(f"{name} {each}", size=100) for each in ("a", "b", "c")]
    for each in children:
        push(ecr, name, each)
    push(ecr, name, index(children[0], children[1]), "old")
    push(ecr, name, index(children[2]), "new")
    cloud_policy(tmp_path, keeping(1, tagStatus="tagged", tagPatternList=["*"]))
    rest = json.dumps(
        {"rules": [*json.loads(keeping(1, tagStatus="tagged", tagPatternList=["*"]))["rules"], *_untagged()]}
    )
    cloud_policy(tmp_path, rest)
    environment = server.aws_environment()
    assert fleet("scan", "--repository", name, **environment).returncode == 0
    arguments = ("--policy", "policy.json", "--repository", name, *ALL, "--accept-unseen", "--json")
    done = fleet("clean", *arguments, "--apply", **environment)
    assert done.returncode == 0, done.stderr
    [found] = json.loads(done.stdout)["repositories"]
    assert (found["deleted"], found["failures"]) == (3, [])
    left = ecr.describe_images(repositoryName=name)["imageDetails"]
    assert {each["imageDigest"] for each in left} == {index(children[2]).digest, children[2].digest}


def _untagged() -> list[dict[str, Any]]:
    """A rule that takes every untagged image but one."""
    selection = {"tagStatus": "untagged", "countType": "imageCountMoreThan", "countNumber": 1}
    return [{"rulePriority": 2, "selection": selection, "action": {"type": "expire"}}]


def test_a_plan_that_may_be_empty() -> None:
    """Nothing marked, nothing said."""
    assert going(Scanned(R, [old(1, "a")]), keeping(1)) == []
    assert clean.policy_of(R, None, Wish()) == LifecyclePolicy(())


def test_what_the_registry_refuses(server: Server, fleet: Run, name: str, tmp_path: Path) -> None:
    """Is named image by image, in the outcome and in the journal, and the others go: here an index came in the last moment."""
    ecr = server.boto()
    ecr.create_repository(repositoryName=name)
    child, other = (image(f"{name} {each}", size=100) for each in ("child", "other"))
    for each in (child, other):
        push(ecr, name, each)
    fleet("scan", "--repository", name, **server.aws_environment())
    [of] = inventory.read(tmp_path / "careen-fleet" / "inventory.jsonl.gz").scanned()
    marked = mark(of, policy.parse(UNTAGGED_DAY), Wish(limits=ANYTHING), system_now() + 3 * DAY)
    push(ecr, name, index(child), "multi")
    written = journal.begin(tmp_path / "clean.jsonl", journal.Head("clean", 0))
    cleaned = clean.carry_out(ecr, marked, written)
    written.close()
    assert (cleaned.deleted, [each.digest for each in cleaned.failures]) == (1, [child.digest])
    assert cleaned.failures[0].reason.startswith("ImageReferencedByManifestList: ")
    [outcome] = journal.read(tmp_path / "clean.jsonl").outcomes.values()
    assert outcome.failures == tuple(cleaned.failures)
    assert len(ecr.describe_images(repositoryName=name)["imageDetails"]) == 2


def test_what_breaks_off_in_the_middle(
    shop: Any, amazon: Amazon, fleet: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was deleted until then is told, beside what ended it."""
    monkeypatch.setattr(clean, "AT_ONCE", 2)
    asked = iter(range(100))
    amazon.rule = lambda operation, *_: (
        "AccessDeniedException" if operation == "ecr:BatchGetImage" and next(asked) else None
    )
    done = fleet("clean", "--policy", "policy.json", *ALL, "--apply")
    assert done.returncode == 3
    assert "123456789012/eu-central-1/shop/api: 2 images deleted" in done.stdout
    assert "(allow ecr:BatchGetImage)" in done.stderr
    assert len(tags(shop, "shop/api")) == 2


def test_more_tags_than_a_call_may_name(
    amazon: Amazon, fleet: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Come off in several calls, and the others stay."""
    ecr = amazon.boto("ecr")
    made(ecr, "shop/api", "v1")
    manifest = ecr.batch_get_image(repositoryName="shop/api", imageIds=[{"imageTag": "v1"}])["images"][0]
    for number in range(5):
        ecr.put_image(
            repositoryName="shop/api",
            imageManifest=manifest["imageManifest"],
            imageDigest=manifest["imageId"]["imageDigest"],
            imageTag=f"build-{number}",
        )
    untag = (
        '{"rules":[{"rulePriority":1,"selection":{"tagStatus":"tagged","tagPatternList":["build-*"],'
        '"countType":"sinceImagePushed","countUnit":"days","countNumber":1},"action":{"type":"untag"}}]}'
    )
    fleet("scan")
    [of] = inventory.read(tmp_path / "careen-fleet" / "inventory.jsonl.gz").scanned()
    rules = policy.parse(keeping(10))
    wish = Wish(extension=extension.parse(untag), limits=ANYTHING)
    marked = mark(of, rules, wish, system_now() + 3 * DAY)
    assert [len(each.untagged) for each in marked.plan.acted_on] == [5]
    written = journal.begin(tmp_path / "clean.jsonl", journal.Head("clean", 0))
    monkeypatch.setattr(clean, "AT_ONCE", 2)
    amazon.rule = lambda _, __, body: "InvalidParameterException" if body.count('"build-') > 2 else None
    assert list(clean.carry_out(ecr, marked, written).failures) == []
    written.close()
    assert tags(ecr, "shop/api") == {"v1"}
