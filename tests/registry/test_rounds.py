"""The round looks only where it may find something: that it never passes over a repository with work to do."""

import contextlib
import json
from random import Random

import pytest

from careen.clock import DAY, HOUR
from careen.registry import archive, images, lifecycle, pins, repositories, rules
from careen.registry.registry import Registry, Transaction
from tests.images import image, index
from tests.registry.steps import Hands, cause, push, put

NAMES = ("a0", "b0", "c0")

TAGS = ("v1", "v2", "dev-1", "dev-2", "latest")


def policy(random: Random) -> str:
    """A policy of one or two rules, ages and counts."""
    counts = [
        {"countType": "imageCountMoreThan", "countNumber": random.choice([1, 2, 4])},
        {"countType": "sinceImagePushed", "countUnit": "days", "countNumber": random.choice([2, 5, 9])},
        {"countType": "sinceImagePulled", "countUnit": "days", "countNumber": random.choice([2, 5])},
    ]
    archives = {"type": "transition", "targetStorageClass": "archive"}
    rules = []
    for priority, selection in enumerate(
        random.choice([[{"tagStatus": "any"}], [{"tagStatus": "untagged"}, {"tagStatus": "any"}]]), start=1
    ):
        count = random.choice(counts)
        by_pull = count["countType"] == "sinceImagePulled"
        action = archives if by_pull or random.random() < 0.2 else {"type": "expire"}
        rules.append({"rulePriority": priority, "selection": selection | count, "action": action})
    return json.dumps({"rules": rules})


EXTENSION = json.dumps(
    {
        "rules": [
            {
                "rulePriority": 1,
                "selection": {
                    "tagStatus": "tagged",
                    "tagPatternList": ["dev-*"],
                    "countType": "sinceTagged",
                    "countUnit": "days",
                    "countNumber": 3,
                },
                "action": {"type": "untag"},
            },
            {
                "rulePriority": 2,
                "selection": {
                    "tagStatus": "any",
                    "countType": "sinceImagePulled",
                    "countUnit": "days",
                    "countNumber": 6,
                },
                "action": {"type": "expire"},
            },
        ]
    }
)
PROTECTION = json.dumps(
    {
        "rules": [
            {"name": "pulled", "pulledWithinDays": 4},
            {"name": "newest", "anyTagPattern": ["v*"], "newest": 1},
        ]
    }
)


class Team:
    """People and machines that use a registry, at random."""

    def __init__(self, registry: Registry, clock: Hands, random: Random) -> None:
        self.registry, self.clock, self.random = registry, clock, random
        for name in NAMES:
            registry.write_now(repositories.create, name)

    def step(self) -> None:
        """Somebody does something."""
        kinds = (
            [self.push] * 6
            + [self.pull] * 3
            + [self.untag, self.delete, self.index, self.archive, self.restore]
            + [self.report] * 2
            + [
                self.unpin,
                self.put_policy,
                self.put_extension,
                self.put_protection,
                self.put_default,
                self.remove,
            ]
        )
        self.random.choice(kinds)(self.random.choice(NAMES))

    def push(self, name: str) -> None:
        """Push one of a few images, with a tag or without."""
        push(
            self.registry, name, image(f"layer {self.random.randrange(9)}"), self.random.choice([None, *TAGS])
        )

    def index(self, name: str) -> None:
        """Push an index over an image."""
        child = image(f"layer {self.random.randrange(9)}")
        push(self.registry, name, child)
        put(self.registry, name, index(child), self.random.choice([None, *TAGS]))

    def _any(self, name: str) -> images.ImageRow | None:
        found = self.registry.read(repositories.require, name)
        listed = self.registry.read(images.page, found, "", 100)
        return self.random.choice(listed).row if listed else None

    def pull(self, name: str) -> None:
        """Pull an image."""
        row = self._any(name)
        if row is not None:
            self.registry.write_now(images.record_pulls, [(row.id, self.clock(), 1)])

    def report(self, name: str) -> None:
        """Say that an image runs; who says it for an hour is a feed that does not see it the next time."""
        row = self._any(name)
        uses = [pins.InUse(name, row.digest, None, "web")] if row is not None else []
        source, ttl = self.random.choice([("feed", HOUR), ("person", 5 * DAY)])
        if source == "feed":
            self.registry.write_now(pins.report, source, ttl, uses, is_whole=True)
        else:
            self.registry.write_now(pins.put, source, ttl, uses)

    def unpin(self, _: str) -> None:
        """Let what has ended go, or drop pins by hand."""
        self.registry.write_now(pins.lapse)
        if self.random.random() < 0.3:
            self.registry.write_now(pins.remove, source="person")

    def untag(self, name: str) -> None:
        """Take a tag off."""
        found = self.registry.read(repositories.require, name)
        self.registry.write_now(images.untag, found, self.random.choice(TAGS))

    def delete(self, name: str) -> None:
        """Delete an image, if no index lists it."""
        row = self._any(name)
        if row is not None:
            found = self.registry.read(repositories.require, name)
            self.registry.write_now(_delete_if_possible, found, row)

    def archive(self, name: str) -> None:
        """Archive an image, if that is possible."""
        row = self._any(name)
        if row is not None and row.status == images.ACTIVE:
            self.registry.write_now(_archive_if_possible, row)

    def restore(self, name: str) -> None:
        """Restore an archived image at once."""
        row = self._any(name)
        if row is not None and row.status == archive.ARCHIVED:
            self.registry.write_now(archive.begin_restore, row)
            self.registry.write_now(archive.end_restore, row.id)

    def put_policy(self, name: str) -> None:
        """Set a repository's policy."""
        self.registry.write_now(lifecycle.put_policy, name, policy(self.random))

    def put_extension(self, name: str) -> None:
        """Set a repository's extension document."""
        self.registry.write_now(rules.put_extension, name, EXTENSION)

    def put_protection(self, name: str) -> None:
        """Set a protection document."""
        self.registry.write_now(rules.put_protection, self.random.choice([None, name]), PROTECTION)

    def put_default(self, name: str) -> None:
        """Set a default policy."""
        self.registry.write_now(rules.put_default, self.random.choice(["*", name]), policy(self.random))

    def remove(self, name: str) -> None:
        """Remove some document."""
        found = self.registry.read(rules.effective, name)
        if found.beyond.extension.rules:
            self.registry.write_now(rules.delete_extension, name)
        for default in self.registry.read(rules.defaults)[:1]:
            self.registry.write_now(rules.delete_default, default.pattern)


