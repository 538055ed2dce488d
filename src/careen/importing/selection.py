"""Which repositories are imported, and what they are called here."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from careen.importing.fault import Fault, Kind
from careen.lifecycle.selection import pattern_test
from careen.oci import names


@dataclass(frozen=True, slots=True)
class Selection:
    """What somebody asked for."""

    patterns: Sequence[str] = ()
    """Patterns of names at the source, ``*`` for anything; none: all repositories."""
    prefix: str = ""
    """What goes before each name, with a ``/`` between."""
    is_tagged_only: bool = False
    """Whether images stay behind that no tag leads to."""

    def selects(self, repository: str) -> bool:
        """Whether a repository is meant."""
        return not self.patterns or any(test(repository) for test in self._tests())

    def _tests(self) -> list[Callable[[str], bool]]:
        return [pattern_test(pattern) for pattern in self.patterns]

    def target(self, repository: str) -> str:
        """What a repository is called here."""
        return f"{self.prefix.rstrip('/')}/{repository}" if self.prefix else repository

    def refused(self, repository: str) -> Fault | None:
        """Why a repository cannot be here, if it cannot."""
        target = self.target(repository)
        if names.is_repository_name(target):
            return None
        why = f"{target!r} is no name of a repository: {_reason(target)}"
        return Fault(repository, "", (), Kind.NAME, why)


def _reason(name: str) -> str:
    if len(name) < names.MIN_REPOSITORY_LENGTH:
        return f"it has fewer than {names.MIN_REPOSITORY_LENGTH} characters; with --prefix it is longer"
    if len(name) > names.MAX_REPOSITORY_LENGTH:
        return f"it has more than {names.MAX_REPOSITORY_LENGTH} characters"
    return (
        "only lower-case letters, digits and single separators between them are taken; copy its images to another"
        " name with a client"
    )
