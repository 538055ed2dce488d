"""The ECR API, and beside it ECR Public's and our own: one POST. Verify, parse, authorise, run, write.

And the one place that writes errors.

The operation's service is the one whose prefix X-Amz-Target has; signatures are bound to it.

The same address answers IAM and STS, which speak the older query protocol; their operations are in ``careen.iamapi``.
"""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import IO, Any, TypeVar

import structlog
from botocore.model import OperationModel
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from careen.circumstances import circumstances_of
from careen.clock import Instant, system_now
from careen.ecr import errors, model, query, wire
from careen.ecr.arn import registry_host
from careen.ecr.common_errors import ExpiredToken, RequestTimeout, Serialization, UnrecognizedClient
from careen.ecr.errors import EcrError
from careen.ecrapi import (
    account,
    events,
    explanations,
    images,
    layers,
    lifecycle,
    permissions,
    pins,
    plans,
    policies,
    pull_through,
    pulls,
    replication,
    repositories,
    rules,
    scanning,
    signing,
    templates,
    trash,
    webhooks,
)
from careen.ecrapi.call import Call
from careen.ecrapi.public import images as public_images
from careen.ecrapi.public import registries
from careen.ecrapi.public import repositories as public_repositories
from careen.ecrapi.public.shared import public_operation
from careen.ecrapi.trail import Trail
from careen.iam import sigv4
from careen.iam.sigv4 import Claimant
from careen.iam.tokens import TokenExpired
from careen.iamapi import app as iamapi
from careen.issuers import Issuers
from careen.pull_through.importer import Importer
from careen.registry import access
from careen.registry.access import Principal
from careen.registry.pulls import PullTimes
from careen.registry.registry import Registry, Transaction
from careen.registry.trouble import trouble

T = TypeVar("T")

Operation = Callable[[Call, dict[str, Any]], Awaitable[dict[str, Any]]]

OPERATIONS: dict[str, Operation] = {
    "BatchCheckLayerAvailability": layers.batch_check_layer_availability,
    "BatchDeleteImage": images.batch_delete_image,
    "BatchGetImage": images.batch_get_image,
    "BatchGetRepositoryScanningConfiguration": scanning.batch_get_repository_scanning_configuration,
    "CompleteLayerUpload": layers.complete_layer_upload,
    "CreatePullThroughCacheRule": pull_through.create_pull_through_cache_rule,
    "CreateRepository": repositories.create_repository,
    "CreateRepositoryCreationTemplate": templates.create_repository_creation_template,
    "DeleteLifecyclePolicy": lifecycle.delete_lifecycle_policy,
    "DeletePullThroughCacheRule": pull_through.delete_pull_through_cache_rule,
    "DeleteRegistryPolicy": policies.delete_registry_policy,
    "DeleteRepository": repositories.delete_repository,
    "DeleteRepositoryCreationTemplate": templates.delete_repository_creation_template,
    "DeleteRepositoryPolicy": policies.delete_repository_policy,
    "DeleteSigningConfiguration": signing.delete_signing_configuration,
    "DeregisterPullTimeUpdateExclusion": pulls.deregister_pull_time_update_exclusion,
    "DescribeImageReplicationStatus": replication.describe_image_replication_status,
    "DescribeImageScanFindings": scanning.describe_image_scan_findings,
    "DescribeImageSigningStatus": signing.describe_image_signing_status,
    "DescribeImages": images.describe_images,
    "DescribePullThroughCacheRules": pull_through.describe_pull_through_cache_rules,
    "DescribeRegistry": replication.describe_registry,
    "DescribeReplicationBackfillResults": replication.describe_replication_backfill_results,
    "DescribeRepositories": repositories.describe_repositories,
    "DescribeRepositoryCreationTemplates": templates.describe_repository_creation_templates,
    "GetAccountSetting": account.get_account_setting,
    "GetAuthorizationToken": account.get_authorization_token,
    "GetDownloadUrlForLayer": layers.get_download_url_for_layer,
    "GetLifecyclePolicy": lifecycle.get_lifecycle_policy,
    "GetLifecyclePolicyPreview": lifecycle.get_lifecycle_policy_preview,
    "GetRegistryPolicy": policies.get_registry_policy,
    "GetRegistryScanningConfiguration": scanning.get_registry_scanning_configuration,
    "GetRepositoryPolicy": policies.get_repository_policy,
    "GetSigningConfiguration": signing.get_signing_configuration,
    "InitiateLayerUpload": layers.initiate_layer_upload,
    "ListImageReferrers": images.list_image_referrers,
    "ListImages": images.list_images,
    "ListPullTimeUpdateExclusions": pulls.list_pull_time_update_exclusions,
    "ListReplicationBackfills": replication.list_replication_backfills,
    "ListTagsForResource": repositories.list_tags_for_resource,
    "PutAccountSetting": account.put_account_setting,
    "PutImage": images.put_image,
    "PutImageScanningConfiguration": scanning.put_image_scanning_configuration,
    "PutImageTagMutability": repositories.put_image_tag_mutability,
    "PutLifecyclePolicy": lifecycle.put_lifecycle_policy,
    "PutRegistryPolicy": policies.put_registry_policy,
    "PutRegistryScanningConfiguration": scanning.put_registry_scanning_configuration,
    "PutReplicationConfiguration": replication.put_replication_configuration,
    "PutSigningConfiguration": signing.put_signing_configuration,
    "RegisterPullTimeUpdateExclusion": pulls.register_pull_time_update_exclusion,
    "SetRepositoryPolicy": policies.set_repository_policy,
    "StartImageScan": scanning.start_image_scan,
    "StartLifecyclePolicyPreview": lifecycle.start_lifecycle_policy_preview,
    "StartReplicationBackfill": replication.start_replication_backfill,
    "StopReplicationBackfill": replication.stop_replication_backfill,
    "TagResource": repositories.tag_resource,
    "UntagResource": repositories.untag_resource,
    "UpdateImageStorageClass": images.update_image_storage_class,
    "UpdatePullThroughCacheRule": pull_through.update_pull_through_cache_rule,
    "UpdateRepositoryCreationTemplate": templates.update_repository_creation_template,
    "UploadLayerPart": layers.upload_layer_part,
    "ValidatePullThroughCacheRule": pull_through.validate_pull_through_cache_rule,
}
"""All of ECR's; what a later botocore's model has beyond them answers a modelled error."""

