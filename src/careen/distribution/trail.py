"""What the audit log says of a request: everything that changes something, and whatever is refused.

A request is told by the name of the ECR operation that does the same (ECR user guide, logging-using-cloudtrail); what ECR has no
operation for has a name of ours: CancelLayerUpload, DeleteLayer, Login.
"""

import uuid
from collections.abc import Sequence
from typing import Any

from careen.circumstances import circumstances_of
from careen.clock import system_now
from careen.distribution.exchange import Exchange, Header
from careen.ecr import trail
from careen.oci.errors import OciError
from careen.registry.callers import Principal
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
    ("events", "GET"): "ListEvents",
}

_READING = ("GET", "HEAD")
_REFUSED = (401, 403)


class Trail:
    """What is known of a request, as it becomes known; written down when it is answered, before the answer is sent.

    Args:
        registry: whose log.
        exchange: the request.
        service: whose API it belongs to.
        kind: what it asks for, if that is known already.
    """

    __slots__ = ("_exchange", "_registry", "_service", "argument", "kind", "name", "principal", "refusal")

    def __init__(self, registry: Registry, exchange: Exchange, service: str = "ecr", kind: str = "") -> None:
        self._registry = registry
        self._exchange = exchange
        self._service = service
        self.principal: Principal | None = None
        self.refusal: OciError | None = None
        self.kind, self.name, self.argument = kind, "", ""
        if registry.audit is not None:
            exchange.on_answer = self._end

    def _end(self, status: int, headers: Sequence[Header]) -> None:
        """A client that sends no credential is only asked for one, and not refused."""
        registry, exchange, who = self._registry, self._exchange, self.principal
        reads, is_refused = exchange.method in _READING, status in _REFUSED
        if (
            registry.audit is None
            or (reads and not is_refused)
            or (status == 401 and not exchange.credential)
        ):
            return
        asked = circumstances_of(registry, exchange.scope, {})
        error = None if self.refusal is None else (self.refusal.code, self.refusal.message)
        registry.audit.write(
            trail.api_call(
                account=registry.id,
                region=registry.region,
                event_id=str(uuid.uuid4()),
                request_id=exchange.served.id,
                time=system_now(),
                service=self._service,
                name=self._operation(),
                user=trail.identity(registry.id, None, None)
                if who is None
                else trail.identity(registry.id, who.arn, who.access_key_id),
                address=asked.source_ip,
                user_agent=asked.user_agent,
                parameters=self._parameters(),
                response=None if reads or status >= 300 else _response(headers),
                repository=self.name or None,
                error=("UNAUTHORIZED", "Not Authorized") if status == 401 else error,
            )
        )

    def _operation(self) -> str:
        if self.kind == "uploads" and self._exchange.parameter("mount") is not None:
            return "MountLayer"
        return NAMES.get((self.kind, self._exchange.method), "Login")

    def _parameters(self) -> dict[str, Any] | None:
        if not self.name:
            return None
        given: dict[str, Any] = {"repositoryName": self.name}
        match self.kind:
            case "manifests":
                kind = "imageDigest" if ":" in self.argument else "imageTag"
                given["imageIds"] = [{kind: self.argument}]
            case "blobs":
                given["layerDigests"] = [self.argument]
            case "upload":
                given["uploadId"] = self.argument
        parameter = self._exchange.parameter
        if (digest := parameter("digest") or parameter("mount")) is not None:
            given["layerDigests"] = [digest]
        if (source := parameter("from")) is not None:
            given["sourceRepositoryName"] = source
        return given


def _response(headers: Sequence[Header]) -> dict[str, str] | None:
    """What came of it: of a manifest its digest, which its tag does not tell."""
    digest = next((value for name, value in headers if name == b"docker-content-digest"), None)
    return None if digest is None else {"imageDigest": str(digest, "ascii")}
