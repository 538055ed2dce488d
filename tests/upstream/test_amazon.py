"""Amazon ECR's tokens, against moto's server: the real API's shapes through the real botocore."""

import uuid
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from careen.clock import HOUR, parse_instant
from careen.upstream.credentials import AmazonTokens
from careen.upstream.errors import Denied, Unavailable

MOTOS_END = parse_instant("2015-01-01")
"""When every token of moto's ends."""


@pytest.fixture(scope="module")
def amazon() -> Iterator[str]:
    """A server of moto's."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys in the environment; beside them an endpoint that must not be asked, as it is our own."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_ENDPOINT_URL_ECR", "http://127.0.0.1:9")


@pytest.mark.usefixtures("keys")
def test_a_token_is_kept_until_shortly_before_its_end(amazon: str) -> None:
    """GetAuthorizationToken's user name and password are used for hours, and then asked for anew."""
    asked, end, hours = list[str](), MOTOS_END, 12.0
    tokens = AmazonTokens("eu-west-1", endpoint_url=amazon, clock=lambda: end - round(hours * HOUR))
    ask = tokens._client

    def counting(service: str, **keys: str) -> Any:
        asked.append(service)
        return ask(service, **keys)

    tokens._client = counting  # type: ignore[method-assign]
    first = tokens()
    assert first.username == "AWS"
    assert first.password
    assert tokens() == first
    assert asked == ["ecr"]
    hours = 0.1
    assert tokens() == first
    hours = 0.05
    assert tokens().username == "AWS"
    assert asked == ["ecr", "ecr"]


@pytest.mark.usefixtures("keys")
def test_a_role_is_taken_on_first(amazon: str) -> None:
    """With a role the token is its holder's."""
    iam = boto3.client("iam", endpoint_url=amazon, region_name="eu-west-1")
    role = iam.create_role(RoleName=f"reader-{uuid.uuid4().hex[:8]}", AssumeRolePolicyDocument="{}")["Role"][
        "Arn"
    ]
    tokens = AmazonTokens("eu-west-1", role_arn=role, endpoint_url=amazon)
    assert tokens().username == "AWS"


def test_without_keys_it_is_denied(amazon: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No keys anywhere is a matter of the credential, an API that is away one of time."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    with pytest.raises(Denied):
        AmazonTokens("eu-west-1", endpoint_url=amazon)()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(Unavailable):
        AmazonTokens("eu-west-1", endpoint_url="http://127.0.0.1:9")()
