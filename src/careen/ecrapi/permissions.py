"""What a call needs permission for, and what its parameters say to the conditions of policies."""

from collections.abc import Iterator
from typing import Any

from botocore.model import OperationModel

from careen.ecr.arn import parse_repository_arn
from careen.ecrapi.call import Call
from careen.iam.actions import Action, action_of
from careen.iam.patterns import Context
from careen.registry.access import EVERY_REPOSITORY

Parameters = dict[str, Any]


def needed(call: Call, operation: OperationModel, parameters: Parameters) -> Iterator[tuple[Action, str]]:
    """The actions that must be allowed, each with the ARN that it is on, or ``*``.

    Args:
        call: says in which registry.
        operation: of ECR or of our own service.
        parameters: its parsed input.

    Raises:
        careen.ecr.errors.InvalidParameter: ``resourceArn`` is none.
    """
    action = action_of(operation.name, operation.service_model.signing_name)
    if "repositoryName" in parameters:
        yield action, call.arn(parameters["repositoryName"])
    elif "resourceArn" in parameters:
        yield action, str(parse_repository_arn(parameters["resourceArn"]))
    elif parameters.get("repositoryNames"):
        for name in parameters["repositoryNames"]:
            yield action, call.arn(name)
    elif action is Action.DESCRIBE_REPOSITORIES:
        yield action, call.arn(EVERY_REPOSITORY)
    else:
        yield action, "*"
    # Service Authorization Reference, "Actions defined by Amazon ECR": dependent actions of CreateRepository.
    if action is Action.CREATE_REPOSITORY and parameters.get("tags"):
        yield Action.TAG_RESOURCE, call.arn(parameters["repositoryName"])


def condition_keys(operation: OperationModel, parameters: Parameters) -> Context:
    """The condition keys that ECR's operations answer by their parameters (Service Authorization Reference, "Condition keys")."""
    keys: dict[str, tuple[str, ...]] = {}
    tags = parameters.get("tags", [])
    if operation.name in {"CreateRepository", "TagResource"} and tags:
        keys = {f"aws:requesttag/{tag['Key'].lower()}": (tag.get("Value", ""),) for tag in tags}
        keys["aws:tagkeys"] = tuple(tag["Key"] for tag in tags)
    elif operation.name == "UntagResource":
        keys["aws:tagkeys"] = tuple(parameters["tagKeys"])
    elif operation.name in {"GetAccountSetting", "PutAccountSetting"}:
        keys["ecr:accountsetting"] = (parameters["name"],)
    return keys
