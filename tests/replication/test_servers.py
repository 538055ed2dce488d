"""Registries as people run them, replicating to each other: accounts, chains, loops, keys, and a kill in the middle of a copy."""

import contextlib
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from careen.ecr.replication import Destination
from tests.distribution.client import Client
from tests.ecrapi.client import refusal, strict
from tests.images import image
from tests.replication.conftest import has, is_whole, rule
from tests.server import ACCESS_KEY_ID, REGION, REGISTRY_ID, SECRET_ACCESS_KEY, Server, serving
from tests.upstream.proxy import Fault, Proxy, Seen
from tests.waiting import PATIENCE, until

ONE, TWO = image("base", "one", size=70_000), image("base", "two", size=70_000)
HERE = Destination(REGION, REGISTRY_ID)
WEST = Destination("eu-west-1", REGISTRY_ID)
OTHER = Destination(REGION, "210987654321")

START, LATER = "2026-01-01T00:00:00Z", "2026-01-01T00:06:00Z"
"""Later than a lease lasts."""


class Place:
    """A registry and what others call it."""

    def __init__(self, server: Server, name: Destination) -> None:
        self.server = server
        self.name = name
        self.client = Client(server)
        self.ecr = strict(server.boto(region_name=name.region))

    def lead(
        self, to: Destination, url: str, key: tuple[str, str] = (ACCESS_KEY_ID, SECRET_ACCESS_KEY)
    ) -> None:
        """Say where a destination is."""
        with (self.server.data / "replication.toml").open("a") as file:
            file.write(
                f'[[target]]\nregion = "{to.region}"\nregistry_id = "{to.registry_id}"\nurl = "{url}"\n'
            )
            file.write(f'username = "{key[0]}"\npassword = "{key[1]}"\n')

    def configure(self, *rules: dict[str, Any]) -> None:
        """Set the configuration."""
        self.ecr.put_replication_configuration(replicationConfiguration={"rules": list(rules)})

    def status(self, repository: str, reference: str) -> list[tuple[str, str, str]]:
        """Region, registry and status of each destination of an image."""
        image_id = {"imageDigest" if ":" in reference else "imageTag": reference}
        told = self.ecr.describe_image_replication_status(repositoryName=repository, imageId=image_id)
        return [(each["region"], each["registryId"], each["status"]) for each in told["replicationStatuses"]]

    def is_done(self) -> bool:
        """Whether no job of replication waits or is under way."""
        with contextlib.closing(self.server.database()) as database, database.read() as rows:
            (count,) = rows.execute("SELECT count(*) FROM jobs WHERE kind LIKE 'replicat%'").fetchone()
        return bool(count == 0)

    def key(self, policy: str) -> tuple[str, str]:
        """An access key, made as people make it."""
        command = [
            sys.executable,
            "-m",
            "careen",
            "key",
            "create",
            f"has-{policy}",
            "--policy",
            policy,
            "--json",
        ]
        done = subprocess.run(
            command, env=self.server.environment(), capture_output=True, check=True, timeout=PATIENCE
        )
        made = json.loads(done.stdout)
        return made["accessKeyId"], made["secretAccessKey"]


@contextlib.contextmanager
def place(folder: Path, name: Destination, **settings: Any) -> Iterator[Place]:
    """A registry for the length of a ``with`` block."""
    others = {"region": name.region, "registry_id": name.registry_id} | settings
    with serving(Server(folder / f"{name.region}-{name.registry_id}", **others)) as server:
        yield Place(server, name)


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Destination, Place]]:
    """Three: here, another Region of the same account, another account. The others make no repositories when somebody pushes."""
    folder = tmp_path_factory.mktemp("places")
    with (
        place(folder, HERE) as here,
        place(folder, WEST, create_on_push=False) as west,
        place(folder, OTHER, create_on_push=False) as other,
    ):
        yield {HERE: here, WEST: west, OTHER: other}


@pytest.fixture
def here(places: dict[Destination, Place]) -> Place:
    """The source."""
    return places[HERE]


@pytest.fixture
def west(places: dict[Destination, Place]) -> Place:
    """Another Region."""
    return places[WEST]


@pytest.fixture
def other(places: dict[Destination, Place]) -> Place:
    """Another account."""
    return places[OTHER]


@pytest.fixture(autouse=True)
def _forgotten(places: dict[Destination, Place]) -> Iterator[None]:
    """Every test says anew who leads where."""
    yield
    for each in places.values():
        each.configure()
        until(each.is_done)
        (each.server.data / "replication.toml").unlink(missing_ok=True)


def test_to_another_region_and_another_account(here: Place, west: Place, other: Place, name: str) -> None:
    """By a key that may do that and nothing else; repositories are made though no push makes any there."""
    here.lead(WEST, west.server.url)
    here.lead(OTHER, other.server.url, other.key("Replicator"))
    here.configure(rule(WEST, OTHER, prefix=name))
    here.client.push(name, ONE, "v1")
    until(here.is_done)
    assert here.status(name, "v1") == [
        (OTHER.region, OTHER.registry_id, "COMPLETE"),
        (WEST.region, WEST.registry_id, "COMPLETE"),
    ]
    for each in (west, other):
        assert is_whole(each.client, name, ONE, "v1")
    created = west.ecr.describe_repositories(repositoryNames=[name])["repositories"][0]
    assert created["registryId"] == REGISTRY_ID


