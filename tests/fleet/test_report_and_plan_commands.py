"""`careen fleet report` and `careen fleet plan`, as people run them: on an inventory, and beside a registry's own previews."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from careen.fleet import inventory as inventories
from careen.fleet import plan as plans
from careen.fleet import previews
from careen.fleet.scanned import Refusal
from tests.ecrapi.client import push
from tests.fleet.conftest import Run
from tests.fleet.small import UNTAGGED, fleet, policy, repository, rule, written
from tests.images import artifact, image, index
from tests.server import REGION, REGISTRY_ID, Server


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    """The small fleet's, where the commands look for it; and a policy beside."""
    (tmp_path / "careen-fleet").mkdir()
    (tmp_path / "untagged.json").write_text(UNTAGGED)
    written(tmp_path / "careen-fleet" / "inventory.jsonl.gz")
    return tmp_path


@pytest.mark.usefixtures("inventory")
def test_a_report(run: Run) -> None:
    """Says what matters in a page of text; status 4, as a policy of today takes what runs."""
    done = run("report")
    assert done.returncode == 4, done.stderr
    for said in (
        "4 repositories, 11 images, ≤ 629.1 MB, ≤ $0.06 a month",
        "  now: 123456789012/eu-central-1/team-a/web, v1, used by ecs/prod/team-a/web",
        "by account:",
        "by tag owner:",
        "without a policy: 1 repository",
        "policy not readable: 1 repository",
        "layers in several repositories: 1",
    ):
        assert said in done.stdout
    assert "GetLifecyclePolicy: denied" in done.stderr


def test_a_report_in_every_form(run: Run, inventory: Path) -> None:
    """At once: JSON on standard output, tables and a page in files."""
    done = run("report", "--json", "--csv", "tables", "--html", "deep/page.html", "--tag", "owner=b")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["total"]["repositories"] == 1
    assert (inventory / "tables" / "savings.csv").exists()
    assert (inventory / "deep" / "page.html").read_text().startswith("<!doctype html>")


def test_a_plan(run: Run, inventory: Path) -> None:
    """Summary first, then the file and its hash; what keeps its policy for want of a permission makes status 3."""
    done = run("plan", "--policy", "untagged.json", "--mode", "merge", "--repository", "!team-a/web")
    assert done.returncode == 3, done.stdout + done.stderr
    made = plans.read(inventory / "careen-fleet" / "plan.jsonl.gz")
    assert "2 repositories change, 1 keeps what it has" in done.stdout
    assert f"careen-fleet/plan.jsonl.gz: plan {made.hash}" in done.stdout
    assert "123456789012/eu-central-1/team-a/api" in done.stdout
    assert "GetLifecyclePolicy: denied" in done.stdout


