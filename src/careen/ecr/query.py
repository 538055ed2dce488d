"""The little of AWS's query protocol that ``sts get-caller-identity`` speaks: form in, XML out.

Terraform, the AWS CLI and most SDKs ask STS who they are before anything else. STS speaks no JSON, so here
is a call's form body, an answer of flat text members and an error, in STS's namespace and with its codes,
which are older than the JSON services' names for the same refusals.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from careen.ecr.common_errors import Serialization
from careen.ecr.errors import EcrError

CONTENT_TYPE = "text/xml"
NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"
VERSION = "2011-06-15"

_MAX_FIELDS = 100

_CODES = {
    "AccessDeniedException": ("AccessDenied", 403),
    "ExpiredTokenException": ("ExpiredToken", 403),
    "IncompleteSignatureException": ("IncompleteSignature", 400),
    "InvalidSignatureException": ("SignatureDoesNotMatch", 403),
    "MissingAuthenticationTokenException": ("MissingAuthenticationToken", 403),
    "SerializationException": ("MalformedInput", 400),
    "ServerException": ("InternalFailure", 500),
    "UnknownOperationException": ("InvalidAction", 400),
    "UnrecognizedClientException": ("InvalidClientTokenId", 403),
}
"""A JSON service's code to the query protocol's, with its status (STS API reference, "Common Errors")."""

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no XML 1.0 document can hold, escaped or not."""


class Call(NamedTuple):
    """A query call."""

    action: str
    """The operation: ``GetCallerIdentity``."""
    parameters: Mapping[str, str]
    """The other fields, Version among them."""


def parse(body: bytes) -> Call:
    """The call in a request's form body.

    Raises:
        Serialization: not a form, or one without an Action.
    """
    try:
        fields = dict(
            parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=True, max_num_fields=_MAX_FIELDS)
        )
    except ValueError:
        raise Serialization("The request body is not a form") from None
    if not (action := fields.pop("Action", "")):
        raise Serialization("The request has no Action")
    return Call(action, fields)


def write(action: str, result: Mapping[str, str], request_id: str) -> bytes:
    """The body of a successful answer whose members are text."""
    members = "".join(f"<{name}>{_text(value)}</{name}>" for name, value in result.items())
    return (
        f'<{action}Response xmlns="{NAMESPACE}"><{action}Result>{members}</{action}Result>'
        f"<ResponseMetadata><RequestId>{_text(request_id)}</RequestId></ResponseMetadata></{action}Response>"
    ).encode()


def write_error(error: EcrError, request_id: str) -> tuple[int, dict[str, str], bytes]:
    """The status, headers and body of a refusal."""
    code, status = _CODES.get(error.code, (error.code, error.status))
    fault = "Receiver" if status >= 500 else "Sender"
    body = (
        f'<ErrorResponse xmlns="{NAMESPACE}"><Error><Type>{fault}</Type><Code>{code}</Code>'
        f"<Message>{_text(error.message)}</Message></Error><RequestId>{_text(request_id)}</RequestId></ErrorResponse>"
    )
    return status, {"content-type": CONTENT_TYPE}, body.encode()


def _text(value: str) -> str:
    return escape(_NOT_XML.sub("\N{REPLACEMENT CHARACTER}", value))
