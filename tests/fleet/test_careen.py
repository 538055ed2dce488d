"""`careen fleet` on Careen, as people run it, by somebody who may do what `careen fleet permissions` prints and nothing else."""

import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from careen.fleet import inventory
from careen.fleet.scanned import Scanned
from careen.oci.media_types import OCI_INDEX
from tests.ecrapi.client import push
from tests.fleet.conftest import Run
from tests.images import image
from tests.server import REGION, REGISTRY_ID, Server

COUNTS_PULLS = json.dumps(
    {
        "rules": [
            {
                "rulePriority": 1,
                "selection": {
                    "tagStatus": "any",
                    "countType": "sinceImagePulled",
                    "countUnit": "days",
                    "countNumber": 1,
                },
                "action": {"type": "transition", "targetStorageClass": "archive"},
            }
        ]
    }
)


class Reader:
    """A user with a printed policy."""

    def __init__(self, server: Server, run: Run) -> None:
        self.name = f"reader-{uuid.uuid4().hex[:8]}"
        iam = server.boto("iam")
        self.arn = iam.create_user(UserName=self.name)["User"]["Arn"]
        printed = run("permissions", "read")
        assert printed.returncode == 0
        # Careen's IAM knows of ECR's actions; those of other services are for Amazon's.
        document = json.loads(printed.stdout)
        iam.put_user_policy(UserName=self.name, PolicyName="fleet", PolicyDocument=json.dumps(document))
        key = iam.create_access_key(UserName=self.name)["AccessKey"]
        self.environment = server.aws_environment() | {
            "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
        }


@pytest.fixture
def reader(server: Server, run: Run) -> Reader:
    """Somebody who may scan."""
    return Reader(server, run)


def scanned(folder: Path) -> dict[str, Scanned]:
    """What the inventory has, by repository."""
    read = inventory.read(folder / "careen-fleet" / "inventory.jsonl.gz")
    return {each.repository.name: each for each in read.scanned()}


def last_pulls(ecr: Any, name: str) -> set[Any]:
    """When images were pulled."""
    return {
        each.get("lastRecordedPullTime") for each in ecr.describe_images(repositoryName=name)["imageDetails"]
    }


def test_a_scan_by_whoever_has_the_printed_policy(
    server: Server, run: Run, reader: Reader, name: str, tmp_path: Path
) -> None:
    """Sees everything: an image with its layers, an index with what it lists, tags, the policy's text."""
    ecr = server.boto()
    ecr.create_repository(repositoryName=name, tags=[{"Key": "owner", "Value": "x"}])
    built = image(name, size=100)
    child = push(ecr, name, built, "v1")
    index = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": OCI_INDEX,
            "manifests": [
                {
                    "mediaType": "application/vnd.oci.image.manifest.v1+json",
                    "digest": child,
                    "size": len(built.manifest),
                }
            ],
        }
    )
    ecr.put_image(repositoryName=name, imageManifest=index, imageTag="all")
    done = run("scan", "--repository", name, "--json", **reader.environment)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["repositories"], said["images"], said["refusals"]) == (1, 2, [])
    found = scanned(tmp_path)[name]
    assert found.repository.tags == {"owner": "x"}
    assert (found.repository.account, found.repository.region) == (REGISTRY_ID, REGION)
    images = {each.tags: each for each in found.images}
    assert [each.digest for each in images["all",].children or ()] == [child]
    read = json.loads(built.manifest)
    assert [each.digest for each in images["v1",].blobs or ()] == [
        each["digest"] for each in (read["config"], *read["layers"])
    ]


def test_a_policy_that_counts_pulls(
    server: Server, run: Run, reader: Reader, name: str, tmp_path: Path
) -> None:
    """Manifests are not read by somebody whose pulls count, and the images are as unused as they were; the way out is said."""
    ecr = server.boto()
    ecr.create_repository(repositoryName=name)
    push(ecr, name, image(name, size=100), "v1")
    ecr.put_lifecycle_policy(repositoryName=name, lifecyclePolicyText=COUNTS_PULLS)
    before = last_pulls(ecr, name)
    refused = run("scan", "--repository", name, **reader.environment)
    assert refused.returncode == 3
    way_out = f"aws ecr register-pull-time-update-exclusion --principal-arn {reader.arn}"
    assert way_out in refused.stderr
    assert [each.blobs for each in scanned(tmp_path)[name].images] == [None]
    ecr.register_pull_time_update_exclusion(principalArn=reader.arn)
    done = run("scan", "--repository", name, **reader.environment)
    assert done.returncode == 0, done.stderr
    assert [each.blobs is not None for each in scanned(tmp_path)[name].images] == [True]
    assert last_pulls(ecr, name) == before


def test_somebody_who_may_do_nothing(server: Server, run: Run, reader: Reader, name: str) -> None:
    """Is told which permission is missing, on one line, and how to get the policy."""
    server.boto("iam").delete_user_policy(UserName=reader.name, PolicyName="fleet")
    done = run("scan", "--repository", name, **reader.environment)
    assert (done.returncode, done.stdout) == (1, "")
    assert "error: ecr:DescribeRepositories: AccessDeniedException: " in done.stderr
    assert "try: allow ecr:DescribeRepositories (`careen fleet permissions`)" in done.stderr
    assert "Traceback" not in done.stderr


WRONG: dict[str, tuple[tuple[str, ...], str]] = {
    "a selector": (("--repository", ""), "selects nothing"),
    "a feed": (("--in-use", "mesos"), "nobody called mesos"),
    "a profile": (("--profile", "none-such"), "none-such"),
    "a folder": (("--state", "/dev/null/x"), "cannot be made"),
}


@pytest.mark.parametrize("case", WRONG)
def test_options_that_are_wrong(server: Server, run: Run, case: str) -> None:
    """End with status 2 and a line, and in JSON if that was asked for."""
    arguments, message = WRONG[case]
    done = run("scan", *arguments, "--json", **server.aws_environment())
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert json.loads(done.stdout)["error"]["code"] == "BadInput"


def test_a_registry_that_is_not_there(run: Run, server: Server) -> None:
    """Is one line, too."""
    nowhere = server.aws_environment() | {"AWS_ENDPOINT_URL_ECR": "http://127.0.0.1:1"}
    done = run("scan", **nowhere)
    assert done.returncode == 1
    assert "Could not connect" in done.stderr
    assert "Traceback" not in done.stderr
