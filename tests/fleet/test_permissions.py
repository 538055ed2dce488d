"""The policy documents that are printed."""

import json
from typing import Any

import botocore.session
import pytest

from careen.fleet.errors import BadInput
from careen.fleet.permissions import PERMISSIONS, document
from careen.iam import policy
from careen.iam.policy import Kind


@pytest.mark.parametrize("what", PERMISSIONS)
def test_documents(what: str) -> None:
    """Are policies that Careen's IAM reads; actions on repositories name repositories, and nothing is in one twice."""
    made = document(what, "aws-cn")
    assert policy.parse(json.dumps(made), Kind.IDENTITY).statements
    first: dict[str, Any] = made["Statement"][0]
    assert first["Resource"] == "arn:aws-cn:ecr:*:*:repository/*"
    assert all(action.startswith("ecr:") for action in first["Action"])
    listed = [action for statement in made["Statement"] for action in statement["Action"]]
    assert sorted(listed) == sorted(set(PERMISSIONS[what]))


@pytest.mark.parametrize("permission", sorted({each for those in PERMISSIONS.values() for each in those}))
def test_permissions_are_operations(permission: str) -> None:
    """Each is one of an operation that the service's model has: IAM would take a misspelt one, and allow nothing by it."""
    service, _, operation = permission.partition(":")
    assert operation in botocore.session.get_session().get_service_model(service).operation_names


def test_no_such_command() -> None:
    """Is refused with those that there are."""
    with pytest.raises(BadInput, match="nothing is called everything") as refused:
        document("everything")
    assert "read" in (refused.value.hint or "")
