"""Several nodes on one database and one bucket, behind a load balancer, with every wire between them in the tests' hands.

::

    clients ── Balancer ─┬─ node 0 ─┬─ Link ───── PostgreSQL
                         │          └─ FaultyS3 ─ S3
                         ├─ node 1 …
                         └─ node 2 …
"""

import contextlib
import os
import shutil
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from careen.registry.registry import Registry
from careen.settings import Settings
from tests.faults.programs import ForkedServer, Kill
from tests.faulty_s3 import FaultyS3
from tests.nodes.clients import Recorder
from tests.nodes.history import History
from tests.nodes.links import Balancer, Link
from tests.postgres import Postgres
from tests.registry.steps import prepared
from tests.seaweed import S3, S3Server


class Node(S3Server, ForkedServer):
    """A node, with a data folder and wires of its own."""

    def __init__(
        self, data: Path, bucket: FaultyS3, prefix: str, rows: Link, database: str, **settings: Any
    ) -> None:
        super().__init__(data, bucket, prefix, database=database, **settings)
        self.bucket = bucket
        self.rows = rows

    def stopped(self) -> list[int]:
        """Those of its processes that a SIGSTOP holds (proc(5), ``/proc/pid/stat``)."""
        states = {
            pid: Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            for pid in self.children()
        }
        return [pid for pid, state in states.items() if state == "T"]

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Stop it in an orderly way, and wait until every process of it is gone."""
        assert self._life is not None
        os.kill(self.pid, number)
        assert not self._life.was_killed()
        self._life = None
        return 0


class Cluster:
    """Nodes that are all alike.

    Args:
        folder: a new one for it.
        postgres: where its rows go.
        s3: where its bytes go.
        count: of the nodes.
        settings: of every node.
    """

    def __init__(self, folder: Path, postgres: Postgres, s3: S3, count: int = 3, **settings: Any) -> None:
        self.folder = folder
        self._database = postgres.database()
        self._prefix = uuid.uuid4().hex
        self._s3 = s3
        links = [Link(postgres.port) for _ in range(count)]
        self.nodes = [
            Node(
                folder / f"node-{number}",
                FaultyS3(s3),
                self._prefix,
                link,
                self._database.replace(f":{postgres.port}/", f":{link.port}/"),
                **settings,
            )
            for number, link in enumerate(links)
        ]
        self.balancer = Balancer([node.port for node in self.nodes])

    @contextlib.contextmanager
    def running(self) -> Iterator["Cluster"]:
        """With the wires up and the nodes down, for the length of a ``with`` block: :meth:`start` them."""
        with contextlib.ExitStack() as wires:
            for node in self.nodes:
                wires.enter_context(node.bucket.running())
                wires.enter_context(node.rows.running())
            wires.enter_context(self.balancer.running())
            try:
                yield self
            finally:
                for node in self.nodes:
                    node.crash()

    def start(self, *numbers: int, kill: Kill | None = None) -> None:
        """Start nodes, all if none is named, to die somewhere or not. All have the first one's master key."""
        for number in numbers or range(len(self.nodes)):
            node = self.nodes[number]
            key = self.nodes[0].data / "master.key"
            if key.exists() and not (node.data / key.name).exists():
                node.data.mkdir(parents=True, exist_ok=True)
                shutil.copy2(key, node.data)
            node.start(kill)

    def recorder(self, who: str, history: History) -> Recorder:
        """A client that comes through the load balancer."""
        return Recorder(who, self.balancer.port, history)

    def recorder_at(self, node: Node, history: History) -> Recorder:
        """A client of one node."""
        return Recorder(f"reader of {node.data.name}", node.port, history)

    @contextlib.contextmanager
    def registry(self) -> Iterator[Registry]:
        """The registry as it is, past all wires, opened in this process."""
        places = {
            "data": str(self.folder / "observer"),
            "database": self._database,
            "blobs": self._s3.url(self._prefix),
        }
        settings = msgspec.convert(self.nodes[0]._settings | places, Settings)
        before = os.environ.copy()
        os.environ.update(self._s3.environment)
        try:
            with prepared(settings) as opened:
                yield opened
        finally:
            os.environ.clear()
            os.environ.update(before)
