"""The trash as people meet it: a pull that fails and says why, one command that brings the image back, the ledger."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests import program
from tests.distribution.client import Client
from tests.ecrapi.client import push, strict
from tests.images import artifact, image, index
from tests.server import REGISTRY_ID, Server
from tests.waiting import found

ROOT = f"arn:aws:iam::{REGISTRY_ID}:root"
ONE, TWO = image("base", "one"), image("base", "two")
BOTH = index(ONE, TWO)
SIGNATURE = artifact("application/vnd.example.signature", BOTH)
POLICY = json.dumps(
    {
        "rules": [
            {
                "rulePriority": 3,
                "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 1},
                "action": {"type": "expire"},
            }
        ]
    }
)

Run = Callable[..., str]


@pytest.fixture
def run(server: Server) -> Run:
    """Run `careen trash …` as somebody does whose AWS configuration leads to the registry; it must end with ``status``."""

    def run(*command: str, status: int = 0) -> str:
        done = program.run("trash", *command, env=server.aws_environment())
        assert done.returncode == status, done.stderr
        return done.stdout + done.stderr

    return run


@pytest.fixture
def app(client: Client, name: str) -> str:
    """A repository with an index of two images, signed, under two tags."""
    for built in (ONE, TWO, SIGNATURE._replace(manifest=b"", blobs=SIGNATURE.blobs)):
        for blob in built.blobs:
            client.push_blob(name, blob)
    for built in (ONE, TWO):
        client.push_manifest(name, built)
    client.push_manifest(name, BOTH, "1.0")
    client.push_manifest(name, BOTH, "latest")
    client.push_manifest(name, SIGNATURE)
    return name


@pytest.fixture
def client(server: Server) -> Client:
    """A caller of the distribution API."""
    return Client(server)


@pytest.fixture
def careen(server: Server) -> Any:
    """A strict client of our own service."""
    return strict(server.boto("careen"))


def missed(careen: Any, name: str, digest: str) -> int:
    """The missed pulls of an image, once they are written."""

    def written() -> int:
        [entry] = careen.list_trash(repositoryName=name)["deletions"][-1:]
        assert entry["imageDigest"] == digest
        return int(entry["missedPulls"])

    return found(written, "no pull is written down")


def test_a_pull_of_a_deleted_image_says_how_to_get_it_back(
    client: Client, careen: Any, app: str, run: Run
) -> None:
    """404 with who deleted it, when, and the very command that restores it; which does, with children and signature."""
    assert client.send("DELETE", f"/v2/{app}/manifests/{BOTH.digest}").status == 202
    refused = client.send("GET", f"/v2/{app}/manifests/1.0")
    assert (refused.status, refused.code) == (404, "MANIFEST_UNKNOWN")
    detail = refused.json()["errors"][0]["detail"]
    assert (detail["deletedBy"], detail["operation"], detail["imageDigest"]) == (
        ROOT,
        "DELETE manifest",
        BOTH.digest,
    )
    assert detail["deletedAt"] < detail["restorableUntil"]
    assert client.send("HEAD", f"/v2/{app}/manifests/{BOTH.digest}").status == 404
    assert missed(careen, app, BOTH.digest) == 2
    command = detail["restore"].split()
    assert command[:2] == ["careen", "trash"]
    assert "2 images are back" in run(*command[2:])
    assert client.send("GET", f"/v2/{app}/manifests/1.0").body == BOTH.manifest
    [signature] = client.send("GET", f"/v2/{app}/referrers/{BOTH.digest}").json()["manifests"]
    assert signature["digest"] == SIGNATURE.digest
    assert "is not in the trash" in run(*command[2:], status=2)


def test_what_lies_in_the_trash_is_nowhere_else(client: Client, server: Server, app: str) -> None:
    """No listing and no read of either API shows it."""
    ecr = server.boto()
    client.send("DELETE", f"/v2/{app}/manifests/{BOTH.digest}")
    assert client.send("GET", f"/v2/{app}/tags/list").json()["tags"] == []
    assert client.send("GET", f"/v2/{app}/referrers/{BOTH.digest}").json()["manifests"] == []
    described = {each["imageDigest"] for each in ecr.describe_images(repositoryName=app)["imageDetails"]}
    assert described == {ONE.digest, TWO.digest}
    assert len(ecr.list_images(repositoryName=app)["imageIds"]) == 2
    [failure] = ecr.batch_get_image(repositoryName=app, imageIds=[{"imageTag": "1.0"}])["failures"]
    assert failure["failureCode"] == "ImageNotFound"


def test_the_registry_can_bring_an_image_back_by_itself(
    make_server: Callable[..., Server], name: str
) -> None:
    """With ``restore_on_pull`` the pull succeeds, by tag and by digest, as if nothing had been deleted."""
    server = make_server(restore_on_pull=True)
    client = Client(server)
    for tag, reference in (("1", "1"), ("2", ONE.digest)):
        client.push(name, ONE, tag)
        assert client.send("DELETE", f"/v2/{name}/manifests/{ONE.digest}").status == 202
        assert client.send("HEAD", f"/v2/{name}/manifests/{reference}").status == 200
        assert client.send("GET", f"/v2/{name}/manifests/{reference}").body == ONE.manifest
    history = strict(server.boto("careen")).describe_deletions(repositoryName=name)["deletions"]
    assert [(each["outcome"], each["endedBy"]) for each in history] == [("RESTORED", ROOT)] * 2
    # A repository comes back by nobody's pull: who may pull may not make one, and the policy that it had is gone.
    server.boto().delete_repository(repositoryName=name, force=True)
    for method in ("HEAD", "GET"):
        assert client.send(method, f"/v2/{name}/manifests/1").status == 404
    assert name not in client.send("GET", "/v2/_catalog").json()["repositories"]


def test_a_run_is_listed_explained_and_undone(server: Server, careen: Any, name: str, run: Run) -> None:
    """Who deleted it: the run, the rule and the reason; one command brings back all of it, and nothing is asked twice."""
    ecr = server.boto()
    ecr.create_repository(repositoryName=name)
    pushed = {push(ecr, name, image(f"{name} {number}"), f"v{number}") for number in range(3)}
    plan = careen.simulate_lifecycle_policy(repositoryName=name, lifecyclePolicyText=POLICY)["planHash"]
    careen.apply_lifecycle_policy(repositoryName=name, lifecyclePolicyText=POLICY, planHash=plan)
    ecr.delete_lifecycle_policy(repositoryName=name)
    listed = run("list", name)
    assert listed.count("by lifecycle (LifecyclePolicy, run") == 2
    assert "rule 3" in listed
    [latest, _] = careen.list_trash(repositoryName=name)["deletions"]
    assert (latest["rulePriority"], latest["planHash"], latest["outcome"]) == (3, plan, "IN_TRASH")
    assert "2 images are back" in run("restore", "--run", str(latest["runId"]))
    assert {each["imageDigest"] for each in ecr.list_images(repositoryName=name)["imageIds"]} == pushed
    assert run("history", name, "--digest", latest["imageDigest"]).count("restored") == 1
    assert "nothing like that was ever deleted" in run("history", name, "--tag", "v2")


def test_emptying_is_for_good(client: Client, careen: Any, app: str, run: Run) -> None:
    """Only when somebody says so twice; the ledger still answers who deleted the digest, and who emptied."""
    client.send("DELETE", f"/v2/{app}/manifests/{BOTH.digest}")
    assert "add --now" in run("empty", app, status=1)
    assert "2 images are gone for good" in run("empty", app, "--now")
    assert "the trash is empty" in run("list", app) or "images in the trash" in run("list", app)
    assert careen.list_trash(repositoryName=app)["deletions"] == []
    [entry] = careen.describe_deletions(imageDigest=BOTH.digest, repositoryName=app)["deletions"]
    assert (entry["outcome"], entry["endedBy"], entry["deletedBy"]) == ("PURGED", ROOT, ROOT)
    assert client.send("GET", f"/v2/{app}/manifests/1.0").json()["errors"][0].get("detail") is None


def test_the_lists_are_paged(server: Server, careen: Any, name: str) -> None:
    """Every entry once, the latest first, however small the pages are."""
    client = Client(server)
    for number in range(5):
        client.push(name, image(f"{name} {number}"), f"v{number}")
        client.send("DELETE", f"/v2/{name}/manifests/{image(f'{name} {number}').digest}")
    for operation in ("list_trash", "describe_deletions"):
        pages = list(
            careen.get_paginator(operation).paginate(repositoryName=name, PaginationConfig={"PageSize": 2})
        )
        tags = [each["imageTags"] for page in pages for each in page["deletions"]]
        assert (len(pages), tags) == (3, [["v4"], ["v3"], ["v2"], ["v1"], ["v0"]])


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"repositoryName": "a/b"},
        {"imageIds": [{"imageTag": "x"}]},
        {"runId": 1, "imageIds": [{"imageTag": "x"}]},
    ],
    ids=["nothing", "a repository", "images", "both"],
)
def test_half_a_wish_is_refused(careen: Any, parameters: dict[str, Any]) -> None:
    """RestoreImages wants a repository with images, or a run."""
    with pytest.raises(
        careen.exceptions.InvalidParameterException, match="give a repository and images, or a run"
    ):
        careen.restore_images(**parameters)
