"""Requests that are not as they should be: every one gets an answer of AWS's, and never a 500."""

import json
from typing import Any

import pytest

from careen.ecr.model import operation
from tests.ecr.shapes import input_of
from tests.ecrapi.client import call, request, signed
from tests.ecrapi.samples import ABSENT, DIGEST, KEEP_ONE, SAMPLES, UPLOAD_ID
from tests.server import Server


@pytest.mark.parametrize(
    "target",
    [
        "AmazonEC2ContainerRegistry_V20150921.NoSuchOperation",
        "AmazonEC2ContainerRegistry_V20150921.",
        "AmazonEC2ContainerRegistry_V20150921",
        "AmazonSSM.DescribeParameters",
        "DescribeRepositories",
        "..",
    ],
)
def test_an_unknown_operation_is_said_to_be(server: Server, target: str) -> None:
    """UnknownOperationException, for other services' operations too."""
    answer = call(server, "", target=target)
    assert (answer.status, answer.code) == (400, "UnknownOperationException")


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"not JSON",
        b"[]",
        b'"text"',
        b"null",
        b"\xff\xfe",
        b'{"maxResults":NaN}',
        b'{"maxResults":"ten"}',
        b'{"maxResults":1.5}',
        b'{"repositoryNames":"one"}',
        b'{"repositoryNames":[1]}',
        b'{"repositoryNames":["\\ud800"]}',
        b"[" * 100_000,
        b"{}{}",
    ],
    ids=repr,
)
def test_a_body_that_does_not_fit_is_refused(server: Server, body: bytes) -> None:
    """SerializationException: not JSON, or a value of the wrong type."""
    answer = call(server, "DescribeRepositories", body)
    assert (answer.status, answer.code) == (400, "SerializationException")


def test_an_empty_body_is_an_empty_object(server: Server) -> None:
    """Clients leave it out when there is nothing to say; what they say beyond the model does not matter."""
    assert call(server, "GetAuthorizationToken", b"").status == 200
    assert (
        call(server, "GetAuthorizationToken", b'{"fromTheFuture":{"deep":[1]},"registryIds":null}').status
        == 200
    )


@pytest.mark.parametrize(
    ("name", "parameters", "constraint"),
    [
        ("ListImages", {}, "'repositoryName' failed to satisfy constraint: 'must not be null'"),
        (
            "ListImages",
            {"repositoryName": "a"},
            "'repositoryName' failed to satisfy constraint: 'must have length greater than or equal to 2'",
        ),
        (
            "ListImages",
            {"repositoryName": "a" * 257},
            "'repositoryName' failed to satisfy constraint: 'must have length less than or equal to 256'",
        ),
        (
            "ListImages",
            {"repositoryName": ABSENT, "maxResults": 1001},
            "'maxResults' failed to satisfy constraint: 'Member must have value less than or equal to 1000'",
        ),
        (
            "ListImages",
            {"repositoryName": ABSENT, "maxResults": 0},
            "'maxResults' failed to satisfy constraint: 'Member must have value greater than or equal to 1'",
        ),
        (
            "ListImages",
            {"repositoryName": ABSENT, "filter": {"tagStatus": "SOME"}},
            (
                "'filter.tagStatus' failed to satisfy constraint:"
                " 'Member must satisfy enum value set: [TAGGED, UNTAGGED, ANY]'"
            ),
        ),
        (
            "ListImages",
            {"repositoryName": ABSENT, "registryId": "12345"},
            "'registryId' failed to satisfy constraint: 'Member must satisfy regular expression pattern: [0-9]{12}'",
        ),
        (
            "BatchGetImage",
            {"repositoryName": ABSENT, "imageIds": []},
            "'imageIds' failed to satisfy constraint: 'Member must have length greater than or equal to 1'",
        ),
        (
            "BatchDeleteImage",
            {"repositoryName": ABSENT, "imageIds": [{"imageTag": "1"}] * 101},
            "'imageIds' failed to satisfy constraint: 'Member must have length less than or equal to 100'",
        ),
        (
            "PutLifecyclePolicy",
            {"repositoryName": ABSENT, "lifecyclePolicyText": "{}"},
            (
                "'lifecyclePolicyText' failed to satisfy constraint:"
                " 'Member must have length greater than or equal to 100'"
            ),
        ),
        (
            "UploadLayerPart",
            {
                "repositoryName": ABSENT,
                "uploadId": UPLOAD_ID,
                "partFirstByte": -1,
                "partLastByte": 1,
                "layerPartBlob": "",
            },
            "'partFirstByte' failed to satisfy constraint: 'Member must have value greater than or equal to 0'",
        ),
        (
            "CompleteLayerUpload",
            {"repositoryName": ABSENT, "uploadId": "../../etc/passwd", "layerDigests": [DIGEST]},
            "'uploadId' failed to satisfy constraint: 'Member must satisfy regular expression pattern: ",
        ),
        (
            "TagResource",
            {"resourceArn": "x", "tags": [{"Key": "k", "Value": "v"}, {"Value": "v"}]},
            "'tags.2.member.key' failed to satisfy constraint: 'Member must not be null'",
        ),
    ],
)
def test_a_value_outside_the_models_constraints_is_refused(
    server: Server, name: str, parameters: dict[str, Any], constraint: str
) -> None:
    """InvalidParameterException, in AWS's words, before anything else is looked at."""
    answer = call(server, name, json.dumps(parameters).encode())
    assert (answer.status, answer.code) == (400, "InvalidParameterException")
    assert answer.message.startswith(f"Invalid parameter at {constraint}")


