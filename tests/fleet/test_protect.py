"""`careen fleet protect`: on paper, in Amazon's cloud (moto), and on Careen, whose evaluation is Amazon's."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from careen.clock import DAY
from careen.fleet import inventory, protect
from careen.fleet.journal import PutPolicy, PutTag, RemoveTag
from careen.fleet.protect import Deed, Wish, is_ours, tag_of, want
from careen.fleet.scanned import Blob, Image, Scanned, Use
from careen.lifecycle.image import ImageStatus
from tests.ecrapi.client import push
from tests.fleet.amazon import ACCOUNT, REGION, Amazon
from tests.fleet.amazon import repository as made
from tests.fleet.conftest import Run
from tests.fleet.samples import NOW, digest, repository
from tests.images import image, index
from tests.server import REGION as SERVER_REGION
from tests.server import REGISTRY_ID, Server


def keeping(number: int, **selection: Any) -> str:
    """A policy that keeps so many images."""
    chosen = {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": number} | selection
    rule = {"rulePriority": 1, "selection": chosen, "action": {"type": "expire"}}
    return json.dumps({"rules": [rule]}, separators=(",", ":")).ljust(100)


def old(number: int, *tags: str, children: tuple[int, ...] = (), **members: Any) -> Image:
    """An image that was pushed so many days ago."""
    listed = tuple(Blob(digest(each), 1) for each in children)
    return Image(digest(number), tags, NOW - number * DAY, 100, children=listed, **members)


def uses(*numbers: int) -> list[Use]:
    """That something runs images."""
    return [Use("r", "ecs/web", "ecs", digest=digest(number)) for number in numbers]


def said(deeds: Any) -> list[str]:
    """Deeds in short: ``rule``, ``+ 5``, ``- 5``, ``- 5 through 1``."""

    def number(of: str) -> int:
        return int(of.removeprefix("sha256:"), 16)

    def short(deed: Deed) -> str:
        match deed:
            case PutPolicy():
                return "rule"
            case PutTag():
                return f"+ {number(deed.digest)}"
            case RemoveTag(through=None):
                return f"- {number(deed.digest)}"
            case _:
                return f"- {number(deed.digest)} through {number(deed.through or '')}"

    return [short(each) for each in deeds]


def tagged(number: int, *tags: str, **members: Any) -> Image:
    """An image with our tag."""
    return old(number, tag_of(digest(number)), *tags, **members)


ARCHIVED: dict[str, Any] = {"status": ImageStatus.ARCHIVED, "archived_at": NOW}

WANTED: dict[str, tuple[list[Image], list[Use], str | None, list[str]]] = {
    "the rule before the tag": ([old(5, "a")], uses(5), keeping(1), ["rule", "+ 5"]),
    "without a policy the tag alone": ([old(5, "a")], uses(5), None, ["+ 5"]),
    "an index, and not what it lists": ([old(9), old(5, "a", children=(9,))], uses(5), None, ["+ 5"]),
    "what runs of an index, and the index": (
        [old(9), old(8), old(5, "a", children=(9, 8))],
        uses(9),
        None,
        ["+ 9", "+ 5"],
    ),
    "a subject that would take it along": (
        [old(9, subject=digest(5)), old(5, "a")],
        uses(9),
        None,
        ["+ 9", "+ 5"],
    ),
    "what is archived is not pushed back": ([old(5, "a", **ARCHIVED)], uses(5), keeping(1), []),
    "nothing runs": ([old(5, "a")], [], keeping(1), []),
}


@pytest.mark.parametrize("case", WANTED)
def test_what_is_wanted(case: str) -> None:
    """Tags for what runs and what it needs, after the rule."""
    images, in_use, policy, expected = WANTED[case]
    wanted = want(Scanned(repository("r", policy=policy), images, in_use), Wish(), NOW, NOW)
    assert said(wanted.deeds) == expected


def test_again() -> None:
    """Once everything is done there is nothing to do."""
    first = want(Scanned(repository("r", policy=keeping(1)), [old(5, "a")], uses(5)), Wish(), NOW, NOW)
    [put, tag] = first.deeds
    assert isinstance(put, PutPolicy)
    assert isinstance(tag, PutTag)
    done = Scanned(repository("r", policy=put.after), [old(5, "a", tag.tag)], uses(5))
    assert list(want(done, Wish(), NOW, NOW).deeds) == []


STALE: dict[str, tuple[list[Image], list[Use], list[str]]] = {
    "nothing runs it": ([tagged(20, "a")], [], ["- 20"]),
    "it runs": ([tagged(20, "a")], uses(20), []),
    "somebody pulled it yesterday": ([tagged(20, "a", pulled_at=NOW - DAY)], [], []),
    "it was pushed yesterday": ([tagged(1, "a")], [], []),
    "ours is its last, and another can take it": ([tagged(20), old(9, "b")], [], ["- 20 through 9"]),
    "ours is its last, and no other has one of its own": ([tagged(20), old(9)], [], []),
    "a tag that only begins alike": ([old(20, "in-use-by-me", "in-use-123")], [], []),
    "one that was moved, and not taken off": ([old(20, "a", "in-use-ffffffffffff")], uses(20), ["- 20"]),
}


@pytest.mark.parametrize("case", STALE)
def test_what_is_stale(case: str) -> None:
    """Our tag comes off what nothing runs and nobody used for a week, and never takes the image with it."""
    images, in_use, expected = STALE[case]
    of = Scanned(repository("r"), images, in_use)
    assert [each for each in said(want(of, Wish(), NOW, NOW).deeds) if each.startswith("-")] == expected
    assert not any(each.startswith("-") for each in said(want(of, Wish(idle=None), NOW, NOW).deeds))


LEFT_ALONE: dict[str, tuple[str | None, dict[str, Any], Wish, str]] = {
    "a policy that nobody could read": (
        None,
        {"is_policy_known": False},
        Wish(),
        "its policy could not be read",
    ),
    "a policy that is none": ("{}", {}, Wish(), "its policy cannot be read here"),
    "a policy that may not be changed": (keeping(1), {}, Wish(with_rules=False), "may not be changed"),
}


@pytest.mark.parametrize("case", LEFT_ALONE)
def test_no_tag_without_the_rule(case: str) -> None:
    """As a tag makes an untagged image a tagged one, for which other rules are."""
    policy, members, wish, reason = LEFT_ALONE[case]
    wanted = want(Scanned(repository("r", policy=policy, **members), [old(5)], uses(5)), wish, NOW, NOW)
    assert list(wanted.deeds) == []
    assert reason in wanted.failures[0].reason


def test_what_is_pushed_out() -> None:
    """Where a rule counts what has any tag, one more counts; whom that costs is said."""
    policy = keeping(1, tagStatus="tagged", tagPatternList=["*"])
    of = Scanned(repository("r", policy=policy), [old(5, "v1"), old(2)], uses(2))
    assert [each.digest for each in want(of, Wish(), NOW, NOW).pushed_out] == [digest(5)]


def tags(ecr: Any, name: str) -> dict[str, set[str]]:
    """The tags of a repository's images, ours as ``ours``."""
    found = ecr.describe_images(repositoryName=name)["imageDetails"]
    return {
        each["imageDigest"]: {"ours" if is_ours(tag) else tag for tag in each.get("imageTags", ())}
        for each in found
    }


