"""Amazon ECR's exceptions: the code, the sentence and the HTTP status a client is answered with.

One class per situation, named after the exception without its suffix; whoever refuses writes
``raise errors.RepositoryNotFound(name, registry_id)`` and one place in each surface turns it into an answer
(``careen.ecr.wire.write_error`` for AWS JSON; the distribution API maps :attr:`EcrError.code` to its own
codes).

Sentences marked *observed* are Amazon's, seen in public issues or recorded by moto's authors; where Amazon's
wording is not known, the sentence is ours and the code is still Amazon's. Statuses are those of AWS's JSON
services: 400 for every refusal, 500 for the one exception that the service model marks as a fault. What is
refused before an operation is reached is in ``careen.ecr.common_errors``.

This module imports nothing of ours, and not botocore.
"""

from collections.abc import Collection, Iterable
from typing import Any, ClassVar


class EcrError(Exception):
    """A refusal in ECR's words.

    Attributes:
        code: the exception's name in the service model, or that of one of AWS's common errors.
        status: the HTTP status it is sent with over AWS JSON.
        message: the sentence for the client.
        members: further members of the modelled exception, by their wire names.
    """

    code: str
    status: ClassVar[int] = 400

    def __init__(self, message: str, **members: Any) -> None:
        super().__init__(message)
        self.message = message
        self.members: dict[str, Any] = members


# Repositories.
class RepositoryNotFound(EcrError):
    """No repository of this name. Observed: ECR user guide, "common errors with pull through cache"."""

    code = "RepositoryNotFoundException"

    def __init__(self, repository: str, registry_id: str) -> None:
        super().__init__(_repository(repository, "does not exist in the registry", registry_id))


class RepositoryAlreadyExists(EcrError):
    """CreateRepository on a name that is taken. Observed (moto)."""

    code = "RepositoryAlreadyExistsException"

    def __init__(self, repository: str, registry_id: str) -> None:
        super().__init__(_repository(repository, "already exists in the registry", registry_id))


class RepositoryNotEmpty(EcrError):
    """DeleteRepository without force while images remain. Observed (moto)."""

    code = "RepositoryNotEmptyException"

    def __init__(self, repository: str, registry_id: str) -> None:
        super().__init__(
            f"The repository with name '{repository}' in registry with id '{registry_id}' "
            "cannot be deleted because it still contains images"
        )


# Repository creation templates.
class TemplateAlreadyExists(EcrError):
    """CreateRepositoryCreationTemplate on a prefix that has one. The second sentence is the service model's."""

    code = "TemplateAlreadyExistsException"

    def __init__(self, prefix: str, registry_id: str) -> None:
        super().__init__(
            f"{_template(prefix, registry_id)} already exists. Specify a unique prefix and try again."
        )


class TemplateNotFound(EcrError):
    """No template of this prefix. The second sentence is the service model's."""

    code = "TemplateNotFoundException"

    def __init__(self, prefix: str, registry_id: str) -> None:
        super().__init__(
            f"{_template(prefix, registry_id)} can't be found. Verify the registry ID and prefix and try again."
        )


# ECR Public.
class RegistryNotFound(EcrError):
    """No public registry has this id or alias."""

    code = "RegistryNotFoundException"

    def __init__(self, registry: str) -> None:
        super().__init__(f"The registry with id or alias '{registry}' does not exist")


class RepositoryCatalogDataNotFound(EcrError):
    """Nobody has described the public repository."""

    code = "RepositoryCatalogDataNotFoundException"

    def __init__(self, repository: str, registry_id: str) -> None:
        super().__init__(f"Catalog data does not exist for {_in(repository, registry_id)}")


# Images.
class ImageNotFound(EcrError):
    """No image of this digest or tag; an absent half of the identifier reads 'null'. Observed (moto)."""

    code = "ImageNotFoundException"

    def __init__(
        self, repository: str, registry_id: str, *, digest: str | None = None, tag: str | None = None
    ) -> None:
        image_id = f"{{imageDigest:'{digest or 'null'}', imageTag:'{tag or 'null'}'}}"
        super().__init__(
            f"The image with imageId {image_id} does not exist within {_in(repository, registry_id)}"
        )


class ImageAlreadyExists(EcrError):
    """PutImage that would change nothing: the tag is on this digest already. Observed (moto)."""

    code = "ImageAlreadyExistsException"

    def __init__(self, repository: str, registry_id: str, digest: str, tag: str | None) -> None:
        super().__init__(
            f"Image with digest '{digest}' and tag '{tag or 'null'}' already exists in the repository "
            f"with name '{repository}' in registry with id '{registry_id}'"
        )


