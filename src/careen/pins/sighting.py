"""What a feed saw: the images of one registry, by whom they are used, and what it could not see."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from careen.pins import reference


class Watcher(Protocol):
    """What feeds tell of what they see."""

    def see(self, image: str, consumer: str, running: str | None = None) -> None:
        """Note an image.

        Args:
            image: as the workload names it.
            consumer: the workload.
            running: the digest that really runs, if somebody knows: it may be another than the tag's by now.
        """

    def miss(self, what: str, why: Exception | str) -> None:
        """Note what could not be seen: with any of it, what was seen is not all.

        Args:
            what: in a few words, ``tasks of prod``.
            why: the error, or its text.
        """


class Use(NamedTuple):
    """An image of the registry, and what uses it."""

    repository: str
    tag: str | None
    digest: str | None
    consumer: str


@dataclass
class Sighting:
    """What is gathered on the way through a cluster, an account, a list."""

    hosts: Sequence[str]
    """The names that the registry goes by in images."""
    uses: dict[Use, None] = field(default_factory=dict)
    """In the order they were seen, each once."""
    foreign: int = 0
    """Images of other registries."""
    problems: list[str] = field(default_factory=list)
    """What could not be seen, and why: with any of these it is not a whole sighting."""

    def see(self, image: str, consumer: str, running: str | None = None) -> None:
        """Note an image, if it is the registry's."""
        found = reference.parse(image)
        if found is None or not reference.is_of(found, self.hosts):
            self.foreign += 1
            return
        self.uses.update(dict.fromkeys(uses_of(found, consumer, running)))

    def miss(self, what: str, why: Exception | str) -> None:
        """Note a problem."""
        self.problems.append(f"{what}: {why}")


def uses_of(found: reference.Reference, consumer: str, running: str | None) -> Iterator[Use]:
    """What it means that a workload names an image: what runs is preferred, what is asked for is not forgotten."""
    yield Use(found.repository, found.tag, found.digest or running, consumer)
    if found.digest is not None and running not in {None, found.digest}:
        # An index is asked for, and the runtime names the image it took out of it.
        yield Use(found.repository, None, running, consumer)
