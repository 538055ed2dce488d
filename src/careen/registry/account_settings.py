"""Account settings: what holds for the whole registry, as PutAccountSetting sets it.

``BLOB_MOUNTING``
    Whether a push may link a layer of another repository instead of sending it. Amazon's default is DISABLED; here it is
    ENABLED, because clients ask for it in every push and the distribution specification's suite tests it.
``REGISTRY_POLICY_SCOPE``
    Which actions the registry's policy may speak of: V1, the three of replication and pull-through cache, or V2, all. New
    registries of Amazon's have V2 (ECR user guide, "Registry permissions").
``BASIC_SCAN_TYPE_VERSION``
    AWS_NATIVE, the only one that is left (ECR user guide, document history, February 2026).
"""

from enum import StrEnum

from careen.db import account_settings
from careen.ecr import errors
from careen.registry.registry import Transaction


class Setting(StrEnum):
    """The names of account settings."""

    BASIC_SCAN_TYPE_VERSION = "BASIC_SCAN_TYPE_VERSION"
    BLOB_MOUNTING = "BLOB_MOUNTING"
    REGISTRY_POLICY_SCOPE = "REGISTRY_POLICY_SCOPE"


VALUES: dict[Setting, tuple[str, ...]] = {
    Setting.BASIC_SCAN_TYPE_VERSION: ("AWS_NATIVE",),
    Setting.BLOB_MOUNTING: ("ENABLED", "DISABLED"),
    Setting.REGISTRY_POLICY_SCOPE: ("V2", "V1"),
}
"""What each may be; the first is the default."""


def get(tx: Transaction, name: str) -> str:
    """The value of a setting.

    Raises:
        careen.ecr.errors.InvalidParameter: there is no such setting.
    """
    setting = _named(name)
    return account_settings.get(tx.rows, setting) or VALUES[setting][0]


def put(tx: Transaction, name: str, value: str) -> None:
    """Set a value.

    Raises:
        careen.ecr.errors.InvalidParameter: there is no such setting, or it does not take this value.
    """
    setting = _named(name)
    if value not in VALUES[setting]:
        raise errors.InvalidParameter("value", _one_of(VALUES[setting]))
    account_settings.put(tx.rows, setting, value)


def is_mounting_enabled(tx: Transaction) -> bool:
    """Whether blobs may be mounted across repositories."""
    return get(tx, Setting.BLOB_MOUNTING) == "ENABLED"


def registry_policy_scope(tx: Transaction) -> str:
    """``V1`` or ``V2``."""
    return get(tx, Setting.REGISTRY_POLICY_SCOPE)


def _named(name: str) -> Setting:
    if name not in set(Setting):
        raise errors.InvalidParameter("name", _one_of(tuple(Setting)))
    return Setting(name)


def _one_of(values: tuple[str, ...]) -> str:
    """ECR's words for a value outside an enumeration (see ``careen.ecr.constraints``)."""
    return f"Member must satisfy enum value set: [{', '.join(values)}]"
