"""A destination's ECR API: for what the distribution API cannot do on Amazon ECR, to make a repository and to delete."""

import threading

from botocore.exceptions import BotoCoreError, ClientError

from careen.upstream.credentials import Basic, aws_client, keys_of
from careen.upstream.errors import Denied, Invalid, Unavailable

_DENIED = {"AccessDeniedException", "UnrecognizedClientException", "InvalidSignatureException"}
_GONE = {"ImageNotFound", "ImageTagDoesNotMatchDigest"}

_removing_a_tag = threading.Lock()
"""So that two threads that remove the last two tags of an image do not both see that there is another."""


class EcrApi:
    """ECR's API at one destination.

    Args:
        region: the Region to sign for.
        url: where it is; empty: Amazon's.
        keys: an access key; None: the one that AWS's tools find.
    """

    def __init__(self, region: str, url: str, keys: Basic | None) -> None:
        self._client = aws_client("ecr", region, url, keys_of(keys))

    def create_repository(self, name: str) -> None:
        """Make a repository, if there is none of that name.

        Raises:
            careen.upstream.errors.UpstreamError: Denied, Unavailable or Invalid.
        """
        try:
            self._client.create_repository(repositoryName=name)
        except self._client.exceptions.RepositoryAlreadyExistsException:
            return
        except (ClientError, BotoCoreError) as error:
            raise _in_our_words(error) from None

    def delete(self, repository: str, digest: str, tag: str | None) -> None:
        """Delete an image, or (``tag``) one tag of it. What is not there is deleted.

        The last tag of an image stays: ECR would delete the image with it.

        Raises:
            careen.upstream.errors.UpstreamError: Denied, Unavailable, or Invalid: something needs the image, or it is the last tag.
        """
        missing = self._client.exceptions
        try:
            if tag is None:
                self._delete(repository, {"imageDigest": digest})
                return
            with _removing_a_tag:
                if self._tags(repository, digest) == [tag]:
                    raise Invalid(f"{tag} is the last tag of {digest} there, and would take the image along")
                self._delete(repository, {"imageDigest": digest, "imageTag": tag})
        except (missing.RepositoryNotFoundException, missing.ImageNotFoundException):
            return
        except (ClientError, BotoCoreError) as error:
            raise _in_our_words(error) from None

    def _tags(self, repository: str, digest: str) -> list[str]:
        found = self._client.describe_images(repositoryName=repository, imageIds=[{"imageDigest": digest}])
        tags: list[str] = found["imageDetails"][0].get("imageTags", [])
        return tags

    def _delete(self, repository: str, image_id: dict[str, str]) -> None:
        answer = self._client.batch_delete_image(repositoryName=repository, imageIds=[image_id])
        for failure in answer["failures"]:
            if failure["failureCode"] not in _GONE:
                raise Invalid(failure["failureReason"], code=failure["failureCode"])


def _in_our_words(error: ClientError | BotoCoreError) -> Denied | Invalid | Unavailable:
    if isinstance(error, BotoCoreError):
        return Denied(str(error)) if "redential" in type(error).__name__ else Unavailable(str(error))
    told, status = error.response["Error"], int(error.response["ResponseMetadata"]["HTTPStatusCode"])
    if told["Code"] in _DENIED:
        return Denied(told["Message"], status=status, code=told["Code"])
    if status >= 500 or told["Code"] == "ThrottlingException":
        return Unavailable(told["Message"], status=status, code=told["Code"])
    return Invalid(told["Message"], status=status, code=told["Code"])
