"""The parts of the cache by themselves: which rule a name falls under, secrets, turns of processes."""

import asyncio
import dataclasses
import fcntl
import multiprocessing
import os
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careen.clock import DAY
from careen.ecr import errors
from careen.oci.digest import digest_of
from careen.pull_through.secrets import Secrets
from careen.pull_through.turns import Turns
from careen.registry import images, layers, pull_through
from careen.registry.deletions import Cause
from careen.registry.pull_through import RETRY, ROOT, Rule
from careen.registry.registry import Registry
from careen.upstream import address
from careen.upstream.credentials import Basic
from tests.images import image
from tests.pull_through.conftest import arn
from tests.waiting import PATIENCE


def rule(prefix: str, upstream_prefix: str = ROOT) -> Rule:
    """A rule."""
    return Rule(prefix, "quay.io", None, upstream_prefix, None, None, 0, 0)


NAMES = {
    "docker-hub/library/nginx": ("docker-hub", "library/nginx"),
    "docker-hub/team/app": ("docker-hub/team", "ours/app"),
    "docker-hub/teams/app": ("docker-hub", "teams/app"),
    "docker-hub": (ROOT, "base/docker-hub"),
    "docker-hubs/nginx": (ROOT, "base/docker-hubs/nginx"),
    "app": (ROOT, "base/app"),
}


@pytest.mark.parametrize(("name", "expected"), NAMES.items())
def test_the_longest_prefix_wins(name: str, expected: tuple[str, str]) -> None:
    """Each prefix ends with a slash of its own, ROOT is every name's, and the upstream's prefix takes its place."""
    rules = [rule("docker-hub"), rule("docker-hub/team", "ours"), rule(ROOT, "base")]
    found = pull_through.upstream_of(rules, name)
    assert found is not None
    assert (found.rule.prefix, found.repository) == expected
    if expected[0] == ROOT:
        assert pull_through.upstream_of(rules[:2], name) is None


SECRET = '{"username": "me", "accessToken": "token", "more": 1}'
HUB = address.parse("registry-1.docker.io")


@pytest.mark.parametrize("name", ["hub", "team/hub", "hub-AbC123", "h@u+b=_.x"])
def test_a_secret_is_a_file(tmp_path: Path, name: str) -> None:
    """It has the name that the ARN gives it, with Secrets Manager's six characters at its end or without."""
    path = tmp_path / "ecr-pullthroughcache" / f"{name}.json"
    path.parent.mkdir(parents=True)
    path.write_text(SECRET)
    for asked in (name, f"{name}-x9Y8z7"):
        assert Secrets(tmp_path).read(arn(asked), HUB) == Basic("me", "token")


def test_a_secret_of_the_settings_goes_first(tmp_path: Path) -> None:
    """What the environment gives is taken before a file."""
    path = tmp_path / "ecr-pullthroughcache" / "hub.json"
    path.parent.mkdir(parents=True)
    path.write_text(SECRET)
    secrets = Secrets(tmp_path, '{"hub": {"username": "you", "accessToken": "other"}}')
    assert secrets.read(arn("hub-AbC123"), HUB) == Basic("you", "other")


@pytest.mark.parametrize(
    "upstream", ["evil.example", "http://registry-1.docker.io", "registry-1.docker.io:5000"]
)
def test_a_secret_of_one_registry_goes_to_no_other(upstream: str) -> None:
    """However whoever makes rules asks for it: neither to another host nor unencrypted nor to another port."""
    given = (
        '{"hub": {"username": "me", "accessToken": "token", "registry": "https://registry-1.docker.io:443"}}'
    )
    secrets = Secrets(Path("/nonexistent"), given)
    assert secrets.read(arn("hub"), HUB) == Basic("me", "token")
    with pytest.raises(errors.UnableToAccessSecret, match=r"it is for https://registry-1\.docker\.io alone"):
        secrets.read(arn("hub"), address.parse(upstream))


def test_a_secret_of_what_is_no_registry_goes_nowhere() -> None:
    """A slip must not open what it was to close."""
    secrets = Secrets(
        Path("/nonexistent"), '{"hub": {"username": "me", "accessToken": "t", "registry": "a b"}}'
    )
    with pytest.raises(errors.UnableToDecryptSecretValue):
        secrets.read(arn("hub"), HUB)


