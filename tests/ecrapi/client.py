"""What the tests of the ECR API share: a strict client, pushes through ECR's own operations, and requests made by hand."""

import base64
import contextlib
import datetime as dt
import http.client
import json
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape

from careen.ecr import model
from tests.images import Built
from tests.server import ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY, Server

COMMON_ERRORS = {
    "AccessDeniedException",
    "InvalidSignatureException",
    "SerializationException",
    "UnrecognizedClientException",
}
"""What no operation declares and any may answer."""

_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "blob": str,
    "boolean": bool,
    "integer": int,
    "long": int,
    "timestamp": (int, float),
    "double": (int, float),
}


def strict(client: Any) -> Any:
    """The client, from now on failing at every answer that is not, to the letter, of the service model.

    botocore's own parser ignores members it does not know and errors it does not expect; this does not.
    """
    client.meta.events.register("before-parse", _check_answer)
    return client


def holders(server: Server, key_of: Callable[[str], dict[str, str]]) -> Callable[..., Any]:
    """Strict clients of a server that sign with the key of a policy: ``holders(server, key_of)("PullOnly")``."""

    @cache
    def client(policy: str, service: str = "ecr") -> Any:
        key = key_of(policy)
        secret = {
            "aws_access_key_id": key["accessKeyId"],
            "aws_secret_access_key": key["secretAccessKey"],
        }
        return strict(server.boto(service, **secret))

    return client


def _check_answer(operation_model: OperationModel, response_dict: dict[str, Any], **_: Any) -> None:
    body, status = json.loads(response_dict["body"]), response_dict["status_code"]
    if status < 300:
        assert operation_model.output_shape is not None
        _check_value(operation_model.output_shape, body, operation_model.name)
        return
    code = body.pop("__type")
    assert (status, response_dict["headers"]["x-amzn-errortype"]) == (
        500 if code == "ServerException" else 400,
        code,
    )
    declared = {shape.name: shape for shape in operation_model.error_shapes}
    assert code in declared.keys() | COMMON_ERRORS, f"{operation_model.name} does not declare {code}"
    _check_value(declared.get(code, declared["ServerException"]), body, code)


def _check_value(shape: Shape, value: Any, where: str) -> None:
    match shape:
        case StructureShape():
            assert set(value) <= set(shape.members), f"{where} has {set(value) - set(shape.members)}"
            for name, inner in value.items():
                _check_value(shape.members[name], inner, f"{where}.{name}")
        case ListShape():
            for inner in value:
                _check_value(shape.member, inner, f"{where}[]")
        case MapShape():
            for inner in value.values():
                _check_value(shape.value, inner, f"{where}{{}}")
        case _:
            assert isinstance(value, _TYPES[shape.type_name]), f"{where} is {value!r}"
            assert value in getattr(shape, "enum", ()) or not getattr(shape, "enum", ()), (
                f"{where} is {value!r}"
            )


class Refusal(NamedTuple):
    """A refused call, as boto3 sees it."""

    code: str
    message: str
    members: dict[str, Any]
    """The whole answer."""

    @property
    def status(self) -> int:
        """The HTTP status."""
        return int(self.members["ResponseMetadata"]["HTTPStatusCode"])


