"""The ECR API, and beside it ECR Public's and our own: one POST. Verify, parse, authorise, run, write.

And the one place that writes errors.

The operation's service is the one whose prefix X-Amz-Target has; signatures are bound to it.

The same address answers IAM and STS, which speak the older query protocol; their operations are in ``careen.iamapi``.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import IO, Any, TypeVar

from botocore.model import OperationModel
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from careen.circumstances import circumstances_of
from careen.clock import Instant, system_now
from careen.ecr import errors, model, query, wire
from careen.ecr.common_errors import (
    AccessDenied,
    ExpiredToken,
    IncompleteSignature,
    InvalidSignature,
    MissingAuthenticationToken,
    RequestTimeout,
    Serialization,
    UnrecognizedClient,
)
from careen.ecr.errors import EcrError
from careen.ecrapi import operations, permissions
from careen.ecrapi.call import Call, base_url_of
from careen.ecrapi.trail import Trail
from careen.iam import sigv4
from careen.iam.sigv4 import Claimant
from careen.iam.tokens import TokenExpired
from careen.iamapi import app as iamapi
from careen.issuers import Issuers
from careen.pull_through.importer import Importer
from careen.registry import callers
from careen.registry.callers import Principal
from careen.registry.pulls import PullTimes
from careen.registry.registry import Registry, Transaction
from careen.registry.trouble import tell, trouble
from careen.traffic import served

T = TypeVar("T")

MAX_BODY = 8 * 1024 * 1024
"""The largest request of most operations: a manifest of 4 MiB as a JSON string, with every other character escaped."""

MAX_BODIES = {"UploadLayerPart": 28 * 1024 * 1024}
"""And of those that carry more: a layer part, by the model 20,971,520 bytes, in base64."""

GLOBAL_REGIONS = {"ecr-public": "us-east-1", "iam": "us-east-1", "sts": "us-east-1"}
"""The Region of services that AWS has once for all, for which its clients sign wherever they are; STS has it as an old name."""

LARGE_BODY = 64 * 1024
"""A larger request waits on the disk until it is whole, and is parsed in a thread: 10 MiB take some fifty milliseconds."""

MAX_FORM = LARGE_BODY
"""The largest form: a role's policy of 10,240 characters, each percent-encoded, and some white space. It never has to wait."""

REFUSED_FOR: dict[type[EcrError], str] = {
    AccessDenied: "denied",
    ExpiredToken: "expired credential",
    IncompleteSignature: "wrong credential",
    InvalidSignature: "wrong credential",
    MissingAuthenticationToken: "no credential",
    UnrecognizedClient: "wrong credential",
}
"""What the figures say of a refusal for who asked."""

LARGE_AT_ONCE = 2
"""Large requests that are in memory at the same time. A layer part takes four times its size while it is parsed."""