@given(st.lists(st.sampled_from([".", "..", "", "a", "etc"]), min_size=1, max_size=6))
def test_a_secret_is_never_outside_its_folder(parts: list[str]) -> None:
    """No name leads to a file that is not below the folder of secrets."""
    with pytest.raises(errors.SecretNotFound):
        Secrets(Path("/nonexistent/secrets")).read(arn("/".join(parts)), HUB)


def test_a_name_that_climbs_is_not_found(tmp_path: Path) -> None:
    """A file outside that would fit is not read."""
    (tmp_path / "outside.json").write_text(SECRET)
    (tmp_path / "secrets" / "ecr-pullthroughcache").mkdir(parents=True)
    with pytest.raises(errors.SecretNotFound):
        Secrets(tmp_path / "secrets").read(arn("../../outside"), HUB)


def take_and_tell(path: Path, tell: Any) -> None:
    """Another process that has a turn until it is killed."""

    async def hold() -> None:
        async with Turns(path).of("an image"):
            tell.send("taken")
            await asyncio.sleep(60)

    asyncio.run(hold())


def test_a_turn_ends_with_the_process_that_has_it(tmp_path: Path) -> None:
    """While another process has the turn nobody else gets it; after its death, by whatever, the next does."""
    spawn = multiprocessing.get_context("spawn")
    here, there = spawn.Pipe()
    other = spawn.Process(target=take_and_tell, args=(tmp_path / "turns", there))
    other.start()
    assert here.recv() == "taken"

    async def take() -> bool:
        turns = Turns(tmp_path / "turns")
        async with asyncio.timeout(PATIENCE), turns.of("another image") as waited:
            assert not waited
        async with asyncio.timeout(PATIENCE):
            waiting = asyncio.create_task(enter(turns))
            await asyncio.sleep(0)
            assert not waiting.done()
            other.kill()
            return await waiting

    async def enter(turns: Turns) -> bool:
        async with turns.of("an image") as waited:
            return waited

    assert asyncio.run(take()) is True
    other.join()


def test_turns_leave_the_file_unlocked(tmp_path: Path) -> None:
    """At the end of a turn its byte is free again."""

    async def take() -> None:
        turns = Turns(tmp_path / "turns")
        for _ in range(2):
            async with turns.of("an image") as waited:
                assert not waited
        turns.close()

    asyncio.run(take())
    fd = os.open(tmp_path / "turns", os.O_RDWR)
    fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(fd)


def test_there_are_fifty_rules_at_most(registry: Registry) -> None:
    """Amazon ECR's quota: the fifty-first is LimitExceededException, and one that is removed makes room."""
    for number in range(50):
        registry.write_now(pull_through.create_rule, f"r{number}", "quay.io")
    with pytest.raises(errors.LimitExceeded):
        registry.write_now(pull_through.create_rule, "quay", "quay.io")
    registry.write_now(pull_through.delete_rule, "r7")
    registry.write_now(pull_through.create_rule, "quay", "quay.io")


def test_a_note_lasts_as_long_as_its_image_may_come_back(registry: Registry) -> None:
    """A tag follows its upstream again when it comes back from the trash; what cannot come back is forgotten by the sweep."""
    now = registry.clock()
    at = dataclasses.replace(
        registry, clock=lambda: now, limits=dataclasses.replace(registry.limits, trash=7 * DAY)
    )
    at.write_now(pull_through.create_rule, "cache", "quay.io")
    repository = at.write_now(pull_through.repository_for, "cache/app")
    built = image()
    for blob in built.blobs:
        layers.store(at, repository, digest_of(blob), blob)
    at.write_now(
        pull_through.keep,
        repository,
        built.manifest,
        media_type=built.media_type,
        digest=built.digest,
        tag="1",
    )
    assert at.read(pull_through.standing, "cache/app", "1")[2:] == (built.digest, now + DAY)
    at.write_now(pull_through.postpone, "cache/app", "1", built.digest)
    assert at.read(pull_through.standing, "cache/app", "1").due_at == now + RETRY
    at.write_now(images.delete_by_digest, repository, built.digest, Cause("me", "test"))
    assert at.read(pull_through.standing, "cache/app", "1").digest is None
    for later, forgotten in ((7 * DAY, 0), (9 * DAY, 1)):
        then = dataclasses.replace(at, clock=partial(int, now + later))
        assert then.write_now(pull_through.forget) == forgotten
