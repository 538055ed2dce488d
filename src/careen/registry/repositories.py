"""Repositories: create, describe, configure, delete."""

from collections.abc import Sequence

import msgspec

from careen.db import images, layers, policies, repositories
from careen.db.repositories import Repository as Repository
from careen.db.repositories import filters_of as filters_of
from careen.ecr import errors, mutability
from careen.ecr import events as ecr_events
from careen.ecr.mutability import Mutability
from careen.faults import Point, reach
from careen.oci import names
from careen.registry import events, templates
from careen.registry.deletions import Cause, discard
from careen.registry.registry import Transaction
from careen.registry.templates import AppliedFor as AppliedFor

MAX_RESOURCE_TAGS = 50


def find(tx: Transaction, name: str) -> Repository | None:
    """The repository of that name, if there is one."""
    return repositories.by_name(tx.rows, name)


def require(tx: Transaction, name: str) -> Repository:
    """The repository of that name.

    Raises:
        careen.ecr.errors.RepositoryNotFound: there is none.
    """
    repository = repositories.by_name(tx.rows, name)
    if repository is None:
        raise errors.RepositoryNotFound(name, tx.registry_id)
    return repository


def require_for_push(tx: Transaction, name: str, *, is_replica: bool = False) -> Repository:
    """The repository to push to; made now if a template or the settings say that pushes create, or for a replica.

    Raises:
        careen.ecr.errors.RepositoryNotFound: there is none, and pushes do not create.
    """
    repository = repositories.by_name(tx.rows, name)
    if repository is None and is_replica:
        return create_by_template(tx, name, AppliedFor.REPLICATION)
    if repository is None and creates_on_push(tx, name):
        return create_by_template(tx, name, AppliedFor.CREATE_ON_PUSH)
    return repository or require(tx, name)


def creates_on_push(tx: Transaction, name: str) -> bool:
    """Whether a push creates a repository of that name: a template says so, or the setting ``create_on_push``."""
    return tx.limits.create_on_push or templates.matching(tx, name, AppliedFor.CREATE_ON_PUSH) is not None


def create_by_template(tx: Transaction, name: str, applied_for: AppliedFor) -> Repository:
    """Create a repository that nobody asked for by name, with the settings of its template or else Amazon's defaults.

    Args:
        tx: the transaction.
        name: the repository's.
        applied_for: what lets it appear.

    Raises:
        careen.ecr.errors.RepositoryAlreadyExists: the name is taken.
        careen.ecr.errors.InvalidParameter: it is no name of a repository.
    """
    template = templates.matching(tx, name, applied_for)
    if template is None:
        return create(tx, name)
    made = create(
        tx,
        name,
        tag_mutability=Mutability(template.tag_mutability),
        filters=templates.filters_of(template),
        encryption=templates.encryption_of(template),
        tags=templates.resource_tags_of(template),
        lifecycle_policy=template.lifecycle_policy,
    )
    if template.repository_policy is not None:
        policies.set_of_repository(tx.rows, made.id, template.repository_policy)
    return made


def create(
    tx: Transaction,
    name: str,
    *,
    tag_mutability: Mutability = Mutability.MUTABLE,
    filters: Sequence[str] | None = None,
    scan_on_push: bool = False,
    encryption: dict[str, str] | None = None,
    tags: dict[str, str] | None = None,
    lifecycle_policy: str | None = None,
) -> Repository:
    """Create a repository. ``lifecycle_policy`` is canonical text.

    Raises:
        careen.ecr.errors.RepositoryAlreadyExists: the name is taken.
        careen.ecr.errors.InvalidParameter: a name or filter outside the grammar.
        careen.ecr.errors.TooManyTags: more than 50 resource tags.
    """
    if not names.is_repository_name(name):
        raise errors.InvalidParameter(
            "repositoryName", f"must satisfy regular expression '{names.REPOSITORY.pattern}'"
        )
    mutability.validate(tag_mutability, filters)
    check_tags(tags or {})
    repository = Repository(
        id=0,
        name=name,
        created_at=tx.now,
        tag_mutability=tag_mutability,
        tag_mutability_filters=msgspec.json.encode(list(filters or ())).decode(),
        scan_on_push=int(scan_on_push),
        encryption=msgspec.json.encode(encryption or templates.AES256).decode(),
        lifecycle_policy=lifecycle_policy,
        lifecycle_evaluated_at=0,
    )
    repository_id = repositories.insert(tx.rows, repository)
    if repository_id is None:
        raise errors.RepositoryAlreadyExists(name, tx.registry_id)
    repositories.put_resource_tags(tx.rows, repository_id, tags or {})
    events.record(tx, ecr_events.repository_created(name))
    reach(Point.REPOSITORY_CREATED)
    return repository._replace(id=repository_id)


