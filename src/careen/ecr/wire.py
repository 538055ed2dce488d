"""AWS JSON 1.1, the server's side: a request's body to parameters, a result or an error to an answer.

::

    parameters = wire.parse(operation, body)            # {"repositoryName": "team/app"}
    body = wire.write(operation, {"repository": {...}})
    status, headers, body = wire.write_error(error)

Everything is read from the operation's shapes, so all operations of a model are spoken, served or not. How
much body to read, who may send it and which operation it is for are the application's business.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec
from botocore.model import OperationModel

from careen.ecr.common_errors import Serialization
from careen.ecr.constraints import Refused
from careen.ecr.errors import EcrError, InvalidParameter
from careen.ecr.parser import Parser, parser
from careen.ecr.writer import Writer, writer

CONTENT_TYPE = "application/x-amz-json-1.1"


def parse(operation: OperationModel, body: bytes) -> dict[str, Any]:
    """The parameters in a request's body, by their wire names; an empty body is an empty object.

    Raises:
        Serialization: not JSON, or a value of another type than its member.
        InvalidParameter: a member that is missing or fails a constraint of the model.
    """
    try:
        parameters: dict[str, Any] = _parser(operation)(_decode(body))
    except Refused as refused:
        if not refused.malformed:
            raise InvalidParameter(refused.path, refused.reason) from None
        where = f" at '{refused.path}'" if refused.steps else ""
        raise Serialization(refused.reason + where) from None
    return parameters


def write(operation: OperationModel, result: Mapping[str, Any]) -> bytes:
    """The body of a successful answer. Members that are None are left out.

    Raises:
        TypeError: the result is not of the operation's output shape: our bug.
    """
    return msgspec.json.encode(_writer(operation)(result))


def write_error(error: EcrError) -> tuple[int, dict[str, str], bytes]:
    """The status, headers and body of a refusal.

    Clients read the code from ``__type`` or from the header, whichever their SDK prefers.
    """
    body = msgspec.json.encode({"__type": error.code, "message": error.message, **error.members})
    return error.status, {"content-type": CONTENT_TYPE, "x-amzn-errortype": error.code}, body


def _decode(body: bytes) -> Any:
    # msgspec is stricter than the json module where it matters: no NaN, no lone surrogates that would fail
    # later on.
    try:
        return msgspec.json.decode(body or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Serialization("The request body is not valid JSON") from None


@cache
def _parser(operation: OperationModel) -> Parser:
    # In the model's format an operation may go without input: it takes an empty structure.
    return parser(operation.input_shape) if operation.input_shape else lambda _: {}


@cache
def _writer(operation: OperationModel) -> Writer:
    return writer(operation.output_shape) if operation.output_shape else dict
