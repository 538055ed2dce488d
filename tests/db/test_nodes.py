"""Rows of nodes: kept young, or forgotten."""

from functools import partial

from careen.clock import SECOND, system_now
from careen.db import nodes as rows
from careen.db.engine import Database
from careen.db.nodes import SEEN, NodeRow

NOW = 1_000_000 * SECOND


def row(name: str, started: int, seen: int) -> NodeRow:
    """A node's row."""
    return NodeRow(name, name, "1", "0018", 1, started, seen, 0)


def test_rows_of_nodes(database: Database) -> None:
    """Who has not been seen for half a minute is not there; a row keeps when its node started."""
    for each in (
        row("b", 2, NOW),
        row("a", 1, NOW - SEEN + 1),
        row("gone", 0, NOW - SEEN),
        row("b", 9, NOW + 1),
    ):
        database.write(partial(rows.note, node=each)).result()
    with database.read() as connection:
        assert [(node.id, node.started_at) for node in rows.every(connection, NOW)] == [("a", 1), ("b", 2)]
    database.write(lambda connection: rows.prune(connection, NOW)).result()
    database.write(lambda connection: rows.forget(connection, "a")).result()
    with database.read() as connection:
        assert [node.id for node in rows.every(connection, 0)] == ["b"]


def test_a_database_says_what_time_it_is(database: Database) -> None:
    """A server by its own clock, whatever ours is; a file by ours."""
    with database.read() as connection:
        said = rows.present(connection, NOW)
    assert abs(said - system_now()) < 60 * SECOND if database.is_shared else said == NOW
