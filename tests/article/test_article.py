"""The article that this project started from, followed step by step with the tools it uses, unmodified.

Push six images; delete one in the command line and one by a script; set a lifecycle policy in the command line, by a script, and
on every repository in a loop. Then weeks pass, and the right images are gone.
"""

import datetime as dt
import json
import os
import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from careen.oci.digest import digest_of
from tests.images import Built, image, write_layout
from tests.server import REGISTRY_ID, Server
from tests.waiting import until

AWS = Path(sysconfig.get_path("scripts")) / "aws"
EXAMPLES = Path(__file__).parents[2] / "examples"
REPOSITORY = "test-ecr-policy"
START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
LARGE = 100_000
"""Layers that are files, so that their bytes are seen to come back on the disk."""


class Reader:
    """Somebody who follows the article at a shell, in a folder with ``policy.json``."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server = server
        self.folder = folder
        self.ecr = server.boto()
        self.today = START
        shutil.copy(EXAMPLES / "policy.json", folder)

    def shell(self, *command: str | Path, stdin: str | None = None) -> str:
        """Run a command that must succeed. Returns what it printed."""
        environment = self.server.aws_environment() | {"REGISTRY_AUTH_FILE": str(self.folder / "auth.json")}
        done = subprocess.run(
            command,
            env=environment,
            cwd=self.folder,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout

    def aws(self, *command: str) -> Any:
        """The AWS CLI. Returns the JSON it printed."""
        return json.loads(self.shell(AWS, *command))

    def docker_login(self) -> None:
        """What the article does with docker: log in with the password that the AWS CLI prints."""
        password = self.shell(AWS, "ecr", "get-login-password")
        login = ("login", "--tls-verify=false", "--username", "AWS", "--password-stdin", self.server.host)
        assert "Login Succeeded" in self.shell("skopeo", *login, stdin=password)

    def docker_push(self, built: Built, tag: str) -> None:
        """Tag and push an image."""
        layout = write_layout(self.folder / built.digest.partition(":")[2][:12], built, tag)
        self.shell("skopeo", "copy", "--dest-tls-verify=false", layout, self.named(tag))

    def docker_pull(self, tag: str) -> dict[str, bytes]:
        """Pull an image. Returns its content by digest."""
        folder = self.folder / f"pulled-{tag}"
        self.shell("skopeo", "copy", "--src-tls-verify=false", self.named(tag), f"oci:{folder}:{tag}")
        files = (folder / "blobs").rglob("*")
        return {digest_of(data): data for data in (path.read_bytes() for path in files if path.is_file())}

    def named(self, tag: str) -> str:
        """How skopeo names an image of the registry."""
        return f"docker://{self.server.host}/{REPOSITORY}:{tag}"

    def tags(self) -> list[str]:
        """Every tag there is."""
        pages = self.ecr.get_paginator("list_images").paginate(repositoryName=REPOSITORY)
        return sorted(one["imageTag"] for page in pages for one in page["imageIds"] if "imageTag" in one)

    def untagged(self) -> list[str]:
        """The digests of images without a tag."""
        listed = self.ecr.list_images(repositoryName=REPOSITORY, filter={"tagStatus": "UNTAGGED"})
        return [one["imageDigest"] for one in listed["imageIds"]]

    def days_pass(self, days: int) -> None:
        """Let days pass, and wait until the registry has run its policies once more."""
        self.today += dt.timedelta(days=days)
        self.server.set_time(self.today.isoformat())
        until(lambda: self.evaluated_at() >= self.today, "the policy does not run")

    def a_minute_passes(self) -> None:
        """A clock that stands still leaves what was asked for just now in the worker's future."""
        self.today += dt.timedelta(minutes=1)
        self.server.set_time(self.today.isoformat())

    def evaluated_at(self) -> dt.datetime:
        """When the policy was last evaluated."""
        at: dt.datetime = self.ecr.get_lifecycle_policy(repositoryName=REPOSITORY)["lastEvaluatedAt"]
        return at


@pytest.fixture
def reader(make_server: Callable[..., Server], tmp_path: Path) -> Reader:
    """A reader with a freshly started registry on New Year's Day."""
    if shutil.which("skopeo") is None:
        pytest.skip("skopeo is not installed")
    folder = tmp_path / "work"
    folder.mkdir()
    return Reader(make_server(time=START.isoformat(), trash_days=1), folder)


