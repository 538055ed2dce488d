"""Nodes die, or lose the database, in the middle of jobs: another node finishes them, and nothing is done twice."""

import itertools
import os
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from careen.clock import SECOND, Instant, isoformat, parse_instant
from careen.faults import Point
from careen.registry import images, lifecycle, storage, trash
from careen.registry.registry import Registry
from tests.faults.programs import Kill
from tests.images import Built, artifact, image
from tests.nodes.audit import assert_accounted, told_of
from tests.nodes.cluster import Cluster, Node
from tests.postgres import needs_postgres
from tests.registry import steps
from tests.seaweed import needs_seaweed
from tests.waiting import until

pytestmark = [needs_postgres, needs_seaweed]

REPOSITORY = "team/app"
BEGIN = parse_instant("2026-01-01T00:00:00Z")
AFTER_LEASES = 600 * SECOND
"""Longer than a job is a worker's own that says nothing."""

COUNT = 230
"""Images, so many that a run deletes them in three transactions."""

KEEP_ONE = (
    '{"rules":[{"rulePriority":1,"selection":{"tagStatus":"tagged","tagPrefixList":["v"],'
    '"countType":"imageCountMoreThan","countNumber":1},"action":{"type":"expire"}}]}'
)


@pytest.fixture
def cluster(make_cluster: Callable[..., Cluster], tmp_path: Path) -> Cluster:
    """Two nodes that are not started, whose clock the test sets, without a trash and with a short grace period."""
    clock = tmp_path / "clock"
    clock.write_text(isoformat(BEGIN))
    return make_cluster(count=2, clock_file=str(clock), trash_days=0, blob_grace=60, log_level="info")


def set_clock(cluster: Cluster, now: Instant) -> None:
    """Let it be that time for every node."""
    path = cluster.folder / "clock"
    draft = path.with_suffix(".new")
    draft.write_text(isoformat(now))
    draft.replace(path)


@pytest.fixture(scope="module")
def old_images() -> list[Built]:
    """One with a layer that is an object in the bucket, and many of the same few bytes."""
    small = [artifact("kind/of", None, annotations={"number": str(number)}) for number in range(1, COUNT)]
    return [image("large", size=70_000), *small]


def fill(cluster: Cluster, registry: Registry, pushed: list[Built]) -> None:
    """Push images with tags v0, v1, …, and ask for a policy run that leaves the last one."""
    for data in pushed[-1].blobs:
        steps.upload(registry, REPOSITORY, data)
    steps.push(registry, REPOSITORY, pushed[0], "v0")
    for number, built in enumerate(pushed[1:], start=1):
        steps.put(registry, REPOSITORY, built, f"v{number}")
    registry.write_now(lifecycle.put_policy, REPOSITORY, KEEP_ONE)
    assert lifecycle.enqueue_runs(registry) == 1
    set_clock(
        cluster, BEGIN + SECOND
    )  # each process reads a clock that stands still as a little later every time


def left(registry: Registry) -> set[str]:
    """The tags that are still there."""
    return set(registry.read(images.tag_names, REPOSITORY, "", 1000))


def is_finished(registry: Registry) -> bool:
    """Whether the latest run of the policy has come to its end, with nothing left to do."""
    runs = registry.read(lifecycle.history, REPOSITORY, 1)
    return len(left(registry)) == 1 and bool(runs) and runs[0][0].finished_at is not None


def has_ended_a_run(node: Node) -> bool:
    """Whether a run of this node's has come to an end, whichever."""
    log = node.log.read_text()
    return "lifecycle policy run" in log or "job failed" in log


def assert_deleted_once(registry: Registry, gone: list[Built]) -> None:
    """Each image has one entry in the ledger, one event, and one run that deleted it."""
    once = dict.fromkeys((built.digest for built in gone), 1)
    ledger = registry.read(trash.history, REPOSITORY, None, None, 1 << 62, 10_000)
    assert Counter(deletion.digest for deletion in ledger) == once
    assert told_of(registry, REPOSITORY, "DELETE") == once
    runs = registry.read(lifecycle.history, REPOSITORY, 100)
    done = itertools.chain.from_iterable(actions for _, actions in runs)
    assert Counter(action.digest for action in done if action.outcome == lifecycle.EXPIRED) == once


def is_collected(registry: Registry) -> bool:
    """Whether there is nothing left to give back."""
    account = storage.account(registry)
    return (account.unneeded_bytes, account.condemned_bytes, account.stored_bytes) == (0, 0, 0)


def test_a_policy_run_and_a_collection_go_on_at_another_node(
    cluster: Cluster, old_images: list[Built]
) -> None:
    """Killed in the second of three transactions of a run, and when the first bytes of a collection are gone."""
    first, second = cluster.nodes
    with cluster.registry() as registry:
        cluster.start(0, kill=Kill((Point.RUN_BATCH,), passing=2))
        fill(cluster, registry, old_images)
        until(lambda: not first.is_alive(), "the run did not come to its second transaction")
        first.crash()
        assert len(left(registry)) == COUNT - 100
        cluster.start(1, kill=Kill((Point.BYTES_DELETED,)))
        set_clock(cluster, BEGIN + AFTER_LEASES)
        until(lambda: not second.is_alive(), "the collection did not begin")
        second.crash()
        cluster.start(0)
        set_clock(cluster, BEGIN + 2 * AFTER_LEASES)
        until(lambda: is_finished(registry), "the run did not go on")
        until(lambda: is_collected(registry), "the collection did not go on")
        assert_deleted_once(registry, old_images[:-1])
        assert_accounted(registry)


BETWEEN = Kill((Point.RUN_BATCH, Point.COMMITTED), whole=False, number=signal.SIGSTOP)
WITHIN = Kill((Point.RUN_BATCH,), passing=2, whole=False, number=signal.SIGSTOP)


@pytest.mark.parametrize("moment", [BETWEEN, pytest.param(WITHIN, marks=pytest.mark.slow)], ids=str)
def test_a_node_that_was_cut_off_has_no_effect_when_it_comes_back(
    cluster: Cluster, old_images: list[Built], moment: Kill
) -> None:
    """Its lease ends, another finishes the run, and an image that is pushed again is not what the old plan meant.

    Cut off within a transaction it holds up those who want the same rows, until the server ends its session.
    """
    first, again = cluster.nodes[0], 150
    with cluster.registry() as registry:
        cluster.start(0, kill=moment)
        fill(cluster, registry, old_images)
        until(first.stopped, "the run did not begin")
        (worker,) = first.stopped()
        first.rows.cut()
        os.kill(worker, signal.SIGCONT)
        cluster.start(1)
        seconds = itertools.count()

        def is_finished_by_now() -> bool:
            set_clock(cluster, BEGIN + AFTER_LEASES + next(seconds) * SECOND)
            return is_finished(registry)

        until(is_finished_by_now, "the run did not go on")
        steps.put(registry, REPOSITORY, old_images[again], f"v{again}")
        first.rows.heal()
        until(lambda: has_ended_a_run(first), "the old run did not end")
        assert left(registry) == {f"v{again}", f"v{COUNT - 1}"}
        assert_deleted_once(registry, old_images[:-1])
        assert_accounted(registry)