class ImageTagAlreadyExists(EcrError):
    """PutImage onto an immutable tag. Observed: osscontainertools/kaniko#204, moby/buildkit#3776."""

    code = "ImageTagAlreadyExistsException"

    def __init__(self, repository: str, tag: str) -> None:
        super().__init__(
            f"The image tag '{tag}' already exists in the '{repository}' repository "
            "and cannot be overwritten because the tag is immutable."
        )


class ImageDigestDoesNotMatch(EcrError):
    """PutImage whose imageDigest is not the manifest's."""

    code = "ImageDigestDoesNotMatchException"

    def __init__(self, given: str, calculated: str) -> None:
        super().__init__(f"The image digest '{given}' does not match the manifest's digest '{calculated}'")


class ReferencedImagesNotFound(EcrError):
    """PutImage of an index whose children are not here. Observed in the logs of multi-architecture pushes."""

    code = "ReferencedImagesNotFoundException"

    def __init__(self, repository: str, registry_id: str, digests: Iterable[str]) -> None:
        super().__init__(_required("Images", digests, repository, registry_id))


class ImageStorageClassUpdateNotSupported(EcrError):
    """UpdateImageStorageClass on an image that cannot be archived or restored as it is."""

    code = "ImageStorageClassUpdateNotSupportedException"


# Scanning and signing.
class ScanNotFound(EcrError):
    """DescribeImageScanFindings of an image that was not scanned. Observed (moto)."""

    code = "ScanNotFoundException"

    def __init__(
        self, repository: str, registry_id: str, *, digest: str | None = None, tag: str | None = None
    ) -> None:
        image_id = f"{{imageDigest:'{digest or 'null'}', imageTag:'{tag or 'null'}'}}"
        super().__init__(
            f"Image scan does not exist for the image with '{image_id}' in {_in(repository, registry_id)}"
        )


class UnsupportedImageType(EcrError):
    """StartImageScan of an index, or of an artifact that is no container image."""

    code = "UnsupportedImageTypeException"

    def __init__(self, media_type: str) -> None:
        super().__init__(
            f"The image is of a type that cannot be scanned: {media_type}. Container images can be, one at a time."
        )


class ImageArchived(EcrError):
    """StartImageScan of an image that is not in the standard storage class."""

    code = "ImageArchivedException"

    def __init__(self, digest: str) -> None:
        super().__init__(f"The image with digest '{digest}' is archived and cannot be scanned")


class SigningConfigurationNotFound(EcrError):
    """GetSigningConfiguration or DeleteSigningConfiguration of a registry that has none."""

    code = "SigningConfigurationNotFoundException"

    def __init__(self, registry_id: str) -> None:
        super().__init__(f"Signing configuration does not exist in the registry with id '{registry_id}'")


# Layers and uploads.
class LayersNotFound(EcrError):
    """PutImage of a manifest whose layers are not here; worded like ECR's sentence for missing images."""

    code = "LayersNotFoundException"

    def __init__(self, repository: str, registry_id: str, digests: Iterable[str]) -> None:
        super().__init__(_required("Layers", digests, repository, registry_id))


class LayerNotFound(EcrError):
    """GetDownloadUrlForLayer on an unknown digest. Observed: monken/aws-ecr-public#11."""

    code = "LayersNotFoundException"

    def __init__(self, repository: str, registry_id: str, digest: str) -> None:
        super().__init__(
            f"The layer with digest '{digest}' does not exist within {_in(repository, registry_id)}"
        )


class LayerInaccessible(EcrError):
    """GetDownloadUrlForLayer on a layer that no image refers to."""

    code = "LayerInaccessibleException"

    def __init__(self, repository: str, registry_id: str, digest: str) -> None:
        super().__init__(
            f"The layer with digest '{digest}' is not available in {_in(repository, registry_id)} "
            "because it is not associated with an image"
        )


class LayerAlreadyExists(EcrError):
    """CompleteLayerUpload of a layer that is here already."""

    code = "LayerAlreadyExistsException"

    def __init__(self, repository: str, registry_id: str, digest: str) -> None:
        super().__init__(
            f"The layer with digest '{digest}' already exists within {_in(repository, registry_id)}"
        )


