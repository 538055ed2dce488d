"""The rules that hold for a repository: its policy or a default one, and the documents beyond ECR beside it.

ECR's operations never see any of this: GetLifecyclePolicy answers the repository's own policy or none. :func:`effective` is
what runs, previews, explanations and forecasts go by.
"""

from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache
from itertools import islice

import msgspec

from careen.db import rules as rule_rows
from careen.db.repositories import Repository
from careen.db.rules import Default as Default
from careen.ecr import errors
from careen.lifecycle import extension, protection
from careen.lifecycle import policy as policies
from careen.lifecycle.beyond import Beyond
from careen.lifecycle.extension import ExtensionRules, InvalidExtensionRules
from careen.lifecycle.policy import LifecyclePolicy
from careen.lifecycle.protection import InvalidProtectionRules, ProtectionRule
from careen.lifecycle.selection import Test, pattern_test
from careen.registry import repositories as repository_cases
from careen.registry.registry import Transaction

PROTECTION = "protection"
"""The kind of the registry's protection document."""

MAX_PATTERN = 256
"""Characters of a default policy's pattern, as of a repository name."""

NO_POLICY = LifecyclePolicy(())


class Origin(StrEnum):
    """Where a repository's policy comes from."""

    REPOSITORY = "REPOSITORY"
    """It has its own."""
    DEFAULT = "DEFAULT"
    """It has none, and its name matches the pattern of a default policy."""
    NONE = "NONE"


class Effective(msgspec.Struct, frozen=True):
    """Everything that decides on a repository's images. Equal values decide the same."""

    text: str | None
    """The policy's; None if there is none."""
    policy: LifecyclePolicy
    """Without rules if there is none."""
    beyond: Beyond
    origin: Origin
    pattern: str | None
    """Of the default policy."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing can act on any image."""
        return not self.policy.rules and not self.beyond.extension.rules


# Hundreds of repositories have the same documents; read once, their rules are also the same objects.
_policy = lru_cache(512)(policies.parse)
_extension = lru_cache(512)(extension.parse)
_protection = lru_cache(512)(protection.parse)


def effective(tx: Transaction, name: str) -> Effective:
    """What holds for a repository.

    Raises:
        careen.ecr.errors.RepositoryNotFound: there is none of that name.
    """
    return effective_for(tx, repository_cases.require(tx, name))


def effective_for(tx: Transaction, repository: Repository, text: str | None = None) -> Effective:
    """What holds for a repository, or would if its policy were ``text``.

    Raises:
        careen.lifecycle.policy.InvalidLifecyclePolicy: ``text`` is none.
    """
    own = text or repository.lifecycle_policy
    default = _default(defaults(tx), repository.name) if own is None else None
    if default is not None:
        own, origin, pattern = default.policy, Origin.DEFAULT, default.pattern
    else:
        origin, pattern = Origin.NONE if own is None else Origin.REPOSITORY, None
    return Effective(
        own, NO_POLICY if own is None else _policy(own), _beyond(tx, repository), origin, pattern
    )


def origin_of(name: str, own: str | None, defaults: Sequence[Default]) -> Origin:
    """Where the policy of a repository comes from that has this one of its own, or none."""
    if own is not None:
        return Origin.REPOSITORY
    return Origin.NONE if _default(defaults, name) is None else Origin.DEFAULT


def _default(defaults: Sequence[Default], name: str) -> Default | None:
    return _fitting(_by_weight(tuple(defaults)), name)


def _fitting(by_weight: Sequence[tuple[Default, Test]], name: str) -> Default | None:
    """The most specific that matches."""
    return next((each for each, fits in by_weight if fits(name)), None)


@lru_cache(8)
def _by_weight(defaults: tuple[Default, ...]) -> list[tuple[Default, Test]]:
    """The most specific first: the pattern with the most letters of its own, equal ones by name."""
    ordered = sorted(
        defaults, key=lambda each: (len(each.pattern.replace("*", "")), each.pattern), reverse=True
    )
    return [(each, pattern_test(each.pattern)) for each in ordered]


def _beyond(tx: Transaction, repository: Repository) -> Beyond:
    own = rule_rows.documents(tx.rows, repository.id)
    registrys = rule_rows.registry_document(tx.rows, PROTECTION)
    kept: list[ProtectionRule] = []
    for text in (own.protection, registrys):
        kept += protection.applicable(_protection(text).rules, repository.name) if text else ()
    return Beyond(_extension(own.extension) if own.extension else ExtensionRules(), tuple(kept))


def put_extension(tx: Transaction, name: str, text: str) -> str:
    """Store a repository's extension document. Returns it as it is kept: compact, rules by priority.

    Raises:
        careen.ecr.errors.InvalidParameter: it is no extension document.
    """
    repository = repository_cases.require(tx, name)
    try:
        canonical = extension.canonical(extension.parse(text))
    except InvalidExtensionRules as invalid:
        raise errors.InvalidParameter("extensionRulesText", str(invalid)) from None
    rule_rows.set_extension(tx.rows, repository.id, canonical)
    return canonical


