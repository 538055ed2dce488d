"""Fixtures: a cluster that many tests share, and what is theirs alone."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.nodes.cluster import Cluster
from tests.nodes.history import History
from tests.postgres import Postgres
from tests.postgres import running as run_postgres
from tests.seaweed import S3


@pytest.fixture(scope="session")
def own_postgres() -> Iterator[Postgres]:
    """A PostgreSQL server that may be restarted: only tests of clusters use it."""
    with run_postgres() as started:
        yield started


@pytest.fixture(scope="session")
def shared_cluster(
    own_postgres: Postgres, s3: S3, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """Three nodes, which every test leaves as it found them: up, and with all wires whole."""
    with Cluster(tmp_path_factory.mktemp("nodes"), own_postgres, s3, drain_delay=2).running() as cluster:
        cluster.start()
        yield cluster


@pytest.fixture
def make_cluster(postgres: Postgres, s3: S3, tmp_path: Path) -> Iterator[Callable[..., Cluster]]:
    """Clusters of one's own, with nodes that are not started yet: ``make_cluster(count=2, **settings)``."""
    with contextlib.ExitStack() as stack:

        def make(**settings: Any) -> Cluster:
            return stack.enter_context(Cluster(tmp_path, postgres, s3, **settings).running())

        yield make


@pytest.fixture
def history() -> History:
    """What the clients of this test did."""
    return History()