@pytest.mark.parametrize(
    "name",
    ["UPPER", "with space", "../../etc", "a/../b", "a//b", "/a", "a/", "a.", "-a", "a\n", "ä0", "a\0b"],
)
def test_a_name_that_is_none_is_refused_everywhere(server: Server, name: str) -> None:
    """Every operation that takes a repository's name, creating ones included."""
    for one, (_, sample) in SAMPLES.items():
        if "repositoryName" in sample:
            small = {key: value for key, value in sample.items() if not isinstance(value, bytes)}
            body = json.dumps(small | {"repositoryName": name}).encode()
            answer = call(server, one, body)
            assert (answer.status, answer.code) == (400, "InvalidParameterException"), one
            assert "'repositoryName'" in answer.message


def test_every_required_member_is_missed(server: Server) -> None:
    """Without it, InvalidParameterException names it."""
    for one, (_, sample) in SAMPLES.items():
        for member in input_of(one).required_members:
            rest = {
                key: value for key, value in sample.items() if key != member and not isinstance(value, bytes)
            }
            answer = call(server, one, json.dumps(rest).encode())
            assert (answer.status, answer.code) == (400, "InvalidParameterException"), (one, member)
            assert "must not be null" in answer.message


def test_a_body_beyond_all_measure_is_refused(server: Server) -> None:
    """The largest layer part fits; what is larger than any request could be does not, and the server goes on."""
    body = json.dumps(
        {"repositoryName": ABSENT, "lifecyclePolicyText": KEEP_ONE, "more": "x" * (33 << 20)}
    ).encode()
    try:
        answer = call(server, "PutLifecyclePolicy", body)
    except ConnectionError:
        pass  # the refusal came before we had sent everything
    else:
        assert (answer.status, answer.code) == (400, "SerializationException")
    assert call(server, "DescribeRepositories").status == 200


def test_the_largest_part_is_taken(ecr: Any, repository: str) -> None:
    """20 MiB of bytes, by the model."""
    upload_id = ecr.initiate_layer_upload(repositoryName=repository)["uploadId"]
    size = 20 * 1024 * 1024
    answer = ecr.upload_layer_part(
        repositoryName=repository,
        uploadId=upload_id,
        partFirstByte=0,
        partLastByte=size - 1,
        layerPartBlob=bytes(size),
    )
    assert answer["lastByteReceived"] == size - 1


def test_every_answer_has_an_id_and_a_type(server: Server) -> None:
    """``x-amzn-requestid`` for the log, ``x-amzn-errortype`` for SDKs that read nothing else."""
    good, bad = call(server, "DescribeRepositories"), call(server, "NoSuchOperation")
    assert good.headers["x-amzn-requestid"] != bad.headers["x-amzn-requestid"]
    assert good.headers["content-type"] == bad.headers["content-type"] == "application/x-amz-json-1.1"
    assert bad.headers["x-amzn-errortype"] == "UnknownOperationException"


def test_only_posts_are_calls(server: Server) -> None:
    """A GET of the same address greets a browser; other methods are refused."""
    headers = signed(server, operation("DescribeRepositories").name, b"")
    assert json.loads(request(server, "GET", "/").body)["name"] == "careen"
    assert request(server, "PUT", "/", b"", headers).status == 405
