"""What a call needs permission for, and what its parameters say to the conditions of policies."""

from collections.abc import Iterator
from typing import Any

from botocore.model import OperationModel

from careen.ecr.arn import ECR, ECR_PUBLIC, parse_repository_arn
from careen.ecrapi.call import Call
from careen.iam.actions import Action, action_of
from careen.iam.patterns import Context
from careen.registry.access import EVERY_REPOSITORY

Parameters = dict[str, Any]


def needed(call: Call, operation: OperationModel, parameters: Parameters) -> Iterator[tuple[Action, str]]:
    """The actions that must be allowed, each with the ARN that it is on, or ``*``.

    Args:
        call: says in which registry.
        operation: of ECR, of ECR Public or of our own service.
        parameters: its parsed input.

    Raises:
        careen.ecr.errors.InvalidParameter: ``resourceArn`` is none.
    """
    service = operation.service_model.signing_name
    action = action_of(operation.name, service)
    arn_of, whose = (call.public_arn, ECR_PUBLIC) if service == ECR_PUBLIC else (call.arn, ECR)
    if "repositoryName" in parameters:
        yield action, arn_of(parameters["repositoryName"])
    elif "resourceArn" in parameters:
        yield action, str(parse_repository_arn(parameters["resourceArn"], whose))
    elif parameters.get("repositoryNames"):
        for name in parameters["repositoryNames"]:
            yield action, arn_of(name)
    elif operation.name == "DescribeRepositories":
        yield action, arn_of(EVERY_REPOSITORY)
    else:
        yield action, "*"
    # Service Authorization Reference, "Actions defined by Amazon ECR" and "… ECR Public": dependent actions of CreateRepository.
    if operation.name == "CreateRepository" and parameters.get("tags"):
        yield action_of("TagResource", service), arn_of(parameters["repositoryName"])


def condition_keys(operation: OperationModel, parameters: Parameters) -> Context:
    """The condition keys that ECR's operations answer by their parameters (Service Authorization Reference, "Condition keys")."""
    keys: dict[str, tuple[str, ...]] = {}
    tags = parameters.get("tags", [])
    if operation.name in {"CreateRepository", "TagResource"} and tags:
        keys = {f"aws:requesttag/{tag.get('Key', '').lower()}": (tag.get("Value", ""),) for tag in tags}
        keys["aws:tagkeys"] = tuple(tag.get("Key", "") for tag in tags)
    elif operation.name == "UntagResource":
        keys["aws:tagkeys"] = tuple(parameters["tagKeys"])
    elif operation.name in {"GetAccountSetting", "PutAccountSetting"}:
        keys["ecr:accountsetting"] = (parameters["name"],)
    return keys
