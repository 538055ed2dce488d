"""`careen policy` on a registry's repository: the same commands, answered by the registry's own service."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import program
from tests.ecrapi.client import push
from tests.images import image, index
from tests.server import Server

POLICY = json.dumps(
    {
        "rules": [
            {
                "rulePriority": 1,
                "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 2},
                "action": {"type": "expire"},
            }
        ]
    }
)

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def app(server: Server, name: str) -> str:
    """A repository with four images."""
    ecr = server.boto()
    ecr.create_repository(repositoryName=name)
    for tag in ("v1", "v2", "prod", "v3"):
        push(ecr, name, image(tag, size=500), tag)
    return name


@pytest.fixture
def run(server: Server, app: str, tmp_path: Path) -> Run:
    """Run `careen policy COMMAND` about the repository, led there as `careen serve` says."""
    file = tmp_path / "policy.json"
    file.write_text(POLICY)

    def run(
        command: str, *arguments: str, policy: bool = True, **environment: str
    ) -> "subprocess.CompletedProcess[str]":
        named = ["--repository", app, *(["--policy", str(file)] if policy else [])]
        return program.run("policy", command, *named, *arguments, env=server.aws_environment() | environment)

    return run


def document(done: "subprocess.CompletedProcess[str]") -> Any:
    """What was printed with --json."""
    assert done.stderr == ""
    return json.loads(done.stdout)


def test_simulate(run: Run) -> None:
    """What would go is shown, with totals that count what stays; as JSON every image is there."""
    done = run("simulate")
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert (done.returncode, done.stderr) == (0, "")
    assert lines[1].endswith("expires: rule 1 (any), 4th youngest of 4, keeps 2")
    assert lines[2].endswith("expires: rule 1 (any), 3rd youngest of 4, keeps 2")
    assert "2 by rule 1 (any)" in lines[-2]
    found = document(run("simulate", "--json"))
    assert [each["action"] for each in found["decisions"]].count("KEEP") == 2
    assert found["summary"]["KEEP"]["images"] == 2


def test_explain(run: Run) -> None:
    """Images are named by tag or digest; rule after rule is told."""
    done = run("explain", "--image", "v1")
    assert "  expires: rule 1 (any), 4th youngest of 4, keeps 2\n  eligible now\n" in done.stdout
    digest = done.stdout.split()[0]
    assert run("explain", "--image", digest).stdout == done.stdout
    assert document(run("explain", "--image", "v3", "--json"))["explanations"][0]["newerImagesNeeded"] == 2


def test_lint(run: Run, tmp_path: Path) -> None:
    """The registry's images are looked at, too."""
    elsewhere = POLICY.replace('"any"', '"tagged", "tagPatternList": ["dev*"]')
    (tmp_path / "elsewhere.json").write_text(elsewhere)
    named = ("--policy", str(tmp_path / "elsewhere.json"))
    [finding] = document(run("lint", *named, "--format", "json", policy=False))["findings"]
    assert (finding["code"], finding["rulePriority"]) == ("matches-nothing", 1)
    assert "note: rule 1: " in run("lint", *named, policy=False).stdout


def test_forecast(run: Run) -> None:
    """Bytes are exact, as the registry knows its layers."""
    done = run("forecast", "--days", "3")
    assert (done.returncode, done.stderr) == (0, "")
    assert "\n2 images deleted by " in done.stdout
    assert "at most" not in done.stdout
    replayed = document(run("forecast", "--replay", "--days", "3", "--json"))
    assert [each["pushesPerDay"] for each in replayed["streams"]] == [2]


def test_diff_then_apply_what_was_reviewed(run: Run) -> None:
    """The diff says what would go and which hash that plan has; apply does that plan, and no other."""
    compared = run("diff", "--max-share", "100")
    assert compared.returncode == 0
    assert "newly doomed: 2 images" in compared.stdout
    reviewed = document(run("diff", "--json"))["planHash"]
    stale = run("apply", "--accept", "sha256:" + "0" * 64)
    assert (stale.returncode, reviewed in stale.stderr) == (2, True)
    done = run("apply", "--accept", reviewed)
    assert done.returncode == 0
    assert done.stdout.splitlines()[1] == "2 expired, 0 archived, 0 untagged, 0 blocked, 0 protected"
    assert "Nothing goes." in run("simulate", policy=False).stdout


