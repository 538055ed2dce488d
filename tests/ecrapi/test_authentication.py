"""Who gets in: signatures, clocks, keys; and who the caller is."""

import base64
import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from botocore.awsrequest import AWSRequest

from tests.ecrapi.client import Answer, basic, call, refusal, request, signed
from tests.server import ACCESS_KEY_ID, REGION, REGISTRY_ID, SECRET_ACCESS_KEY, Server

HEADERS = {
    "Content-Type": "application/x-amz-json-1.1",
    "X-Amz-Target": "AmazonEC2ContainerRegistry_V20150921.DescribeRepositories",
}


def refused(answer: Answer) -> tuple[int, str]:
    """Status and code."""
    return answer.status, answer.code


@pytest.mark.parametrize(
    ("how", "code", "says"),
    [
        pytest.param(
            {"secret": "a-wrong-secret"},
            "InvalidSignatureException",
            "The request signature we calculated does not match the signature you provided.",
            id="a wrong secret",
        ),
        pytest.param(
            {"key": "AKIAUNKNOWNUNKNOWN00"},
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
            id="an unknown key",
        ),
        pytest.param(
            {"off": dt.timedelta(minutes=-16)}, "InvalidSignatureException", "Signature expired: ", id="late"
        ),
        pytest.param(
            {"off": dt.timedelta(minutes=16)},
            "InvalidSignatureException",
            "Signature not yet current: ",
            id="early",
        ),
        pytest.param(
            {"region": "us-east-2"},
            "InvalidSignatureException",
            "Credential should be scoped to a valid region, not 'us-east-2'. ",
            id="for another Region",
        ),
        pytest.param(
            {"service": "s3"},
            "InvalidSignatureException",
            "Credential should be scoped to correct service: 'ecr'. ",
            id="for another service",
        ),
    ],
)
def test_who_cannot_prove_who_it_is_stays_out(
    server: Server, how: dict[str, Any], code: str, says: str
) -> None:
    """A 400 with AWS's code and sentence, whatever the operation; nothing is told about what is here."""
    for operation in ("DescribeRepositories", "CreateRepository", "NoSuchOperation"):
        answer = call(server, operation, **how)
        assert refused(answer) == (400, code)
        assert answer.message.startswith(says)


@pytest.mark.parametrize("minutes", [-14, 14])
def test_a_clock_may_be_off_by_some_minutes(server: Server, minutes: int) -> None:
    """Amazon allows fifteen."""
    assert call(server, "DescribeRepositories", off=dt.timedelta(minutes=minutes)).status == 200


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        pytest.param({}, "MissingAuthenticationTokenException", id="nothing"),
        pytest.param(basic(), "IncompleteSignatureException", id="a password"),
        pytest.param(
            {"Authorization": "AWS4-HMAC-SHA256 Credential=x"},
            "IncompleteSignatureException",
            id="half a signature",
        ),
    ],
)
def test_an_unsigned_request_is_refused(server: Server, headers: dict[str, str], code: str) -> None:
    """The ECR API takes signatures only."""
    answer = request(server, "POST", "/", b"{}", HEADERS | headers)
    assert refused(answer) == (400, code)


def test_a_body_that_was_changed_on_its_way_is_refused(server: Server) -> None:
    """The signature is over the body too."""
    headers = signed(server, "DescribeRepositories", b'{"maxResults":1}')
    assert request(server, "POST", "/", b'{"maxResults":1}', headers).status == 200
    assert refused(request(server, "POST", "/", b'{"maxResults":2}', headers)) == (
        400,
        "InvalidSignatureException",
    )


def test_a_deleted_key_opens_nothing_any_more(server: Server) -> None:
    """From the moment of its deletion, in every process and in both languages."""
    made = server.key("leaver", "FullAccess")
    key, secret = made["accessKeyId"], made["secretAccessKey"]
    token = server.boto(aws_access_key_id=key, aws_secret_access_key=secret).get_authorization_token()
    password = (
        base64.b64decode(token["authorizationData"][0]["authorizationToken"]).decode().partition(":")[2]
    )
    assert request(server, "GET", "/v2/", headers=basic("AWS", password)).status == 200
    assert call(server, "DescribeRepositories", key=key, secret=secret).status == 200
    assert server.careen("key", "delete", key).returncode == 0
    assert refused(call(server, "DescribeRepositories", key=key, secret=secret)) == (
        400,
        "UnrecognizedClientException",
    )
    assert request(server, "GET", "/v2/", headers=basic("AWS", password)).status == 401
    assert request(server, "GET", "/v2/", headers=basic(key, secret)).status == 401


