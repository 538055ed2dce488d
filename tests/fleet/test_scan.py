"""Scans of Amazon's cloud: what is there, what runs, what is denied, and going on after a break."""

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from careen.clock import DAY, Instant, system_now
from careen.fleet import inventory, targets
from careen.fleet import scan as scanning
from careen.fleet.errors import BadInput, Denied, FleetError, NotReached, Refused
from careen.fleet.permissions import PERMISSIONS
from careen.fleet.progress import Progress
from careen.fleet.scan import Asked, Outcome
from careen.fleet.scanned import Blob, Scanned, Target
from careen.fleet.selection import parse
from careen.fleet.targets import Ways
from careen.fleet.throttle import Throttle
from careen.oci.digest import digest_of
from tests import program
from tests.fleet.amazon import ACCOUNT, REGION, Amazon, push, repository
from tests.server import clean_environment

KEEP = json.dumps(
    {
        "rules": [
            {
                "rulePriority": 1,
                "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 1},
                "action": {"type": "expire"},
            }
        ]
    }
)
Scan = Callable[..., Outcome]
Found = Callable[[], dict[str, Scanned]]

HERE = Target(ACCOUNT, REGION)


class Recording(Throttle):
    """Hears every call that is made, and waits for none."""

    def __init__(self) -> None:
        super().__init__(sleep=lambda _: None)
        self.operations: list[str] = []

    def wait(self, account: str, region: str, operation: str) -> None:
        self.operations.append(operation)
        super().wait(account, region, operation)


@pytest.fixture
def scan(tmp_path: Path) -> Callable[..., Outcome]:
    """Scan into a folder of the test's own."""

    def scan(
        *,
        ways: Ways = Ways(),  # noqa: B008 - it is frozen
        throttle: Throttle | None = None,
        now: Instant | None = None,
        repositories: tuple[str, ...] = (),
        regions: tuple[str, ...] = (),
        tags: tuple[str, ...] = (),
        show: Callable[[Any], None] = lambda _: None,
        **asked: Any,
    ) -> Outcome:
        selection = parse(repositories=repositories, regions=regions, tags=tags)
        fleet = targets.find(ways, selection, throttle or Throttle(sleep=lambda _: None))
        return scanning.scan(
            fleet,
            Asked(selection, **asked),
            tmp_path / "state" / "inventory",
            tmp_path / "state" / "manifests",
            clock=(lambda: now) if now is not None else system_now,
            progress=Progress(show, lambda: 0.0),
        )

    return scan


@pytest.fixture
def found(tmp_path: Path) -> Callable[[], dict[str, Scanned]]:
    """What the inventory has, by repository."""

    def found() -> dict[str, Scanned]:
        read = inventory.read(tmp_path / "state" / "inventory")
        return {each.repository.name: each for each in read.scanned()}

    return found


