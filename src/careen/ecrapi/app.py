"""The ECR API, and beside it our own: one POST. Verify, parse, authorise, run, write; and the one place that writes errors.

The operation's service is the one whose prefix X-Amz-Target has; signatures are bound to it.

The same address answers STS's GetCallerIdentity, which AWS clients ask before anything else.
"""

import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from botocore.model import OperationModel
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from careen.clock import system_now
from careen.ecr import errors, model, query, wire
from careen.ecr.arn import parse_repository_arn
from careen.ecr.common_errors import Serialization, UnknownOperation, UnrecognizedClient
from careen.ecr.errors import EcrError
from careen.ecrapi import account, explanations, images, layers, lifecycle, plans, pulls, repositories, rules
from careen.ecrapi.call import Call
from careen.iam import sigv4
from careen.iam.actions import action_of
from careen.registry import access
from careen.registry.access import Principal
from careen.registry.pulls import PullTimes
from careen.registry.registry import Registry
from careen.registry.trouble import trouble

Operation = Callable[[Call, dict[str, Any]], Awaitable[dict[str, Any]]]

OPERATIONS: dict[str, Operation] = {
    "BatchCheckLayerAvailability": layers.batch_check_layer_availability,
    "BatchDeleteImage": images.batch_delete_image,
    "BatchGetImage": images.batch_get_image,
    "CompleteLayerUpload": layers.complete_layer_upload,
    "CreateRepository": repositories.create_repository,
    "DeleteLifecyclePolicy": lifecycle.delete_lifecycle_policy,
    "DeleteRepository": repositories.delete_repository,
    "DeregisterPullTimeUpdateExclusion": pulls.deregister_pull_time_update_exclusion,
    "DescribeImages": images.describe_images,
    "DescribeRepositories": repositories.describe_repositories,
    "GetAuthorizationToken": account.get_authorization_token,
    "GetDownloadUrlForLayer": layers.get_download_url_for_layer,
    "GetLifecyclePolicy": lifecycle.get_lifecycle_policy,
    "GetLifecyclePolicyPreview": lifecycle.get_lifecycle_policy_preview,
    "InitiateLayerUpload": layers.initiate_layer_upload,
    "ListImageReferrers": images.list_image_referrers,
    "ListImages": images.list_images,
    "ListPullTimeUpdateExclusions": pulls.list_pull_time_update_exclusions,
    "ListTagsForResource": repositories.list_tags_for_resource,
    "PutImage": images.put_image,
    "PutImageTagMutability": repositories.put_image_tag_mutability,
    "PutLifecyclePolicy": lifecycle.put_lifecycle_policy,
    "RegisterPullTimeUpdateExclusion": pulls.register_pull_time_update_exclusion,
    "StartLifecyclePolicyPreview": lifecycle.start_lifecycle_policy_preview,
    "TagResource": repositories.tag_resource,
    "UntagResource": repositories.untag_resource,
    "UpdateImageStorageClass": images.update_image_storage_class,
    "UploadLayerPart": layers.upload_layer_part,
}
"""The operations of ECR that are served; the others of the model answer a modelled error."""

CAREEN_OPERATIONS: dict[str, Operation] = {
    "ApplyLifecyclePolicy": plans.apply_lifecycle_policy,
    "DeleteDefaultLifecyclePolicy": rules.delete_default_lifecycle_policy,
    "DeleteExtensionRules": rules.delete_extension_rules,
    "DeleteProtectionRules": rules.delete_protection_rules,
    "DescribeDefaultLifecyclePolicies": rules.describe_default_lifecycle_policies,
    "DescribePulls": pulls.describe_pulls,
    "DiffLifecyclePolicy": plans.diff_lifecycle_policy,
    "ExplainImage": explanations.explain_image,
    "ForecastLifecyclePolicy": plans.forecast_lifecycle_policy,
    "GetEffectiveLifecyclePolicy": rules.get_effective_lifecycle_policy,
    "GetExtensionRules": rules.get_extension_rules,
    "GetProtectionRules": rules.get_protection_rules,
    "LintLifecyclePolicy": explanations.lint_lifecycle_policy,
    "PutDefaultLifecyclePolicy": rules.put_default_lifecycle_policy,
    "PutExtensionRules": rules.put_extension_rules,
    "PutProtectionRules": rules.put_protection_rules,
    "SimulateLifecyclePolicy": plans.simulate_lifecycle_policy,
}
"""The operations of our own service: all of its model."""

