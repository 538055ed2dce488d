"""Layers that several repositories have: ECR stores and bills each of them once for every repository."""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

NAMED = 5
"""How many repositories of a layer are named; the others are counted."""


class Duplicate(msgspec.Struct, frozen=True, rename="camel"):
    """A layer that is there more than once."""

    digest: str
    size: int
    repositories: int
    """How many have it."""
    named: tuple[str, ...]
    """ARNs of the first of them."""

    @property
    def extra(self) -> int:
        """Bytes beyond the first copy."""
        return self.size * (self.repositories - 1)


class _Shared(NamedTuple):
    size: int
    repositories: list[int]


class Duplicates:
    """Looks at repositories one by one.

    A layer that was seen once is two small numbers, as most layers of a fleet never are seen again.
    """

    def __init__(self) -> None:
        self._arns: list[str] = []
        self._once: dict[int, int] = {}
        """By the last 64 bits of a digest: the place of the repository that has it. Among ten million layers the odds that two
        have the same are one in 300,000, and then one of them is told wrongly."""
        self._shared: dict[str, _Shared] = {}

    def add(self, arn: str, layers: Mapping[str, int]) -> None:
        """Look at a repository's layers: each once, with its size."""
        place = len(self._arns)
        self._arns.append(arn)
        for digest, size in layers.items():
            shared = self._shared.get(digest)
            if shared is not None:
                shared.repositories.append(place)
                continue
            _, _, hexadecimal = digest.partition(":")
            first = self._once.setdefault(int(hexadecimal[-16:], 16), place)
            if first != place:
                self._shared[digest] = _Shared(size, [first, place])

    @property
    def extra(self) -> int:
        """Bytes beyond the first copy of each."""
        return sum(each.size * (len(each.repositories) - 1) for each in self._shared.values())

    def __len__(self) -> int:
        """How many layers there are more than once."""
        return len(self._shared)

    def largest(self, number: int) -> tuple[Duplicate, ...]:
        """Those that take most, the first first."""
        found = sorted(
            self._shared.items(), key=lambda each: (-each[1].size * (len(each[1].repositories) - 1), each[0])
        )
        return tuple(
            Duplicate(
                digest,
                shared.size,
                len(shared.repositories),
                tuple(self._arns[place] for place in shared.repositories[:NAMED]),
            )
            for digest, shared in found[:number]
        )
