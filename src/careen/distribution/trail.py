"""What the audit log says of a request: everything that changes something, and whatever is refused.

A request is told by the name of the ECR operation that does the same (ECR user guide, logging-using-cloudtrail); what ECR has no
operation for has a name of ours: CancelLayerUpload, DeleteLayer, Login.
"""

import uuid
from typing import Any

from careen.clock import system_now
from careen.distribution.exchange import Exchange
from careen.ecr import trail
from careen.oci.errors import OciError
from careen.registry.access import Principal
from careen.registry.registry import Registry

NAMES = {
    ("uploads", "POST"): "InitiateLayerUpload",
    ("upload", "PATCH"): "UploadLayerPart",
    ("upload", "PUT"): "CompleteLayerUpload",
    ("upload", "DELETE"): "CancelLayerUpload",
    ("upload", "GET"): "DescribeLayerUpload",
    ("manifests", "PUT"): "PutImage",
    ("manifests", "DELETE"): "BatchDeleteImage",
    ("manifests", "GET"): "BatchGetImage",
    ("manifests", "HEAD"): "BatchGetImage",
    ("blobs", "DELETE"): "DeleteLayer",
    ("blobs", "GET"): "GetDownloadUrlForLayer",
    ("blobs", "HEAD"): "BatchCheckLayerAvailability",
    ("tags", "GET"): "ListImages",
    ("tags", "HEAD"): "ListImages",
    ("referrers", "GET"): "ListImageReferrers",
    ("referrers", "HEAD"): "ListImageReferrers",
}

_READING = ("GET", "HEAD")
_REFUSED = (401, 403)


class Trail:
    """What is known of a request, as it becomes known."""

    __slots__ = ("argument", "kind", "name", "principal")

    def __init__(self) -> None:
        self.principal: Principal | None = None
        self.kind = self.name = self.argument = ""

    def end(self, registry: Registry, exchange: Exchange, refusal: OciError | None) -> None:
        """The request was answered. A client that sends no credential is only asked for one, and not refused."""
        refused = exchange.status in _REFUSED and exchange.credential is not None
        if registry.audit is None or not (exchange.method not in _READING or refused) or not exchange.status:
            return
        if exchange.status == 401 and not refused:
            return
        who = self.principal
        registry.audit.write(
            trail.api_call(
                account=registry.id,
                region=registry.region,
                event_id=str(uuid.uuid4()),
                request_id=str(uuid.uuid4()),
                time=system_now(),
                service="ecr",
                name=self._operation(exchange),
                user=trail.identity(
                    registry.id, None if who is None else who.arn, None if who is None else who.access_key_id
                ),
                address=exchange.client,
                user_agent=exchange.header(b"user-agent"),
                parameters=self._parameters(exchange),
                response=_response(exchange),
                repository=self.name or None,
                error=_error(exchange, refusal),
            )
        )

    def _operation(self, exchange: Exchange) -> str:
        if self.kind == "uploads" and exchange.parameter("mount") is not None:
            return "MountLayer"
        return NAMES.get((self.kind, exchange.method), "Login")

    def _parameters(self, exchange: Exchange) -> dict[str, Any] | None:
        if not self.name:
            return None
        given: dict[str, Any] = {"repositoryName": self.name}
        digest = exchange.parameter("digest") or exchange.parameter("mount")
        match self.kind:
            case "manifests":
                kind = "imageDigest" if ":" in self.argument else "imageTag"
                given["imageIds"] = [{kind: self.argument}]
            case "blobs":
                given["layerDigests"] = [self.argument]
            case "upload":
                given["uploadId"] = self.argument
        if digest is not None:
            given["layerDigests"] = [digest]
        if (source := exchange.parameter("from")) is not None:
            given["sourceRepositoryName"] = source
        return given


def _response(exchange: Exchange) -> dict[str, str] | None:
    """What came of it: of a manifest its digest, which its tag does not tell."""
    digest = exchange.answered.get(b"docker-content-digest")
    changed = exchange.status < 300 and exchange.method not in _READING
    return {"imageDigest": str(digest, "ascii")} if changed and digest is not None else None


def _error(exchange: Exchange, refusal: OciError | None) -> tuple[str, str] | None:
    if refusal is not None:
        return refusal.code, refusal.message
    return ("UNAUTHORIZED", "Not Authorized") if exchange.status == 401 else None
