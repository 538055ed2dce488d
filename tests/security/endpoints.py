"""Everything that can be asked of a server, read from the tables that answer it: a new endpoint is tested without being listed."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode

from botocore import serialize

from careen.console.app import PAGES
from careen.distribution.app import HANDLERS
from careen.ecr import model
from careen.ecr.model import Service
from careen.ecrapi.operations import CAREEN_OPERATIONS, OPERATIONS, PUBLIC_OPERATIONS
from careen.iamapi.app import OPERATIONS as QUERY_OPERATIONS
from tests.ecrapi import samples, test_own_service
from tests.ecrapi.public import samples as public_samples
from tests.ecrapi.samples import UPLOAD_ID as UPLOAD_ID
from tests.iamapi import samples as iam_samples
from tests.images import image
from tests.server import REGION, REGISTRY_ID

NAME = "guarded/app"
"""A repository that is there: what is let in by mistake changes something, or shows it."""

BUILT = image(NAME, size=2000)

ROLE = f"arn:aws:iam::{REGISTRY_ID}:role/guarded"

STS_SAMPLES: dict[str, dict[str, Any]] = {
    "AssumeRole": {"RoleArn": ROLE, "RoleSessionName": "s-1"},
    "AssumeRoleWithWebIdentity": {"RoleArn": ROLE, "RoleSessionName": "s-1", "WebIdentityToken": "a.b.c.d"},
    "GetCallerIdentity": {},
    "GetSessionToken": {},
}


class Endpoint(NamedTuple):
    """Something that can be asked for."""

    name: str
    """``PUT manifests``, ``ecr.PutImage``."""
    method: str
    path: str
    body: bytes = b""
    headers: Mapping[str, str] = {}
    service: str = ""
    """The signing name, of what is to be signed."""


def distribution(upload: str) -> Iterator[Endpoint]:
    """The distribution API, with an upload of the repository."""
    base = f"/v2/{NAME}"
    paths = {
        "blobs": f"{base}/blobs/{BUILT.digests[0]}",
        "manifests": f"{base}/manifests/1",
        "referrers": f"{base}/referrers/{BUILT.digest}",
        "tags": f"{base}/tags/list",
        "upload": f"{base}/blobs/uploads/{upload}",
        "uploads": f"{base}/blobs/uploads/",
    }
    for kind, method in HANDLERS:
        body = {"PUT": BUILT.manifest, "PATCH": b"more"}.get(method, b"")
        yield Endpoint(
            f"{method} {kind}", method, paths[kind], body, {"Content-Type": BUILT.media_type} if body else {}
        )
    for method in ("GET", "HEAD"):
        yield Endpoint(f"{method} root", method, "/v2/")
        yield Endpoint(f"{method} catalog", method, "/v2/_catalog")
    mount = f"{base}-2/blobs/uploads/?mount={BUILT.digests[0]}&from={NAME}"
    yield Endpoint("POST mount", "POST", mount)
    yield Endpoint("GET token", "GET", "/v2/token")


def called() -> Iterator[Endpoint]:
    """Every operation of ECR's, ECR Public's, our own, IAM's and STS's API."""
    for service, operations, sampled in (
        (model.ecr(), OPERATIONS, samples.SAMPLES),
        (model.ecr_public(), PUBLIC_OPERATIONS, public_samples.SAMPLES),
        (model.careen(), CAREEN_OPERATIONS, test_own_service.SAMPLES),
    ):
        for operation in operations:
            yield _endpoint(service, operation, sampled[operation][1])
    asked = {name: sample.parameters for name, sample in iam_samples.SAMPLES.items()}
    for service, sample in ((model.iam(), asked), (model.sts(), STS_SAMPLES)):
        for operation in QUERY_OPERATIONS[service.signing_name]:
            yield _endpoint(service, operation, sample[operation])


def _endpoint(service: Service, operation: str, parameters: Mapping[str, Any]) -> Endpoint:
    """A call as botocore writes it, about the repository that is there."""
    described = service.model.operation_model(operation)
    writer = serialize.create_serializer(service.model.metadata["protocol"])
    written = writer.serialize_to_request(_about(parameters), described)
    body, headers = written["body"], dict(written["headers"])
    if isinstance(body, dict):  # a form
        body = urlencode(body)
        headers["Content-Type"] = "application/x-www-form-urlencoded; charset=utf-8"
    sent = body if isinstance(body, bytes) else body.encode()
    return Endpoint(f"{service.signing_name}.{operation}", "POST", "/", sent, headers, service.signing_name)


def _about(value: Any) -> Any:
    """A sample's parameters, of the repository that is there instead of one that is not."""
    if isinstance(value, Mapping):
        return {name: _about(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_about(inner) for inner in value]
    return value.replace(samples.ABSENT, NAME) if isinstance(value, str) else value


def pages() -> Iterator[Endpoint]:
    """Every page and every form of the console; the names of those that anybody may see end with ``(open)``."""
    for pattern, page in PAGES.items():
        path = "/console/" + re.sub(r"\{(.*?)\}", lambda part: _PARTS[part[1]], pattern)
        for method, handler in (("GET", page.get), ("POST", page.post)):
            if handler is not None:
                yield Endpoint(f"{method} {pattern}{' (open)' if page.is_open else ''}", method, path)


_PARTS = {
    "name:path": NAME,
    "name": "guarded",
    "reference": "1",
    "policy": "guarded",
    "run": "1",
    "id": "1",
    "prefix:path": "cached",
}
"""What stands in the addresses of pages: what is called so is there."""

SIGNED_REGION = {
    "ecr": REGION,
    "careen": REGION,
    "ecr-public": "us-east-1",
    "iam": "us-east-1",
    "sts": REGION,
}


def is_json(endpoint: Endpoint) -> bool:
    """Whether an operation is of a service that speaks JSON."""
    return endpoint.service in {"ecr", "ecr-public", "careen"}


def code_of(endpoint: Endpoint, body: bytes) -> str:
    """The code of a refusal, in whichever form the endpoint has it."""
    if is_json(endpoint):
        return str(json.loads(body).get("__type", "")) if body else ""
    if endpoint.service:
        found = re.search(rb"<Code>(.*?)</Code>", body)
        return found[1].decode() if found else ""
    try:
        return str(json.loads(body)["errors"][0]["code"])
    except (ValueError, KeyError, TypeError):
        return ""
