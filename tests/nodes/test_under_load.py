"""Clients push, tag, pull and delete while nodes, the database and the bucket fail; nobody is told what cannot be."""

import signal
from collections.abc import Callable
from itertools import cycle

import pytest

from tests.nodes.audit import assert_consistent
from tests.nodes.clients import everybodys_images, working
from tests.nodes.cluster import Cluster
from tests.nodes.history import History
from tests.postgres import Postgres, needs_postgres
from tests.seaweed import needs_seaweed
from tests.waiting import until

pytestmark = [needs_postgres, needs_seaweed]

CLIENTS = [f"client {number}" for number in range(4)]

LONG = [pytest.mark.slow, pytest.mark.timeout(900)]
MANY = pytest.param(20, marks=LONG)
PROGRESS = 40
"""Answers between two faults."""


def campaign(
    cluster: Cluster, history: History, repository: str, rounds: int, fault: Callable[[], object]
) -> list[str]:
    """Let clients work, with a fault whenever they have made some progress, and look at everything in the end.

    Returns:
        The requests that failed.
    """
    recorders = [cluster.recorder(who, history) for who in CLIENTS]
    with working(recorders, repository):
        for _ in range(rounds):
            await_progress(history)
            fault()
        await_progress(history)
    assert_consistent(cluster, history, repository, everybodys_images(CLIENTS).values())
    return [failure for recorder in recorders for failure in recorder.failures]


def await_progress(history: History) -> None:
    """Wait until clients got some more answers."""
    enough = history.answered() + PROGRESS
    until(lambda: history.answered() >= enough, "clients get no answers any more")


@pytest.mark.parametrize("rounds", [2, MANY])
def test_nodes_are_killed(shared_cluster: Cluster, history: History, name: str, rounds: int) -> None:
    """One node after another dies and comes back; clients go on at the others."""
    turns = cycle(shared_cluster.nodes)

    def kill_one() -> None:
        node = next(turns)
        node.crash()
        await_progress(history)
        node.start()

    campaign(shared_cluster, history, name, rounds, kill_one)


@pytest.mark.parametrize("rounds", [MANY])
def test_nodes_lose_the_database(shared_cluster: Cluster, history: History, name: str, rounds: int) -> None:
    """One after another is cut off from it, while the others serve on; none gives an old answer, then or when it is back."""
    turns = cycle(shared_cluster.nodes)

    def cut_one_off() -> None:
        node = next(turns)
        node.rows.cut()
        try:
            await_progress(history)
        finally:
            node.rows.heal()

    campaign(shared_cluster, history, name, rounds, cut_one_off)


@pytest.mark.parametrize("rounds", [MANY])
def test_the_database_is_restarted(
    shared_cluster: Cluster, own_postgres: Postgres, history: History, name: str, rounds: int
) -> None:
    """In an orderly way and by a crash, in turn; the nodes find it again by themselves."""
    ways = cycle([signal.SIGINT, signal.SIGQUIT])

    def restart() -> None:
        own_postgres.stop(next(ways))
        own_postgres.start()

    campaign(shared_cluster, history, name, rounds, restart)


@pytest.mark.parametrize("rounds", [MANY])
def test_the_bucket_fails(shared_cluster: Cluster, history: History, name: str, rounds: int) -> None:
    """A tenth of what is asked of it is refused, slow or lost."""
    for number, node in enumerate(shared_cluster.nodes):
        node.bucket.fail(0.1, seed=number)
    try:
        campaign(shared_cluster, history, name, rounds, lambda: None)
    finally:
        for node in shared_cluster.nodes:
            node.bucket.heal()


@pytest.mark.parametrize("rounds", [MANY])
def test_nodes_are_restarted_one_after_another(
    shared_cluster: Cluster, history: History, name: str, rounds: int
) -> None:
    """In an orderly way, as for a new version: each drains before it stops, and not one request fails."""
    turns = cycle(shared_cluster.nodes)

    def restart_one() -> None:
        node = next(turns)
        node.stop()
        node.start()
        until(lambda: shared_cluster.balancer.sends_to(node.port), "the node is not ready again")

    assert campaign(shared_cluster, history, name, rounds, restart_one) == []
