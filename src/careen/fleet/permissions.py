"""Which permissions each command needs: one table, from which the policy documents are made and by which the tests judge."""

from collections.abc import Mapping
from typing import Any

from careen.fleet.errors import BadInput

_READ = (
    "ecr:BatchGetImage",
    "ecr:DescribeImages",
    "ecr:DescribeRepositories",
    "ecr:GetLifecyclePolicy",
    "ecr:ListTagsForResource",
)

PERMISSIONS: Mapping[str, tuple[str, ...]] = {
    "read": (
        *_READ,
        "ecr:ListPullTimeUpdateExclusions",
        "apprunner:DescribeService",
        "apprunner:ListServices",
        "batch:DescribeJobDefinitions",
        "ecs:DescribeServiceRevisions",
        "ecs:DescribeServices",
        "ecs:DescribeTaskDefinition",
        "ecs:DescribeTasks",
        "ecs:ListClusters",
        "ecs:ListServices",
        "ecs:ListTaskDefinitionFamilies",
        "ecs:ListTaskDefinitions",
        "ecs:ListTasks",
        "eks:DescribeCluster",
        "eks:ListClusters",
        "lambda:GetFunction",
        "lambda:ListFunctions",
    ),
    "preview": ("ecr:GetLifecyclePolicyPreview", "ecr:StartLifecyclePolicyPreview"),
    "apply": (
        "ecr:DeleteLifecyclePolicy",
        "ecr:DescribeRepositories",
        "ecr:GetLifecyclePolicy",
        "ecr:ListTagsForResource",
        "ecr:PutLifecyclePolicy",
    ),
    "clean": (
        "ecr:BatchDeleteImage",
        "ecr:BatchGetImage",
        "ecr:DescribeImages",
        "ecr:GetLifecyclePolicy",
    ),
    "protect": (
        "ecr:BatchDeleteImage",
        "ecr:BatchGetImage",
        "ecr:DescribeImages",
        "ecr:GetLifecyclePolicy",
        "ecr:PutImage",
        "ecr:PutLifecyclePolicy",
    ),
    "rollback": (
        "ecr:BatchGetImage",
        "ecr:DeleteLifecyclePolicy",
        "ecr:DescribeRepositories",
        "ecr:GetLifecyclePolicy",
        "ecr:ListTagsForResource",
        "ecr:PutImage",
        "ecr:PutLifecyclePolicy",
    ),
}
"""``read`` is for scans; what the others do after one comes on top of it. ``preview`` is for plans that ask ECR."""

_OF_THE_REGISTRY = frozenset({"ecr:ListPullTimeUpdateExclusions"})
"""Of ECR's, those that are about no repository."""


def document(what: str, partition: str = "aws") -> dict[str, Any]:
    """The smallest IAM policy for a command.

    Args:
        what: a key of :data:`PERMISSIONS`.
        partition: the first part of ARNs: ``aws``, ``aws-cn``, ``aws-us-gov``.

    Raises:
        BadInput: there is no such command.
    """
    if what not in PERMISSIONS:
        raise BadInput(f"nothing is called {what}", f"one of {', '.join(PERMISSIONS)}")
    wanted = PERMISSIONS[what]
    of_repositories = [each for each in wanted if each.startswith("ecr:") and each not in _OF_THE_REGISTRY]
    others = [each for each in wanted if each not in of_repositories]
    statements = [
        {
            "Sid": f"Careen{what.title()}",
            "Effect": "Allow",
            "Action": sorted(of_repositories),
            "Resource": f"arn:{partition}:ecr:*:*:repository/*",
        }
    ]
    if others:
        # None of these names a resource before it has been listed.
        statements.append(
            {"Sid": "CareenInUse", "Effect": "Allow", "Action": sorted(others), "Resource": "*"}
        )
    return {"Version": "2012-10-17", "Statement": statements}