def get_extension(tx: Transaction, name: str) -> str:
    """A repository's extension document.

    Raises:
        careen.ecr.errors.ExtensionRulesNotFound: it has none.
    """
    found = rule_rows.documents(tx.rows, repository_cases.require(tx, name).id).extension
    if found is None:
        raise errors.ExtensionRulesNotFound(name, tx.registry_id)
    return found


def delete_extension(tx: Transaction, name: str) -> str:
    """Remove a repository's extension document. Returns what :func:`get_extension` would have answered."""
    found = get_extension(tx, name)
    rule_rows.set_extension(tx.rows, repository_cases.require(tx, name).id, None)
    return found


def put_protection(tx: Transaction, name: str | None, text: str) -> str:
    """Store a protection document, of a repository or (None) of the registry. Returns it as it is kept.

    Raises:
        careen.ecr.errors.InvalidParameter: it is no protection document; or a repository's asks for repository names.
    """
    try:
        parsed = protection.parse(text)
    except InvalidProtectionRules as invalid:
        raise errors.InvalidParameter("protectionRulesText", str(invalid)) from None
    canonical = protection.canonical(parsed)
    if name is None:
        rule_rows.set_registry_document(tx.rows, PROTECTION, canonical)
        return canonical
    repository = repository_cases.require(tx, name)
    if any(rule.any_repository for rule in parsed.rules):
        reason = "anyRepository has a meaning only in the registry's document; this one is a repository's own"
        raise errors.InvalidParameter("protectionRulesText", reason)
    rule_rows.set_protection(tx.rows, repository.id, canonical)
    return canonical


def get_protection(tx: Transaction, name: str | None) -> str:
    """A protection document, of a repository or (None) of the registry.

    Raises:
        careen.ecr.errors.ProtectionRulesNotFound: there is none.
    """
    if name is None:
        found = rule_rows.registry_document(tx.rows, PROTECTION)
    else:
        found = rule_rows.documents(tx.rows, repository_cases.require(tx, name).id).protection
    if found is None:
        raise errors.ProtectionRulesNotFound(name, tx.registry_id)
    return found


def delete_protection(tx: Transaction, name: str | None) -> str:
    """Remove a protection document. Returns what :func:`get_protection` would have answered."""
    found = get_protection(tx, name)
    if name is None:
        rule_rows.set_registry_document(tx.rows, PROTECTION, None)
    else:
        rule_rows.set_protection(tx.rows, repository_cases.require(tx, name).id, None)
    return found


def put_default(tx: Transaction, pattern: str, text: str) -> str:
    """Set the policy of repositories that have none and whose names match a pattern. Returns it as it is kept.

    Raises:
        careen.lifecycle.policy.InvalidLifecyclePolicy: with ECR's message.
        careen.ecr.errors.InvalidParameter: the pattern is empty or too long.
    """
    if not 0 < len(pattern) <= MAX_PATTERN:
        raise errors.InvalidParameter("repositoryNamePattern", f"must have 1 to {MAX_PATTERN} characters")
    canonical = policies.canonical(policies.parse(text))
    rule_rows.put_default(tx.rows, pattern, canonical)
    return canonical


def delete_default(tx: Transaction, pattern: str) -> str:
    """Remove a default policy. Returns it.

    Raises:
        careen.ecr.errors.DefaultLifecyclePolicyNotFound: there is none of that pattern.
    """
    found = rule_rows.delete_default(tx.rows, pattern)
    if found is None:
        raise errors.DefaultLifecyclePolicyNotFound(pattern, tx.registry_id)
    return found


def defaults(tx: Transaction) -> list[Default]:
    """All default policies, by pattern."""
    return rule_rows.defaults(tx.rows)


def default_counts(tx: Transaction) -> dict[str, int]:
    """How many repositories each default policy holds for, by its pattern: the repositories without a policy of their own."""
    by_weight = _by_weight(tuple(defaults(tx)))
    counts = {each.pattern: 0 for each, _ in by_weight}
    for name in rule_rows.without_policy(tx.rows):
        holding = _fitting(by_weight, name)
        if holding is not None:
            counts[holding.pattern] += 1
    return counts


def repositories_of_default(tx: Transaction, pattern: str, after: str, limit: int) -> list[str]:
    """Up to ``limit`` names, after ``after``, of the repositories that the default policy of a pattern holds for."""
    by_weight = _by_weight(tuple(defaults(tx)))
    found = ((name, _fitting(by_weight, name)) for name in rule_rows.without_policy(tx.rows, after))
    return list(islice((name for name, holding in found if holding and holding.pattern == pattern), limit))
