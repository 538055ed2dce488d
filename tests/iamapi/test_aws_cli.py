"""The real AWS CLI makes a CI user that may push to one repository, and a container client pushes with its key."""

import json
import subprocess
from pathlib import Path

from tests.clients.client import needs
from tests.ecrapi.test_aws_cli import aws, told
from tests.iamapi.conftest import allowing
from tests.images import image, write_layout
from tests.server import REGION, REGISTRY_ID, Server


@needs("skopeo")
def test_a_ci_user_that_may_push_to_one_repository(server: Server, name: str, tmp_path: Path) -> None:
    """As docs/users.md has it: user, key, policy, push; elsewhere and afterwards it is refused."""
    user = f"ci-{name.rpartition('/')[2]}"
    named = ("--user-name", user)
    told(server, "ecr", "create-repository", "--repository-name", name)
    assert told(server, "iam", "create-user", *named)["User"]["UserName"] == user
    key = told(server, "iam", "create-access-key", *named)["AccessKey"]
    where = f"arn:aws:ecr:{REGION}:{REGISTRY_ID}:repository/{name}"
    push = json.loads(
        allowing(
            "ecr:BatchCheckLayerAvailability", "ecr:InitiateLayerUpload", "ecr:UploadLayerPart",
            "ecr:CompleteLayerUpload", "ecr:PutImage", "ecr:BatchGetImage", resource=where,
        )
    )  # fmt: skip
    push["Statement"].append({"Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"})
    file = tmp_path / "push.json"
    file.write_text(json.dumps(push, indent=2))
    told(
        server,
        "iam",
        "put-user-policy",
        *named,
        "--policy-name",
        "push",
        "--policy-document",
        f"file://{file}",
    )
    found = told(server, "iam", "get-user-policy", *named, "--policy-name", "push")
    assert found["PolicyDocument"] == push
    listed = told(
        server, "iam", "list-users", "--page-size", "1", "--query", f"Users[?UserName=='{user}'].Arn"
    )
    assert listed == [f"arn:aws:iam::{REGISTRY_ID}:user/{user}"]

    mine = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
    password = aws(server, "ecr", "get-login-password", **mine).stdout.strip()
    write_layout(tmp_path / "layout", image(f"of {name}"), "1")

    def push_to(repository: str) -> "subprocess.CompletedProcess[str]":
        return _run(
            "skopeo", "copy", "--dest-tls-verify=false", "--dest-creds", f"AWS:{password}",
            f"oci:{tmp_path / 'layout'}:1", f"docker://{server.host}/{repository}:1",
        )  # fmt: skip

    pushed = push_to(name)
    assert pushed.returncode == 0, pushed.stderr
    refused = push_to(f"{name}-other")
    assert refused.returncode != 0
    assert "403 (Forbidden)" in refused.stderr
    told(server, "iam", "delete-user-policy", *named, "--policy-name", "push")
    assert push_to(name).returncode != 0


def _run(*command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_the_cli_is_told_what_is_wrong_with_a_web_identity(server: Server) -> None:
    """An unsigned call, refused under the name that the model has for it."""
    done = aws(
        server, "sts", "assume-role-with-web-identity", "--role-arn", f"arn:aws:iam::{REGISTRY_ID}:role/x",
        "--role-session-name", "run", "--web-identity-token", "x.y.z",
    )  # fmt: skip
    assert "(InvalidIdentityToken)" in done.stderr
