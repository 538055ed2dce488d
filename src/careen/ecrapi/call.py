"""One call of an operation: who asks, where, and how we are addressed."""

from dataclasses import dataclass

from careen.ecr.arn import RepositoryArn
from careen.oci import names
from careen.pull_through.importer import Importer
from careen.registry import access, repositories
from careen.registry.access import Action, Principal
from careen.registry.pulls import PullTimes
from careen.registry.registry import Registry


@dataclass(frozen=True, slots=True)
class Call:
    """What every operation is handed beside its parameters."""

    registry: Registry
    pulls: PullTimes
    importer: Importer
    principal: Principal
    base_url: str
    """``http://localhost:5000``, where the client finds the images, as the settings or else the client names us: goes into
    repository URIs and proxy endpoints."""

    user_agent: str | None = None

    @property
    def host(self) -> str:
        """``localhost:5000``."""
        return self.base_url.partition("://")[2]

    def arn(self, repository: str) -> str:
        """The ARN of a repository of this registry."""
        return str(RepositoryArn(self.registry.region, self.registry.id, repository))

    def may(self, action: Action, repository: str) -> bool:
        """Whether the caller may do something with a repository that the call only leads to."""
        return names.is_repository_name(repository) and access.may(self.principal, action)

    def require_push(self, repository: str) -> None:
        """Refuse a push that would have to create the repository, if the caller may not create one.

        Raises:
            careen.ecr.common_errors.AccessDenied: its policy does not allow CreateRepository.
        """
        if self.registry.limits.create_on_push and not self.registry.read(repositories.find, repository):
            access.require(self.principal, Action.CREATE_REPOSITORY, self.arn(repository))