@pytest.fixture
def without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two tries botocore sleeps between tries by itself: not here."""
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)


def test_everything_that_is_there(amazon: Amazon, scan: Scan, found: Found) -> None:
    """Settings, tags and policies of repositories; of images tags, sizes and times, and what they are made of."""
    ecr = amazon.boto("ecr")
    digests = repository(ecr, "team-a/web", "v1", "v2", owner="x")
    repository(ecr, "team-b/empty")
    ecr.put_lifecycle_policy(repositoryName="team-a/web", lifecyclePolicyText=KEEP)
    outcome = scan()
    assert (outcome.complete.repositories, outcome.complete.images, outcome.refusals) == (2, 2, [])
    web, empty = found()["team-a/web"], found()["team-b/empty"]
    assert web.repository.tags == {"owner": "x"}
    assert json.loads(web.repository.policy or "") == json.loads(KEEP)
    assert (web.repository.arn, web.repository.target) == (
        f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/team-a/web",
        HERE,
    )
    assert {image.tags: image.digest for image in web.images} == {(tag,): digests[tag] for tag in digests}
    for image in web.images:
        [manifest] = ecr.batch_get_image(
            repositoryName="team-a/web", imageIds=[{"imageDigest": image.digest}]
        )["images"]
        read = json.loads(manifest["imageManifest"])
        listed = [read["config"], *read["layers"]]
        assert image.blobs is not None
        assert [(each.digest, each.size) for each in image.blobs] == [
            (e["digest"], e["size"]) for e in listed
        ]
        assert image.children is None
        assert abs(image.pushed_at - system_now()) < DAY
    assert (empty.images, empty.repository.policy, empty.is_whole) == ((), None, True)


def test_what_an_index_lists(amazon: Amazon, scan: Scan, found: Found) -> None:
    """With its sizes, also where layers are not wanted."""
    ecr = amazon.boto("ecr")
    child = repository(ecr, "aa", "amd64")["amd64"]
    listed = {
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": child,
        "size": 321,
        "platform": {"os": "linux", "architecture": "amd64"},
    }
    index = json.dumps(
        {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [listed]}
    )
    ecr.put_image(
        repositoryName="aa", imageManifest=index, imageTag="all", imageDigest=digest_of(index.encode())
    )
    for layers in (False, True):
        scan(has_layers=layers)
        images = {image.tags: image for image in found()["aa"].images}
        assert [tuple(each) for each in map(_plain, images["all",].children or ())] == [(child, 321)]
        assert images["all",].blobs is None
        assert (images["amd64",].blobs is not None) == layers


def _plain(blob: Blob) -> tuple[str, int]:
    return blob.digest, blob.size


def test_what_runs(amazon: Amazon, scan: Scan, found: Found) -> None:
    """Services and schedules of ECS, functions, jobs; each by whoever names it, whatever else the account runs."""
    ecr = amazon.boto("ecr")
    digests = repository(ecr, "shop", "v1", "v2", "v3", "v4")
    host = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
    ecs, batch, functions = amazon.boto("ecs"), amazon.boto("batch"), amazon.boto("lambda")
    ecs.create_cluster(clusterName="prod")
    for family, tag in (("web", "v1"), ("nightly", "v2")):
        containers = [
            {"name": "app", "image": f"{host}/shop:{tag}", "memory": 10},
            {"name": "proxy", "image": "public.ecr.aws/envoy:1", "memory": 10},
        ]
        ecs.register_task_definition(family=family, containerDefinitions=containers)
    ecs.create_service(cluster="prod", serviceName="web", taskDefinition="web", desiredCount=1)
    role = amazon.boto("iam").create_role(RoleName="r", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    functions.create_function(
        FunctionName="f", Role=role, PackageType="Image", Code={"ImageUri": f"{host}/shop:v3"}
    )
    batch.register_job_definition(
        jobDefinitionName="job",
        type="container",
        containerProperties={"image": f"{host}/shop:v4", "vcpus": 1, "memory": 10},
    )
    digests |= {tag: push(ecr, "shop", tag) for tag in ("v5", "v6", "v7")}
    amazon.apps = {f"app-{tag}": f"{host}/shop:{tag}" for tag in ("v5", "v6", "v7")}
    outcome = scan()
    assert outcome.refusals == []
    place = f"{ACCOUNT}/{REGION}"
    users: dict[str, set[str]] = {}
    for digest, pins in found()["shop"].pins(system_now()).items():
        users[digest] = {pin.consumer for pin in pins}
    assert users[digests["v1"]] == {f"ecs/{place}/prod/web", f"ecs/{place}/task-definition/web"}
    assert users[digests["v2"]] == {f"ecs/{place}/task-definition/nightly"}
    assert users[digests["v3"]] == {f"lambda/{place}/f:$LATEST"}
    assert users[digests["v4"]] == {f"batch/{place}/job:1"}
    for tag in ("v5", "v6", "v7"):
        assert users[digests[tag]] == {f"apprunner/{place}/app-{tag}"}
    assert {use.kind for use in found()["shop"].uses} == {"apprunner", "batch", "ecs", "lambda"}


@pytest.mark.usefixtures("without_waiting")
def test_one_call_in_three_is_throttled(amazon: Amazon, scan: Scan, found: Found) -> None:
    """Nothing is lost by it, and nothing is refused."""
    ecr = amazon.boto("ecr")
    for number in range(12):
        repository(ecr, f"r{number}", "v1", owner="x")
    amazon.every(3)
    outcome = scan(feeds=())
    assert outcome.throttled > 10
    assert outcome.refusals == []
    assert len(found()) == 12
    for each in found().values():
        assert each.repository.tags == {"owner": "x"}
        assert [image.blobs is not None for image in each.images] == [True]


@pytest.mark.usefixtures("without_waiting")
def test_a_service_that_always_throttles(amazon: Amazon, scan: Scan) -> None:
    """Is given up, in one line."""
    amazon.every(1)
    with pytest.raises(Refused, match="ThrottlingException"):
        scan(feeds=())


def test_every_call_is_in_the_printed_policy(amazon: Amazon, scan: Scan) -> None:
    """What a scan asks is what `careen fleet permissions` says that it needs; STS needs no permission for our own identity."""
    ecr = amazon.boto("ecr")
    repository(ecr, "aa", "v1")
    ecr.put_lifecycle_policy(repositoryName="aa", lifecyclePolicyText=KEEP)
    ecs = amazon.boto("ecs")
    ecs.create_cluster(clusterName="c")
    ecs.register_task_definition(
        family="t", containerDefinitions=[{"name": "a", "image": "x.example/a", "memory": 10}]
    )
    ecs.create_service(cluster="c", serviceName="s", taskDefinition="t", desiredCount=1)
    amazon.apps = {"app": "x.example/a"}
    heard = Recording()
    scan(throttle=heard)
    assert set(heard.operations) - set(PERMISSIONS["read"]) == {"sts:GetCallerIdentity"}
    asked = {each for each in heard.operations if each.startswith("ecr:")}
    assert (
        set(PERMISSIONS["read"])
        >= asked
        == {
            "ecr:BatchGetImage",
            "ecr:DescribeImages",
            "ecr:DescribeRepositories",
            "ecr:GetLifecyclePolicy",
            "ecr:ListTagsForResource",
        }
    )


DENIED: dict[str, tuple[str, Callable[[Scanned], bool]]] = {
    "tags": ("ecr:ListTagsForResource", lambda each: each.repository.tags is None and each.is_whole),
    "the policy": (
        "ecr:GetLifecyclePolicy",
        lambda each: not each.repository.is_policy_known and each.is_whole and each.images[0].blobs is None,
    ),
    "images": ("ecr:DescribeImages", lambda each: not each.is_whole and not each.images),
    "manifests": ("ecr:BatchGetImage", lambda each: each.is_whole and each.images[0].blobs is None),
}


def test_a_fleet_of_more_registries_than_clients(
    amazon: Amazon, scan: Scan, found: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Is read whole: clients are made again."""
    monkeypatch.setattr(targets, "MOST_CLIENTS", 2)
    regions = ("eu-west-1", "eu-west-2", "us-east-1", "us-west-2")
    for region in regions:
        for number in range(2):
            repository(amazon.boto("ecr", region), f"{region}-{number}", "v1")
    outcome = scan(regions=regions, feeds=())
    assert (outcome.complete.repositories, outcome.complete.images, outcome.refusals) == (8, 8, [])
    assert len(found()) == 8