def refusal(call: Callable[..., Any], **parameters: Any) -> Refusal:
    """Call what must be refused, and say how it was."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    error = caught.value.response["Error"]
    return Refusal(error["Code"], error["Message"], dict(caught.value.response))


def upload(ecr: Any, repository: str, data: bytes, digest: str, part: int = 5 * 1024 * 1024) -> None:
    """Push a layer in parts, as an AWS SDK does; one that is there already is left alone."""
    upload_id = ecr.initiate_layer_upload(repositoryName=repository)["uploadId"]
    for first in range(0, len(data), part):
        piece = data[first : first + part]
        last = first + len(piece) - 1
        answer = ecr.upload_layer_part(
            repositoryName=repository,
            uploadId=upload_id,
            partFirstByte=first,
            partLastByte=last,
            layerPartBlob=piece,
        )
        assert answer["lastByteReceived"] == last
    with contextlib.suppress(ecr.exceptions.LayerAlreadyExistsException):
        ecr.complete_layer_upload(repositoryName=repository, uploadId=upload_id, layerDigests=[digest])


def push(ecr: Any, repository: str, built: Built, tag: str | None = None) -> str:
    """Push an image through ECR's operations alone. Returns its digest."""
    for data, digest in zip(built.blobs, built.digests, strict=True):
        upload(ecr, repository, data, digest)
    named = {} if tag is None else {"imageTag": tag}
    answer = ecr.put_image(repositoryName=repository, imageManifest=built.manifest.decode(), **named)
    assert answer["image"]["imageId"]["imageDigest"] == built.digest
    return built.digest


class Answer(NamedTuple):
    """An HTTP answer."""

    status: int
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes

    @property
    def code(self) -> str:
        """The error code of an AWS JSON refusal."""
        code: str = json.loads(self.body)["__type"]
        return code

    @property
    def message(self) -> str:
        """Its message."""
        message: str = json.loads(self.body)["message"]
        return message


def request(
    server: Server, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
) -> Answer:
    """Send a request as it is, without following anything."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        fields = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, fields, response.read())
    finally:
        connection.close()


def basic(user: str = ACCESS_KEY_ID, password: str = SECRET_ACCESS_KEY) -> dict[str, str]:
    """The header with which OCI clients say who they are."""
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def oci_push(server: Server, repository: str, built: Built, tag: str) -> Answer:
    """Put a manifest whose blobs are there already, through the distribution API."""
    path = f"/v2/{repository}/manifests/{tag}"
    return request(server, "PUT", path, built.manifest, basic() | {"Content-Type": built.media_type})


def oci_get(server: Server, repository: str, reference: str) -> Answer:
    """Get a manifest through the distribution API."""
    return request(server, "GET", f"/v2/{repository}/manifests/{reference}", headers=basic())


class _Signer(SigV4Auth):
    """botocore's signer with a clock that is ``off``."""

    def __init__(self, off: dt.timedelta, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._stamp = (dt.datetime.now(dt.UTC) + off).strftime("%Y%m%dT%H%M%SZ")

    def _modify_request_before_signing(self, request: AWSRequest) -> None:
        request.context["timestamp"] = self._stamp
        super()._modify_request_before_signing(request)  # type: ignore[misc]


def call(
    server: Server,
    operation: str,
    body: bytes = b"{}",
    *,
    key: str = ACCESS_KEY_ID,
    secret: str = SECRET_ACCESS_KEY,
    region: str = REGION,
    service: str = "ecr",
    off: dt.timedelta = dt.timedelta(),
    target: str | None = None,
) -> Answer:
    """Sign and send what a client of AWS would not: any body, any target, any clock."""
    headers = signed(server, operation, body, Credentials(key, secret), region, service, off, target)
    return request(server, "POST", "/", body, headers)


def signed(
    server: Server,
    operation: str,
    body: bytes,
    credentials: Credentials | None = None,
    region: str = REGION,
    service: str = "ecr",
    off: dt.timedelta = dt.timedelta(),
    target: str | None = None,
) -> dict[str, str]:
    """The headers that go with a body."""
    headers = {
        "Host": server.host,
        "X-Amz-Target": target or f"{model.ecr().target_prefix}.{operation}",
        "Content-Type": "application/x-amz-json-1.1",
    }
    made = AWSRequest("POST", f"{server.url}/", headers=headers, data=body)
    key = credentials or Credentials(ACCESS_KEY_ID, SECRET_ACCESS_KEY)
    _Signer(off, credentials=key, service_name=service, region_name=region).add_auth(made)
    return dict(made.headers.items())