class InvalidLayer(EcrError):
    """CompleteLayerUpload whose layerDigests do not contain the digest of what was uploaded."""

    code = "InvalidLayerException"

    def __init__(self, given: str, calculated: str) -> None:
        super().__init__(
            f"The layer digest '{given}' does not match the uploaded layer's digest '{calculated}'"
        )


class EmptyUpload(EcrError):
    """CompleteLayerUpload before any part."""

    code = "EmptyUploadException"

    def __init__(self, upload_id: str) -> None:
        super().__init__(f"The upload with id '{upload_id}' does not contain any layer parts")


class InvalidLayerPart(EcrError):
    """UploadLayerPart that does not follow on from the last byte received.

    The client may go on after ``last_valid_byte``, which the answer carries.
    """

    code = "InvalidLayerPartException"

    def __init__(
        self, repository: str, registry_id: str, upload_id: str, *, last_valid_byte: int, reason: str
    ) -> None:
        super().__init__(
            f"Layer part refused in upload '{upload_id}': {reason}",
            registryId=registry_id,
            repositoryName=repository,
            uploadId=upload_id,
            lastValidByteReceived=last_valid_byte,
        )


class UploadNotFound(EcrError):
    """No such upload in this repository, or no longer."""

    code = "UploadNotFoundException"

    def __init__(self, repository: str, registry_id: str, upload_id: str) -> None:
        super().__init__(
            f"The upload with id '{upload_id}' does not exist within {_in(repository, registry_id)}"
        )


# Lifecycle policies.
class LifecyclePolicyNotFound(EcrError):
    """The repository has no lifecycle policy. Observed (moto)."""

    code = "LifecyclePolicyNotFoundException"

    def __init__(self, repository: str, registry_id: str) -> None:
        super().__init__(f"Lifecycle policy does not exist for {_in(repository, registry_id)}")


class LifecyclePolicyPreviewNotFound(EcrError):
    """No preview was started for the repository."""

    code = "LifecyclePolicyPreviewNotFoundException"

    def __init__(self, repository: str, registry_id: str) -> None:
        super().__init__(f"There is no dry run for {_in(repository, registry_id)}")


class LifecyclePolicyPreviewInProgress(EcrError):
    """A preview is running already; one at a time for a repository."""

    code = "LifecyclePolicyPreviewInProgressException"

    def __init__(self, repository: str, registry_id: str) -> None:
        super().__init__(
            f"The previous lifecycle policy preview has not completed for {_in(repository, registry_id)}"
        )


# Repository policies and the registry's.
class RepositoryPolicyNotFound(EcrError):
    """The repository has no policy. Observed (moto)."""

    code = "RepositoryPolicyNotFoundException"

    def __init__(self, repository: str, registry_id: str) -> None:
        super().__init__(f"Repository policy does not exist for {_in(repository, registry_id)}")


class RegistryPolicyNotFound(EcrError):
    """The registry has no policy. Observed (moto)."""

    code = "RegistryPolicyNotFoundException"

    def __init__(self, registry_id: str) -> None:
        super().__init__(f"Registry policy does not exist in the registry with id '{registry_id}'")


# Careen's own service: rules beyond ECR, plans.
class ExtensionRulesNotFound(EcrError):
    """The repository has no extension document."""

    code = "ExtensionRulesNotFoundException"

    def __init__(self, repository: str, registry_id: str) -> None:
        super().__init__(f"Extension rules do not exist for {_in(repository, registry_id)}")


class ProtectionRulesNotFound(EcrError):
    """The repository, or the registry if no repository is named, has no protection document."""

    code = "ProtectionRulesNotFoundException"

    def __init__(self, repository: str | None, registry_id: str) -> None:
        where = (
            f"the registry with id '{registry_id}'" if repository is None else _in(repository, registry_id)
        )
        super().__init__(f"Protection rules do not exist for {where}")


class DefaultLifecyclePolicyNotFound(EcrError):
    """No default lifecycle policy has this pattern."""

    code = "DefaultLifecyclePolicyNotFoundException"

    def __init__(self, pattern: str, registry_id: str) -> None:
        super().__init__(
            f"There is no default lifecycle policy for '{pattern}' in the registry with id '{registry_id}'"
        )


class PlanChanged(EcrError):
    """What would be done is not what was accepted."""

    code = "PlanChangedException"

    def __init__(self, repository: str, registry_id: str, found: str) -> None:
        super().__init__(
            f"The plan for {_in(repository, registry_id)} is not the accepted one; review it again",
            planHash=found,
        )


