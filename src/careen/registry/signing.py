"""Signing: the registry's configuration, and whether an image is signed.

Amazon ECR signs what is pushed, with AWS Signer. Careen signs nothing: it keeps the configuration, and tells of each image that a
rule means whether a signature of it is there, which a client pushed. It does not verify signatures; that takes a policy of whom to
trust, and is for whoever pulls (cosign verify, notation verify, an admission controller).
"""

import msgspec

from careen.db import images as image_rows
from careen.db import rules as rule_rows
from careen.db.images import ImageRow
from careen.db.repositories import Repository
from careen.ecr import errors
from careen.lifecycle.selection import pattern_test
from careen.oci import signatures
from careen.registry.registry import Transaction

_KIND = "signing"
"""The kind of the registry's document."""


class Rule(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which repositories' images should be signed with which profile."""

    profile: str
    """A signing profile's ARN; here it is a name and no more."""
    filters: tuple[str, ...] | None = None
    """Patterns of repository names; None: every repository."""

    def means(self, repository: str) -> bool:
        """Whether the rule is for a repository's images."""
        return self.filters is None or any(pattern_test(text)(repository) for text in self.filters)


def put(tx: Transaction, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
    """Set the configuration. Returns it."""
    rule_rows.put_registry_document(tx.rows, _KIND, msgspec.json.encode(rules).decode())
    return rules


def get(tx: Transaction) -> tuple[Rule, ...]:
    """The configuration.

    Raises:
        careen.ecr.errors.SigningConfigurationNotFound: there is none.
    """
    found = _configured(tx)
    if found is None:
        raise errors.SigningConfigurationNotFound(tx.registry_id)
    return found


def delete(tx: Transaction) -> tuple[Rule, ...]:
    """Remove the configuration. Returns what :func:`get` would have answered."""
    found = get(tx)
    rule_rows.put_registry_document(tx.rows, _KIND, None)
    return found


def _configured(tx: Transaction) -> tuple[Rule, ...] | None:
    text = rule_rows.registry_document(tx.rows, _KIND)
    return None if text is None else msgspec.json.decode(text, type=tuple[Rule, ...])


def profiles(tx: Transaction, repository: Repository) -> list[str]:
    """The profiles that a repository's images should be signed with, each once."""
    return list(dict.fromkeys(rule.profile for rule in _configured(tx) or () if rule.means(repository.name)))


def is_signed(tx: Transaction, row: ImageRow) -> bool:
    """Whether a signature of an image is there and can be pulled."""
    by_tag = image_rows.by_tag(tx.rows, row.repository_id, signatures.tag_of(row.digest))
    referrers = image_rows.referrers(tx.rows, row.repository_id, row.digest)
    found = [each for each in referrers if signatures.is_signature(each.artifact_type, _annotations(each))]
    return any(each.status == image_rows.ACTIVE for each in (*found, by_tag) if each is not None)


def _annotations(row: ImageRow) -> dict[str, str]:
    return msgspec.json.decode(row.annotations, type=dict[str, str]) if row.annotations else {}