def test_a_plan_in_detail(run: Run, inventory: Path) -> None:
    """Every repository with its rules as they change, and what goes."""
    done = run(
        "plan", "--policy", "untagged.json", "--details", "--repository", "team-a/web", "--out", "x/p.gz"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for said in (
        "- rule 1: deletes images tagged v* that were pushed more than 30 days ago",
        "+ rule 1: deletes untagged images that were pushed more than 14 days ago",
        "now: 1 deleted, - archived, 10.5 MB freed, $0.0010 a month",
        "1 image that would go now by the policy it has, stay",
    ):
        assert said in done.stdout
    assert (inventory / "x" / "p.gz").exists()


def test_a_plan_that_takes_what_runs(run: Run, inventory: Path) -> None:
    """Is status 4, and says who runs it; as JSON, too."""
    (inventory / "one.json").write_text(policy(rule(1, count=1)))
    done = run("plan", "--policy", "one.json", "--repository", "team-a/web")
    assert done.returncode == 4
    assert "in use, and would go: 2 images, 2 of them now" in done.stdout
    found = run("plan", "--policy", "one.json", "--repository", "team-a/web", "--json")
    document = json.loads(found.stdout)
    assert (found.returncode, document["inUse"]) == (4, 2)
    assert document["changes"][0]["inUse"][0]["consumers"] == ["ecs/prod/team-a/web"]
    assert document["hash"] == plans.read(inventory / "careen-fleet" / "plan.jsonl.gz").hash


def test_wishes(run: Run, inventory: Path) -> None:
    """Come from a file, by selector."""
    (inventory / "wishes.toml").write_text(
        '[[wish]]\npolicy = "untagged.json"\nmode = "only-if-missing"\ntag = ["owner=a"]\n'
    )
    done = run("plan", "--wishes", "wishes.toml", "--json")
    assert done.returncode == 3, done.stderr  # of one of them nobody could read the tags
    document = json.loads(done.stdout)
    assert [each["name"] for each in document["changes"]] == ["team-a/api"]
    assert document["unwished"] == 1
    said = run("plan", "--wishes", "wishes.toml")
    assert "not planned: 1 has tags that could not be read, by which the wish goes" in said.stdout


WRONG: dict[str, tuple[tuple[str, ...], str]] = {
    "no policy": (("plan",), "a plan is for one policy"),
    "a mode for all": (("plan", "--wishes", "w.toml", "--mode", "merge"), "each has its own mode"),
    "a page that cannot be written": (("report", "--html", "/dev/null/x"), "cannot be written"),
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.usefixtures("inventory")
def test_what_is_wrong(run: Run, name: str) -> None:
    """Is a line and status 2."""
    arguments, message = WRONG[name]
    done = run(*arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture
def app(server: Server, name: str, run: Run, tmp_path: Path) -> str:
    """A repository on a registry with four images, scanned; and a policy that keeps two."""
    ecr = server.boto()
    ecr.create_repository(repositoryName=name)
    for tag in ("v1", "v2", "prod", "v3"):
        push(ecr, name, image(f"{name}-{tag}", size=500), tag)
    (tmp_path / "two.json").write_text(policy(rule(1, count=2)))
    assert run("scan", "--repository", name, "--in-use", "none", **server.aws_environment()).returncode == 0
    return name


def test_a_plan_beside_the_registrys_previews(server: Server, run: Run, app: str) -> None:
    """Both say the same, of what came after the scan, too: an index, what it lists, what refers to it; no policy is put."""
    ecr = server.boto()
    children = [image(f"{app}-{each}", size=500) for each in ("arm64", "amd64")]
    built = index(*children)
    for each in children:
        push(ecr, app, each)
    push(ecr, app, built, "v4")
    push(ecr, app, artifact("application/spdx+json", built))
    done = run("plan", "--policy", "two.json", "--compare-with-aws", "--json", **server.aws_environment())
    assert done.returncode == 0, done.stdout + done.stderr
    document = json.loads(done.stdout)
    assert [each["tags"] for each in document["changes"][0]["going"]] == [["v1"], ["v2"]]
    assert document["comparison"] == {"compared": 1, "disagreements": [], "refusals": []}
    with pytest.raises(ecr.exceptions.LifecyclePolicyNotFoundException):
        ecr.get_lifecycle_policy(repositoryName=app)


def test_previews_of_several_at_once(server: Server, app: str) -> None:
    """A repository has one preview. Who asks for another than somebody else does still gets the answer to what was asked."""
    clients = [server.boto() for _ in range(3)]

    def taken(keep: int) -> int:
        text = policy(rule(1, count=keep))
        return len(
            previews.preview(clients[keep - 1], app, text, lambda seconds: time.sleep(min(seconds, 0.2)))
        )

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(taken, [1, 2, 3])) == [3, 2, 1]


def test_a_registry_that_decides_otherwise(server: Server, run: Run, app: str) -> None:
    """Careen keeps what is pinned, which Amazon's rules do not know: that is a disagreement, told with its reason; status 4."""
    server.boto("careen").put_image_pins(
        source="test",
        ttlSeconds=600,
        images=[{"repositoryName": app, "imageTag": "v1", "consumer": "test/web"}],
    )
    done = run("plan", "--policy", "two.json", "--compare-with-aws", **server.aws_environment())
    assert done.returncode == 4, done.stderr
    assert "ECR previewed 1 of them: 1 disagreement" in done.stdout
    place = f"{REGISTRY_ID}/{REGION}/{app}"
    assert (
        f"{place}: v1: ECR would keep it; here: expires: rule 1 (any), 4th youngest of 4, keeps 2"
        in done.stdout
    )


def test_previews_that_are_refused(server: Server, run: Run, app: str) -> None:
    """Are told, and the plan stands; status 3."""
    server.boto().delete_repository(repositoryName=app, force=True)
    done = run("plan", "--policy", "two.json", "--compare-with-aws", **server.aws_environment())
    assert done.returncode == 3, done.stdout
    assert f"not compared: {app}: " in done.stderr
    assert "RepositoryNotFoundException" in done.stderr


def test_a_fleet_with_nothing_to_change(run: Run, inventory: Path) -> None:
    """Is a plan, too: nothing to do is said, and is status 0."""
    found = [each for each in fleet() if each.repository.name == "team-a/web"]
    mine = repository("team-a/web", policy=UNTAGGED)
    written(inventory / "careen-fleet" / "inventory.jsonl.gz", [type(found[0])(mine, found[0].images)])
    done = run("plan", "--policy", "untagged.json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 repositories change, 1 keeps what it has" in done.stdout
    assert "kept: 1 has it already" in done.stdout


def test_a_plan_of_a_scan_that_did_not_see_all(run: Run, inventory: Path) -> None:
    """Says so: no image in use among what goes is then no promise."""
    path = inventory / "careen-fleet" / "inventory.jsonl.gz"
    read = inventories.read(path)
    denied = Refusal("ecs: services: denied", permission="ecs:ListServices")
    inventories.write(
        path, msgspec.structs.replace(read.header, watched=("ecs",)), list(read.scanned()), [denied]
    )
    done = run("plan", "--policy", "untagged.json")
    assert "more may be in use, as the scan did not see all that runs: ecs: services: denied" in done.stderr
    assert json.loads(run("plan", "--policy", "untagged.json", "--json").stdout)["unseen"] == denied.reason
