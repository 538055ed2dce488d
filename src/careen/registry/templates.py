"""Repository creation templates: the settings of repositories that nobody creates by name.

A repository appears because somebody pushes to it, or because it is cached or replicated. The template whose prefix is the
longest that its name has, of those applied for what happened, says how it begins; there is always a ``/`` at the end of a prefix,
written or not, and ``ROOT`` is for names that no other matches. Settings are copied: what becomes of the template afterwards
changes no repository (ECR user guide, "Repository creation templates").
"""

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from careen.db import templates
from careen.db.templates import Template as Template
from careen.ecr import errors, mutability
from careen.ecr.mutability import Mutability
from careen.iam import policy
from careen.iam.policy import InvalidPolicy, Kind
from careen.lifecycle import policy as policies
from careen.registry.registry import Transaction

ROOT = "ROOT"
"""The prefix of the template for names that no other matches."""

AES256 = {"encryptionType": "AES256"}


class AppliedFor(StrEnum):
    """What lets a repository appear."""

    CREATE_ON_PUSH = "CREATE_ON_PUSH"
    PULL_THROUGH_CACHE = "PULL_THROUGH_CACHE"
    REPLICATION = "REPLICATION"


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What a template is given or changed to. None leaves a setting as it is; an empty text, list or object takes it away."""

    description: str | None = None
    encryption: dict[str, str] | None = None
    resource_tags: dict[str, str] | None = None
    tag_mutability: Mutability | None = None
    filters: list[str] | None = None
    """They go with ``tag_mutability``: without them, a new one has none."""
    repository_policy: str | None = None
    lifecycle_policy: str | None = None
    applied_for: list[AppliedFor] | None = None
    custom_role_arn: str | None = None
    """Kept and answered: there is no role to assume here."""


def create(tx: Transaction, prefix: str, change: Change) -> Template:
    """Add a template.

    Raises:
        careen.ecr.errors.TemplateAlreadyExists: the prefix has one.
        careen.ecr.errors.InvalidParameter: mutability and filters that do not go together.
        careen.ecr.errors.InvalidPolicyText: the repository policy is none.
        careen.lifecycle.policy.InvalidLifecyclePolicy: with ECR's message.
    """
    if templates.find(tx.rows, prefix) is not None:
        raise errors.TemplateAlreadyExists(prefix, tx.registry_id)
    blank = Template(
        prefix=prefix,
        description=None,
        encryption=_json(AES256),
        resource_tags="{}",
        tag_mutability=Mutability.MUTABLE,
        tag_mutability_filters="[]",
        repository_policy=None,
        lifecycle_policy=None,
        applied_for="[]",
        custom_role_arn=None,
        created_at=tx.now,
        updated_at=tx.now,
    )
    return _put(tx, blank, change)


def update(tx: Transaction, prefix: str, change: Change) -> Template:
    """Change a template; what the change does not name stays.

    The service model says of a mutability that is left out that it becomes MUTABLE, in the words of the operation that creates.
    Terraform, which is tested against Amazon ECR, sends only what changed and relies on the rest to stay.

    Raises:
        careen.ecr.errors.TemplateNotFound: the prefix has none.
        careen.ecr.errors.InvalidParameter: as :func:`create`.
        careen.lifecycle.policy.InvalidLifecyclePolicy: as :func:`create`.
    """
    return _put(tx, _require(tx, prefix)._replace(updated_at=tx.now), change)


def delete(tx: Transaction, prefix: str) -> Template:
    """Remove a template; repositories that it made stay as they are.

    Raises:
        careen.ecr.errors.TemplateNotFound: the prefix has none.
    """
    found = _require(tx, prefix)
    templates.delete(tx.rows, found.prefix)
    return found


def describe(tx: Transaction, prefixes: Sequence[str] | None) -> list[Template]:
    """The templates of these prefixes, or all, by prefix. One that is not there is left out: ECR declares no error for it."""
    if prefixes is None:
        return templates.every(tx.rows)
    found = {template for prefix in prefixes if (template := templates.find(tx.rows, prefix)) is not None}
    return sorted(found)


def matching(tx: Transaction, name: str, applied_for: AppliedFor) -> Template | None:
    """The template for a repository that is about to appear, if there is one."""
    applicable = [each for each in templates.every(tx.rows) if applied_for in applied_for_of(each)]
    prefixed = [each for each in applicable if name.startswith(f"{each.prefix.rstrip('/')}/")]
    if prefixed:
        return max(prefixed, key=lambda each: len(each.prefix.rstrip("/")))
    return next((each for each in applicable if each.prefix == ROOT), None)


def applied_for_of(template: Template) -> list[AppliedFor]:
    """What the template is applied for."""
    return msgspec.json.decode(template.applied_for, type=list[AppliedFor])


def filters_of(template: Template) -> list[str] | None:
    """The mutability exclusion filters; None if there are none, as :func:`careen.ecr.mutability.validate` takes them."""
    return msgspec.json.decode(template.tag_mutability_filters, type=list[str]) or None


def encryption_of(template: Template) -> dict[str, str]:
    """The ``encryptionConfiguration``."""
    return msgspec.json.decode(template.encryption, type=dict[str, str])


def resource_tags_of(template: Template) -> dict[str, str]:
    """The resource tags."""
    return msgspec.json.decode(template.resource_tags, type=dict[str, str])


def _require(tx: Transaction, prefix: str) -> Template:
    found = templates.find(tx.rows, prefix)
    if found is None:
        raise errors.TemplateNotFound(prefix, tx.registry_id)
    return found


def _put(tx: Transaction, before: Template, change: Change) -> Template:
    setting = change.tag_mutability or Mutability(before.tag_mutability)
    kept = filters_of(before) if change.tag_mutability is None else None
    filters = kept if change.filters is None else change.filters
    mutability.validate(setting, filters)
    new = before._replace(tag_mutability=setting, tag_mutability_filters=_json(filters or []))
    if change.encryption is not None:
        new = new._replace(encryption=_json(change.encryption))
    if change.resource_tags is not None:
        new = new._replace(resource_tags=_json(change.resource_tags))
    if change.applied_for is not None:
        new = new._replace(applied_for=_json(list(dict.fromkeys(change.applied_for))))
    if change.description is not None:
        new = new._replace(description=change.description or None)
    if change.repository_policy is not None:
        new = new._replace(repository_policy=_access_policy(change.repository_policy))
    if change.lifecycle_policy is not None:
        text = change.lifecycle_policy
        new = new._replace(lifecycle_policy=policies.canonical(policies.parse(text)) if text else None)
    if change.custom_role_arn is not None:
        new = new._replace(custom_role_arn=change.custom_role_arn or None)
    templates.put(tx.rows, new)
    return new


def _access_policy(text: str) -> str | None:
    """A repository policy as it will stand on repositories; None: there is none."""
    if not text:
        return None
    try:
        return policy.parse(text, Kind.REPOSITORY).text
    except InvalidPolicy:
        raise errors.InvalidPolicyText("repository") from None


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
