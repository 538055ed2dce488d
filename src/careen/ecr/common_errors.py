"""AWS's common errors: refusals of no operation in particular, so in no service model.

Codes are those of the "Common Errors" page of ECR's API reference as its JSON endpoint spells them. That page
gives other statuses, but the endpoint answers 400 throughout, to failed authentication too (observed:
aws/aws-sdk-php#1114, upmc-enterprises/registry-creds#24), and so do we.
"""

from careen.ecr.errors import EcrError


class UnknownOperation(EcrError):
    """X-Amz-Target names no operation of this service."""

    code = "UnknownOperationException"

    def __init__(self, operation: str) -> None:
        super().__init__(f"Unknown operation '{operation}'")


class Serialization(EcrError):
    """The body is not JSON, or a value is not of its member's type."""

    code = "SerializationException"


class Validation(EcrError):
    """A parameter of a query call is missing or fails a constraint of the model. Observed: hashicorp/terraform#18303."""

    code = "ValidationError"

    def __init__(self, parameter: str, constraint: str) -> None:
        super().__init__(
            f"1 validation error detected: Value at '{parameter}' failed to satisfy constraint: {constraint}"
        )


class RequestTimeout(EcrError):
    """The rest of the body did not come in time. AWS's SDKs try such a request again."""

    code = "RequestTimeoutException"
    status = 408


class AccessDenied(EcrError):
    """The principal may not do this. Observed: ministryofjustice/cloud-platform#7245."""

    code = "AccessDeniedException"

    def __init__(self, principal_arn: str, action: str, resource: str, why: str) -> None:
        super().__init__(
            f"User: {principal_arn} is not authorized to perform: {action} on resource: {resource} {why}"
        )


class MissingAuthenticationToken(EcrError):
    """The request carries no credentials at all."""

    code = "MissingAuthenticationTokenException"

    def __init__(self) -> None:
        super().__init__("Request is missing Authentication Token")


class IncompleteSignature(EcrError):
    """The Authorization header is not a Signature Version 4 one, or lacks a part."""

    code = "IncompleteSignatureException"


class InvalidSignature(EcrError):
    """The signature is not of this request, this time or this service."""

    code = "InvalidSignatureException"


class UnrecognizedClient(EcrError):
    """No such access key. Observed: aws/aws-sdk-php#1114."""

    code = "UnrecognizedClientException"

    def __init__(self) -> None:
        super().__init__("The security token included in the request is invalid.")


class ExpiredToken(EcrError):
    """Temporary credentials that have run out."""

    code = "ExpiredTokenException"

    def __init__(self) -> None:
        super().__init__("The security token included in the request is expired")