def test_a_key_that_may_not_replicate(here: Place, other: Place, name: str) -> None:
    """A power user may push; that does not let it speak for another registry."""
    here.lead(OTHER, other.server.url, other.key("PowerUser"))
    here.configure(rule(OTHER, prefix=name))
    here.client.push(name, ONE)
    until(lambda: here.status(name, ONE.digest)[0][2] == "FAILED")
    assert refusal(other.ecr.describe_images, repositoryName=name).code == "RepositoryNotFoundException"


def test_a_replica_goes_no_further(here: Place, west: Place, other: Place, name: str) -> None:
    """A push is replicated once: from here to the west, and not from there on (ECR user guide)."""
    here.lead(WEST, west.server.url)
    west.lead(OTHER, other.server.url)
    here.configure(rule(WEST, prefix=name))
    west.configure(rule(OTHER, prefix=name))
    here.client.push(name, ONE, "v1")
    until(here.is_done)
    assert is_whole(west.client, name, ONE, "v1")
    assert west.status(name, "v1") == []
    assert west.is_done()
    assert refusal(other.ecr.describe_images, repositoryName=name).code == "RepositoryNotFoundException"


@pytest.mark.parametrize("drops", [frozenset(), frozenset({"careen-replica-of"})], ids=["told", "not told"])
def test_a_loop_of_two_ends(here: Place, west: Place, name: str, drops: frozenset[str]) -> None:
    """Also where neither knows that the other replicates: what changes nothing is no push, and asks for nothing."""
    with Proxy(west.server.url).running() as to_west, Proxy(here.server.url).running() as to_here:
        to_west.drops = to_here.drops = drops
        west.ecr.create_repository(repositoryName=name)  # whoever is not told makes none
        here.lead(WEST, to_west.url)
        west.lead(HERE, to_here.url)
        for each, to in ((here, WEST), (west, HERE)):
            each.configure(rule(to, prefix=name, deletes=True))
        here.client.push(name, ONE, "v1")
        until(lambda: has(west.client, name, "v1"))
        until(lambda: here.is_done() and west.is_done())
        puts = [each.path for each in to_west.seen if each.method == "PUT" and "/manifests/" in each.path]
        assert sorted(puts) == sorted([f"/v2/{name}/manifests/{ONE.digest}", f"/v2/{name}/manifests/v1"])
        assert [each for each in to_here.seen if each.method == "PUT"] == []
        here.ecr.batch_delete_image(repositoryName=name, imageIds=[{"imageDigest": ONE.digest}])
        until(lambda: has(west.client, name, ONE.digest) is None)
        until(lambda: here.is_done() and west.is_done())
        assert has(here.client, name, ONE.digest) is None


def test_both_push_the_same_tag_and_it_ends(here: Place, west: Place, name: str) -> None:
    """Each has the other's image in the end, and nothing goes back and forth: a replica goes no further."""
    here.lead(WEST, west.server.url)
    west.lead(HERE, here.server.url)
    west.ecr.create_repository(repositoryName=name)
    here.client.push(name, ONE)
    west.client.push(name, TWO)
    for each, to in ((here, WEST), (west, HERE)):
        each.configure(rule(to, prefix=name))
    here.client.push(name, ONE, "v1")
    west.client.push(name, TWO, "v1")
    until(lambda: here.is_done() and west.is_done())
    for each in (here, west):
        assert is_whole(each.client, name, ONE)
        assert is_whole(each.client, name, TWO)


def test_killed_in_the_middle_of_a_copy(tmp_path: Path, west: Place, name: str) -> None:
    """After the next start, when the dead worker's lease is over, the copy is whole."""
    clock = tmp_path / "clock"
    clock.write_text(START)
    source = Destination("ap-south-1", "111111111111")
    with Proxy(west.server.url).running() as proxy, place(tmp_path, source, clock_file=clock) as killed:
        killed.lead(WEST, proxy.url)
        killed.configure(rule(WEST))
        reached, held = threading.Event(), threading.Event()

        def hold(seen: Seen) -> Fault | None:
            """The layers are there; the manifest never gets there."""
            if seen.method == "PUT" and "/manifests/" in seen.path:
                reached.set()
                held.wait(PATIENCE)
                return Fault(status=503)
            return None

        proxy.faults.append(hold)
        killed.client.push(name, ONE, "v1")
        assert reached.wait(PATIENCE)
        killed.server.stop(signal.SIGKILL)
        proxy.heal()
        held.set()
        assert has(west.client, name, ONE.digest) is None
        clock.write_text(LATER)
        killed.server.start()
        until(lambda: killed.status(name, "v1") == [(WEST.region, WEST.registry_id, "COMPLETE")])
        assert is_whole(west.client, name, ONE, "v1")
