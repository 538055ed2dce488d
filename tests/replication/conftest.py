"""A registry in this process that replicates to real ones, and whose worker the test is."""

import dataclasses
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from careen import worker
from careen.ecr import replication as configurations
from careen.ecr.replication import Destination
from careen.registry import images, replication, repositories
from careen.registry.registry import Registry
from careen.registry.replication import Replication
from careen.replication import destinations, work
from tests.distribution.client import Client
from tests.images import Built
from tests.registry import steps
from tests.registry.steps import Hands
from tests.server import ACCESS_KEY_ID, SECRET_ACCESS_KEY, Server
from tests.upstream.distribution import Distribution
from tests.upstream.proxy import Proxy

WEST = Destination("eu-west-1", "111111111111")
"""A Careen."""

SOUTH = Destination("ap-south-1", "222222222222")
"""CNCF distribution: a registry that knows nothing of ECR."""

NOWHERE = Destination("sa-east-1", "333333333333")
"""Nobody has said where that is."""


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries as often as ever, without pauses."""
    monkeypatch.setattr(destinations, "PATIENCE", dataclasses.replace(destinations.PATIENCE, first_pause=0))


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Distribution]:
    """CNCF distribution that lets anybody in."""
    with Distribution(tmp_path_factory.mktemp("plain") / "distribution").running() as started:
        yield started


class Source:
    """A registry that replicates, with its worker."""

    def __init__(self, registry: Registry, clock: Hands) -> None:
        self.registry = registry
        self.clock = clock
        self.stop = threading.Event()
        self._targets: list[str] = []

    def lead(self, to: Destination, url: str, **others: str) -> None:
        """Say where a destination is."""
        known = {"region": to.region, "registry_id": to.registry_id, "url": url} | others
        self._targets.append("[[target]]\n" + "".join(f'{key} = "{value}"\n' for key, value in known.items()))
        self.registry.targets_file.write_text("\n".join(self._targets))

    def configure(self, *rules: dict[str, Any]) -> None:
        """Set the configuration, as the operation does."""
        wanted = configurations.checked({"rules": list(rules)}, self.registry.region, self.registry.id)
        self.registry.write_now(replication.put_configuration, wanted)

    def work(self) -> int:
        """Do all that is due. Returns how many jobs that were."""
        done = 0
        while worker.run_one(self.registry, "w", work.copies("w", self.stop)) or worker.run_one(
            self.registry, "w", work.backfilling("w", self.stop)
        ):
            done += 1
        return done

    def push(self, repository: str, built: Built, tag: str | None = None) -> None:
        """Push an image to it."""
        steps.push(self.registry, repository, built, tag)

    def untag(self, repository: str, tag: str) -> None:
        """Remove a tag."""
        found = self.registry.read(repositories.require, repository)
        self.registry.write_now(images.untag, found, tag)

    def status(self, repository: str, built: Built) -> list[Replication]:
        """How far an image is."""
        found = steps.row(self.registry, repository, built)
        assert found is not None
        return self.registry.read(replication.statuses, found)

    def outcome(self, repository: str, built: Built) -> tuple[str, str | None]:
        """Status and failure code of an image with one destination."""
        (status,) = self.status(repository, built)
        return status.status, status.failure_code


@pytest.fixture
def clock() -> Hands:
    """The registry's clock."""
    return Hands()


@pytest.fixture
def source(registry: Registry, clock: Hands) -> Source:
    """A registry that replicates nothing yet."""
    return Source(dataclasses.replace(registry, clock=clock), clock)


@pytest.fixture
def west(server: Server) -> Client:
    """A client of the Careen that images go to."""
    return Client.of(server)


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    """What stands before it, and does damage on order."""
    with Proxy(server.url).running() as started:
        yield started


@pytest.fixture
def to_west(source: Source, server: Server, name: str) -> Source:
    """The source, replicating the test's repository to the Careen, deletions included."""
    source.lead(WEST, server.url, username=ACCESS_KEY_ID, password=SECRET_ACCESS_KEY)
    source.configure(rule(WEST, prefix=name, deletes=True))
    return source


def rule(*to: Destination, prefix: str | None = None, deletes: bool = False) -> dict[str, Any]:
    """A rule as a request has it."""
    made: dict[str, Any] = {
        "destinations": [{"region": each.region, "registryId": each.registry_id} for each in to],
        "deleteReplication": {"enabled": deletes},
    }
    if prefix is not None:
        made["repositoryFilters"] = [{"filter": prefix, "filterType": "PREFIX_MATCH"}]
    return made


def has(there: Client, repository: str, reference: str) -> bytes | None:
    """The manifest that a tag or digest names at a destination."""
    got = there.send("GET", f"/v2/{repository}/manifests/{reference}")
    assert got.status in {200, 404}, got
    return got.body if got.status == 200 else None


def is_whole(there: Client, repository: str, built: Built, reference: str | None = None) -> bool:
    """Whether an image is at a destination, byte for byte."""
    return has(there, repository, reference or built.digest) == built.manifest and all(
        there.send("GET", f"/v2/{repository}/blobs/{digest}").body == data
        for digest, data in zip(built.digests, built.blobs, strict=True)
    )
