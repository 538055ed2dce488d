"""AWS's query protocol, the server's side: form in, XML out. IAM and STS, which are older than JSON, speak no other.

::

    sent = query.read(body)                              # the operation, the version of its service, the other fields
    parameters = query.parse(operation, sent)            # {"UserName": "ci"}
    body = query.write(operation, {"User": {...}}, request_id)
    status, headers, body = query.write_error(service, error, request_id)

Everything is read from the operation's shapes, as in ``careen.ecr.wire``. The codes of refusals that are no operation's are
older than the JSON services' names for the same; here they are under their names of this protocol.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from botocore.model import OperationModel

from careen.ecr import common_errors, errors, form, xml
from careen.ecr.common_errors import Serialization, Validation
from careen.ecr.constraints import Refused
from careen.ecr.errors import EcrError
from careen.ecr.model import Service
from careen.ecr.parser import Parser, parser
from careen.ecr.xml import Writer, element, text

CONTENT_TYPE = "text/xml"

_MAX_FIELDS = 500

_CODES: dict[type[EcrError], tuple[str, int]] = {
    common_errors.AccessDenied: ("AccessDenied", 403),
    common_errors.ExpiredToken: ("ExpiredToken", 403),
    common_errors.IncompleteSignature: ("IncompleteSignature", 400),
    common_errors.InvalidSignature: ("SignatureDoesNotMatch", 403),
    common_errors.MissingAuthenticationToken: ("MissingAuthenticationToken", 403),
    common_errors.Serialization: ("MalformedInput", 400),
    common_errors.UnknownOperation: ("InvalidAction", 400),
    common_errors.UnrecognizedClient: ("InvalidClientTokenId", 403),
    errors.ServerFault: ("InternalFailure", 500),
}
"""What the query protocol calls the refusals that are no operation's, with their statuses (STS API reference, "Common Errors")."""


class Sent(NamedTuple):
    """A call as it was sent."""

    action: str
    """The operation: ``GetCallerIdentity``."""
    version: str
    """The version of the service's API: ``2011-06-15``. It tells the services apart."""
    fields: Sequence[tuple[str, str]]
    """The parameters, by their names in the form."""


def read(body: bytes) -> Sent:
    """The call in a request's form body.

    Raises:
        Serialization: not a form, or one without an Action.
    """
    try:
        fields = parse_qsl(
            body.decode(), keep_blank_values=True, strict_parsing=True, max_num_fields=_MAX_FIELDS
        )
    except ValueError:
        raise Serialization("The request body is not a form") from None
    named = dict(fields)
    if not named.get("Action"):
        raise Serialization("The request has no Action")
    parameters = [field for field in fields if field[0] not in {"Action", "Version"}]
    return Sent(named["Action"], named.get("Version", ""), parameters)


def parse(operation: OperationModel, sent: Sent) -> dict[str, Any]:
    """The parameters of a call, by the names of the model's members.

    Raises:
        Serialization: fields of another form than the operation takes.
        Validation: a member that is missing or fails a constraint of the model.
    """
    try:
        parameters: dict[str, Any] = _parser(operation)(form.tree(sent.fields))
    except Refused as refused:
        if not refused.malformed:
            raise Validation(refused.path, refused.reason) from None
        where = f" at '{refused.path}'" if refused.steps else ""
        raise Serialization(refused.reason + where) from None
    return parameters


def write(operation: OperationModel, result: Mapping[str, Any], request_id: str) -> bytes:
    """The body of a successful answer. Members that are None are left out.

    Raises:
        TypeError: the result is not of the operation's output shape: our bug.
    """
    namespace = operation.service_model.metadata["xmlNamespace"]
    content = _writer(operation)(result) + element("ResponseMetadata", element("RequestId", text(request_id)))
    return element(f"{operation.name}Response", content, f' xmlns="{namespace}"').encode()


def write_error(service: Service, error: EcrError, request_id: str) -> tuple[int, dict[str, str], bytes]:
    """The status, headers and body of a refusal."""
    code, status = _CODES.get(type(error), (error.code, error.status))
    fault = "Receiver" if status >= 500 else "Sender"
    content = element("Type", fault) + element("Code", text(code)) + element("Message", text(error.message))
    body = element(
        "ErrorResponse",
        element("Error", content) + element("RequestId", text(request_id)),
        f' xmlns="{service.model.metadata["xmlNamespace"]}"',
    )
    return status, {"content-type": CONTENT_TYPE}, body.encode()


@cache
def _parser(operation: OperationModel) -> Parser:
    if operation.input_shape is None:
        return lambda _: {}
    read_fields, check = form.reader(operation.input_shape), parser(operation.input_shape)
    return lambda fields: check(read_fields(fields))


@cache
def _writer(operation: OperationModel) -> Writer:
    shape = operation.output_shape
    if shape is None:
        return lambda _: ""
    inner = xml.writer(shape)
    return lambda result: element(shape.serialization["resultWrapper"], inner(result))