NONSENSE = {
    "an image without a digest": '{"imageDetails": [{"imagePushedAt": 1}]}',
    "a digest that is none": '{"imageDetails": [{"imageDigest": 1, "imagePushedAt": 1}]}',
    "no time": '{"imageDetails": [{"imageDigest": "sha256:0", "imagePushedAt": "soon", "imageSizeInBytes": 1}]}',
    "no list": '{"imageDetails": {}}',
    "no JSON": "{",
}


@pytest.mark.parametrize("case", NONSENSE)
def test_a_registry_that_lists_what_are_no_images(amazon: Amazon, scan: Scan, case: str) -> None:
    """Is none of ECR's, and that is said in a line: nobody knows what else of it is true."""
    repository(amazon.boto("ecr"), "odd", "v1")
    amazon.rule = lambda operation, *_: NONSENSE[case] if operation == "ecr:DescribeImages" else None
    with pytest.raises(NotReached, match="what is no list of images"):
        scan(feeds=())


@pytest.mark.parametrize("case", DENIED)
def test_what_is_denied_of_a_repository(amazon: Amazon, scan: Scan, found: Found, case: str) -> None:
    """Is named with its permission, and the rest of it is read, and all of the others."""
    operation, is_right = DENIED[case]
    ecr = amazon.boto("ecr")
    for name in ("open", "shut"):
        repository(ecr, name, "v1")
    amazon.deny(operation, about="shut")
    outcome = scan(feeds=())
    refused, *others = outcome.refusals
    # Of a policy that cannot be read nobody knows whether it counts pulls.
    assert ["count pulls" in each.reason for each in others] == [True] * (case == "the policy")
    assert (refused.permission, refused.repository, refused.account, refused.region) == (
        operation,
        "shut",
        ACCOUNT,
        REGION,
    )
    assert is_right(found()["shut"])
    assert found()["shut"].refusals == (refused, *others)
    assert not is_right(found()["open"])
    assert found()["open"].is_whole


def test_a_region_that_is_denied(amazon: Amazon, scan: Scan, found: Found, tmp_path: Path) -> None:
    """Is a refusal of the inventory's; denied everywhere there is no inventory."""
    for region in (REGION, "us-east-1"):
        repository(amazon.boto("ecr", region), f"in-{region}", "v1")
    amazon.deny("ecr:DescribeRepositories", region="us-east-1")
    outcome = scan(regions=(REGION, "us-east-1"), feeds=())
    [refused] = outcome.refusals
    assert (refused.region, refused.permission) == ("us-east-1", "ecr:DescribeRepositories")
    assert list(found()) == [f"in-{REGION}"]
    assert list(inventory.read(tmp_path / "state" / "inventory").refusals) == [refused]
    amazon.deny("ecr:DescribeRepositories")
    with pytest.raises(Denied):
        scan(feeds=())


