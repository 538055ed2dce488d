"""Nothing that opens anything is in a log, in an answer to somebody else, or in a row."""

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from careen import startup
from careen.clock import system_now
from careen.registry import console_sessions
from tests.console.visitor import Visitor, settings_of
from tests.distribution.client import Client
from tests.ecrapi.client import basic, request
from tests.iamapi.conftest import allowing, arn, trust
from tests.images import image
from tests.server import SECRET_ACCESS_KEY, Server, free_port, running
from tests.waiting import until

PASSWORD, WRONG, UPSTREAM = (
    "correct horse battery staple",
    "this-is-a-mistyped-password",
    "dckr_pat_upstream_secret",
)


class Secrets:
    """What was handed out or typed in, by what it is."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}

    def __setitem__(self, what: str, secret: str) -> None:
        assert len(secret) > 15, what
        self.known[what] = secret

    def in_text(self, text: str) -> set[str]:
        """Which are in a text, as they are or as headers and URLs carry them."""
        found = set()
        for what, secret in self.known.items():
            packed = base64.b64encode(secret.encode()).decode().rstrip("=")[:-2]
            if secret in text or packed in text or secret.replace(" ", "+") in text:
                found.add(what)
        return found


def live(server: Server, secrets: Secrets) -> str:
    """Use everything that takes or makes a secret, rightly and wrongly. Returns the answers to what was refused."""
    refused: list[str] = []

    def attempt(call: Any, **parameters: Any) -> None:
        with pytest.raises(ClientError) as caught:
            call(**parameters)
        refused.append(json.dumps(caught.value.response, default=str))

    iam, sts, ecr, careen = (server.boto(service) for service in ("iam", "sts", "ecr", "careen"))
    iam.create_user(UserName="alice")
    key = iam.create_access_key(UserName="alice")["AccessKey"]
    secrets["an access key"] = key["SecretAccessKey"]
    iam.create_login_profile(UserName="alice", Password=PASSWORD)
    secrets["a password"], secrets["a wrong password"] = PASSWORD, WRONG
    attempt(iam.update_login_profile, UserName="nobody", Password=PASSWORD)
    iam.put_user_policy(UserName="alice", PolicyName="p", PolicyDocument=allowing("sts:AssumeRole", "ecr:*"))
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust({"AWS": arn("user/alice")}))
    alice = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
    assume = server.boto("sts", **alice).assume_role
    for what, made in (
        ("a role's session", assume(RoleArn=arn("role/r"), RoleSessionName="session")),
        ("a session", sts.get_session_token()),
    ):
        secrets[f"{what}: its secret"] = made["Credentials"]["SecretAccessKey"]
        secrets[f"{what}: its token"] = made["Credentials"]["SessionToken"]
    token = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    secrets["a docker login"] = base64.b64decode(token).decode().partition(":")[2]
    attempt(server.boto("sts", **{**alice, "aws_secret_access_key": WRONG}).get_caller_identity)
    attempt(
        sts.assume_role_with_web_identity,
        RoleArn=arn("role/r"),
        RoleSessionName="session",
        WebIdentityToken=jwt(secrets),
    )

    secrets["a webhook"] = careen.put_webhook(webhookName="w", url=f"http://127.0.0.1:{free_port()}/")[
        "secret"
    ]
    turned = careen.put_webhook(webhookName="w", url=f"http://127.0.0.1:{free_port()}/", rotateSecret=True)
    secrets["a webhook's next"] = turned["secret"]
    careen.test_webhook(webhookName="w")

    client = Client(server)
    built = image("secrets", size=200_000)
    client.push("team/app", built, "1")
    url = ecr.get_download_url_for_layer(repositoryName="team/app", layerDigest=built.digests[-1])[
        "downloadUrl"
    ]
    secrets["a layer's URL"] = url.partition("token=")[2]
    assert request(server, "GET", url.removeprefix(server.url)).status == 200
    for headers in (basic("AWS", secrets.known["a docker login"] + "x"), basic("alice", WRONG)):
        refused.append(request(server, "GET", "/v2/team/app/manifests/1", headers=headers).body.decode())
        refused.append(request(server, "GET", f"/v2/%00?token={WRONG}", headers=headers).body.decode())
        refused += [
            request(server, "GET", path, headers=headers).body.decode() for path in ("/metrics", "/events")
        ]
    refused.append(request(server, "GET", "/v2/up/app/manifests/1", headers=basic()).body.decode())

    visitor = Visitor(server, "")
    refused.append(visitor.post("sign-in", {"name": "alice", "password": WRONG}).text)
    refused.append(
        visitor.post("sign-in", {"name": "alice", "password": PASSWORD, "new": WRONG, "again": "x"}).text
    )
    refused.append(visitor.post("sign-in", {"with": "key", "id": key["AccessKeyId"], "secret": WRONG}).text)
    visitor.post("sign-in", {"name": "alice", "password": PASSWORD})
    secrets["a cookie"] = visitor.secret
    visitor.post(
        "webhooks/new", {"name": "w", "url": f"http://u:{WRONG}@h/"}
    )  # says its own form back to its sender
    registry = startup.open_registry(settings_of(server))
    secrets["a link"] = registry.write_now(console_sessions.make_link, None, system_now())
    registry.close()
    Visitor(server, "").post("sign-in", {"link": secrets.known["a link"]})
    refused.append(Visitor(server, "").post("sign-in", {"link": secrets.known["a link"]}).text)
    return "\n".join(refused)


def jwt(secrets: Secrets) -> str:
    """A token of a provider that is not known."""
    parts = ({"alg": "RS256"}, {"iss": "https://issuer.example.com", "sub": "somebody"})
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    secrets["a web identity"] = ".".join([*encoded, "c2lnbmVk" * 4])
    return secrets.known["a web identity"]


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Secrets, str]:
    """A server that has stopped, and what was lived through."""
    folder, secrets = tmp_path_factory.mktemp("secrets"), Secrets()
    secrets["the settings' key"], secrets["an upstream's"] = SECRET_ACCESS_KEY, UPSTREAM
    upstream = {"up": {"username": "u", "accessToken": UPSTREAM}}
    options = {"log_level": "debug", "audit_log": folder / "audit.jsonl", "webhook_attempts": 1}
    with running(folder / "data", upstream_credentials=json.dumps(upstream), **options) as server:
        server.boto().create_pull_through_cache_rule(
            ecrRepositoryPrefix="up",
            upstreamRegistryUrl=f"http://127.0.0.1:{free_port()}",
            credentialArn="arn:aws:secretsmanager:eu-central-1:123456789012:secret:ecr-pullthroughcache/up",
        )
        refused = live(server, secrets)
        secrets["the master key"] = base64.b64encode(server.master_key()).decode()
        until(lambda: '"w"' in server.log.read_text())  # what goes on beside the requests logs too
    return folder, secrets, refused


def test_the_server_lived(lived: tuple[Path, Secrets, str]) -> None:
    """What the tests below look through is there: a log of failures, of deliveries, of everything that was refused."""
    folder, secrets, refused = lived
    assert len(secrets.known) > 15
    assert len(refused) > 2_000
    names = re.findall(r'"eventName":"(\w+)"', (folder / "audit.jsonl").read_text())
    assert {
        "CreateAccessKey",
        "CreateLoginProfile",
        "PutWebhook",
        "ConsoleLogin",
        "Login",
        "AssumeRole",
    } <= set(names)
    assert (folder / "data.log").read_text()


def test_no_log_has_a_secret(lived: tuple[Path, Secrets, str]) -> None:
    """Neither the server's at its most talkative, nor the audit log."""
    folder, secrets, _ = lived
    assert secrets.in_text((folder / "data.log").read_text()) == set()
    assert secrets.in_text((folder / "audit.jsonl").read_text()) == set()


def test_no_refusal_has_a_secret(lived: tuple[Path, Secrets, str]) -> None:
    """What somebody typed in is not said back."""
    _, secrets, refused = lived
    assert secrets.in_text(refused) == set()


@pytest.mark.sqlite
def test_no_row_has_a_secret(lived: tuple[Path, Secrets, str]) -> None:
    """A copy of the database opens nothing: secrets are derived from the master key, which is a file, or hashed."""
    folder, secrets, _ = lived
    for path in folder.joinpath("data").glob("careen.db*"):
        assert secrets.in_text(path.read_bytes().decode("latin-1")) == set(), path.name


def test_the_master_key_is_its_owners_alone(lived: tuple[Path, Secrets, str]) -> None:
    """The file that everything is derived from."""
    folder, _, _ = lived
    for path in folder.joinpath("data").glob("master.key"):
        assert path.stat().st_mode & 0o077 == 0