class LifecycleRunNotFound(EcrError):
    """The repository has no run of this number. Ours: Amazon ECR keeps no runs."""

    code = "LifecycleRunNotFoundException"

    def __init__(self, run_id: int, repository: str, registry_id: str) -> None:
        super().__init__(f"Run {run_id} does not exist for {_in(repository, registry_id)}")


class ImageNotInTrash(EcrError):
    """No such image lies in the trash. Ours: Amazon ECR has no trash."""

    code = "ImageNotInTrashException"

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} is not in the trash: it was never deleted, was restored, or is gone for good"
        )


class ImageNotRestorable(EcrError):
    """The image cannot come back whole. Ours."""

    code = "ImageNotRestorableException"

    def __init__(self, digest: str, missing: str) -> None:
        super().__init__(f"The image {digest} lists {missing}, which is gone for good")


class BlastRadiusExceeded(EcrError):
    """The plan does more than may be done without somebody accepting it."""

    code = "BlastRadiusExceededException"

    def __init__(self, repository: str, registry_id: str, found: str, breaches: Iterable[str]) -> None:
        super().__init__(
            f"The plan for {_in(repository, registry_id)} needs to be accepted: {'; '.join(breaches)}",
            planHash=found,
        )


# Pull times.
class ExclusionAlreadyExists(EcrError):
    """The principal's pulls are excluded from pull times already."""

    code = "ExclusionAlreadyExistsException"

    def __init__(self, principal_arn: str) -> None:
        super().__init__(f"A pull time update exclusion for {principal_arn} already exists")


class ExclusionNotFound(EcrError):
    """The principal's pulls are not excluded from pull times."""

    code = "ExclusionNotFoundException"

    def __init__(self, principal_arn: str) -> None:
        super().__init__(f"There is no pull time update exclusion for {principal_arn}")


# Pull-through cache.
class PullThroughCacheRuleAlreadyExists(EcrError):
    """The prefix has a rule."""

    code = "PullThroughCacheRuleAlreadyExistsException"

    def __init__(self, prefix: str, registry_id: str) -> None:
        super().__init__(
            f"A pull through cache rule with prefix '{prefix}' already exists in the registry with id '{registry_id}'"
        )


class PullThroughCacheRuleNotFound(EcrError):
    """The prefix has no rule."""

    code = "PullThroughCacheRuleNotFoundException"

    def __init__(self, prefix: str, registry_id: str) -> None:
        super().__init__(
            f"The pull through cache rule with prefix '{prefix}' does not exist in the registry with id '{registry_id}'"
        )


class UnsupportedUpstreamRegistry(EcrError):
    """A rule for what is no registry that can be read."""

    code = "UnsupportedUpstreamRegistryException"


class SecretNotFound(EcrError):
    """A rule's credential is nowhere."""

    code = "SecretNotFoundException"

    def __init__(self, credential_arn: str) -> None:
        super().__init__(f"The secret {credential_arn} was not found")


class UnableToAccessSecret(EcrError):
    """A rule's credential is there and cannot be read."""

    code = "UnableToAccessSecretException"

    def __init__(self, credential_arn: str, why: str) -> None:
        super().__init__(f"The secret {credential_arn} cannot be read: {why}")


class UnableToDecryptSecretValue(EcrError):
    """A rule's credential can be read and makes no sense."""

    code = "UnableToDecryptSecretValueException"

    def __init__(self, credential_arn: str) -> None:
        super().__init__(
            f"The secret {credential_arn} is not a JSON object with a username and an accessToken"
        )


class UnableToGetUpstreamImage(EcrError):
    """BatchGetImage of what no rule could bring, for want of a credential or of an upstream."""

    code = "UnableToGetUpstreamImageException"


class UnableToListUpstreamImageReferrers(EcrError):
    """ListImageReferrers where the upstream could not be asked, and nothing is known of an earlier time."""

    code = "UnableToListUpstreamImageReferrersException"


# Replication backfills.
class ReplicationBackfillNotFound(EcrError):
    """No backfill of this id, or it ended more than 90 days ago."""

    code = "ReplicationBackfillNotFoundException"

    def __init__(self, backfill_id: str, registry_id: str) -> None:
        super().__init__(
            f"The replication backfill with id '{backfill_id}' does not exist in the registry with id '{registry_id}'"
        )


