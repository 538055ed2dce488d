"""The query protocol, against botocore's own clients of IAM and STS."""

import re
from typing import Any
from urllib.parse import urlencode

import pytest
from botocore.compat import HTTPHeaders
from botocore.model import ListShape, OperationModel, Shape, StructureShape
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from careen.clock import SECOND
from careen.ecr import common_errors, errors, model, query
from careen.ecr.constraints import Refused
from careen.ecr.errors import EcrError
from careen.ecr.parser import parser
from careen.iamapi.app import OPERATIONS
from tests.ecr.shapes import TEXT, as_client, values

SERVED = [model.iam().operation(name) for name in sorted(OPERATIONS["iam"])] + [
    model.sts().operation(name) for name in sorted(OPERATIONS["sts"])
]

quick = settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
thorough = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))


def test_iam_and_sts_speak_query_and_nothing_else() -> None:
    """The day a model prefers another protocol, this build says so."""
    for service in (model.iam(), model.sts()):
        assert service.model.metadata["protocols"] == ["query"]


@pytest.mark.parametrize("operation", SERVED, ids=lambda operation: operation.name)
@quick
@given(data=st.data())
def test_what_a_client_sends_is_what_a_handler_gets(operation: OperationModel, data: st.DataObject) -> None:
    """A request of botocore's, parsed here, is the parameters it was made from."""
    check_request(operation, data)


@pytest.mark.parametrize("operation", SERVED, ids=lambda operation: operation.name)
@quick
@given(data=st.data())
def test_what_a_handler_answers_is_what_a_client_gets(operation: OperationModel, data: st.DataObject) -> None:
    """An answer written here, read by botocore, is the result it was made from."""
    check_answer(operation, data)


@pytest.mark.slow
@pytest.mark.parametrize("operation", SERVED, ids=lambda operation: operation.name)
@thorough
@given(data=st.data())
def test_both_ways_at_length(operation: OperationModel, data: st.DataObject) -> None:
    """The same, with a hundred values for each operation."""
    check_request(operation, data)
    check_answer(operation, data)


TEXTS = (
    "a", "Some.name+of,one=or@other_-", "/", "/team/of/two/", "arn:aws:iam::aws:policy/SomeAccess", "0123456789abcdef" * 3,
    "123456", "v1", '{"Version": "2012-10-17", "a": "<&>\\n\\"é"}', "https://issuer.example.com/x?y=z", "é 1:/", "0" * 40,
)  # fmt: skip
"""Whatever its pattern is, some of these are of a shape: drawing from the patterns of IAM takes minutes."""


def strings(shape: Shape, least: int, _: int | None) -> st.SearchStrategy[str]:
    """Texts that a shape admits."""
    if allowed := getattr(shape, "enum", None):
        return st.sampled_from(allowed)
    if "pattern" not in shape.metadata:
        return st.text(TEXT, min_size=least, max_size=max(least, 20))
    return st.sampled_from([text for text in TEXTS if _admits(shape, text)])


def _admits(shape: Shape, text: str) -> bool:
    try:
        parser(shape)(text)
    except Refused:
        return False
    return True


def check_request(operation: OperationModel, data: st.DataObject) -> None:
    parameters = data.draw(values(operation.input_shape, strings=strings)) if operation.input_shape else {}
    request = create_serializer("query").serialize_to_request(parameters, operation)
    sent = query.read(urlencode(request["body"]).encode())
    assert (sent.action, sent.version) == (operation.name, operation.service_model.api_version)
    assert query.parse(operation, sent) == without_empty_structures(parameters)


def check_answer(operation: OperationModel, data: st.DataObject) -> None:
    if operation.output_shape is None:
        assert read(operation, 200, query.write(operation, {}, "r-1")) == {}
        return
    result = data.draw(values(operation.output_shape, strings=strings))
    parsed = read(operation, 200, query.write(operation, result, "r-1"))
    assert parsed == as_client(operation.output_shape, as_carried(operation.output_shape, result))


def without_empty_structures(value: Any) -> Any:
    """The value as a form carries it: a structure without members has no field, so a list has it not."""
    match value:
        case dict():
            kept = {name: without_empty_structures(item) for name, item in value.items()}
            return {name: item for name, item in kept.items() if item != [] or value[name] == []}
        case list():
            return [without_empty_structures(item) for item in value if item != {}]
    return value


def as_carried(shape: Shape, value: Any) -> Any:
    """The value as XML carries it: no control characters, and instants in whole seconds."""
    match shape:
        case StructureShape():
            return {name: as_carried(shape.members[name], item) for name, item in value.items()}
        case ListShape():
            return [as_carried(shape.member, item) for item in value]
    if shape.type_name == "timestamp":
        return value // SECOND * SECOND
    if isinstance(value, str):
        return re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", "\ufffd", value)
    return value