class EcrApiApp:
    """Answers ``POST /``."""

    def __init__(self, registry: Registry, pulls: PullTimes, importer: Importer, issuers: Issuers) -> None:
        self._registry = registry
        self._pulls = pulls
        self._issuers = issuers
        self._importer = importer
        self._large = asyncio.Semaphore(LARGE_AT_ONCE)

    async def answer(self, request: Request) -> Response:
        """Answer one call."""
        noted = served(request.scope)
        noted.operation = "other"
        request_id, noted.surface = noted.id, _service(request).signing_name
        trail, refusal = Trail(self._registry, request, request_id), None
        is_query = _is_query(request)
        try:
            async with self._body(request, _service(request).signing_name) as body:
                response = await (
                    self._answer_query(request, body, request_id, trail)
                    if is_query
                    else self._answer_ecr(request, body, trail)
                )
        except ClientDisconnect:
            return Response(status_code=400)  # nobody reads it
        except Exception as error:  # noqa: BLE001 it is told
            wrong = trouble(error)
            if isinstance(error, EcrError):
                refusal = error
            elif wrong is not None:
                refusal = errors.ServerFault(wrong.value)
            else:
                refusal = errors.ServerFault()
            if refusal.status >= 500:
                target = request.headers.get("x-amz-target")
                tell(error, "request failed", request_id=request_id, target=target)
            refusal = refusal.with_traceback(None)  # which leads to this frame, which has it
            status, headers, text = (
                query.write_error(getattr(request.state, "service", model.sts()), refusal, request_id)
                if is_query
                else wire.write_error(refusal)
            )
            response = Response(text, status, headers)
            noted.refusal = REFUSED_FOR.get(type(refusal), "")
        noted.principal = trail.principal
        trail.end(bytes(response.body), refusal)
        response.headers["x-amzn-requestid"] = request_id
        if response.status_code == 408:
            response.headers["connection"] = "close"
        return response

    async def _answer_ecr(self, request: Request, body: bytes, trail: Trail) -> Response:
        target, service = request.headers.get("x-amz-target", ""), _service(request)
        trail.service = service.signing_name
        principal = trail.principal = self._verify(request, body, service.signing_name)
        operation = service.targeted(target)
        operations.check_served(operation)
        served(request.scope).operation = operation.name
        parameters = trail.parameters = await self._parse(operation, body)
        call = Call(
            self._registry,
            self._pulls,
            self._importer,
            principal,
            base_url_of(self._registry, request),
            circumstances_of(
                self._registry, request.scope, permissions.condition_keys(operation, parameters)
            ),
        )
        result = await operations.answer(call, operation, parameters)
        return Response(wire.write(operation, result), media_type=wire.CONTENT_TYPE)

    @contextlib.asynccontextmanager
    async def _body(self, request: Request, service: str) -> AsyncIterator[bytes]:
        """The request's body, in memory for the length of the block.

        A large one is taken in only from somebody who names a key that we know, and lies on the disk until it is whole and
        its turn has come: the signature can be proved only then, and clients are slow.

        Raises:
            Serialization: it is too large. One that says so beforehand is not read.
            RequestTimeout: it is too slow.
        """
        limit, parts, size = _limit(request), list[bytes](), 0
        declared = request.headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > LARGE_BODY:
            if int(declared) > limit:
                raise _too_large(limit)
            self._check_claim(request, service)
        with contextlib.ExitStack() as open_files:
            waiting: IO[bytes] | None = None
            try:
                async for portion in _portions(request):
                    parts += portion
                    size += sum(map(len, portion))
                    del portion
                    if size > limit:
                        raise _too_large(limit)
                    if size > LARGE_BODY:
                        if waiting is None:
                            self._check_claim(request, service)  # a chunked one has not said how large it is
                            waiting = open_files.enter_context(self._registry.scratch())
                        await self._registry.in_thread(waiting.writelines, parts)
                        parts = []
            except TimeoutError:
                raise RequestTimeout("The rest of the request did not come") from None
            if waiting is None:
                yield b"".join(parts)
                return
            async with self._large:
                yield await self._registry.in_thread(_content, waiting)

    def _check_claim(self, request: Request, service: str) -> None:
        registry = self._registry
        claimant = sigv4.claimed(
            request.scope["headers"],
            service=service,
            region=registry.region,
            now=system_now(),
            global_region=GLOBAL_REGIONS.get(service, ""),
        )
        if self._secret_of(claimant) is None:
            raise UnrecognizedClient

    async def _parse(self, operation: OperationModel, body: bytes) -> dict[str, Any]:
        if len(body) < LARGE_BODY:
            return wire.parse(operation, body)
        return await self._registry.in_thread(wire.parse, operation, body)

    async def _answer_query(self, request: Request, body: bytes, request_id: str, trail: Trail) -> Response:
        sent = query.read(body)
        service = request.state.service = iamapi.service_of(sent.version)
        noted = served(request.scope)
        noted.surface = service.signing_name
        if sent.action in iamapi.OPERATIONS[service.signing_name]:
            noted.operation = sent.action
        trail.service = service.signing_name
        trail.operation = sent.action if sent.action in service.description["operations"] else ""
        if not iamapi.goes_unsigned(service, sent.action):
            trail.principal = self._verify(request, body, service.signing_name)
        operation = service.operation(sent.action)
        parameters = trail.parameters = query.parse(operation, sent)
        circumstances = circumstances_of(self._registry, request.scope, {})
        call = iamapi.Call(self._registry, self._issuers, trail.principal, circumstances)
        result = await iamapi.answer(call, operation, parameters)
        trail.answer = wire.write(operation, result)
        return Response(query.write(operation, result, request_id), media_type=query.CONTENT_TYPE)

    def _verify(self, request: Request, body: bytes, service: str) -> Principal:
        registry = self._registry
        target = request.scope["raw_path"].decode("ascii")
        if request.scope["query_string"]:
            target += "?" + request.scope["query_string"].decode("ascii", "replace")
        signer = sigv4.verify(
            sigv4.Request(request.method, target, request.scope["headers"], body),
            service=service,
            region=registry.region,
            secret_for=self._secret_of,
            now=system_now(),
            global_region=GLOBAL_REGIONS.get(service, ""),
        )
        principal = self._read_of(callers.caller_of, signer.claimant)
        if principal is None:  # deleted: the key between the two reads, or the role of a session before them
            raise UnrecognizedClient
        return principal

    def _secret_of(self, claimant: Claimant) -> str | None:
        return self._read_of(callers.secret_of, claimant)

    def _read_of(
        self, use_case: Callable[[Transaction, Registry, Claimant, Instant], T], claimant: Claimant
    ) -> T:
        """What a use case reads of a claimant, whose temporary credentials may have ended."""
        try:
            return self._registry.read(use_case, self._registry, claimant, system_now())
        except TokenExpired:
            raise ExpiredToken from None


def _is_query(request: Request) -> bool:
    """Whether it speaks the query protocol."""
    return request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")


def _service(request: Request) -> model.Service:
    """The one whose prefix the target has; ECR if none has."""
    prefix, _, _ = request.headers.get("x-amz-target", "").partition(".")
    others = (model.careen(), model.ecr_public())
    return next((service for service in others if service.target_prefix == prefix), model.ecr())


def _too_large(limit: int) -> Serialization:
    return Serialization(f"The request has more than {limit} bytes, the most that this operation takes")


def _limit(request: Request) -> int:
    """How many bytes the request may have."""
    if _is_query(request):
        return MAX_FORM
    _, _, operation = request.headers.get("x-amz-target", "").rpartition(".")
    return MAX_BODIES.get(operation, MAX_BODY)


async def _portions(request: Request) -> AsyncIterator[list[bytes]]:
    """The body, as it arrives.

    Raises:
        ClientDisconnect: the client is gone.
        TimeoutError: it is too slow.
    """
    direct = served(request.scope).direct
    if direct is None:
        async for part in request.stream():
            yield [part]
        return
    more = True
    while more:
        try:
            portion, more = await direct.pieces()
        except ConnectionError:
            raise ClientDisconnect from None
        yield portion


def _content(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()
