"""Where images are imported from: what the readers of the several formats promise.

Nothing here is believed before its digest was computed, and what was there a moment ago may be gone: a source may be the folder of
a registry that serves.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BufferedReader
from typing import NamedTuple, Protocol

from careen.clock import Instant


class CannotRead(Exception):
    """The source is nothing that can be imported. The message says why, and what to try where that helps."""


@dataclass(frozen=True, slots=True)
class Tag:
    """A name of a manifest."""

    name: str
    digest: str
    tagged_at: Instant
    """When it was last set, as far as files tell."""


class Listing(NamedTuple):
    """What a repository says that it has."""

    digests: Sequence[str]
    """Its manifests. Those that an index lists need not be among them."""
    tags: Sequence[Tag]


class Content(NamedTuple):
    """A manifest's bytes; whether they have the digest, nobody has looked yet."""

    data: bytes
    pushed_at: Instant
    """When it was pushed, as far as files tell."""


class Stored(NamedTuple):
    """A blob that lies in the source, whether anybody names it or not."""

    digest: str
    size: int


class Leftover(NamedTuple):
    """An upload that has not ended."""

    repository: str
    size: int


class Source(Protocol):
    """Some repositories in files. All methods block, and any thread may call them."""

    @property
    def kind(self) -> str:
        """What it is, for people: ``storage of a distribution registry``."""

    @property
    def times(self) -> str:
        """What its push times are told by, for people."""

    def repositories(self) -> Iterator[str]:
        """The names of the repositories, by name, whatever characters they have."""

    def home(self, repository: str) -> str:
        """Where its blobs are: repositories with the same home share them."""

    def listing(self, repository: str) -> Listing:
        """What a repository has."""

    def manifest(self, repository: str, digest: str) -> Content | None:
        """A manifest of a repository; None: it has none of that digest."""

    def size(self, repository: str, digest: str) -> int | None:
        """The bytes that a blob has here, or None if it is gone."""

    def open(self, repository: str, digest: str) -> BufferedReader:
        """A blob, to be read from its beginning.

        Raises:
            FileNotFoundError: it is gone.
        """

    def stored(self) -> Iterator[Stored]:
        """Every blob that there is, each as often as its bytes are there."""

    def uploads(self) -> Iterator[Leftover]:
        """Every upload that has not ended."""
