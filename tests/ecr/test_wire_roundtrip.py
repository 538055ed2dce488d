"""Every operation of the model, both ways, against botocore's own client."""

from typing import Any

import pytest
from botocore.compat import HTTPHeaders
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from careen.ecr import wire
from careen.ecr.model import ecr, operation
from tests.ecr.shapes import as_client, input_of, output_of, values

OPERATIONS = sorted(ecr().model.operation_names)

quick = settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
thorough = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))


def test_there_are_62_operations() -> None:
    """The list below is all of ECR; a botocore with more of them makes itself known."""
    assert len(OPERATIONS) == 62


@pytest.mark.parametrize("name", OPERATIONS)
@quick
@given(data=st.data())
def test_what_a_client_sends_is_what_a_handler_gets(name: str, data: st.DataObject) -> None:
    """A request of botocore's, parsed here, is the parameters it was made from."""
    check_request(name, data)


@pytest.mark.parametrize("name", OPERATIONS)
@quick
@given(data=st.data())
def test_what_a_handler_answers_is_what_a_client_gets(name: str, data: st.DataObject) -> None:
    """An answer written here, read by botocore, is the result it was made from."""
    check_answer(name, data)


@pytest.mark.slow
@pytest.mark.parametrize("name", OPERATIONS)
@thorough
@given(data=st.data())
def test_both_ways_at_length(name: str, data: st.DataObject) -> None:
    """The same, with a hundred values for each operation."""
    check_request(name, data)
    check_answer(name, data)


def check_request(name: str, data: st.DataObject) -> None:
    shape = input_of(name)
    parameters = data.draw(values(shape))
    request = create_serializer("json").serialize_to_request(as_client(shape, parameters), operation(name))
    assert ecr().targeted(request["headers"]["X-Amz-Target"]) is operation(name)
    assert wire.parse(operation(name), request["body"]) == parameters


def check_answer(name: str, data: st.DataObject) -> None:
    shape = output_of(name)
    result = data.draw(values(shape))
    assert read(name, wire.write(operation(name), result)) == as_client(shape, result)


def read(name: str, body: bytes) -> dict[str, Any]:
    response = {"status_code": 200, "headers": HTTPHeaders(), "body": body}
    parsed: dict[str, Any] = create_parser("json").parse(response, output_of(name))
    del parsed["ResponseMetadata"]
    return parsed
