"""Roles for web identities: a provider that really answers, and tokens that really are signed."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore import UNSIGNED
from botocore.config import Config

from tests.distribution.client import careen
from tests.ecrapi.client import refusal
from tests.ecrapi.test_aws_cli import AWS
from tests.iamapi import issuer as issuers
from tests.iamapi.conftest import arn, in_session, trust
from tests.iamapi.issuer import AUDIENCE, Issuer, new_key, public, token
from tests.iamapi.samples import MANAGED
from tests.server import Server
from tests.tls import needs_openssl

pytestmark = needs_openssl

Assume = Callable[..., dict[str, Any]]
NO_KEY = (
    "Couldn't retrieve verification key from your identity provider,"
    " please reference AssumeRoleWithWebIdentity documentation for requirements"
)


class Trusting(Server):
    """A server on whose machine the provider's certificate is trusted."""

    authority: Path

    def environment(self) -> dict[str, str]:
        """With the authority that clients of OpenSSL take for the system's."""
        return super().environment() | {"SSL_CERT_FILE": str(self.authority)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the provider's certificate is."""
    return tmp_path_factory.mktemp("issuer")


@pytest.fixture(scope="module")
def issuer(folder: Path) -> Iterator[Issuer]:
    """A provider."""
    with issuers.running(folder) as running:
        yield running


@pytest.fixture(scope="module")
def web(folder: Path, issuer: Issuer) -> Iterator[Server]:
    """A registry that can ask it and has it registered."""
    started = Trusting(folder / "data")
    started.authority = folder / "authority.crt"
    started.start()
    created = started.boto("iam").create_open_id_connect_provider(
        Url=issuer.url, ClientIDList=[AUDIENCE, "another"], ThumbprintList=["0" * 40]
    )
    assert created["OpenIDConnectProviderArn"] == arn(f"oidc-provider/{issuer.name}")
    yield started
    started.stop()


@pytest.fixture(scope="module")
def assume(web: Server) -> Assume:
    """Ask for a role with a token and nothing else, as a workflow does."""
    sts = web.boto("sts", config=Config(signature_version=UNSIGNED, retries={"total_max_attempts": 1}))

    def assume(role: str, token: str, **more: Any) -> dict[str, Any]:
        answer: dict[str, Any] = sts.assume_role_with_web_identity(
            RoleArn=arn(f"role/{role}"), RoleSessionName="workflow", WebIdentityToken=token, **more
        )
        return answer

    return assume


@pytest.fixture(scope="module")
def deploy(web: Server, issuer: Issuer) -> str:
    """A role for the workflows of one repository of source code, on its main branch."""
    condition = {
        "StringEquals": {f"{issuer.name}:aud": AUDIENCE},
        "StringLike": {f"{issuer.name}:sub": "repo:acme/app:ref:refs/heads/*"},
    }
    iam = web.boto("iam")
    iam.create_role(RoleName="deploy", AssumeRolePolicyDocument=trusting(issuer, condition))
    iam.attach_role_policy(RoleName="deploy", PolicyArn=MANAGED)
    return "deploy"


SUBJECT = "repo:acme/app:ref:refs/heads/main"


def trusting(issuer: Issuer, condition: Any = None) -> str:
    """A trust policy for a provider's identities."""
    return trust(
        {"Federated": arn(f"oidc-provider/{issuer.name}")}, condition, "sts:AssumeRoleWithWebIdentity"
    )


def test_a_workflow_pulls_without_a_secret(web: Server, issuer: Issuer, assume: Assume, deploy: str) -> None:
    """Its token is exchanged for credentials of the role, which say who it is and may what the role may."""
    answer = assume(deploy, issuer.token(sub=SUBJECT))
    assert answer["SubjectFromWebIdentityToken"] == SUBJECT
    assert (answer["Audience"], answer["Provider"]) == (AUDIENCE, arn(f"oidc-provider/{issuer.name}"))
    session = in_session(answer["Credentials"])
    who = web.boto("sts", **session).get_caller_identity()
    assert who["Arn"] == answer["AssumedRoleUser"]["Arn"]
    assert who["Arn"].endswith(":assumed-role/deploy/workflow")
    web.boto(**session).describe_repositories()
    assert (
        refusal(web.boto(**session).create_repository, repositoryName="a/b").code == "AccessDeniedException"
    )


def test_an_sdk_exchanges_a_token_that_lies_in_a_file(
    web: Server, issuer: Issuer, deploy: str, tmp_path: Path
) -> None:
    """As a pod has one: three variables of the environment, and no key anywhere."""
    (tmp_path / "token").write_text(issuer.token(sub=SUBJECT))
    has_keys = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
    environment = {name: value for name, value in web.aws_environment().items() if name not in has_keys}
    environment |= {
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token"),
        "AWS_ROLE_ARN": arn(f"role/{deploy}"),
        "AWS_ROLE_SESSION_NAME": "pod",
    }
    done = subprocess.run(
        [AWS, "ecr", "describe-repositories"], env=environment, capture_output=True, text=True, check=False, timeout=60
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "repositories" in json.loads(done.stdout)


def claims(**changed: Any) -> dict[str, Any]:
    """Claims that are good but for what is changed."""
    return {"sub": SUBJECT, **changed}


NOT_AUTHORIZED = ("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
REFUSED: dict[str, tuple[dict[str, Any], tuple[str, str]]] = {
    "another branch's tag": (claims(sub="repo:acme/app:ref:refs/tags/v1"), NOT_AUTHORIZED),
    "another repository": (claims(sub="repo:evil/app:ref:refs/heads/main"), NOT_AUTHORIZED),
    "another registered audience": (claims(aud="another"), NOT_AUTHORIZED),
    "no registered audience": (claims(aud="elsewhere"), ("InvalidIdentityToken", "Incorrect token audience")),
    "no audience": (claims(aud=None), ("InvalidIdentityToken", "Incorrect token audience")),
    "no subject": (claims(sub=None), ("InvalidIdentityToken", "The token has no subject")),
    "no expiry": (claims(exp=None), ("InvalidIdentityToken", "Missing a required claim: exp")),
    "expired": (claims(exp=1_700_000_000), ("ExpiredTokenException", "Token expired: current date/time ")),
    "not yet valid": (
        claims(nbf=4_000_000_000, exp=4_000_000_600),
        ("InvalidIdentityToken", "The token is not yet valid"),
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_token_that_is_not_good_for_it_is_refused(
    issuer: Issuer, assume: Assume, deploy: str, case: str
) -> None:
    """By the provider's registration, by its time, or by the role's conditions; in STS's words."""
    said, (code, says) = REFUSED[case]
    refused = refusal(assume, role=deploy, token=issuer.token(**said))
    assert refused.code == code
    assert refused.message.startswith(says)
    assert refused.status == (403 if code == "AccessDenied" else 400)


def test_a_token_of_somebody_else_is_refused(issuer: Issuer, assume: Assume, deploy: str) -> None:
    """Signed by another key under the same name, of a provider that nobody registered, or no token at all."""
    forged = token(issuer.name, new_key(), sub=SUBJECT)
    assert refusal(assume, role=deploy, token=forged).code == "InvalidIdentityToken"
    stranger = refusal(assume, role=deploy, token=token("issuer.example.com", new_key(), sub=SUBJECT))
    assert (
        stranger.message == "No OpenIDConnect provider found in your account for https://issuer.example.com"
    )
    for nonsense in ("x" * 10, "a.b.c", f"{forged}x.y"):
        assert refusal(assume, role=deploy, token=nonsense).code == "InvalidIdentityToken"


@pytest.mark.parametrize(
    "principal",
    [
        "*",
        {"AWS": "*"},
        {"AWS": arn("root")},
        {"Federated": arn("oidc-provider/issuer.example.com")},
    ],
    ids=str,
)
def test_a_role_must_name_the_provider(web: Server, issuer: Issuer, assume: Assume, principal: Any) -> None:
    """Everybody is everybody in the account; a stranger with a token of somewhere is admitted by name only."""
    role = f"role-{time.monotonic_ns()}"
    policy = trust(principal, None, "sts:AssumeRoleWithWebIdentity")
    web.boto("iam").create_role(RoleName=role, AssumeRolePolicyDocument=policy)
    refused = refusal(assume, role=role, token=issuer.token())
    assert (refused.code, refused.message) == NOT_AUTHORIZED
    assert refusal(assume, role="none", token=issuer.token())[:2] == NOT_AUTHORIZED


def test_any_claim_can_be_a_condition(web: Server, issuer: Issuer, assume: Assume) -> None:
    """A text, a number, a list of texts: what the provider says of its workflows, a policy can ask for."""
    name = issuer.name
    condition = {
        "StringEquals": {f"{name}:environment": "production", f"{name}:run_attempt": "1"},
        "ForAnyValue:StringEquals": {f"{name}:groups": "deployers"},
    }
    web.boto("iam").create_role(RoleName="by-claims", AssumeRolePolicyDocument=trusting(issuer, condition))
    said = {"environment": "production", "run_attempt": 1, "groups": ["people", "deployers"]}
    assume("by-claims", issuer.token(**said))
    for changed in ({"environment": "test"}, {"run_attempt": 2}, {"groups": ["people"]}, {"groups": None}):
        refused = refusal(assume, role="by-claims", token=issuer.token(**{**said, **changed}))
        assert refused.code == "AccessDenied"


def test_a_session_of_a_web_identity_ends_with_its_role(web: Server, issuer: Issuer, assume: Assume) -> None:
    """And what the role's trust policy says now decides about the next one."""
    iam = web.boto("iam")
    iam.create_role(RoleName="passing", AssumeRolePolicyDocument=trusting(issuer))
    session = web.boto("sts", **in_session(assume("passing", issuer.token())["Credentials"]))
    session.get_caller_identity()
    iam.update_assume_role_policy(RoleName="passing", PolicyDocument=trust({"AWS": arn("root")}))
    assert refusal(assume, role="passing", token=issuer.token())[:2] == NOT_AUTHORIZED
    session.get_caller_identity()
    iam.delete_role(RoleName="passing")
    assert refusal(session.get_caller_identity).code == "InvalidClientTokenId"


def test_a_provider_with_keys_of_its_own_is_not_asked(web: Server, assume: Assume, tmp_path: Path) -> None:
    """As a cluster's, which nobody outside reaches: the keys come in a file."""
    key, name = new_key("RS256"), "kubernetes.default.svc"
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"keys": [public(key, "one", alg="RS256"), public(new_key(), "two")]}))
    careen(web, "provider", "create", f"https://{name}", "--client-id", "registry", "--keys", str(file))
    subject = "system:serviceaccount:shop:deployer"
    policy = trust(
        {"Federated": arn(f"oidc-provider/{name}")},
        {"StringEquals": {f"{name}:sub": subject}},
        "sts:AssumeRoleWithWebIdentity",
    )
    web.boto("iam").create_role(RoleName="in-cluster", AssumeRolePolicyDocument=policy)
    good: dict[str, Any] = {"aud": ["registry", "https://kubernetes.default.svc"], "sub": subject}
    assume("in-cluster", token(name, key, **good))
    unknown = refusal(assume, role="in-cluster", token=token(name, key, kid="three", **good))
    assert (unknown.code, unknown.message) == ("InvalidIdentityToken", NO_KEY)
    ambiguous = refusal(assume, role="in-cluster", token=token(name, key, kid=None, **good))
    assert ambiguous.message == NO_KEY
    other = refusal(assume, role="in-cluster", token=token(name, key, kid="two", **good))
    assert other.code == "InvalidIdentityToken"


def test_providers_come_are_told_of_and_go(web: Server) -> None:
    """A registered URL is told without its scheme, as IAM does."""
    iam = web.boto("iam")
    url = "https://issuer.example.com/tenant/"
    made = iam.create_open_id_connect_provider(Url=url, ClientIDList=["a", "b"])["OpenIDConnectProviderArn"]
    found = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=made)
    assert (found["Url"], found["ClientIDList"]) == ("issuer.example.com/tenant/", ["a", "b"])
    assert found["ThumbprintList"] == []
    listed = iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]
    assert {"Arn": made} in listed
    refused = refusal(iam.create_open_id_connect_provider, Url=url)
    assert (refused.code, refused.message) == (
        "EntityAlreadyExists",
        f"Provider with url {url} already exists.",
    )
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=made)
    for method in (iam.get_open_id_connect_provider, iam.delete_open_id_connect_provider):
        assert refusal(method, OpenIDConnectProviderArn=made).code == "NoSuchEntity"


@pytest.mark.parametrize(
    "url",
    [
        "http://issuer.example.com",
        "issuer.example.com",
        "https://",
        "https://a b",
        "https://a/?b",
        "https://u@a",
    ],
)
def test_what_is_no_providers_url_is_refused(web: Server, url: str) -> None:
    """HTTPS, a host, perhaps a port and a path."""
    refused = refusal(web.boto("iam").create_open_id_connect_provider, Url=url)
    assert refused.code == "InvalidInput"
