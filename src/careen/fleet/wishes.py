"""What a platform team wants: which policy, for which repositories, and what becomes of the policies that are there.

One wish comes from ``--policy`` and the selectors beside it; several from a file, of which a repository gets the first that
selects it::

    [[wish]]
    policy = "keep-releases.json"       # beside this file
    repository = ["team-*/api", "!team-x/*"]
    mode = "merge"

    [[wish]]
    policy = "baseline.json"
    tag = ["env=test"]
"""

import tomllib
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path

import msgspec

from careen.fleet import selection
from careen.fleet.errors import BadInput
from careen.fleet.scanned import Repository, is_selected
from careen.fleet.selection import Selection
from careen.lifecycle import policy
from careen.lifecycle.policy import InvalidLifecyclePolicy, LifecyclePolicy


class Mode(StrEnum):
    """What becomes of the policy that a repository has."""

    REPLACE = "replace"
    MERGE = "merge"
    """See :mod:`careen.fleet.merge`."""
    ONLY_IF_MISSING = "only-if-missing"
    """It stays; repositories without one get the wish's."""


class Wish(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One policy for some repositories."""

    name: str
    """Of the policy's file: how people call it."""
    policy: str
    """Its text, compact."""
    mode: Mode = Mode.REPLACE
    selection: Selection = Selection()

    @property
    def rules(self) -> LifecyclePolicy:
        """The policy, read."""
        return policy.parse(self.policy)

    def selects(self, repository: Repository) -> bool:
        """Whether it is for a repository, as far as anybody knows: see :meth:`is_unsure`."""
        return is_selected(repository, self.selection) or self.is_unsure(repository)

    def is_unsure(self, repository: Repository) -> bool:
        """Whether it goes by tags that could not be read, and all else of the repository is as it asks."""
        return (
            bool(self.selection.tags)
            and repository.tags is None
            and is_selected(repository, msgspec.structs.replace(self.selection, tags=()))
        )


def chosen(wishes: Iterable[Wish], repository: Repository) -> int | None:
    """The place of the first wish that is for a repository; None if none is.

    Where nobody knows whether a wish is for it, no later one is: what is kept by tags must not get the policy of the others.
    """
    return next((place for place, wish in enumerate(wishes) if wish.selects(repository)), None)


def from_policy(file: Path, mode: Mode) -> Wish:
    """The wish for the policy in a file, for every repository.

    Raises:
        BadInput: the file cannot be read, or ECR would refuse the policy.
    """
    try:
        return Wish(file.name, policy.canonical(policy.parse(_read(file))), mode)
    except InvalidLifecyclePolicy as invalid:
        raise BadInput(f"{file}: {' '.join(invalid.reason.split())}", invalid.advice) from None


class _Entry(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    policy: str
    mode: Mode = Mode.REPLACE
    account: tuple[str, ...] = ()
    region: tuple[str, ...] = ()
    repository: tuple[str, ...] = ()
    tag: tuple[str, ...] = ()


class _File(msgspec.Struct, forbid_unknown_fields=True):
    wish: tuple[_Entry, ...] = ()


def from_file(file: Path) -> tuple[Wish, ...]:
    """The wishes of a TOML file, in its order.

    Raises:
        BadInput: it cannot be read, says something that this does not know, or names a policy that ECR would refuse.
    """
    try:
        entries = msgspec.convert(tomllib.loads(_read(file)), _File).wish
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise BadInput(f"{file}: {error}", "see `Wishes` in docs/fleet.md") from None
    if not entries:
        raise BadInput(f"{file} has no wish", '[[wish]] policy = "baseline.json"')
    return tuple(
        msgspec.structs.replace(
            from_policy(file.parent / each.policy, each.mode),
            selection=selection.parse(each.account, each.region, each.repository, each.tag),
        )
        for each in entries
    )


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadInput(f"{file} is not UTF-8 text") from None