def test_a_map_is_read_and_written() -> None:
    """No operation that is served has one; the protocol does."""
    summary = model.iam().operation("GetAccountSummary")
    result = {"SummaryMap": {"Users": 3, "Roles": 0}}
    assert read(summary, 200, query.write(summary, result, "r-1")) == result


def test_an_answer_of_another_shape_is_our_own_bug() -> None:
    """Never a wrong answer: an unknown member, or a value of another type."""
    operation = model.sts().operation("GetCallerIdentity")
    for wrong in ({"Nobody": "x"}, {"Account": 12}, {"Arn": None, "UserId": b""}):
        with pytest.raises(TypeError):
            query.write(operation, wrong, "r-1")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (common_errors.UnrecognizedClient(), 403, "InvalidClientTokenId"),
        (common_errors.ExpiredToken(), 403, "ExpiredToken"),
        (common_errors.InvalidSignature("no"), 403, "SignatureDoesNotMatch"),
        (common_errors.MissingAuthenticationToken(), 403, "MissingAuthenticationToken"),
        (common_errors.UnknownOperation("DecodeAuthorizationMessage"), 400, "InvalidAction"),
        (errors.ServerFault(), 500, "InternalFailure"),
        (errors.LimitExceeded("slow down"), 400, "LimitExceededException"),
    ],
)
def test_an_error_is_read_by_a_client(error: EcrError, status: int, code: str) -> None:
    """A JSON service's refusal arrives under the query protocol's name for it."""
    written, headers, body = query.write_error(model.sts(), error, "r-1")
    assert (written, headers) == (status, {"content-type": "text/xml"})
    parsed = failure(written, body)
    assert (parsed["Code"], parsed["Message"]) == (code, error.message)
    assert parsed["Type"] == ("Receiver" if status == 500 else "Sender")


@given(message=st.text())
def test_any_message_makes_a_document(message: str) -> None:
    """Characters that XML cannot hold are replaced, so what a client sent can be told back to it."""
    status, _, body = query.write_error(model.iam(), common_errors.InvalidSignature(message), "r-1")
    assert failure(status, body)["Code"] == "SignatureDoesNotMatch"


@pytest.mark.parametrize(
    "body", [b"", b"Version=2011-06-15", b"Action=", b"Action", b"\xff=1", b"Action=x" + b"&a=b" * 501]
)
def test_what_is_no_call_is_refused(body: bytes) -> None:
    """No action, no form, or far too many fields."""
    with pytest.raises(common_errors.Serialization):
        query.read(body)


@pytest.mark.parametrize(
    "fields",
    [
        "UserName=a&UserName=b",
        "UserName=a&UserName.b=c",
        "UserName.b=c&UserName=a",
        "UserName.b=c",
        "UserName=a&Tags=b",
        "UserName=a&Tags.member=b",
        "UserName=a&Tags.member.0.Key=b",
        "UserName=a&Tags.member.x.Key=b",
        "UserName=a&Tags.member.1=b",
    ],
)
def test_fields_of_another_form_are_refused(fields: str) -> None:
    """Two values of one name, and texts where the operation has structures and lists."""
    with pytest.raises(common_errors.Serialization):
        query.parse(
            model.iam().operation("CreateUser"),
            query.read(f"{fields}&Action=CreateUser".lstrip("&").encode()),
        )


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ("", "Value at 'userName' failed to satisfy constraint: Member must not be null"),
        ("UserName=", "Value at 'userName' failed to satisfy constraint: Member must have length greater than or equal to 1"),
        ("UserName=a%20b", "Value at 'userName' failed to satisfy constraint: Member must satisfy regular expression pattern: "),
        ("UserName=a&Tags.member.1.Key=b", "Value at 'tags.1.member.value' failed to satisfy constraint: Member must not be null"),
        ("UserName=a&Tags.member.1.Key=%00&Tags.member.1.Value=", "Value at 'tags.1.member.key' failed"),
    ],
)  # fmt: skip
def test_what_the_model_does_not_admit_is_refused(fields: str, says: str) -> None:
    """In the words of AWS's validation."""
    with pytest.raises(common_errors.Validation) as refused:
        query.parse(
            model.iam().operation("CreateUser"),
            query.read(f"{fields}&Action=CreateUser".lstrip("&").encode()),
        )
    assert refused.value.message.startswith(f"1 validation error detected: {says}")


def read(operation: OperationModel, status: int, body: bytes) -> dict[str, Any]:
    response = {"status_code": status, "headers": HTTPHeaders(), "body": body}
    parsed: dict[str, Any] = create_parser("query").parse(response, operation.output_shape)  # type: ignore[arg-type]
    assert parsed.pop("ResponseMetadata")["RequestId"] == "r-1"
    return parsed


def failure(status: int, body: bytes) -> dict[str, Any]:
    response = {"status_code": status, "headers": HTTPHeaders(), "body": body}
    shape = model.sts().operation("GetCallerIdentity").output_shape
    assert shape is not None
    found: dict[str, Any] = create_parser("query").parse(response, shape)["Error"]
    return found