def functions(amazon: Amazon, *images: str) -> None:
    """Functions of Lambda that run images, and no others."""
    iam, functions = amazon.boto("iam"), amazon.boto("lambda")
    if not iam.list_roles()["Roles"]:
        trust = {"Version": "2012-10-17", "Statement": []}
        iam.create_role(RoleName="r", AssumeRolePolicyDocument=json.dumps(trust))
    for each in functions.list_functions()["Functions"]:
        functions.delete_function(FunctionName=each["FunctionName"])
    for number, uri in enumerate(images):
        functions.create_function(
            FunctionName=f"f{number}",
            Role=f"arn:aws:iam::{ACCOUNT}:role/r",
            PackageType="Image",
            Code={"ImageUri": uri},
        )


@pytest.fixture
def shop(amazon: Amazon) -> Any:
    """A repository whose policy would take v1, which a function runs. Returns a client."""
    ecr = amazon.boto("ecr")
    made(ecr, "shop/api", "v1", "v2", "v3")
    ecr.put_lifecycle_policy(repositoryName="shop/api", lifecyclePolicyText=keeping(1))
    functions(amazon, f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/shop/api:v1")
    return ecr


def rules(ecr: Any, name: str) -> list[dict[str, Any]]:
    """A repository's rules."""
    text = ecr.get_lifecycle_policy(repositoryName=name)["lifecyclePolicyText"]
    found: list[dict[str, Any]] = json.loads(text)["rules"]
    return found


def test_a_day_in_the_cloud(shop: Any, amazon: Amazon, fleet: Run) -> None:
    """Said, done, done again without an effect; then something else runs, and the tag moves there."""
    fleet("scan")
    amazon.asked.clear()
    dry = fleet("protect")
    assert dry.returncode == 0, dry.stderr
    assert "in use by lambda/" in dry.stdout
    assert amazon.asked.total() == 0
    done = fleet("protect", "--apply")
    assert done.returncode == 0, done.stderr
    assert sorted(map(sorted, tags(shop, "shop/api").values())) == [["ours", "v1"], ["v2"], ["v3"]]
    assert [each["rulePriority"] for each in rules(shop, "shop/api")] == [1, 2]
    assert rules(shop, "shop/api")[0]["selection"]["tagPrefixList"] == ["in-use-"]
    fleet("scan")
    again = json.loads(fleet("protect", "--apply", "--json").stdout)
    assert again["repositories"] == []
    functions(amazon, f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/shop/api:v3")
    fleet("scan")
    moved = fleet("protect", "--apply", "--idle-days", "0")
    assert moved.returncode == 0, moved.stderr
    assert sorted(map(sorted, tags(shop, "shop/api").values())) == [["ours", "v3"], ["v1"], ["v2"]]


def test_a_scan_that_did_not_see_all_takes_no_tag_off(shop: Any, amazon: Amazon, fleet: Run) -> None:
    """What runs is tagged all the same."""
    fleet("scan")
    fleet("protect", "--apply")
    functions(amazon)
    amazon.deny("ecs:ListClusters")
    fleet("scan")
    done = fleet("protect", "--apply", "--idle-days", "0")
    assert "no tag is taken off, as the scan did not see all that runs: ecs: " in done.stderr
    assert ["ours", "v1"] in map(sorted, tags(shop, "shop/api").values())


DENIED: dict[str, tuple[str, int]] = {
    "the rule": ("ecr:PutLifecyclePolicy", 1),
    "the tag": ("ecr:PutImage", 3),
}


@pytest.mark.parametrize("case", DENIED)
def test_denied(case: str, shop: Any, amazon: Amazon, fleet: Run) -> None:
    """What is denied is named with the permission; without the rule nothing is tagged."""
    operation, status = DENIED[case]
    fleet("scan")
    amazon.deny(operation)
    done = fleet("protect", "--apply")
    amazon.rule = lambda *_: None
    assert done.returncode == status
    assert f"(allow {operation})" in done.stderr
    assert ["v1"] in map(sorted, tags(shop, "shop/api").values())


def run_in(folder: Path, name: str, *digests: str) -> None:
    """Write into the inventory that something runs images, as if a scan had seen it."""
    path = folder / "careen-fleet" / "inventory.jsonl.gz"
    read = inventory.read(path)
    uses = [
        Use(name, "ecs/web", "ecs", digest=each, account=REGISTRY_ID, region=SERVER_REGION)
        for each in digests
    ]
    found = [Scanned(each.repository, each.images, uses) for each in read.scanned()]
    inventory.write(path, msgspec.structs.replace(read.header, watched=("ecs",)), found)


def previewed(server: Server, name: str) -> set[str]:
    """What the registry's own evaluation would take."""
    ecr = server.boto()
    ecr.start_lifecycle_policy_preview(repositoryName=name)
    ecr.get_waiter("lifecycle_policy_preview_complete").wait(
        repositoryName=name, WaiterConfig={"Delay": 0.1, "MaxAttempts": 1000}
    )
    found = ecr.get_lifecycle_policy_preview(repositoryName=name)["previewResults"]
    return {each["imageDigest"] for each in found}


def test_on_careen(server: Server, fleet: Run, name: str, tmp_path: Path) -> None:
    """What runs is out of reach of the registry's evaluation, untagged as it was; once nothing runs it, it is that again."""
    ecr = server.boto()
    ecr.create_repository(repositoryName=name)
    running, other = (push(ecr, name, image(f"{name} {each}", size=100)) for each in ("running", "other"))
    child = image(f"{name} child", size=100)
    push(ecr, name, child)
    push(ecr, name, index(child), "multi")
    push(ecr, name, image(f"{name} newest", size=100))
    ecr.put_lifecycle_policy(repositoryName=name, lifecyclePolicyText=keeping(1, tagStatus="untagged"))
    environment = server.aws_environment()
    assert previewed(server, name) == {running, other}
    fleet("scan", "--repository", name, **environment)
    run_in(tmp_path, name, running)
    done = fleet("protect", "--apply", "--repository", name)
    assert done.returncode == 0, done.stderr
    assert previewed(server, name) == {other}
    assert tags(ecr, name)[running] == {"ours"}
    fleet("scan", "--repository", name)
    run_in(tmp_path, name)
    stale = fleet("protect", "--apply", "--idle-days", "0", "--repository", name)
    assert stale.returncode == 0, stale.stderr
    assert "moved to" in stale.stdout
    assert {tag for found in tags(ecr, name).values() for tag in found} == {"multi"}
    assert running in tags(ecr, name)


def test_an_immutable_repository(server: Server, fleet: Run, name: str, tmp_path: Path) -> None:
    """Takes a new tag; ours cannot be moved off an image that has no other, which is said, and the image stays."""
    ecr = server.boto()
    ecr.create_repository(repositoryName=name, imageTagMutability="IMMUTABLE")
    running = push(ecr, name, image(f"{name} running", size=100))
    push(ecr, name, image(f"{name} other", size=100), "v1")
    fleet("scan", "--repository", name, **server.aws_environment())
    run_in(tmp_path, name, running)
    assert fleet("protect", "--apply", "--repository", name).returncode == 0
    fleet("scan", "--repository", name)
    run_in(tmp_path, name)
    stale = fleet("protect", "--apply", "--idle-days", "0", "--repository", name)
    assert stale.returncode == 1
    assert "not done: sha256:" in stale.stderr
    assert "ImageTagAlreadyExistsException" in stale.stderr
    assert tags(ecr, name)[running] == {"ours"}


def test_more_than_the_rule_keeps(monkeypatch: pytest.MonkeyPatch) -> None:
    """It counts every image with our tag, and takes the oldest, which may run: none is tagged until what is stale is untagged."""
    monkeypatch.setattr(protect, "COUNT", 2)
    images = [tagged(20, "a"), tagged(1, "b"), old(5, "c")]
    wanted = want(Scanned(repository("r", policy=keeping(1)), images, uses(5)), Wish(), NOW, NOW)
    assert said(wanted.deeds) == ["- 20"]
    assert "more than 2 images are in use, or have a tag that says so" in wanted.failures[0].reason