CAREEN_OPERATIONS: dict[str, Operation] = {
    "ApplyLifecyclePolicy": plans.apply_lifecycle_policy,
    "DeleteDefaultLifecyclePolicy": rules.delete_default_lifecycle_policy,
    "DeleteExtensionRules": rules.delete_extension_rules,
    "DeleteImagePins": pins.delete_image_pins,
    "DeleteProtectionRules": rules.delete_protection_rules,
    "DeleteWebhook": webhooks.delete_webhook,
    "DescribeDefaultLifecyclePolicies": rules.describe_default_lifecycle_policies,
    "DescribeDeletions": trash.describe_deletions,
    "DescribePinFeeds": pins.describe_pin_feeds,
    "DescribePulls": pulls.describe_pulls,
    "DiffLifecyclePolicy": plans.diff_lifecycle_policy,
    "EmptyTrash": trash.empty_trash,
    "ExplainAccess": policies.explain_access,
    "ExplainImage": explanations.explain_image,
    "ForecastLifecyclePolicy": plans.forecast_lifecycle_policy,
    "GetEffectiveLifecyclePolicy": rules.get_effective_lifecycle_policy,
    "GetExtensionRules": rules.get_extension_rules,
    "GetProtectionRules": rules.get_protection_rules,
    "LintLifecyclePolicy": explanations.lint_lifecycle_policy,
    "ListDeadLetters": webhooks.list_dead_letters,
    "ListEvents": events.list_events,
    "ListTrash": trash.list_trash,
    "ListImagePins": pins.list_image_pins,
    "ListWebhooks": webhooks.list_webhooks,
    "PutDefaultLifecyclePolicy": rules.put_default_lifecycle_policy,
    "PutExtensionRules": rules.put_extension_rules,
    "PutImagePins": pins.put_image_pins,
    "PutProtectionRules": rules.put_protection_rules,
    "PutWebhook": webhooks.put_webhook,
    "RedeliverDeadLetters": webhooks.redeliver_dead_letters,
    "ReportImagesInUse": pins.report_images_in_use,
    "RestoreImages": trash.restore_images,
    "SimulateLifecyclePolicy": plans.simulate_lifecycle_policy,
    "TestWebhook": webhooks.test_webhook,
}
"""The operations of our own service: all of its model."""

PUBLIC_OPERATIONS: dict[str, Operation] = {
    "BatchCheckLayerAvailability": public_operation(public_images.batch_check_layer_availability),
    "BatchDeleteImage": public_operation(images.batch_delete_image),
    "CompleteLayerUpload": public_operation(layers.complete_layer_upload),
    "CreateRepository": public_operation(public_repositories.create_repository, creates=True),
    "DeleteRepository": public_operation(public_repositories.delete_repository),
    "DeleteRepositoryPolicy": public_operation(policies.delete_repository_policy),
    "DescribeImages": public_operation(public_images.describe_images),
    "DescribeImageTags": public_operation(public_images.describe_image_tags),
    "DescribeRegistries": registries.describe_registries,
    "DescribeRepositories": public_operation(public_repositories.describe_repositories),
    "GetAuthorizationToken": registries.get_authorization_token,
    "GetRegistryCatalogData": registries.get_registry_catalog_data,
    "GetRepositoryCatalogData": public_operation(public_repositories.get_repository_catalog_data),
    "GetRepositoryPolicy": public_operation(policies.get_repository_policy),
    "InitiateLayerUpload": public_operation(layers.initiate_layer_upload),
    "ListTagsForResource": public_operation(repositories.list_tags_for_resource),
    "PutImage": public_operation(images.put_image),
    "PutRegistryCatalogData": registries.put_registry_catalog_data,
    "PutRepositoryCatalogData": public_operation(public_repositories.put_repository_catalog_data),
    "SetRepositoryPolicy": public_operation(public_repositories.set_repository_policy),
    "TagResource": public_operation(repositories.tag_resource),
    "UntagResource": public_operation(repositories.untag_resource),
    "UploadLayerPart": public_operation(layers.upload_layer_part),
}
"""The operations of ECR Public."""

