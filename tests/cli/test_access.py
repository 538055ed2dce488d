"""``careen access`` as people run it: why somebody may not, what is wrong with a policy, and the way in again."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import program
from tests.distribution.client import new_key
from tests.server import REGION, REGISTRY_ID, Server

Run = Callable[..., str]

DENY = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Sid": "Nobody",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "ecr:*",
            "Condition": {"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}},
        }
    ],
}


@pytest.fixture
def run(server: Server) -> Run:
    """Run `careen access …` on the machine of the registry, with an AWS configuration; it must end with ``status``."""

    def run(*command: str, status: int = 0, stdin: str = "") -> str:
        # `unlock` works where the registry is, the others wherever somebody is whose keys it knows.
        env = server.environment() if command[0] == "unlock" else server.aws_environment()
        done = program.run("access", *command, env=env, stdin=stdin)
        assert done.returncode == status, done.stderr
        return done.stdout + done.stderr

    return run


@pytest.fixture
def reader(server: Server, name: str) -> str:
    """The name of a principal that may read."""
    called = name.replace("/", "-")
    new_key(server, called, "ReadOnly")
    return called


def test_why_somebody_may_not(server: Server, run: Run, name: str, reader: str) -> None:
    """The verdict in words, the reason, the statement, what it depends on; or all of that as JSON."""
    ecr = server.boto()
    ecr.create_repository(repositoryName=name)
    arn = f"arn:aws:ecr:{REGION}:{REGISTRY_ID}:repository/{name}"
    who = f"arn:aws:iam::{REGISTRY_ID}:user/{reader}"
    told = run("explain", reader, "ecr:PutImage", name)
    assert told.splitlines()[:2] == [
        f"{who} may not ecr:PutImage on {arn}",
        "because no identity-based policy allows the ecr:PutImage action",
    ]
    assert "no statement applies, of: identity-based policy AmazonEC2ContainerRegistryReadOnly" in told
    ecr.set_repository_policy(repositoryName=name, policyText=json.dumps(DENY), force=True)
    told = run("explain", who, "ecr:ListImages", arn)
    assert told.startswith(
        f"{who} must not ecr:ListImages on {arn}\nwith an explicit deny in a resource-based policy\n"
    )
    assert f"statement 1 (Nobody) of the repository policy {name}:" in told
    assert "aws:sourceip has no value here: --context aws:sourceip=…" in told
    inside = ("--context", "aws:SourceIp=10.0.0.7")
    assert run("explain", reader, "ecr:ListImages", name, *inside).startswith(f"{who} may ecr:ListImages")
    assert json.loads(run("explain", reader, "ecr:ListImages", name, "--json"))["verdict"] == "explicitDeny"


def test_what_cannot_be_asked(run: Run, reader: str) -> None:
    """It says what is wrong, and ends with an error."""
    assert "'10.0.0.7' is no KEY=VALUE" in run(
        "explain", reader, "ecr:PutImage", "--context", "10.0.0.7", status=2
    )
    assert "There is no principal 'nobody'" in run("explain", "nobody", "ecr:PutImage", status=2)


def test_what_is_wrong_with_a_policy(run: Run, tmp_path: Path) -> None:
    """More than ECR's sentence: where it is, and what to write."""
    file = tmp_path / "policy.json"
    file.write_text(json.dumps(DENY))
    assert run("check", str(file), "--kind", "repository").startswith(
        "this is a policy for the repository:\n{"
    )
    told = run("check", str(file), "--kind", "identity", status=2)
    assert "Policy document should not specify a principal." in told
    assert "statement 1: leave Principal out" in told
    told = run("check", "-", "--kind", "registry", "--json", status=2, stdin=json.dumps(DENY))
    assert '"message": "Policy statement must contain resources."' in told


def test_a_repository_is_opened_again(server: Server, run: Run, name: str) -> None:
    """On the data folder, while the registry serves: the next request is let in."""
    ecr = server.boto()
    ecr.create_repository(repositoryName=name)
    ecr.set_repository_policy(repositoryName=name, policyText=json.dumps(DENY), force=True)
    with pytest.raises(ecr.exceptions.ClientError, match="explicit deny"):
        ecr.delete_repository_policy(repositoryName=name)
    assert json.loads(run("unlock", name)) == DENY
    assert ecr.list_images(repositoryName=name)["imageIds"] == []
    assert "Repository policy does not exist" in run("unlock", name, status=1)
    assert "whose policy?" in run("unlock", status=2)
