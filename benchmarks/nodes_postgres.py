"""A PostgreSQL server that keeps what it is told, and what it has cost so far.

Statements are counted by ``pg_stat_statements``, with those that begin and end transactions and without those that the server runs
for foreign keys. Transactions that could not be put into an order are read from its log, where each leaves an error.
"""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from benchmarks.processes import cpu_seconds
from tests.postgres import Postgres
from tests.postgres import running as started

CONFIGURATION = """
fsync = on
full_page_writes = on
synchronous_commit = on
autovacuum = on
shared_buffers = 1GB
max_wal_size = 8GB
max_connections = 300
shared_preload_libraries = 'pg_stat_statements'
"""

_REPEATED = re.compile(
    rb"ERROR:  (?:could not serialize|deadlock detected|duplicate key|insert or update on table|update or delete on table)"
)

SIZES = """
SELECT c.relname, pg_table_size(c.oid), pg_indexes_size(c.oid), greatest(c.reltuples, 0)::bigint
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'public' WHERE c.relkind = 'r'
"""


class Reading(NamedTuple):
    """What a server has cost since it started."""

    cpu: float
    """Processor seconds of all its processes."""
    statements: int
    wal: int
    """Bytes of its log."""
    repeated: int
    """Transactions that it undid, so that they were run again."""
    to_clients: int
    from_clients: int
    """Bytes over the connections that are open."""

    def since(self, before: "Reading") -> "Reading":
        """What came since an earlier reading."""
        return Reading(
            self.cpu - before.cpu,
            self.statements - before.statements,
            self.wal - before.wal,
            self.repeated - before.repeated,
            self.to_clients - before.to_clients,
            self.from_clients - before.from_clients,
        )


class TableSize(NamedTuple):
    """What a table takes."""

    name: str
    heap: int
    """Bytes, with what is stored out of line."""
    indexes: int
    rows: int


@dataclass(frozen=True, slots=True)
class Meter:
    """A running server."""

    server: Postgres
    pid: int

    def read(self) -> Reading:
        """What it has cost until now. The reading itself is two statements."""
        with self.server.connected("postgres") as connection:
            [(statements, wal)] = connection.execute(
                "SELECT (SELECT sum(calls) FROM pg_stat_statements), pg_current_wal_lsn() - '0/0'"
            ).fetchall()
        sent, received = self._traffic()
        repeated = len(_REPEATED.findall((self.server.folder.parent / "postgres.log").read_bytes()))
        return Reading(cpu_seconds(self.pid), int(statements), int(wal), repeated, sent, received)

    def sizes(self, url: str) -> list[TableSize]:
        """The tables of a database that have rows, the largest first."""
        with self.server.connected(url.rpartition("/")[2]) as connection:
            connection.execute("ANALYZE")
            found = [TableSize._make(row) for row in connection.execute(SIZES).fetchall()]
        return sorted(
            (each for each in found if each.rows),
            key=lambda each: each.heap + each.indexes,
            reverse=True,
        )

    def _traffic(self) -> tuple[int, int]:
        told = subprocess.run(
            ["ss", "-tinH", "state", "established", f"sport = :{self.server.port}"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        sent, received = (
            sum(map(int, re.findall(rf"{name}:(\d+)", told))) for name in ("bytes_sent", "bytes_received")
        )
        return sent, received


@contextmanager
def running() -> Iterator[Meter]:
    """A server of its own for the length of a ``with`` block."""
    with started(CONFIGURATION) as server:
        with server.connected("postgres") as connection:
            connection.execute("CREATE EXTENSION pg_stat_statements")
        yield Meter(server, int((server.folder / "postmaster.pid").read_text().split()[0]))
