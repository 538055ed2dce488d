"""The query protocol, against botocore's own STS client."""

from typing import Any

import pytest
from botocore.compat import HTTPHeaders
from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from hypothesis import given
from hypothesis import strategies as st

from careen.ecr import common_errors, errors, query
from careen.ecr.errors import EcrError


@pytest.fixture(scope="module")
def caller_identity() -> OperationModel:
    """STS's operation, from botocore's model."""
    return ServiceModel(Loader().load_service_model("sts", "service-2"), "sts").operation_model(
        "GetCallerIdentity"
    )


def test_sts_speaks_query_and_nothing_else(caller_identity: OperationModel) -> None:
    """The day STS's model prefers another protocol, this build says so."""
    assert caller_identity.service_model.metadata["protocols"] == ["query"]
    assert caller_identity.service_model.metadata["xmlNamespace"] == query.NAMESPACE


def test_a_clients_call_is_read(caller_identity: OperationModel) -> None:
    """The form that botocore sends has an action and a version."""
    request = create_serializer("query").serialize_to_request({}, caller_identity)
    body = "&".join(f"{name}={value}" for name, value in request["body"].items()).encode()
    assert query.parse(body) == query.Call("GetCallerIdentity", {"Version": query.VERSION})


def test_an_answer_is_read_by_a_client(caller_identity: OperationModel) -> None:
    """Text arrives as it was, markup and all."""
    result = {"UserId": "AIDA", "Account": "123456789012", "Arn": "arn:aws:iam::123456789012:user/<a&b>"}
    parsed = read(caller_identity, 200, query.write("GetCallerIdentity", result, "r-1"))
    assert parsed.pop("ResponseMetadata")["RequestId"] == "r-1"
    assert parsed == result


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (common_errors.UnrecognizedClient(), 403, "InvalidClientTokenId"),
        (common_errors.InvalidSignature("no"), 403, "SignatureDoesNotMatch"),
        (common_errors.MissingAuthenticationToken(), 403, "MissingAuthenticationToken"),
        (common_errors.UnknownOperation("AssumeRole"), 400, "InvalidAction"),
        (errors.ServerFault(), 500, "InternalFailure"),
        (errors.LimitExceeded("slow down"), 400, "LimitExceededException"),
    ],
)
def test_an_error_is_read_by_a_client(
    caller_identity: OperationModel, error: EcrError, status: int, code: str
) -> None:
    """A JSON service's refusal arrives under STS's name for it."""
    written, headers, body = query.write_error(error, "r-1")
    assert (written, headers) == (status, {"content-type": "text/xml"})
    parsed = read(caller_identity, written, body)["Error"]
    assert (parsed["Code"], parsed["Message"]) == (code, error.message)
    assert parsed["Type"] == ("Receiver" if status == 500 else "Sender")


@given(message=st.text())
def test_any_message_makes_a_document(caller_identity: OperationModel, message: str) -> None:
    """Characters that XML cannot hold are replaced, so what a client sent can be told back to it."""
    status, _, body = query.write_error(common_errors.InvalidSignature(message), "r-1")
    assert read(caller_identity, status, body)["Error"]["Code"] == "SignatureDoesNotMatch"


@pytest.mark.parametrize(
    "body", [b"", b"Version=2011-06-15", b"Action=", b"Action", b"\xff=1", b"Action=x" + b"&a=b" * 200]
)
def test_what_is_no_call_is_refused(body: bytes) -> None:
    """No action, no form, or far too many fields."""
    with pytest.raises(common_errors.Serialization):
        query.parse(body)


def read(operation: OperationModel, status: int, body: bytes) -> dict[str, Any]:
    response = {"status_code": status, "headers": HTTPHeaders(), "body": body}
    assert operation.output_shape is not None
    parsed: dict[str, Any] = create_parser("query").parse(response, operation.output_shape)
    return parsed
