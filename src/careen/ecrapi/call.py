"""One call of an operation: who asks, where, and how we are addressed."""

from dataclasses import dataclass

from starlette.requests import Request

from careen.ecr.arn import RepositoryArn, public_repository_arn, registry_host
from careen.oci import names
from careen.pull_through.importer import Importer
from careen.registry import access, repositories
from careen.registry.access import Action, Circumstances
from careen.registry.callers import Principal
from careen.registry.pulls import PullTimes
from careen.registry.registry import Registry, Transaction


def base_url_of(registry: Registry, request: Request) -> str:
    """``http://localhost:5000``: where clients find the images, as the settings or else the request name us."""
    asked = registry_host(request.headers.get("host", ""), registry.id)
    return registry.public_url or f"{request.url.scheme}://{asked}"


def _would_create(tx: Transaction, name: str) -> bool:
    return repositories.find(tx, name) is None and repositories.creates_on_push(tx, name)


@dataclass(frozen=True, slots=True)
class Call:
    """What every operation is handed beside its parameters."""

    registry: Registry
    pulls: PullTimes
    importer: Importer
    principal: Principal
    base_url: str
    """Where the client finds the images (:func:`base_url_of`): goes into repository URIs and proxy endpoints."""

    circumstances: Circumstances
    """What the conditions of policies ask beside who, what and where."""

    @property
    def host(self) -> str:
        """``localhost:5000``."""
        return self.base_url.partition("://")[2]

    def arn(self, repository: str) -> str:
        """The ARN of a repository of this registry."""
        return str(RepositoryArn(self.registry.region, self.registry.id, repository))

    def public_arn(self, repository: str) -> str:
        """The ARN of a public repository of this registry, by the name that ECR Public has for it."""
        return str(public_repository_arn(self.registry.id, repository))

    @property
    def public_host(self) -> str:
        """Where clients find public repositories: the settings' own host for them, or else :attr:`host`."""
        return self.registry.public_host or self.host

    def may(self, action: Action, repository: str) -> bool:
        """Whether the caller may do something with a repository that the call only leads to."""
        if not names.is_repository_name(repository):
            return False
        asked = self.principal, action, self.arn(repository), self.circumstances
        return self.registry.read(access.judge, *asked).decision.allowed

    def require_push(self, repository: str) -> None:
        """Refuse a push that would have to create the repository, if the caller may not create one.

        Raises:
            careen.ecr.common_errors.AccessDenied: its policy does not allow CreateRepository.
        """
        if self.registry.read(_would_create, repository):
            self.registry.read(
                access.require,
                self.principal,
                Action.CREATE_REPOSITORY,
                self.arn(repository),
                self.circumstances,
            )