class ReplicationBackfillInProgress(EcrError):
    """A second backfill for a destination Region."""

    code = "ReplicationBackfillInProgressException"

    def __init__(self, region: str) -> None:
        super().__init__(f"A replication backfill is already in progress for destination region '{region}'")


class ReplicationBackfillInvalidStatus(EcrError):
    """StopReplicationBackfill on one that has ended or is stopping."""

    code = "ReplicationBackfillInvalidStatusException"

    def __init__(self, backfill_id: str, status: str) -> None:
        super().__init__(
            f"The replication backfill with id '{backfill_id}' is {status}; only one that is PREPARING or IN_PROGRESS"
            " can be stopped"
        )


# Parameters, tags, limits.
class InvalidParameter(EcrError):
    """A parameter that fails a constraint, of the model or of ECR's own checks. Observed everywhere."""

    code = "InvalidParameterException"

    def __init__(self, parameter: str, constraint: str) -> None:
        super().__init__(f"Invalid parameter at '{parameter}' failed to satisfy constraint: '{constraint}'")


class InvalidPolicyText(InvalidParameter):
    """No policy of a repository or of the registry. Observed: ECR says no more than this; what is wrong is for our log.

    Args:
        what: ``repository`` or ``registry``.
    """

    def __init__(self, what: str) -> None:
        super().__init__("PolicyText", f"Invalid {what} policy provided")


class Validation(EcrError):
    """The newer operations' word for what is wrong with a request as a whole."""

    code = "ValidationException"


class InvalidTagParameter(EcrError):
    """A resource tag with a bad key or value, or given twice."""

    code = "InvalidTagParameterException"


class TooManyTags(EcrError):
    """More resource tags than a repository may carry (50, by the service model's documentation)."""

    code = "TooManyTagsException"

    def __init__(self, most: int = 50) -> None:
        super().__init__(f"A repository can have at most {most} tags")


class KeyUnavailable(EcrError):
    """Encryption with a key that this registry cannot use."""

    code = "KmsException"

    def __init__(self, encryption_type: str) -> None:
        super().__init__(
            f"This registry has no key management service; it cannot encrypt with {encryption_type}"
        )


class LimitExceeded(EcrError):
    """A quota of the registry."""

    code = "LimitExceededException"


class WebhookNotFound(EcrError):
    """No such webhook. Ours."""

    code = "WebhookNotFoundException"

    def __init__(self, name: str, registry_id: str) -> None:
        super().__init__(
            f"The webhook with name '{name}' does not exist in the registry with id '{registry_id}'"
        )


class ServerFault(EcrError):
    """Our failure, not the client's: the only exception of the model that is a fault, and is retried."""

    code = "ServerException"
    status = 500

    def __init__(self, message: str = "The registry failed to answer. Try again later.") -> None:
        super().__init__(message)


class OperationNotServed(EcrError):
    """An operation of the model that this registry does not serve yet.

    ServerException, which every operation declares, is the wrong answer: SDKs retry a 500, Terraform for
    minutes. So it is a 400, shown at once, and one that the operation declares, so that an answer is always
    of the model: InvalidParameterException for all but one operation, ValidationException for that one
    (DeleteSigningConfiguration).

    Args:
        operation: the operation's name.
        declared: the codes of the errors that the operation declares.
    """

    def __init__(self, operation: str, declared: Collection[str]) -> None:
        super().__init__(f"The operation {operation} is not served by this registry yet")
        self.code = InvalidParameter.code if InvalidParameter.code in declared else Validation.code


def _repository(repository: str, predicate: str, registry_id: str) -> str:
    return f"The repository with name '{repository}' {predicate} with id '{registry_id}'"


def _template(prefix: str, registry_id: str) -> str:
    return f"The repository creation template with prefix '{prefix}' in the registry with id '{registry_id}'"


def _in(repository: str, registry_id: str) -> str:
    return f"the repository with name '{repository}' in the registry with id '{registry_id}'"


MAX_NAMED = 100
"""Digests that a refusal names. An index may list forty thousand, and its refusal would be as large as it is."""


def _required(kind: str, digests: Iterable[str], repository: str, registry_id: str) -> str:
    missing = list(digests)
    named = [
        *missing[:MAX_NAMED],
        *([f"and {len(missing) - MAX_NAMED} more"] if len(missing) > MAX_NAMED else []),
    ]
    return (
        f"{kind} with digests '[{', '.join(named)}]' required for pushing image into repository "
        f"with name '{repository}' in the registry with id '{registry_id}' do not exist"
    )