SERVED = {"ecr": OPERATIONS, "ecr-public": PUBLIC_OPERATIONS, "careen": CAREEN_OPERATIONS}
"""Each service's operations, by its signing name."""

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

LARGE_AT_ONCE = 2
"""Large requests that are in memory at the same time. A layer part takes four times its size while it is parsed."""

log = structlog.get_logger()


class EcrApiApp:
    """Answers ``POST /``."""

    def __init__(self, registry: Registry, pulls: PullTimes, importer: Importer) -> None:
        self._registry = registry
        self._pulls = pulls
        self._issuers = Issuers()
        self._importer = importer
        self._large = asyncio.Semaphore(LARGE_AT_ONCE)

    async def answer(self, request: Request) -> Response:
        """Answer one call."""
        request_id = str(uuid.uuid4())
        trail, refusal = Trail(self._registry, request, request_id), None
        is_query = _is_query(request)
        try:
            async with self._body(request, _service(request).signing_name) as body:
                response = await (
                    self._answer_query(request, body, request_id, trail)
                    if is_query
                    else self._answer_ecr(request, body, trail)
                )
        except (ClientDisconnect, ConnectionError):
            return Response(status_code=400)
        except Exception as error:
            wrong = trouble(error)
            if isinstance(error, EcrError):
                refusal = error
            elif wrong is not None:
                refusal = errors.ServerFault(wrong.value)
                target = request.headers.get("x-amz-target")
                log.error("the disk is in trouble", target=target, trouble=wrong.name, error=repr(error))  # noqa: TRY400 a trace says no more
            else:
                refusal = errors.ServerFault()
            if refusal.status >= 500 and wrong is None:
                log.exception(
                    "request failed", request_id=request_id, target=request.headers.get("x-amz-target")
                )
            status, headers, text = (
                query.write_error(getattr(request.state, "service", model.sts()), refusal, request_id)
                if is_query
                else wire.write_error(refusal)
            )
            response = Response(text, status, headers)
        trail.end(bytes(response.body), refusal)
        response.headers["x-amzn-requestid"] = request_id
        if response.status_code == 408:
            response.headers["connection"] = "close"
        return response

    async def _answer_ecr(self, request: Request, body: bytes, trail: Trail) -> Response:
        target, service = request.headers.get("x-amz-target", ""), _service(request)
        operations = SERVED[service.signing_name]
        trail.service = service.signing_name
        principal = trail.principal = self._verify(request, body, service.signing_name)
        operation = service.targeted(target)
        handler = operations.get(operation.name)
        if handler is None:
            raise errors.OperationNotServed(operation.name, [shape.name for shape in operation.error_shapes])
        parameters = trail.parameters = await self._parse(operation, body)
        call = Call(
            self._registry,
            self._pulls,
            self._importer,
            principal,
            self._registry.public_url
            or f"{request.url.scheme}://{registry_host(request.headers.get('host', ''), self._registry.id)}",
            circumstances_of(
                self._registry, request.scope, permissions.condition_keys(operation, parameters)
            ),
        )
        self._registry.read(_authorise, call, operation, parameters)
        _check_registry_id(call, operation, parameters)
        result = await handler(call, parameters)
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
        principal = self._read_of(access.caller_of, signer.claimant)
        if principal is None:  # deleted: the key between the two reads, or the role of a session before them
            raise UnrecognizedClient
        return principal

    def _secret_of(self, claimant: Claimant) -> str | None:
        return self._read_of(access.secret_of, claimant)

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
    """The body, as it arrives."""
    direct = request.scope.get("extensions", {}).get("careen.direct")
    if direct is None:
        async for part in request.stream():
            yield [part]
        return
    more = True
    while more:
        portion, more = await direct.pieces()
        yield portion


def _content(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()


def _authorise(tx: Transaction, call: Call, operation: OperationModel, parameters: dict[str, Any]) -> None:
    """Let the call pass, or raise ECR's refusal."""
    for action, resource in permissions.needed(call, operation, parameters):
        access.require(tx, call.principal, action, resource, call.circumstances)


def _check_registry_id(call: Call, operation: OperationModel, parameters: dict[str, Any]) -> None:
    """There is one registry here; a repository of another does not exist, and cannot be created."""
    wanted = parameters.get("registryId", call.registry.id)
    if wanted in {
        call.registry.id,
        call.registry.public_alias,
    }:  # the models let ECR Public's clients say the alias
        return
    declared = {shape.name for shape in operation.error_shapes}
    if errors.RegistryNotFound.code in declared:
        raise errors.RegistryNotFound(wanted)
    if errors.RepositoryNotFound.code in declared:
        raise errors.RepositoryNotFound(parameters.get("repositoryName", "*"), wanted)
    raise errors.InvalidParameter("registryId", f"This is registry {call.registry.id}")