def test_a_region_that_is_not_enabled(amazon: Amazon, scan: Scan) -> None:
    """Is none of those that a pattern means; named, it is a refusal."""
    repository(amazon.boto("ecr"), "aa", "v1")
    amazon.rule = lambda operation, region, _: (
        "UnrecognizedClientException" if operation.startswith("ecr:") and region == "eu-central-2" else None
    )
    outcome = scan(regions=("eu-central-*",), feeds=())
    assert (outcome.complete.repositories, outcome.refusals) == (1, [])
    outcome = scan(regions=("eu-central-1", "eu-central-2"), feeds=())
    assert [each.region for each in outcome.refusals] == ["eu-central-2"]
    with pytest.raises(Refused, match="UnrecognizedClientException"):
        scan(regions=("eu-central-2",), feeds=())


def test_a_feed_that_is_denied(amazon: Amazon, scan: Scan, found: Found) -> None:
    """Is named with its permission, and so is one that Amazon's other servers answer in their own way."""
    repository(amazon.boto("ecr"), "aa", "v1")
    amazon.deny(
        "ecs:ListClusters", "ecs:ListTaskDefinitionFamilies", "eks:/clusters", "apprunner:ListServices"
    )
    outcome = scan()
    assert {each.permission for each in outcome.refusals} == {
        "ecs:ListClusters",
        "ecs:ListTaskDefinitionFamilies",
        "eks:ListClusters",
        "apprunner:ListServices",
    }
    assert list(found()) == ["aa"]


def test_content_is_read_once(amazon: Amazon, scan: Scan, found: Found) -> None:
    """Whatever is met again, in a later scan or in another repository, is remembered."""
    ecr = amazon.boto("ecr")
    repository(ecr, "aa", *(f"v{number}" for number in range(120)))
    scan(feeds=())
    assert amazon.asked["ecr:BatchGetImage"] == 2
    first = found()
    push(ecr, "aa", "new")
    scan(feeds=())
    assert amazon.asked["ecr:BatchGetImage"] == 3
    again = {image.digest: image for image in found()["aa"].images}
    assert len(again) == 121
    assert all(again[image.digest] == image for image in first["aa"].images)


def test_selectors(amazon: Amazon, scan: Scan, found: Found) -> None:
    """By name nothing else is asked about; by tag nothing but the tags."""
    ecr = amazon.boto("ecr")
    repository(ecr, "team-a/web", "v1", owner="x")
    repository(ecr, "team-a/api", "v1", owner="y")
    repository(ecr, "team-b/web", "v1", owner="x")
    scan(repositories=("team-a/*",), tags=("owner=x",), feeds=())
    assert list(found()) == ["team-a/web"]
    assert (amazon.asked["ecr:ListTagsForResource"], amazon.asked["ecr:DescribeImages"]) == (2, 1)


@pytest.mark.parametrize("tags", [("owner=x",), ("!owner=x",)])
def test_selectors_by_tags_that_are_denied(
    amazon: Amazon, scan: Scan, found: Found, tags: tuple[str, ...]
) -> None:
    """Nobody knows whether a repository is meant: it is named, nothing of it is read, and no selector by tag has it."""
    repository(amazon.boto("ecr"), "shut", "v1", owner="x")
    amazon.deny("ecr:ListTagsForResource")
    outcome = scan(tags=tags, feeds=())
    assert [each.permission for each in outcome.refusals] == ["ecr:ListTagsForResource"]
    assert (found()["shut"].images, found()["shut"].is_whole) == ((), False)
    assert amazon.asked["ecr:DescribeImages"] == 0


def test_two_scans_at_the_same_time(amazon: Amazon, scan: Scan, tmp_path: Path) -> None:
    """Of one inventory are refused; the first is not disturbed."""
    repository(amazon.boto("ecr"), "aa", "v1")
    second: list[str] = []

    def meanwhile(standing: Any) -> None:
        if standing.what == "repositories" and not second:
            with pytest.raises(BadInput) as refused:
                scan(feeds=())
            second.append(refused.value.message)

    outcome = scan(feeds=(), show=meanwhile)
    assert second == [f"another scan writes {tmp_path / 'state' / 'inventory.part'}"]
    assert outcome.complete.images == 1


