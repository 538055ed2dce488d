"""The log of events: appended to in the transaction of what they tell of, read from any place on, pruned from its beginning."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from careen.clock import Instant
from careen.db import rules
from careen.db.engine import Connection


class EventRow(NamedTuple):
    """A row of ``events``."""

    id: int
    recorded_at: Instant
    detail_type: str
    action: str
    repository: str | None
    detail: str
    """JSON."""


_COLUMNS = ", ".join(EventRow._fields)

_PRUNED = "events-pruned"
"""The kind of the registry's document that says how far the log was pruned."""

# On PostgreSQL an id is higher than those of transactions that began before, not of those that ended before: what is shown must
# not be followed by something lower, so it is shown when nothing older is under way (careen.db.words).
_SETTLED = "/*postgresql: AND id < settled_events() */"


def insert(
    rows: Connection, recorded_at: Instant, detail_type: str, action: str, repository: str | None, detail: str
) -> int:
    """Append an event. Returns its id, higher than any before."""
    added = rows.execute(
        "INSERT INTO events (recorded_at, detail_type, action, repository, detail) VALUES (?, ?, ?, ?, ?) RETURNING id",
        (recorded_at, detail_type, action, repository, detail),
    )
    return int(added.fetchone()[0])


def latest(rows: Connection) -> int:
    """The id of the last event that was ever recorded; 0: none."""
    return int(rows.execute(f"SELECT coalesce(max(id), 0) FROM events WHERE true {_SETTLED}").fetchone()[0])


def pruned(rows: Connection) -> int:
    """The highest id of an event that is not kept any more; 0: all are."""
    return int(rules.registry_document(rows, _PRUNED) or 0)


def after(rows: Connection, event_id: int, limit: int) -> list[EventRow]:
    """Up to ``limit`` events that follow an id, in order."""
    found = rows.execute(
        f"SELECT {_COLUMNS} FROM events WHERE id > :after {_SETTLED} ORDER BY id LIMIT :limit",
        {"after": event_id, "limit": limit},
    )
    return [EventRow._make(row) for row in found]


def before(
    rows: Connection,
    event_id: int,
    limit: int,
    repository: str | None,
    detail_types: Sequence[str],
    actions: Sequence[str],
    start: Instant | None = None,
    end: Instant | None = None,
) -> list[EventRow]:
    """Up to ``limit`` events below an id, the latest first; None and empty lists select all. Both instants are included."""
    found = rows.execute(
        f"SELECT {_COLUMNS} FROM events WHERE id < :before {_SETTLED}"
        " AND (CAST(:repository AS TEXT) IS NULL OR repository = :repository)"
        " AND (:types = '[]' OR detail_type IN (SELECT value FROM json_each(:types)))"
        " AND (:actions = '[]' OR action IN (SELECT value FROM json_each(:actions)))"
        " AND (CAST(:start AS BIGINT) IS NULL OR recorded_at >= :start) AND (CAST(:end AS BIGINT) IS NULL OR recorded_at <= :end)"
        " ORDER BY id DESC LIMIT :limit",
        {
            "before": event_id,
            "limit": limit,
            "repository": repository,
            "start": start,
            "end": end,
            "types": msgspec.json.encode(list(detail_types)).decode(),
            "actions": msgspec.json.encode(list(actions)).decode(),
        },
    )
    return [EventRow._make(row) for row in found]


def one(rows: Connection, event_id: int) -> EventRow | None:
    """The event of that id."""
    row = rows.execute(f"SELECT {_COLUMNS} FROM events WHERE id = :id", {"id": event_id}).fetchone()
    return None if row is None else EventRow._make(row)


def prune(rows: Connection, until: Instant, limit: int) -> int:
    """Delete up to ``limit`` events from before ``until`` that no dead letter names. Returns how many.

    The last event stays, however old: the next id is the one after it, and no id is given twice.
    """
    gone = rows.execute(
        "DELETE FROM events WHERE id IN (SELECT id FROM events e WHERE recorded_at < :until"
        " AND id < (SELECT max(id) FROM events)"
        " AND NOT EXISTS (SELECT 1 FROM dead_letters d WHERE d.event_id = e.id) ORDER BY id LIMIT :limit) RETURNING id",
        {"until": until, "limit": limit},
    ).fetchall()
    if gone:
        rules.put_registry_document(
            rows, _PRUNED, str(max(pruned(rows), *(event_id for (event_id,) in gone)))
        )
    return len(gone)
