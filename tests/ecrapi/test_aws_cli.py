"""The real AWS CLI, as people use it: the same operations once each, and the errors they see."""

import base64
import json
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from tests.ecrapi.client import push
from tests.images import image
from tests.server import REGISTRY_ID, Server

AWS = Path(sysconfig.get_path("scripts")) / "aws"
FAILED = 255
"""What version 1 of the CLI exits with after any failure; version 2 has 254 for the service's."""

EXAMPLE = Path(__file__).parents[2] / "examples" / "keep-ten.json"


def aws(server: Server, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the AWS CLI in the environment that `careen serve` tells people to paste."""
    return subprocess.run(
        [AWS, *command],
        env=server.aws_environment() | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def told(server: Server, *command: str) -> Any:
    """The JSON that a successful command prints."""
    done = aws(server, *command)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) if done.stdout else None


def test_a_repositorys_life_by_the_cli(ecr: Any, server: Server, name: str) -> None:
    """Create, look, set a policy from a file, preview it, delete an image, delete the repository."""
    named = ("--repository-name", name)
    created = told(server, "ecr", "create-repository", *named, "--image-tag-mutability", "IMMUTABLE")
    assert created["repository"]["repositoryUri"] == f"{server.host}/{name}"
    push(ecr, name, built := image("layer"), "1")
    policy = f"file://{EXAMPLE}"
    put = told(server, "ecr", "put-lifecycle-policy", *named, "--lifecycle-policy-text", policy)
    assert json.loads(put["lifecyclePolicyText"]) == json.loads(EXAMPLE.read_text())
    started = told(server, "ecr", "start-lifecycle-policy-preview", *named)
    assert started["status"] == "IN_PROGRESS"
    [listed] = told(server, "ecr", "list-images", *named)["imageIds"]
    assert listed == {"imageDigest": built.digest, "imageTag": "1"}
    assert aws(server, "ecr", "wait", "lifecycle-policy-preview-complete", *named).returncode == 0
    preview = told(server, "ecr", "get-lifecycle-policy-preview", *named)
    assert (preview["previewResults"], preview["summary"]) == ([], {"expiringImageTotalCount": 0})
    deleted = told(server, "ecr", "batch-delete-image", *named, "--image-ids", "imageTag=1", "imageTag=2")
    assert deleted == {
        "imageIds": [listed],
        "failures": [
            {
                "imageId": {"imageTag": "2"},
                "failureCode": "ImageNotFound",
                "failureReason": "Requested image not found",
            }
        ],
    }
    assert told(server, "ecr", "delete-repository", *named)["repository"]["repositoryName"] == name


def test_the_cli_logs_in(server: Server) -> None:
    """``get-login-password`` prints the password of the token alone, which ``docker login`` takes."""
    done = aws(server, "ecr", "get-login-password")
    password = done.stdout.rstrip("\n")
    assert done.returncode == 0
    assert password
    assert ":" not in password
    [data] = told(server, "ecr", "get-authorization-token")["authorizationData"]
    assert base64.b64decode(data["authorizationToken"]).startswith(b"AWS:")


@pytest.mark.parametrize(
    ("command", "message"),
    [
        pytest.param(
            ("describe-images", "--repository-name", "no/such"),
            (
                "An error occurred (RepositoryNotFoundException) when calling the DescribeImages operation:"
                f" The repository with name 'no/such' does not exist in the registry with id '{REGISTRY_ID}'"
            ),
            id="no repository",
        ),
        pytest.param(
            ("put-registry-policy", "--policy-text", "{}"),
            (
                "An error occurred (InvalidParameterException) when calling the PutRegistryPolicy operation: Invalid parameter at"
                " 'PolicyText' failed to satisfy constraint: 'Invalid registry policy provided'"
            ),
            id="no policy",
        ),
        pytest.param(
            ("create-repository", "--repository-name", "Not-A-Name"),
            "An error occurred (InvalidParameterException) when calling the CreateRepository operation: Invalid",
            id="no name",
        ),
    ],
)
def test_people_see_amazons_errors(server: Server, command: tuple[str, ...], message: str) -> None:
    """A failure, and ECR's sentence on standard error, without a wait for retries."""
    done = aws(server, "ecr", *command)
    assert done.returncode == FAILED
    assert message in done.stderr


def test_people_see_that_their_key_is_wrong(server: Server) -> None:
    """The commonest mistake of all."""
    done = aws(server, "ecr", "describe-repositories", AWS_SECRET_ACCESS_KEY="wrong")
    assert done.returncode == FAILED
    assert (
        "An error occurred (InvalidSignatureException) when calling the DescribeRepositories operation"
        in done.stderr
    )


def test_people_see_where_nobody_answers(server: Server) -> None:
    """An endpoint URL without a registry behind it is named."""
    nowhere = {"AWS_ENDPOINT_URL_ECR": "http://127.0.0.1:1", "AWS_MAX_ATTEMPTS": "1"}
    done = aws(server, "ecr", "describe-repositories", **nowhere)
    assert done.returncode == FAILED
    assert 'Could not connect to the endpoint URL: "http://127.0.0.1:1/"' in done.stderr


def test_a_template_and_a_setting_by_the_cli(ecr: Any, server: Server, name: str) -> None:
    """A template from the command line's own words; the next push makes a repository by it."""
    prefix = name.replace("/", "-")
    made = told(
        *(server, "ecr", "create-repository-creation-template", "--prefix", prefix),
        *("--applied-for", "CREATE_ON_PUSH", "--image-tag-mutability", "IMMUTABLE_WITH_EXCLUSION"),
        *("--image-tag-mutability-exclusion-filters", "filterType=WILDCARD,filter=latest*"),
        *("--resource-tags", "Key=team,Value=web", "--lifecycle-policy", f"file://{EXAMPLE}"),
    )["repositoryCreationTemplate"]
    assert told(server, "ecr", "describe-repository-creation-templates", "--prefixes", prefix) == {
        "registryId": REGISTRY_ID,
        "repositoryCreationTemplates": [made],
    }
    push(ecr, f"{prefix}/app", image("layer"), "1")
    [repository] = ecr.describe_repositories(repositoryNames=[f"{prefix}/app"])["repositories"]
    assert repository["imageTagMutability"] == made["imageTagMutability"] == "IMMUTABLE_WITH_EXCLUSION"
    setting = ("--name", "REGISTRY_POLICY_SCOPE")
    assert told(server, "ecr", "get-account-setting", *setting) == {
        "name": "REGISTRY_POLICY_SCOPE",
        "value": "V2",
    }