def describe(tx: Transaction, wanted: Sequence[str]) -> list[Repository]:
    """The repositories of these names, in their order; one unknown name fails the whole call, as on Amazon ECR.

    Raises:
        careen.ecr.errors.RepositoryNotFound: a name has no repository.
    """
    return [require(tx, name) for name in wanted]


def page(tx: Transaction, after: str, limit: int) -> list[Repository]:
    """Up to ``limit`` repositories whose names follow ``after``."""
    return repositories.page(tx.rows, after, limit)


def catalog(tx: Transaction, after: str, limit: int) -> list[str]:
    """Up to ``limit`` repository names that follow ``after``."""
    return repositories.names(tx.rows, after, limit)


def delete(tx: Transaction, name: str, cause: Cause, *, force: bool = False) -> Repository:
    """Delete a repository. Its images lie in the trash for a while; after that the collector gives their bytes back.

    Raises:
        careen.ecr.errors.RepositoryNotEmpty: it holds images, and ``force`` is off.
    """
    repository = require(tx, name)
    if not force and images.count(tx.rows, repository.id):
        raise errors.RepositoryNotEmpty(name, tx.registry_id)
    for row in images.every(tx.rows, repository.id):
        discard(tx, name, row, cause)
    digests = layers.digests_in(tx.rows, repository.id)
    repositories.delete(tx.rows, repository.id)
    events.record(tx, ecr_events.repository_deleted(name))
    for digest in digests:
        layers.condemn_if_unlinked(tx.rows, digest)
    reach(Point.REPOSITORY_DELETED)
    return repository


def put_mutability(
    tx: Transaction, name: str, tag_mutability: Mutability, filters: Sequence[str] | None
) -> Repository:
    """Say which tags may move."""
    repository = require(tx, name)
    mutability.validate(tag_mutability, filters)
    encoded = msgspec.json.encode(list(filters or ())).decode()
    repositories.set_mutability(tx.rows, repository.id, tag_mutability, encoded)
    return repository._replace(tag_mutability=tag_mutability, tag_mutability_filters=encoded)


def resource_tags(tx: Transaction, name: str) -> dict[str, str]:
    """The repository's resource tags."""
    return repositories.resource_tags(tx.rows, require(tx, name).id)


def tag_resource(tx: Transaction, name: str, tags: dict[str, str]) -> None:
    """Add or replace resource tags.

    Raises:
        careen.ecr.errors.TooManyTags: the repository would have more than 50.
        careen.ecr.errors.InvalidTagParameter: it has one whose key differs in the case of letters alone.
    """
    repository = require(tx, name)
    check_tags(repositories.resource_tags(tx.rows, repository.id) | tags)
    repositories.put_resource_tags(tx.rows, repository.id, tags)


def untag_resource(tx: Transaction, name: str, keys: list[str]) -> None:
    """Remove resource tags; keys that are not there are no error."""
    repositories.remove_resource_tags(tx.rows, require(tx, name).id, keys)


def check_tags(tags: dict[str, str]) -> None:
    """Refuse more resource tags than a repository may have, or two of one name to policies.

    Policies ask for tags whatever the case of letters. Of ``team`` and ``Team`` they could believe only one, so who may make
    repositories of one team would make them of any.

    Raises:
        careen.ecr.errors.TooManyTags: there are too many.
        careen.ecr.errors.InvalidTagParameter: keys differ in the case of letters alone.
    """
    if len(tags) > MAX_RESOURCE_TAGS:
        raise errors.TooManyTags(MAX_RESOURCE_TAGS)
    if len({key.lower() for key in tags}) < len(tags):
        raise errors.InvalidTagParameter("Tag keys that differ in the case of letters alone are not taken")