MAX_BODY = 32 * 1024 * 1024
"""The largest request is a layer part: 20 MiB, in base64."""

LARGE_BODY = 64 * 1024
"""A larger request is parsed in a thread: a layer part of 10 MiB takes some fifty milliseconds."""

log = structlog.get_logger()


class EcrApiApp:
    """Answers ``POST /``."""

    def __init__(self, registry: Registry, pulls: PullTimes) -> None:
        self._registry = registry
        self._pulls = pulls

    async def answer(self, request: Request) -> Response:
        """Answer one call."""
        request_id = str(uuid.uuid4())
        is_query = request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
        try:
            body = await _read(request)
            response = await (
                self._answer_sts(request, body, request_id) if is_query else self._answer_ecr(request, body)
            )
        except ClientDisconnect:
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
                query.write_error(refusal, request_id) if is_query else wire.write_error(refusal)
            )
            response = Response(text, status, headers)
        response.headers["x-amzn-requestid"] = request_id
        return response

    async def _answer_ecr(self, request: Request, body: bytes) -> Response:
        target = request.headers.get("x-amz-target", "")
        is_ours = target.startswith(f"{model.careen().target_prefix}.")
        service, operations = (model.careen(), CAREEN_OPERATIONS) if is_ours else (model.ecr(), OPERATIONS)
        principal = self._verify(request, body, service.signing_name)
        operation = service.targeted(target)
        call = Call(
            self._registry,
            self._pulls,
            principal,
            f"{request.url.scheme}://{request.headers.get('host', '')}",
            request.headers.get("user-agent"),
        )
        handler = operations.get(operation.name)
        if handler is None:
            raise errors.OperationNotServed(operation.name, [shape.name for shape in operation.error_shapes])
        parameters = await self._parse(operation, body)
        action = action_of(operation.name, service.signing_name)
        access.require(principal, action, _resource(call, parameters))
        _check_registry_id(call, operation, parameters)
        result = await handler(call, parameters)
        return Response(wire.write(operation, result), media_type=wire.CONTENT_TYPE)

    async def _parse(self, operation: OperationModel, body: bytes) -> dict[str, Any]:
        if len(body) < LARGE_BODY:
            return wire.parse(operation, body)
        return await self._registry.in_thread(wire.parse, operation, body)

    async def _answer_sts(self, request: Request, body: bytes, request_id: str) -> Response:
        principal = self._verify(request, body, "sts")
        sent = query.parse(body)
        if sent.action != "GetCallerIdentity":
            raise UnknownOperation(sent.action)
        identity = account.get_caller_identity(principal)
        return Response(query.write(sent.action, identity, request_id), media_type=query.CONTENT_TYPE)

    def _verify(self, request: Request, body: bytes, service: str) -> Principal:
        registry = self._registry
        target = request.scope["raw_path"].decode("ascii")
        if request.scope["query_string"]:
            target += "?" + request.scope["query_string"].decode("ascii", "replace")
        signer = sigv4.verify(
            sigv4.Request(request.method, target, request.scope["headers"], body),
            service=service,
            region=registry.region,
            secret_for=lambda key: registry.read(access.secret_of, registry, key),
            now=system_now(),
        )
        principal = registry.read(access.holder_of, registry, signer.access_key_id)
        if principal is None:  # deleted between the two reads
            raise UnrecognizedClient
        return principal


async def _read(request: Request) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BODY:
            raise Serialization(f"The request has more than {MAX_BODY} bytes")
        parts.append(part)
    return b"".join(parts)


def _resource(call: Call, parameters: dict[str, Any]) -> str:
    """The ARN that a call is about, or ``*``."""
    if "repositoryName" in parameters:
        return call.arn(parameters["repositoryName"])
    if "resourceArn" in parameters:
        return str(parse_repository_arn(parameters["resourceArn"]))
    return "*"


def _check_registry_id(call: Call, operation: OperationModel, parameters: dict[str, Any]) -> None:
    """There is one registry here; a repository of another does not exist, and cannot be created."""
    wanted = parameters.get("registryId", call.registry.id)
    if wanted == call.registry.id:
        return
    if errors.RepositoryNotFound.code in {shape.name for shape in operation.error_shapes}:
        raise errors.RepositoryNotFound(parameters.get("repositoryName", "*"), wanted)
    raise errors.InvalidParameter("registryId", f"This is registry {call.registry.id}")