def _delete_if_possible(tx: Transaction, repository: repositories.Repository, row: images.ImageRow) -> None:
    with contextlib.suppress(images.ImageReferenced):
        images.delete(tx, repository, row, cause())


def _archive_if_possible(tx: Transaction, row: images.ImageRow) -> None:
    with contextlib.suppress(images.ImageReferenced):
        archive.archive_with_referrers(tx, row)


def due(registry: Registry) -> set[int]:
    """What the round would look at now."""
    return set(registry.read(lifecycle.due))


@pytest.mark.parametrize("seed", range(12))
def test_the_round_passes_over_no_repository_with_work(registry: Registry, clock: Hands, seed: int) -> None:
    """After every step of use and of time: a repository that is not due has nothing to do."""
    random = Random(seed)  # noqa: S311 - chance that can be repeated, no secret
    team = Team(registry, clock, random)
    passed_over = 0
    for _ in range(60):
        team.step()
        clock.forward(random.choice([0, HOUR, 7 * HOUR, DAY]))
        asked = due(registry)
        for name in NAMES:
            found = registry.read(repositories.require, name)
            to_do = registry.read(lifecycle.planned, found.id)
            assert found.id in asked or to_do is None or to_do.plan.acted_on == []
            passed_over += found.id not in asked and to_do is not None
        if random.random() < 0.7:
            for repository_id in asked:
                lifecycle.run(registry, repository_id)
    assert passed_over >= 10


def test_a_quiet_repository_is_not_looked_at(registry: Registry, clock: Hands) -> None:
    """Once evaluated it waits for its oldest image to come of age, or for a change."""
    pushed = {"tagStatus": "any", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 9}
    rule = {"rulePriority": 1, "selection": pushed, "action": {"type": "expire"}}
    push(registry, "a0", image("x"), "v1")
    registry.write_now(lifecycle.put_policy, "a0", json.dumps({"rules": [rule]}))
    repository_id = registry.read(repositories.require, "a0").id
    assert due(registry) == {repository_id}
    lifecycle.run(registry, repository_id)
    assert due(registry) == set()
    clock.forward(8 * DAY)
    assert due(registry) == set()
    clock.forward(2 * DAY)
    assert due(registry) == {repository_id}
    ran = lifecycle.run(registry, repository_id)
    assert ran is not None
    assert ran.expired == 1
    lifecycle.run(registry, repository_id)
    assert due(registry) == set()
    push(registry, "a0", image("y"))
    assert due(registry) == {repository_id}


def test_what_changes_while_it_is_evaluated_is_looked_at_again(registry: Registry) -> None:
    """A push between plan and end is not covered up by the instant that the plan gives."""
    push(registry, "a0", image("x"), "v1")
    registry.write_now(rules.put_default, "*", policy(Random(1)))  # noqa: S311 - any policy
    repository_id = registry.read(repositories.require, "a0").id
    registry.write_now(lifecycle.begin, repository_id)
    to_do = registry.read(lifecycle.planned, repository_id)
    assert to_do is not None
    push(registry, "a0", image("y"), "v2")
    lifecycle.carry_out(registry, to_do)
    assert due(registry) == {repository_id}
