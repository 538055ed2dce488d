"""The nodes that work on a database, each with a row that it keeps young."""

from typing import NamedTuple

from careen.clock import SECOND, Instant
from careen.db.engine import Connection

SEEN = 30 * SECOND
"""Who was not seen for so long is not there."""


class NodeRow(NamedTuple):
    """A node, as it described itself. Instants are by the database's clock."""

    id: str
    """Another with every start."""
    name: str
    version: str
    schema: str
    """The newest that it knows."""
    processes: int
    """Those of them that answer requests."""
    started_at: Instant
    seen_at: Instant
    clock_offset: Instant
    """How far its clock was ahead of the database's; behind: negative."""


_COLUMNS = ", ".join(NodeRow._fields)


def present(rows: Connection, ours: Instant) -> Instant:
    """The database's present: by its server's clock, and where it has none by ``ours``."""
    statement = (
        "SELECT :ours /*postgresql: * 0 + (extract(epoch FROM clock_timestamp()) * 1000000)::bigint */"
    )
    return int(rows.execute(statement, {"ours": ours}).fetchall()[0][0])


def note(rows: Connection, node: NodeRow) -> None:
    """A node is there. When it started stays as it was said first."""
    rows.execute(
        f"INSERT INTO nodes ({_COLUMNS}) VALUES"
        " (:id, :name, :version, :schema, :processes, :started_at, :seen_at, :clock_offset)"
        " ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at, clock_offset = excluded.clock_offset",
        node._asdict(),
    )


def forget(rows: Connection, node_id: str) -> None:
    """A node stops."""
    rows.execute("DELETE FROM nodes WHERE id = :id", {"id": node_id})


def prune(rows: Connection, present: Instant) -> None:
    """Forget the nodes that are not there any more."""
    rows.execute("DELETE FROM nodes WHERE seen_at <= :before", {"before": present - SEEN})


def every(rows: Connection, present: Instant) -> list[NodeRow]:
    """The nodes that are there, the oldest first."""
    found = rows.execute(
        f"SELECT {_COLUMNS} FROM nodes WHERE seen_at > :before ORDER BY started_at, id",
        {"before": present - SEEN},
    )
    return [NodeRow._make(row) for row in found]
