"""IAM's and STS's exceptions, with their codes and statuses over the query protocol.

One class per situation, as in ``careen.ecr.errors``. Sentences are AWS's, seen in public issues (Terraform's and boto's above
all) or recorded by moto's authors; where AWS's wording is not known the sentence is ours and the code is still AWS's.
"""

from careen.ecr.errors import EcrError


class NoSuchEntity(EcrError):
    """What is named does not exist: ``The user with name ci cannot be found.``."""

    code = "NoSuchEntity"
    status = 404

    @classmethod
    def named(cls, noun: str, name: str) -> "NoSuchEntity":
        """In IAM's sentence."""
        return cls(f"The {noun} with name {name} cannot be found.")


class EntityAlreadyExists(EcrError):
    """The name is taken."""

    code = "EntityAlreadyExists"
    status = 409


class LimitExceeded(EcrError):
    """A quota of IAM (IAM user guide, "IAM and AWS STS quotas")."""

    code = "LimitExceeded"
    status = 409


class DeleteConflict(EcrError):
    """Something belongs to what is to be deleted: ``Cannot delete entity, must delete access keys first.``."""

    code = "DeleteConflict"
    status = 409


class InvalidInput(EcrError):
    """A parameter that makes no sense."""

    code = "InvalidInput"


class MalformedPolicyDocument(EcrError):
    """The text is no policy, or no policy of this kind."""

    code = "MalformedPolicyDocument"


class ValidationError(EcrError):
    """A parameter that is well-formed and not possible here."""

    code = "ValidationError"


class AccessDenied(EcrError):
    """STS's own refusals, which have other sentences than those of policies."""

    code = "AccessDenied"
    status = 403


class ExpiredWebIdentity(EcrError):
    """A web identity's token has expired; unlike our own, a 400 under its JSON name (STS's service model)."""

    code = "ExpiredTokenException"

    def __init__(self, now: int, expired: int) -> None:
        super().__init__(
            f"Token expired: current date/time {now} must be before the expiration date/time {expired}"
        )


class InvalidIdentityToken(EcrError):
    """A web identity's token that is none, or not of a provider that is trusted here."""

    code = "InvalidIdentityToken"


class IdpCommunicationError(EcrError):
    """The provider's keys could not be had."""

    code = "IDPCommunicationError"


class PackedPolicyTooLarge(EcrError):
    """Session policies that do not fit into a session."""

    code = "PackedPolicyTooLarge"


class PasswordPolicyViolation(EcrError):
    """A password that is too easy to guess: ``Password should have a minimum length of 8``."""

    code = "PasswordPolicyViolation"


class InvalidUserType(EcrError):
    """Something that users do for themselves, asked for by somebody who is none."""

    code = "InvalidUserType"


class TooManyAttempts(LimitExceeded):
    """Passwords were wrong too often in a row: the next one is not looked at before some time has passed."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"Too many attempts. Try again in {seconds} second{'' if seconds == 1 else 's'}.")
        self.seconds = seconds
