"""What the audit log says of a call: everything that changes something, and whatever is refused."""

import uuid
from typing import Any

import msgspec
from starlette.requests import Request

from careen.circumstances import circumstances_of
from careen.clock import system_now
from careen.ecr import common_errors, trail
from careen.ecr.errors import EcrError
from careen.registry.callers import Principal
from careen.registry.registry import Registry

REFUSALS = (
    common_errors.AccessDenied,
    common_errors.ExpiredToken,
    common_errors.IncompleteSignature,
    common_errors.InvalidSignature,
    common_errors.MissingAuthenticationToken,
    common_errors.UnrecognizedClient,
)
"""What is written down whatever was asked for."""


class Trail:
    """What is known of a call, as it becomes known."""

    def __init__(self, registry: Registry, request: Request, request_id: str) -> None:
        self._registry = registry
        self._request = request
        self._request_id = request_id
        self.service = "ecr"
        self.operation = request.headers.get("x-amz-target", "").rpartition(".")[2]
        self.principal: Principal | None = None
        self.parameters: dict[str, Any] | None = None
        self.answer = b""
        """In JSON, where it goes out as something else: it says which key was made, and for whom."""

    def end(self, body: bytes, refusal: EcrError | None) -> None:
        """The call was answered.

        Args:
            body: the answer as it goes out.
            refusal: why it was not done.
        """
        audit = self._registry.audit
        reads = trail.is_read_only(self.operation)
        if audit is None or (reads and not isinstance(refusal, REFUSALS)):
            return
        asked = circumstances_of(self._registry, self._request.scope, {})
        registry, request, who, given = self._registry, self._request, self.principal, self.parameters or {}
        audit.write(
            trail.api_call(
                account=registry.id,
                region=registry.region,
                event_id=str(uuid.uuid4()),
                request_id=self._request_id,
                time=system_now(),
                service=self.service,
                name=self.operation or "UnknownOperation",
                user=trail.identity(registry.id, who.arn, who.access_key_id)
                if who is not None
                else trail.identity(registry.id, None, _claimed(request)),
                address=asked.source_ip,
                user_agent=asked.user_agent,
                parameters=self.parameters,
                response=None if refusal is not None or reads else msgspec.json.decode(self.answer or body),
                repository=given.get("repositoryName"),
                error=None if refusal is None else (refusal.code, refusal.message),
            )
        )


def _claimed(request: Request) -> str | None:
    """The access key id that a request names whose signature did not hold: it is only claimed."""
    _, found, rest = request.headers.get("authorization", "").partition("Credential=")
    return rest.partition("/")[0][:128] if found else None
