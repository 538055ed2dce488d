"""Which images are scanned when they are pushed: the registry's scanning rules and the repositories' own setting."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import msgspec

from careen.db import repositories as repository_rows
from careen.db import rules as rule_rows
from careen.ecr import errors
from careen.lifecycle.selection import pattern_test
from careen.registry import repositories
from careen.registry.registry import Transaction
from careen.registry.repositories import Repository

BASIC = "BASIC"
SCAN_ON_PUSH = "SCAN_ON_PUSH"
MANUAL = "MANUAL"

_KIND = "scanning"
"""The kind of the registry's document."""


class Rule(msgspec.Struct, frozen=True):
    """A scanning rule of the registry."""

    frequency: str
    filters: tuple[str, ...]


class Configured(NamedTuple):
    """What holds for a repository."""

    scan_on_push: bool
    filters: list[str]
    """Those of the registry's rules that match its name."""


def put_registry(tx: Transaction, scan_type: str, rules: Sequence[Rule]) -> tuple[Rule, ...]:
    """Set the registry's scanning rules. Returns them.

    Raises:
        careen.ecr.errors.Validation: they ask for enhanced scanning, which is Amazon Inspector's, or to scan all the time.
    """
    if scan_type != BASIC:
        raise errors.Validation(
            "This registry offers BASIC scanning. ENHANCED scanning is Amazon Inspector's, which is not here."
        )
    if unknown := sorted({rule.frequency for rule in rules} - {SCAN_ON_PUSH, MANUAL}):
        raise errors.Validation(f"The scan frequency {unknown[0]} goes with ENHANCED scanning only")
    rule_rows.put_registry_document(tx.rows, _KIND, msgspec.json.encode(rules).decode())
    return tuple(rules)


def get_registry(tx: Transaction) -> tuple[Rule, ...]:
    """The registry's scanning rules; none if none were ever set."""
    return _rules(rule_rows.registry_document(tx.rows, _KIND) or "[]")


def put_repository(tx: Transaction, name: str, *, scan_on_push: bool) -> Repository:
    """Set whether a repository's images are scanned when they are pushed, whatever the registry's rules say.

    Raises:
        careen.ecr.errors.RepositoryNotFound: there is none of that name.
    """
    repository = repositories.require(tx, name)
    repository_rows.set_scan_on_push(tx.rows, repository.id, int(scan_on_push))
    return repository._replace(scan_on_push=int(scan_on_push))


def of_repository(tx: Transaction, repository: Repository) -> Configured:
    """What holds for a repository: a rule that scans on push, or its own setting; whichever says so."""
    matching = [
        (rule.frequency, text)
        for rule in get_registry(tx)
        for text in rule.filters
        if _matches(text, repository.name)
    ]
    by_rule = any(frequency == SCAN_ON_PUSH for frequency, _ in matching)
    return Configured(by_rule or bool(repository.scan_on_push), [text for _, text in matching])


def _matches(text: str, name: str) -> bool:
    """Whether a filter means a repository. Without a wildcard it is a part of the name (ECR user guide, image-scanning-filters)."""
    return pattern_test(text if "*" in text else f"*{text}*")(name)


@lru_cache(16)
def _rules(text: str) -> tuple[Rule, ...]:
    return msgspec.json.decode(text, type=tuple[Rule, ...])
