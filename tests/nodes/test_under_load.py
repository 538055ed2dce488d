"""Clients push, tag, pull and delete while nodes, the database and the bucket fail; nobody is told what cannot be."""

import signal
import time
from collections.abc import Callable
from itertools import cycle

import pytest

from tests.nodes.audit import assert_consistent
from tests.nodes.clients import everybodys_images, working
from tests.nodes.cluster import Cluster
from tests.nodes.history import History, Outcome
from tests.postgres import Postgres, needs_postgres
from tests.seaweed import needs_seaweed

pytestmark = [needs_postgres, needs_seaweed]

CLIENTS = [f"client {number}" for number in range(4)]

Campaign = Callable[[Cluster, History, str, Callable[[], None], float], None]


def campaign(
    cluster: Cluster, history: History, repository: str, seconds: float, fault: Callable[[], None]
) -> None:
    """Let clients work for a while, with a fault again and again, and look at everything in the end."""
    with working([cluster.recorder(who, history) for who in CLIENTS], repository):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            fault()
    answered = [each for each in history.operations() if each.outcome is not Outcome.UNKNOWN]
    assert len(answered) > 100
    assert_consistent(cluster, history, repository, everybodys_images(CLIENTS).values())


SECONDS = pytest.mark.parametrize("seconds", [3.0, pytest.param(25.0, marks=pytest.mark.slow)])


@SECONDS
def test_nodes_are_killed(shared_cluster: Cluster, history: History, name: str, seconds: float) -> None:
    """One node after another dies and comes back; clients go on at the others."""
    turns = cycle(shared_cluster.nodes)

    def kill_one() -> None:
        node = next(turns)
        time.sleep(0.5)
        node.crash()
        time.sleep(0.2)
        node.start()

    campaign(shared_cluster, history, name, seconds, kill_one)


@SECONDS
def test_the_database_is_restarted(
    shared_cluster: Cluster, own_postgres: Postgres, history: History, name: str, seconds: float
) -> None:
    """In an orderly way and by a crash, in turn; the nodes find it again by themselves."""
    ways = cycle([signal.SIGINT, signal.SIGQUIT])

    def restart() -> None:
        time.sleep(0.7)
        own_postgres.stop(next(ways))
        time.sleep(0.2)
        own_postgres.start()

    campaign(shared_cluster, history, name, seconds, restart)


@SECONDS
def test_the_bucket_fails(shared_cluster: Cluster, history: History, name: str, seconds: float) -> None:
    """A tenth of what is asked of it is refused, slow or lost."""
    for number, node in enumerate(shared_cluster.nodes):
        node.bucket.fail(0.1, seed=number)
    campaign(shared_cluster, history, name, seconds, lambda: time.sleep(0.2))
