"""Answers: what is left out, what is converted, and what is our own mistake."""

import json
from enum import StrEnum
from typing import Any

import pytest
from botocore.compat import HTTPHeaders
from botocore.parsers import create_parser

from careen.ecr import errors, wire
from careen.ecr.errors import EcrError
from careen.ecr.model import operation
from tests.ecr.shapes import output_of


class Status(StrEnum):
    """A wire value as our code holds it."""

    ACTIVE = "ACTIVE"


def test_members_that_are_none_are_left_out() -> None:
    """AWS JSON has absent members, not nulls."""
    body = wire.write(
        operation("ListImages"), {"imageIds": [{"imageDigest": "d", "imageTag": None}], "nextToken": None}
    )
    assert json.loads(body) == {"imageIds": [{"imageDigest": "d"}]}


@pytest.mark.parametrize(
    ("instant", "text"),
    [(0, b"0.0"), (1_700_000_000_123_999, b"1700000000.123"), (1_500_000_000_000_000, b"1500000000.0")],
)
def test_an_instant_is_epoch_seconds_with_milliseconds(instant: int, text: bytes) -> None:
    """Microseconds are cut, not rounded: no answer names a time that has not come."""
    body = wire.write(operation("GetLifecyclePolicy"), {"lastEvaluatedAt": instant})
    assert body == b'{"lastEvaluatedAt":' + text + b"}"


def test_enumerations_of_ours_are_written_as_their_values() -> None:
    """A StrEnum is the string it stands for."""
    assert (
        wire.write(operation("UpdateImageStorageClass"), {"imageStatus": Status.ACTIVE})
        == b'{"imageStatus":"ACTIVE"}'
    )


@pytest.mark.parametrize(
    ("result", "match"),
    [
        ({"repo": {}}, "has no member 'repo'"),
        ({"repository": {"repositoryName": 5}}, "5 is not a string"),
        ({"repository": {"createdAt": "now"}}, "'now' is not an integer"),
        ({"repository": {"createdAt": True}}, "True is not an integer"),
        ({"repository": {"imageScanningConfiguration": {"scanOnPush": "yes"}}}, "'yes' is not a boolean"),
        ({"repository": {"imageTagMutabilityExclusionFilters": "x"}}, "'x' is not a list"),
    ],
)
def test_a_result_that_is_not_of_the_shape_is_our_bug(result: dict[str, Any], match: str) -> None:
    """The client is never told something the model does not say."""
    with pytest.raises(TypeError, match=match):
        wire.write(operation("CreateRepository"), result)


def test_an_error_is_read_by_a_client_as_the_modelled_exception() -> None:
    """Code, message and further members arrive where botocore looks for them."""
    error = errors.InvalidLayerPart("app", "123456789012", "u-1", last_valid_byte=99, reason="a gap")
    parsed = read_error("UploadLayerPart", error)
    assert parsed["Error"] == {"Code": "InvalidLayerPartException", "Message": error.message}
    assert parsed["lastValidByteReceived"] == 99
    assert parsed["repositoryName"] == "app"
    assert parsed["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_the_code_of_an_error_is_in_the_header_too() -> None:
    """Some SDKs read the header, some the body."""
    status, headers, body = wire.write_error(errors.ServerFault())
    assert status == 500
    assert headers == {"content-type": "application/x-amz-json-1.1", "x-amzn-errortype": "ServerException"}
    assert json.loads(body)["__type"] == "ServerException"


def read_error(name: str, error: EcrError) -> dict[str, Any]:
    status, headers, body = wire.write_error(error)
    response = {"status_code": status, "headers": HTTPHeaders.from_dict(headers), "body": body}
    parser = create_parser("json")
    parsed: dict[str, Any] = parser.parse(response, output_of(name))
    (shape,) = [it for it in operation(name).error_shapes if it.name == error.code]
    members: dict[str, Any] = parser.parse(response, shape)
    return members | parsed