def images() -> dict[str, Built]:
    """Six different images on a common base."""
    return {
        f"custom-image-{number}": image("base", f"version {number}", size=LARGE) for number in range(1, 7)
    }


def test_the_article(reader: Reader) -> None:
    """Every step of it, with the result it shows."""
    who_am_i(reader)
    pushed = push_six_images(reader)
    delete_one_in_the_command_line(reader)
    delete_some_by_a_script(reader)
    rebuild_one(reader)
    set_a_policy_in_the_command_line(reader)
    set_a_policy_by_a_script(reader)
    set_one_policy_everywhere(reader)
    look_before_it_happens(reader, pushed)
    weeks_pass(reader, pushed)
    the_others_are_pulled(reader, pushed)
    the_bytes_come_back(reader)


def who_am_i(reader: Reader) -> None:
    assert reader.aws("sts", "get-caller-identity")["Account"] == REGISTRY_ID


def push_six_images(reader: Reader) -> dict[str, Built]:
    """A day apart, so that there are older and newer ones."""
    created = reader.aws("ecr", "create-repository", "--repository-name", REPOSITORY)["repository"]
    assert created["repositoryUri"] == f"{reader.server.host}/{REPOSITORY}"
    reader.docker_login()
    pushed = images()
    for day, (tag, built) in enumerate(pushed.items()):
        reader.today = START + dt.timedelta(days=day)
        reader.server.set_time(reader.today.isoformat())
        reader.docker_push(built, tag)
    assert reader.tags() == sorted(pushed)
    return pushed


def delete_one_in_the_command_line(reader: Reader) -> None:
    named = ("--repository-name", REPOSITORY, "--image-ids", "imageTag=custom-image-6")
    answer = reader.aws("ecr", "batch-delete-image", *named)
    assert answer == {
        "imageIds": [{"imageDigest": images()["custom-image-6"].digest, "imageTag": "custom-image-6"}],
        "failures": [],
    }


def delete_some_by_a_script(reader: Reader) -> None:
    """List, filter, delete: here what is tagged as the fifth."""
    listed = reader.ecr.list_images(repositoryName=REPOSITORY)["imageIds"]
    doomed = [image_id for image_id in listed if image_id.get("imageTag", "").endswith("-5")]
    answer = reader.ecr.batch_delete_image(repositoryName=REPOSITORY, imageIds=doomed)
    assert (answer["imageIds"], answer["failures"]) == (doomed, [])
    assert reader.tags() == ["custom-image-1", "custom-image-2", "custom-image-3", "custom-image-4"]


def rebuild_one(reader: Reader) -> None:
    """The tag moves, and what it named before is untagged."""
    reader.docker_push(image("base", "version 4, rebuilt", size=LARGE), "custom-image-4")
    assert reader.untagged() == [images()["custom-image-4"].digest]


def set_a_policy_in_the_command_line(reader: Reader) -> None:
    named = ("--repository-name", REPOSITORY, "--lifecycle-policy-text", "file://policy.json")
    answer = reader.aws("ecr", "put-lifecycle-policy", *named)
    assert (answer["registryId"], answer["repositoryName"]) == (REGISTRY_ID, REPOSITORY)
    assert json.loads(answer["lifecyclePolicyText"]) == json.loads(
        (reader.folder / "policy.json").read_text()
    )


def set_a_policy_by_a_script(reader: Reader) -> None:
    policy = json.loads((reader.folder / "policy.json").read_text())
    answer = reader.ecr.put_lifecycle_policy(
        repositoryName=REPOSITORY, lifecyclePolicyText=json.dumps(policy)
    )
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200


def set_one_policy_everywhere(reader: Reader) -> None:
    """Over all repositories there are, more than one page of them."""
    for number in range(150):
        reader.ecr.create_repository(repositoryName=f"service/{number:03}")
    text = (reader.folder / "policy.json").read_text()
    applied = []
    for page in reader.ecr.get_paginator("describe_repositories").paginate():
        for repository in page["repositories"]:
            reader.ecr.put_lifecycle_policy(
                repositoryName=repository["repositoryName"], lifecyclePolicyText=text
            )
            applied.append(repository["repositoryName"])
    assert len(applied) == len(set(applied)) == 151
    last = reader.ecr.get_lifecycle_policy(repositoryName="service/149")
    assert json.loads(last["lifecyclePolicyText"]) == json.loads(text)