REFUSED = {
    "no such image": (("explain", "--image", "gone"), {}, "has no image gone"),
    "no policy holds": (("simulate",), {"policy": False}, "Lifecycle policy does not exist"),
    "no registry": (("simulate",), {"AWS_ENDPOINT_URL_ECR": ""}, "no registry is configured"),
    "nobody there": (("simulate",), {"AWS_ENDPOINT_URL_ECR": "http://127.0.0.1:1"}, "Could not connect"),
    "no region": (("simulate",), {"AWS_DEFAULT_REGION": ""}, "Invalid endpoint"),
    "not allowed": (("simulate",), {"AWS_SECRET_ACCESS_KEY": "wrong"}, "signature"),
    "nothing named": (("explain",), {}, "a registry explains images by name"),
}


@pytest.mark.parametrize(("arguments", "options", "message"), REFUSED.values(), ids=REFUSED)
def test_refusals(run: Run, arguments: tuple[str, ...], options: dict[str, Any], message: str) -> None:
    """What goes wrong is said in a line, with status 2, and no traceback."""
    done = run(*arguments, **options)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_images_are_saved_with_what_indexes_list(server: Server, app: str, run: Run, tmp_path: Path) -> None:
    """The file has all that the commands on files need: they say of it what the registry says of its repository."""
    ecr = server.boto()
    children = [image("amd64"), image("arm64")]
    for child in children:
        push(ecr, app, child)
    put = ecr.put_image(
        repositoryName=app, imageManifest=index(*children).manifest.decode(), imageTag="multi"
    )
    file = tmp_path / "images.json"
    done = run("images", "--output", str(file), policy=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    details = {each["imageDigest"]: each for each in json.loads(file.read_text())["imageDetails"]}
    assert details[put["image"]["imageId"]["imageDigest"]]["imageReferences"] == [
        it.digest for it in children
    ]
    assert len(details) == 7
    on_files = document(run("simulate", "--images", str(file), "--json"))
    on_registry = document(run("simulate", "--json"))
    assert {each["imageDigest"]: each["reason"] for each in on_files["decisions"]} == {
        each["imageDigest"]: each["reason"] for each in on_registry["decisions"]
    }
    assert run("images", policy=False).stdout.startswith('{\n  "imageDetails": [')
    refused = run("images", policy=False, AWS_SECRET_ACCESS_KEY="wrong")
    assert (refused.returncode, "Traceback" in refused.stderr) == (2, False)


def test_rules_are_put_shown_and_deleted(server: Server, app: str, run: Run, tmp_path: Path) -> None:
    """`careen rules` manages what stands beside policies, and says what holds and where it comes from."""

    def rules(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return program.run("rules", *arguments, env=server.aws_environment())

    files = {
        "protection": {"rules": [{"name": "first", "anyTagPattern": ["v1"]}]},
        "extension": {"rules": [json.loads(POLICY)["rules"][0]]},
        "default": json.loads(POLICY),
    }
    for name, content in files.items():
        (tmp_path / name).write_text(json.dumps(content))
    assert rules("show", app).stdout == "no lifecycle policy\n"
    assert rules("put-default", str(tmp_path / "default"), "--pattern", app).returncode == 0
    assert rules("put-protection", str(tmp_path / "protection"), "--repository", app).returncode == 0
    assert rules("put-extension", str(tmp_path / "extension"), "--repository", app).returncode == 0
    shown = rules("show", app).stdout
    assert shown.startswith(f"the default lifecycle policy for {app}:\n{{\n")
    assert "\nextension rules:\n" in shown
    assert '"name": "first"' in shown[shown.index("\nprotection rules:\n") :]
    found = document(rules("show", app, "--json"))
    assert (found["origin"], found["repositoryNamePattern"]) == ("DEFAULT", app)
    assert app in rules("defaults").stdout
    assert "protection rule first keeps it" in run("simulate", policy=False).stdout
    assert document(rules("delete-protection", "--repository", app, "--json"))["repositoryName"] == app
    assert rules("delete-extension", "--repository", app).returncode == 0
    assert rules("delete-default", "--pattern", app).returncode == 0
    assert rules("show", app).stdout == "no lifecycle policy\n"
    for unclear in (("delete-protection",), ("delete-protection", "--repository", app, "--every-repository")):
        done = rules(*unclear)
        assert (done.returncode, done.stderr.splitlines()[0]) == (2, "error: whose rules?")


def test_its_own_endpoint_goes_first(run: Run, server: Server) -> None:
    """A configuration that leads ECR's clients to Amazon can lead this service's to a registry."""
    done = run("simulate", AWS_ENDPOINT_URL_ECR="http://127.0.0.1:1", AWS_ENDPOINT_URL_CAREEN=server.url)
    assert (done.returncode, done.stderr) == (0, "")
