"""Selectors: which accounts, Regions and repositories of a fleet a command is about. The same words everywhere.

::

    --account 'prod-*' --region 'eu-*' --repository 'team-*/*' --repository '!team-*/cache' --tag owner=payments --tag '!env=test'

A pattern may have ``*``, ``?`` and ``[…]``, matches the whole name and minds case; a ``*`` matches slashes too. A pattern behind
``!`` leaves out. Something is selected if any pattern without ``!`` matches it, or there is none, and no pattern with ``!`` does.
Tags are selected key by key: of every key that is named any of its patterns must match. A key alone asks whether there is one.
"""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

import msgspec

from careen.fleet.errors import BadInput


class Selection(msgspec.Struct, frozen=True, omit_defaults=True):
    """Patterns as they were given; nothing given selects everything."""

    accounts: tuple[str, ...] = ()
    """Of ids, or of the names that a profile or an accounts file gives them."""
    regions: tuple[str, ...] = ()
    repositories: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    """``key=value`` or ``key``, the value a pattern."""

    def has_account(self, account: str, name: str | None = None) -> bool:
        """Whether an account is selected, by its id or its name."""
        return _selects(self.accounts, (account,) if name is None else (account, name))

    def has_region(self, region: str) -> bool:
        """Whether a Region is selected; ``all`` is another word for ``*``."""
        return _selects(["*" if each == "all" else each for each in self.regions], (region,))

    def has_repository(self, repository: str) -> bool:
        """Whether a repository is selected by its name. Its tags are another question."""
        return _selects(self.repositories, (repository,))

    def has_tags(self, tags: Mapping[str, str]) -> bool:
        """Whether a repository is selected by its tags."""
        wanted: dict[str, list[str]] = {}
        for pattern in self.tags:
            key, _, value = pattern.removeprefix("!").partition("=")
            if not pattern.startswith("!"):
                wanted.setdefault(key, []).append(value or "*")
            elif key in tags and fnmatchcase(tags[key], value or "*"):
                return False
        return all(
            key in tags and any(fnmatchcase(tags[key], pattern) for pattern in patterns)
            for key, patterns in wanted.items()
        )


def parse(
    accounts: Iterable[str] = (),
    regions: Iterable[str] = (),
    repositories: Iterable[str] = (),
    tags: Iterable[str] = (),
) -> Selection:
    """Read selectors as they are given on a command line.

    Raises:
        BadInput: a pattern is empty, or one of tags has no key.
    """
    selection = Selection(tuple(accounts), tuple(regions), tuple(repositories), tuple(tags))
    for name, patterns in (
        ("account", selection.accounts),
        ("region", selection.regions),
        ("repository", selection.repositories),
        ("tag", selection.tags),
    ):
        for pattern in patterns:
            if not pattern.removeprefix("!"):
                raise BadInput(f"--{name} {pattern!r} selects nothing", f"--{name} '*'")
    for pattern in selection.tags:
        if not pattern.removeprefix("!").partition("=")[0]:
            raise BadInput(f"--tag {pattern} names no key", "--tag owner=payments")
    return selection


def _selects(patterns: Iterable[str], names: tuple[str, ...]) -> bool:
    is_selected, is_asked = False, False
    for pattern in patterns:
        if pattern.startswith("!"):
            if any(fnmatchcase(name, pattern[1:]) for name in names):
                return False
        else:
            is_asked = True
            is_selected = is_selected or any(fnmatchcase(name, pattern) for name in names)
    return is_selected or not is_asked
