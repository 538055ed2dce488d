"""What the team pushed and when: a pure list of events, the same for the same seed.

Three services and a base image, as teams have them: every merge to main pushes ``main-<n>`` and moves ``latest``; pull requests
push ``pr-<n>``, some of them again and again, leaving the earlier builds untagged; releases get ``v1.<n>.0``; the base image is
multi-architecture and signed, and rebuilt every week under the same tag.
"""

import random
from collections.abc import Iterator
from typing import NamedTuple

from careen.clock import DAY, HOUR, Instant

DAYS = 60

SERVICES = ("shop/web", "shop/api", "shop/worker")
BASE = "platform/base"


class Push(NamedTuple):
    """One push."""

    at: Instant
    repository: str
    tags: tuple[str, ...]
    build: int
    """Tells the bytes apart: pushes of one repository with the same build are the same image."""
    platforms: tuple[str, ...] = ("linux/amd64",)
    """More than one: an index, whose children are untagged."""
    signed: bool = False
    """Whether a signature, a referrer, is pushed beside it."""


def history(now: Instant, seed: int = 7) -> list[Push]:
    """The pushes of the :data:`DAYS` days before ``now``, the oldest first."""
    chance = random.Random(seed)  # noqa: S311 a story, not a secret
    pushes = [push for number, name in enumerate(SERVICES) for push in _service(name, now, chance, number)]
    pushes += _base(now)
    return sorted(pushes)


def _service(name: str, now: Instant, chance: random.Random, number: int) -> Iterator[Push]:
    build = merge = release = 0
    pull_request = 100 * (number + 1)
    for day in range(DAYS):
        morning = now - (DAYS - day) * DAY
        if day % 7 >= 5:  # weekends are quiet
            continue
        pull_request += 1
        for attempt in range(chance.randint(1, 3)):
            build += 1
            yield Push(morning + (2 + attempt) * HOUR, name, (f"pr-{pull_request}",), build)
        if chance.random() < 0.8:
            build, merge = build + 1, merge + 1
            tags: tuple[str, ...] = (f"main-{merge}", "latest")
            if merge % 9 == 0:
                release += 1
                tags += (f"v1.{release}.0",)
            yield Push(morning + 8 * HOUR, name, tags, build)


def _base(now: Instant) -> Iterator[Push]:
    for week in range(DAYS // 7):
        at = now - DAYS * DAY + week * 7 * DAY
        yield Push(
            at, BASE, ("bookworm", f"bookworm-w{week + 1}"), week, ("linux/amd64", "linux/arm64"), signed=True
        )
        yield Push(at + 3 * DAY, BASE, ("bookworm",), 100 + week, ("linux/amd64", "linux/arm64"), signed=True)
