"""All 62 operations of the model are served, and refuse what is not there in the same way."""

from typing import Any

import pytest

from careen.ecr import model
from careen.ecrapi.operations import OPERATIONS
from tests.ecr.shapes import input_of
from tests.ecrapi.client import refusal
from tests.ecrapi.samples import ABSENT, SAMPLES
from tests.server import REGISTRY_ID


def test_every_operation_of_the_model_is_served() -> None:
    """A new botocore that knows a new operation, or a handler that is gone, shows here."""
    assert OPERATIONS.keys() == set(model.ecr().model.operation_names)


def test_there_is_a_request_for_every_operation() -> None:
    """The tables below this test and of the permissions leave nothing out."""
    assert OPERATIONS.keys() == SAMPLES.keys()


@pytest.mark.parametrize(
    "operation", sorted(name for name in SAMPLES if "registryId" in input_of(name).members)
)
def test_another_registry_is_refused(ecr: Any, operation: str) -> None:
    """Whoever names another registry's id meets no repository there, and can create none."""
    method, parameters = SAMPLES[operation]
    refused = refusal(getattr(ecr, method), **parameters, registryId="999999999999")
    if "RepositoryNotFoundException" not in {shape.name for shape in model.operation(operation).error_shapes}:
        constraint = f"'This is registry {REGISTRY_ID}'"
        assert refused.code == "InvalidParameterException"
        assert (
            refused.message == f"Invalid parameter at 'registryId' failed to satisfy constraint: {constraint}"
        )
    else:
        where = parameters.get("repositoryName", "*")
        assert refused.code == "RepositoryNotFoundException"
        assert refused.message == (
            f"The repository with name '{where}' does not exist in the registry with id '999999999999'"
        )


@pytest.mark.parametrize(
    "operation",
    sorted(
        operation
        for operation, (_, parameters) in SAMPLES.items()
        if ABSENT in str(parameters)
        and operation
        not in {
            "BatchGetRepositoryScanningConfiguration",  # answers it as a failure among results
            "CreateRepository",
            "InitiateLayerUpload",
            "PutImage",
        }
    ),
)
def test_a_repository_that_does_not_exist_is_refused_by_name(ecr: Any, operation: str) -> None:
    """Every operation on a repository that is not there says which one, in ECR's sentence."""
    method, parameters = SAMPLES[operation]
    refused = refusal(getattr(ecr, method), **parameters)
    assert (refused.code, refused.message) == (
        "RepositoryNotFoundException",
        f"The repository with name '{ABSENT}' does not exist in the registry with id '{REGISTRY_ID}'",
    )
