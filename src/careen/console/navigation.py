"""What stands at the side of every page. An entry is there for those who may do what its page needs."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from careen.console.visit import Visit


@dataclass(frozen=True, slots=True)
class Entry:
    """One line."""

    title: str
    path: str
    """Below ``/console/``."""
    icon: str
    operation: str = ""
    """What its page asks first; empty: everybody may see it."""
    service: str = "ecr"


@dataclass(frozen=True, slots=True)
class Group:
    """Lines under a heading."""

    title: str
    entries: tuple[Entry, ...]


GROUPS = (
    Group(
        "",
        (
            Entry("Overview", "", "home", "ListStorageSamples", "careen"),
            Entry("Repositories", "repositories", "packages", "DescribeRepositories"),
            Entry("Trash", "trash", "trash", "ListTrash", "careen"),
            Entry("Activity", "activity", "activity", "ListEvents", "careen"),
        ),
    ),
    Group(
        "Access",
        (
            Entry("Users", "access/users", "users", "ListUsers", "iam"),
            Entry("Roles", "access/roles", "user-cog", "ListRoles", "iam"),
            Entry("Explain access", "access/explain", "shield-lock", "ExplainAccess", "careen"),
        ),
    ),
    Group(
        "Policies",
        (
            Entry("Apply to many", "policies/apply", "copy-check", "ApplyLifecyclePolicy", "careen"),
            Entry("Runs", "runs", "history", "ListLifecycleRuns", "careen"),
        ),
    ),
    Group(
        "Public",
        (
            Entry("Public repositories", "public", "world", "DescribeRepositories", "ecr-public"),
            Entry("Gallery", "gallery", "book"),
        ),
    ),
    Group(
        "Administration",
        (
            Entry("Rules and defaults", "rules", "shield-check", "GetProtectionRules", "careen"),
            Entry("Pull-through cache", "cache", "cloud-download", "DescribePullThroughCacheRules"),
            Entry("Replication", "replication", "arrows-exchange", "DescribeRegistry"),
            Entry("Creation templates", "templates", "template", "DescribeRepositoryCreationTemplates"),
            Entry("Scanning", "scanning", "scan", "GetRegistryScanningConfiguration"),
            Entry("Signing", "signing", "certificate", "GetSigningConfiguration"),
            Entry("Images in use", "pins", "pinned", "DescribePinFeeds", "careen"),
            Entry("Webhooks", "webhooks", "link", "ListWebhooks", "careen"),
            Entry("Registry", "registry", "settings", "GetRegistryPolicy"),
        ),
    ),
)


def entries(visit: "Visit") -> list[Group]:
    """The groups and entries for whoever is signed in."""
    allowed = (
        Group(group.title, tuple(each for each in group.entries if _may(visit, each))) for group in GROUPS
    )
    return [group for group in allowed if group.entries]


def _may(visit: "Visit", entry: Entry) -> bool:
    on = "*" if entry.operation == "DescribeRepositories" else None
    return not entry.operation or visit.may(entry.operation, on, entry.service)