def test_an_authorization_token_opens_the_distribution_api(ecr: Any, server: Server) -> None:
    """``docker login``: user AWS, a password without a colon, for twelve hours, at this address."""
    [data] = ecr.get_authorization_token()["authorizationData"]
    left = data["expiresAt"] - dt.datetime.now(dt.UTC)
    assert dt.timedelta(hours=11, minutes=59) < left <= dt.timedelta(hours=12)
    assert data["proxyEndpoint"] == server.url
    user, password = base64.b64decode(data["authorizationToken"]).decode().split(":")
    assert user == "AWS"
    assert request(server, "GET", "/v2/", headers=basic(user, password)).status == 200
    assert request(server, "GET", "/v2/", headers=basic(user, password[:-1])).status == 401


def test_amazons_api_name_is_answered_with_amazons_registry_name(server: Server, name: str) -> None:
    """Where someone lets ``api.ecr`` lead here, the images are at ``<registry id>.dkr.ecr``, for docker and in URIs."""

    def address(request: AWSRequest, **_: Any) -> None:
        request.headers["Host"] = f"api.ecr.{REGION}.amazonaws.com"

    ecr = server.boto()
    ecr.meta.events.register("before-sign", address)
    registry = f"{REGISTRY_ID}.dkr.ecr.{REGION}.amazonaws.com"
    [data] = ecr.get_authorization_token()["authorizationData"]
    assert data["proxyEndpoint"] == f"http://{registry}"
    created = ecr.create_repository(repositoryName=name)["repository"]
    assert created["repositoryUri"] == f"{registry}/{name}"


def test_a_token_is_answered_for_each_registry_asked_for(ecr: Any) -> None:
    """``registryIds`` is deprecated and changes nothing but how often the token is told."""
    data = ecr.get_authorization_token(registryIds=[REGISTRY_ID, "999999999999"])["authorizationData"]
    assert len(data) == 2


def test_the_caller_is_told_who_it_is(server: Server, key_of: Callable[[str], dict[str, str]]) -> None:
    """STS GetCallerIdentity: the settings' key is the account itself, any other a user."""
    root = server.boto("sts").get_caller_identity()
    assert (root["Account"], root["Arn"]) == (REGISTRY_ID, f"arn:aws:iam::{REGISTRY_ID}:root")
    key = key_of("ReadOnly")
    user = server.boto(
        "sts", aws_access_key_id=key["accessKeyId"], aws_secret_access_key=key["secretAccessKey"]
    ).get_caller_identity()
    assert (user["Account"], user["Arn"]) == (REGISTRY_ID, f"arn:aws:iam::{REGISTRY_ID}:user/has-ReadOnly")
    assert user["UserId"].startswith("AIDA")


@pytest.mark.parametrize(
    ("credentials", "code", "status"),
    [
        pytest.param((ACCESS_KEY_ID, "wrong"), "SignatureDoesNotMatch", 403, id="a wrong secret"),
        pytest.param(("AKIAUNKNOWN", SECRET_ACCESS_KEY), "InvalidClientTokenId", 403, id="an unknown key"),
    ],
)
def test_sts_refuses_in_its_own_words(
    server: Server, credentials: tuple[str, str], code: str, status: int
) -> None:
    """STS's codes are older than those of the JSON services."""
    sts = server.boto("sts", aws_access_key_id=credentials[0], aws_secret_access_key=credentials[1])
    answer = refusal(sts.get_caller_identity)
    assert (answer.code, answer.members["ResponseMetadata"]["HTTPStatusCode"]) == (code, status)


def test_sts_serves_no_more_than_it_says(server: Server) -> None:
    """Asked for a federated user, it says that there is no such action."""
    sts = server.boto("sts", region_name=REGION)
    assert refusal(sts.get_federation_token, Name="someone").code == "InvalidAction"
