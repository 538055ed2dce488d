"""The managed policies, to look at."""

from careen.ecr.pages import Listing
from careen.iam import managed
from careen.iam.errors import NoSuchEntity
from careen.iam.managed import ManagedPolicy
from careen.iamapi.call import Call, Parameters, Result, page
from careen.iamapi.identities import written
from careen.registry import identity_policies

VERSION = "v1"
"""Of every managed policy here: they change with the program."""

_POLICIES: Listing[str, ManagedPolicy] = Listing("ListPolicies", str, str)


async def get_policy(call: Call, parameters: Parameters) -> Result:
    """GetPolicy."""
    return {"Policy": _policy(_require(parameters), call.registry.read(identity_policies.attachments))}


async def get_policy_version(_: Call, parameters: Parameters) -> Result:
    """GetPolicyVersion: the document."""
    policy = _require(parameters)
    if parameters["VersionId"] != VERSION:
        raise NoSuchEntity(
            f"Policy {policy.arn} version {parameters['VersionId']} does not exist or is not attachable."
        )
    [document] = managed.documents(policy)
    return {
        "PolicyVersion": {
            "Document": written(document.document.text),
            "VersionId": VERSION,
            "IsDefaultVersion": True,
        }
    }


async def list_policies(call: Call, parameters: Parameters) -> Result:
    """ListPolicies: AWS's and ours; none are the account's own (``Scope=Local``)."""
    attachments = call.registry.read(identity_policies.attachments)
    found = sorted(ManagedPolicy)
    if (
        parameters.get("Scope") == "Local"
        or parameters.get("PathPrefix", "/") != "/"
        or parameters.get("PolicyUsageFilter") == "PermissionsBoundary"
    ):
        found = []
    if parameters.get("OnlyAttached"):
        found = [policy for policy in found if policy in attachments]
    return page(
        "Policies", _POLICIES, _POLICIES.of(found), lambda policy: _policy(policy, attachments), parameters
    )


def _require(parameters: Parameters) -> ManagedPolicy:
    found = identity_policies.by_arn(parameters["PolicyArn"])
    if found is None:
        raise NoSuchEntity(f"Policy {parameters['PolicyArn']} was not found.")
    return found


def _policy(policy: ManagedPolicy, attachments: dict[str, int]) -> Result:
    return {
        "PolicyName": str(policy),
        "Arn": policy.arn,
        "Path": "/",
        "DefaultVersionId": VERSION,
        "AttachmentCount": attachments.get(policy, 0),
        "PermissionsBoundaryUsageCount": 0,
        "IsAttachable": True,
    }