class Stopped(Exception):
    """Somebody pressed the keys that stop a program."""


def test_a_scan_that_is_broken_off(amazon: Amazon, scan: Scan, found: Found, tmp_path: Path) -> None:
    """Leaves the last inventory; the same scan goes on where it was, and what was read is not read again."""
    ecr = amazon.boto("ecr")
    for number in range(40):
        repository(ecr, f"r{number}", "v1")
    scan(feeds=(), repositories=("r1",))
    amazon.asked.clear()

    def stop(standing: Any) -> None:
        if standing.what == "repositories" and standing.done == 5:
            raise Stopped

    with pytest.raises(Stopped):
        scan(feeds=(), show=stop)
    assert list(found()) == ["r1"]
    part = tmp_path / "state" / "inventory.part"
    with part.open("ab") as torn:
        torn.write(part.read_bytes()[:100])
    amazon.asked.clear()
    outcome = scan(feeds=())
    assert outcome.resumed == 5
    assert amazon.asked["ecr:DescribeImages"] == 35
    assert len(found()) == outcome.complete.repositories == outcome.complete.images == 40
    assert not part.exists()


def test_a_scan_that_is_killed(amazon: Amazon, tmp_path: Path) -> None:
    """Has kept what it had read; run again it goes on, and what it says is as if nothing had been."""
    ecr = amazon.boto("ecr")
    for number in range(40):
        repository(ecr, f"r{number}", "v1")
    command = [*program.COMMAND, "fleet", "scan", "--in-use", "none", "--json"]
    environment = clean_environment() | amazon.environment()
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE) as killed:

        def kill(*_: str) -> None:
            if amazon.asked["ecr:DescribeImages"] == 30:
                killed.kill()

        amazon.rule = kill
        assert killed.wait(60) == -signal.SIGKILL
    amazon.rule = lambda *_: None
    assert not (tmp_path / "careen-fleet" / "inventory.jsonl.gz").exists()
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, check=True, timeout=120
    )
    said = json.loads(done.stdout)
    assert 0 < said["resumed"] <= 30
    assert (said["repositories"], said["images"], said["refusals"]) == (40, 40, [])
    names = [each.repository.name for each in inventory.read(tmp_path / said["inventory"]).scanned()]
    assert sorted(names) == sorted(f"r{number}" for number in range(40))


OTHERWISE: dict[str, dict[str, Any]] = {
    "another selection": {"repositories": ("r*",)},
    "without layers": {"has_layers": False},
    "what runs somewhere else": {"feeds": ("ecs",)},
    "too late": {"now": system_now() + 2 * DAY},
    "somebody says so": {"starts_again": True},
}


@pytest.mark.parametrize("case", OTHERWISE)
def test_what_is_not_gone_on_with(amazon: Amazon, scan: Scan, case: str) -> None:
    """A scan of something else, or of another day."""
    ecr = amazon.boto("ecr")
    for number in range(3):
        repository(ecr, f"r{number}", "v1")

    def stop(standing: Any) -> None:
        if standing.what == "repositories" and standing.done == 1:
            raise Stopped

    with pytest.raises(Stopped):
        scan(feeds=(), show=stop)
    outcome = scan(**({"feeds": ()} | OTHERWISE[case]))
    assert (outcome.resumed, outcome.complete.repositories) == (0, 3)


def test_credentials_that_end_in_the_middle(amazon: Amazon, scan: Scan) -> None:
    """End the scan, and are no refusal of a repository: with others it goes on."""
    ecr = amazon.boto("ecr")
    for number in range(3):
        repository(ecr, f"r{number}", "v1")
    amazon.rule = lambda operation, _, body: (
        "ExpiredTokenException" if operation == "ecr:DescribeImages" and '"r1"' in body else None
    )
    with pytest.raises(FleetError, match="ExpiredTokenException"):
        scan(feeds=())
    amazon.rule = lambda *_: None
    outcome = scan(feeds=())
    assert (outcome.complete.repositories, outcome.complete.refusals) == (3, 0)


def test_a_repository_that_goes_meanwhile(amazon: Amazon, scan: Scan, found: Found) -> None:
    """Is left out."""
    ecr = amazon.boto("ecr")
    for name in ("stays", "goes"):
        repository(ecr, name, "v1")
    amazon.rule = lambda operation, _, body: (
        "RepositoryNotFoundException" if operation == "ecr:DescribeImages" and '"goes"' in body else None
    )
    outcome = scan(feeds=())
    assert (list(found()), outcome.refusals) == (["stays"], [])
