"""How a registry, its repositories and its principals are named: registry ids, ARNs, repository URIs.

::

    arn:aws:ecr:eu-west-1:123456789012:repository/team/app
    arn:aws:ecr-public::123456789012:repository/app
    arn:aws:iam::123456789012:user/alice
    localhost:5000/team/app
"""

import re
from typing import NamedTuple

from careen.ecr.errors import InvalidParameter
from careen.oci.names import is_repository_name

ECR = "ecr"
ECR_PUBLIC = "ecr-public"

_REPOSITORY_ARN = re.compile(
    r"arn:(?P<partition>aws(?:-[a-z]+)*):(?P<service>ecr(?=:[a-z0-9-]{2})|ecr-public(?=::)):(?P<region>[a-z0-9-]{0,25})"
    r":(?P<registry_id>[0-9]{12}):repository/(?P<repository>.+)"
)

_ROLE_ARN = re.compile(
    r"arn:aws:iam::(?P<registry_id>[0-9]{12}):role/(?:[!-~]*/)?(?P<name>[\w+=,.@-]+)", re.ASCII
)

_API_HOST = re.compile(r"api\.ecr(?P<rest>\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?(?::[0-9]+)?)")


class RepositoryArn(NamedTuple):
    """The Amazon Resource Name of a repository."""

    region: str
    """Empty for ECR Public, which is in no Region."""
    registry_id: str
    """Twelve digits: the AWS account on Amazon, the registry here."""
    repository: str
    partition: str = "aws"
    service: str = ECR

    def __str__(self) -> str:
        """``arn:aws:ecr:<region>:<registry id>:repository/<name>``."""
        return f"arn:{self.partition}:{self.service}:{self.region}:{self.registry_id}:repository/{self.repository}"


def public_repository_arn(registry_id: str, name: str) -> RepositoryArn:
    """The ARN of a public repository; ``name`` as ECR Public calls it, without the registry's alias."""
    return RepositoryArn("", registry_id, name, service=ECR_PUBLIC)


def public_registry_arn(registry_id: str) -> str:
    """The ARN of a public registry."""
    return f"arn:aws:{ECR_PUBLIC}::{registry_id}:registry/{registry_id}"


def parse_repository_arn(text: str, service: str = ECR) -> RepositoryArn:
    """The repository an ARN names; whether it exists, and in this registry, is for the caller to say.

    Args:
        text: the ARN.
        service: whose repository it must be: ``ecr`` or ``ecr-public``.

    Raises:
        InvalidParameter: not the ARN of such a repository; at ``resourceArn``, the member that carries ARNs.
    """
    match = _REPOSITORY_ARN.fullmatch(text)
    if match is None or match["service"] != service or not is_repository_name(match["repository"]):
        raise InvalidParameter("resourceArn", "Invalid ARN")
    return RepositoryArn(**match.groupdict())


def registry_host(api_host: str, registry_id: str) -> str:
    """The host to push to and pull from, for a client that calls the API at ``api_host``.

    Amazon has two names, ``api.ecr.<region>.amazonaws.com`` and ``<registry id>.dkr.ecr.<region>.amazonaws.com``; its credential
    helper takes tokens for the second only. Whoever lets these names lead here gets the second for the first. Any other name
    is a registry's own and serves both.

    Args:
        api_host: host and, where there is one, port.
        registry_id: twelve digits.
    """
    amazons = _API_HOST.fullmatch(api_host)
    return api_host if amazons is None else f"{registry_id}.dkr.ecr{amazons['rest']}"


def repository_uri(host: str, repository: str) -> str:
    """What a client pulls from, tag or digest to be added.

    Args:
        host: the registry's host and, where it is not the scheme's own, port.
        repository: the repository's name.
    """
    return f"{host}/{repository}"


def user_arn(registry_id: str, user: str, path: str = "/") -> str:
    """The ARN of an IAM user, with its path: ``/`` or ``/team/``."""
    return f"arn:aws:iam::{registry_id}:user{path}{user}"


def role_arn(registry_id: str, role: str, path: str = "/") -> str:
    """The ARN of an IAM role, with its path."""
    return f"arn:aws:iam::{registry_id}:role{path}{role}"


def parse_role_arn(text: str, registry_id: str) -> str | None:
    """The name of a registry's role, from its ARN with whatever path; None: no ARN of a role of this registry."""
    match = _ROLE_ARN.fullmatch(text)
    return match["name"] if match is not None and match["registry_id"] == registry_id else None


def session_arn(registry_id: str, role: str, session: str) -> str:
    """The ARN of whoever has assumed a role: without the role's path."""
    return f"arn:aws:sts::{registry_id}:assumed-role/{role}/{session}"


def provider_arn(registry_id: str, issuer: str) -> str:
    """The ARN of an OpenID Connect provider, from its URL without ``https://``."""
    return f"arn:aws:iam::{registry_id}:oidc-provider/{issuer}"


def root_arn(registry_id: str) -> str:
    """The ARN of the account itself, which its root keys act as."""
    return f"arn:aws:iam::{registry_id}:root"
