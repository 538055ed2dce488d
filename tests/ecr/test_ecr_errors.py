"""The sentences, codes and statuses of refusals."""

import pytest

from careen.ecr import common_errors, errors
from careen.ecr.errors import EcrError
from careen.ecr.model import careen, ecr, ecr_public

A, R = "123456789012", "team/app"

SENTENCES: dict[EcrError, str] = {
    errors.RepositoryNotFound(
        R, A
    ): f"The repository with name '{R}' does not exist in the registry with id '{A}'",
    errors.RepositoryAlreadyExists(
        R, A
    ): f"The repository with name '{R}' already exists in the registry with id '{A}'",
    errors.RepositoryNotEmpty(R, A): f"The repository with name '{R}' in registry with id '{A}' "
    "cannot be deleted because it still contains images",
    errors.ImageNotFound(R, A, tag="v1"): "The image with imageId {imageDigest:'null', imageTag:'v1'} "
    f"does not exist within the repository with name '{R}' in the registry with id '{A}'",
    errors.ImageAlreadyExists(
        R, A, "sha256:0", "v1"
    ): "Image with digest 'sha256:0' and tag 'v1' already exists "
    f"in the repository with name '{R}' in registry with id '{A}'",
    errors.ImageTagAlreadyExists(R, "v1"): f"The image tag 'v1' already exists in the '{R}' repository "
    "and cannot be overwritten because the tag is immutable.",
    errors.ReferencedImagesNotFound(
        R, A, ["sha256:0", "sha256:1"]
    ): "Images with digests '[sha256:0, sha256:1]' "
    f"required for pushing image into repository with name '{R}' in the registry with id '{A}' do not exist",
    errors.LayersNotFound(R, A, ["sha256:0"]): "Layers with digests '[sha256:0]' "
    f"required for pushing image into repository with name '{R}' in the registry with id '{A}' do not exist",
    errors.LayerNotFound(R, A, "sha256:0"): "The layer with digest 'sha256:0' does not exist within "
    f"the repository with name '{R}' in the registry with id '{A}'",
    errors.LifecyclePolicyNotFound(R, A): "Lifecycle policy does not exist for "
    f"the repository with name '{R}' in the registry with id '{A}'",
    errors.InvalidParameter("maxResults", "Member must not be null"): "Invalid parameter at 'maxResults' "
    "failed to satisfy constraint: 'Member must not be null'",
    common_errors.AccessDenied("arn:aws:iam::1:user/a", "ecr:PutImage", "*", "because of a reason"): "User: "
    "arn:aws:iam::1:user/a is not authorized to perform: ecr:PutImage on resource: * because of a reason",
    common_errors.UnrecognizedClient(): "The security token included in the request is invalid.",
}


@pytest.mark.parametrize(("error", "sentence"), SENTENCES.items(), ids=lambda it: getattr(it, "code", ""))
def test_the_sentence_is_amazons(error: EcrError, sentence: str) -> None:
    """Scripts that match Amazon's messages match ours."""
    assert error.message == str(error) == sentence


MODELLED = [
    it
    for it in vars(errors).values()
    if isinstance(it, type) and issubclass(it, EcrError) and hasattr(it, "code")
]
COMMON = [
    it
    for it in vars(common_errors).values()
    if isinstance(it, type) and issubclass(it, EcrError) and it is not EcrError
]


@pytest.mark.parametrize("error", MODELLED)
def test_an_error_is_of_the_model(error: type[EcrError]) -> None:
    """Its code is an exception of ECR's model, of ECR Public's or of ours, and its status says whether that is a fault."""
    shapes = ecr().description["shapes"] | ecr_public().description["shapes"] | careen().description["shapes"]
    description = shapes[error.code]
    assert description["exception"]
    assert error.status == (500 if description.get("fault") else 400)


def test_the_members_of_an_error_are_of_the_model() -> None:
    """What InvalidLayerPart carries is what its shape has."""
    error = errors.InvalidLayerPart(R, A, "u-1", last_valid_byte=1, reason="a gap")
    assert {*error.members, "message"} == set(ecr().description["shapes"][error.code]["members"])


@pytest.mark.parametrize("error", COMMON)
def test_a_common_error_is_of_no_model(error: type[EcrError]) -> None:
    """Common errors are in no model, and are answered with 400; a body that does not come, with HTTP's status for that."""
    assert error.code not in ecr().description["shapes"]
    assert error.status == (408 if error is common_errors.RequestTimeout else 400)


@pytest.mark.parametrize("name", sorted(ecr().model.operation_names))
def test_an_operation_not_served_is_refused_with_an_error_it_declares(name: str) -> None:
    """The refusal is of the model, and a client error: nothing retries it."""
    declared = [shape.name for shape in ecr().operation(name).error_shapes]
    error = errors.OperationNotServed(name, declared)
    assert error.code in declared
    assert error.status == 400
    assert name in error.message