def look_before_it_happens(reader: Reader, pushed: dict[str, Built]) -> None:
    """The preview tells what the policy would take today: the oldest of four, by rule 2."""
    reader.ecr.start_lifecycle_policy_preview(repositoryName=REPOSITORY)
    reader.a_minute_passes()
    waiter = reader.ecr.get_waiter("lifecycle_policy_preview_complete")
    waiter.wait(repositoryName=REPOSITORY, WaiterConfig={"Delay": 0.2, "MaxAttempts": 500})
    preview = reader.ecr.get_lifecycle_policy_preview(repositoryName=REPOSITORY)
    assert [(one["imageDigest"], one["appliedRulePriority"]) for one in preview["previewResults"]] == [
        (pushed["custom-image-1"].digest, 2)
    ]
    assert "custom-image-1" in reader.tags()


def weeks_pass(reader: Reader, pushed: dict[str, Built]) -> None:
    """The tagged ones are down to three at once; the untagged one stays until it is fourteen days old."""
    reader.days_pass(5)
    assert reader.tags() == ["custom-image-2", "custom-image-3", "custom-image-4"]
    assert reader.untagged() == [pushed["custom-image-4"].digest]
    reader.days_pass(5)
    assert reader.untagged() == [pushed["custom-image-4"].digest]
    reader.days_pass(5)
    assert reader.untagged() == []
    assert reader.tags() == ["custom-image-2", "custom-image-3", "custom-image-4"]


def the_others_are_pulled(reader: Reader, pushed: dict[str, Built]) -> None:
    """With every byte; what is gone is unknown, in words that people understand."""
    kept = {
        "custom-image-2": pushed["custom-image-2"],
        "custom-image-3": pushed["custom-image-3"],
        "custom-image-4": image("base", "version 4, rebuilt", size=LARGE),
    }
    for tag, built in kept.items():
        expected = {digest_of(data): data for data in (built.manifest, *built.blobs)}
        assert reader.docker_pull(tag) == expected
    gone = subprocess.run(
        ["skopeo", "inspect", "--tls-verify=false", reader.named("custom-image-1")],
        env=os.environ | {"REGISTRY_AUTH_FILE": str(reader.folder / "auth.json")},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert gone.returncode != 0
    assert "manifest unknown" in gone.stderr


def the_bytes_come_back(reader: Reader) -> None:
    """Two days later the trash is empty and the files of what is gone are deleted: four layers of eight are left."""
    reader.days_pass(2)
    blobs = reader.server.data / "blobs"
    until(lambda: sum(path.is_file() for path in blobs.rglob("*")) == 4, "the bytes stay")
    reader.docker_pull("custom-image-2")


def test_podman_pushes_and_pulls_too(make_server: Callable[..., Server], tmp_path: Path) -> None:
    """Another client with other habits; skipped where it cannot store images."""
    if shutil.which("podman") is None:
        pytest.skip("podman is not installed")
    built = image("base", "app")
    with tempfile.TemporaryDirectory(prefix="careen") as short:  # podman takes paths of at most 50 characters
        podman = ("podman", "--root", f"{short}/root", "--runroot", f"{short}/run", "--storage-driver", "vfs")
        pull = (*podman, "pull", "--quiet", write_layout(tmp_path / "layout", built, "1"))
        loaded = subprocess.run(pull, capture_output=True, text=True, check=False, timeout=120)
        if loaded.returncode:
            pytest.skip(f"podman cannot store images here: {loaded.stderr.splitlines()[-1]}")
        reader = Reader(make_server(), tmp_path)
        target = f"{reader.server.host}/{REPOSITORY}:1"
        password = reader.shell(AWS, "ecr", "get-login-password")
        login = ("login", "--tls-verify=false", "--username", "AWS", "--password-stdin", reader.server.host)
        reader.shell(*podman, *login, stdin=password)
        reader.shell(*podman, "push", "--tls-verify=false", loaded.stdout.strip(), f"docker://{target}")
        reader.shell(*podman, "rmi", "--all", "--force")
        reader.shell(*podman, "pull", "--tls-verify=false", target)
        [inspected] = json.loads(reader.shell(*podman, "inspect", target))
    assert reader.tags() == ["1"]
    assert inspected["Config"]["Labels"] == {"layers": "base app"}
