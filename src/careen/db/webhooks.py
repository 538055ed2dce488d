"""Webhooks, how far each is with the log of events, and what could not be delivered."""

from typing import NamedTuple

from careen.clock import Instant
from careen.db.engine import Connection


class WebhookRow(NamedTuple):
    """A row of ``webhooks``."""

    id: int
    name: str
    url: str
    detail_types: str
    """JSON list; empty: all."""
    actions: str
    """JSON list; empty: all."""
    repositories: str
    """A pattern of repository names; empty: all events."""
    enabled: int
    generation: int
    """Of its secret, which is derived and not kept."""
    rotated_at: Instant
    """When the generation began."""
    created_at: Instant
    cursor: int
    """The id of the last event that is dealt with."""
    attempts: int
    """How often the next one was tried in vain."""
    error: str | None
    """What came of the last attempt; NULL: it was delivered."""
    attempted_at: Instant | None
    delivered_at: Instant | None


class DeadLetter(NamedTuple):
    """A row of ``dead_letters``."""

    webhook_id: int
    event_id: int
    attempts: int
    error: str
    failed_at: Instant
    wanted: int
    """Whether somebody asked for it to be delivered after all."""


_COLUMNS = ", ".join(WebhookRow._fields)
_LETTER = ", ".join(DeadLetter._fields)
_CHANGES = ", ".join(f"{name} = excluded.{name}" for name in DeadLetter._fields)


def put(rows: Connection, webhook: WebhookRow) -> None:
    """Add a webhook, or replace the one of its name; the id is ignored. One that is replaced goes on where it was."""
    rows.execute(
        "INSERT INTO webhooks (name, url, detail_types, actions, repositories, enabled, generation, rotated_at, created_at,"
        " cursor, attempts, error, attempted_at, delivered_at) VALUES (:name, :url, :detail_types, :actions, :repositories,"
        " :enabled, :generation, :rotated_at, :created_at, :cursor, 0, NULL, NULL, NULL) ON CONFLICT (name) DO UPDATE SET"
        " url = excluded.url, detail_types = excluded.detail_types, actions = excluded.actions,"
        " repositories = excluded.repositories, enabled = excluded.enabled, generation = excluded.generation,"
        " rotated_at = excluded.rotated_at, cursor = excluded.cursor, attempts = 0, error = NULL",
        webhook._asdict(),
    )


def delete(rows: Connection, name: str) -> bool:
    """Remove a webhook with its dead letters. Returns whether it was there."""
    return rows.execute("DELETE FROM webhooks WHERE name = :name", {"name": name}).rowcount > 0


def by_name(rows: Connection, name: str) -> WebhookRow | None:
    """The webhook of that name."""
    row = rows.execute(f"SELECT {_COLUMNS} FROM webhooks WHERE name = :name", {"name": name}).fetchone()
    return None if row is None else WebhookRow._make(row)


def by_id(rows: Connection, webhook_id: int) -> WebhookRow | None:
    """The webhook of that id."""
    row = rows.execute(f"SELECT {_COLUMNS} FROM webhooks WHERE id = :id", {"id": webhook_id}).fetchone()
    return None if row is None else WebhookRow._make(row)


def every(rows: Connection) -> list[WebhookRow]:
    """All webhooks, by name."""
    return [WebhookRow._make(row) for row in rows.execute(f"SELECT {_COLUMNS} FROM webhooks ORDER BY name")]


def advance(rows: Connection, webhook: WebhookRow, cursor: int) -> None:
    """What lies up to ``cursor`` is dealt with, unless it has been said already."""
    rows.execute(
        "UPDATE webhooks SET cursor = :cursor, attempts = 0 WHERE id = :id AND cursor < :cursor",
        {"id": webhook.id, "cursor": cursor},
    )


def note_delivery(rows: Connection, webhook: WebhookRow, now: Instant) -> None:
    """The receiver took an event."""
    rows.execute(
        "UPDATE webhooks SET attempts = 0, error = NULL, attempted_at = :now, delivered_at = :now WHERE id = :id",
        {"id": webhook.id, "now": now},
    )


def note_failure(rows: Connection, webhook: WebhookRow, attempts: int, error: str, now: Instant) -> None:
    """The receiver did not take an event, for so many times now."""
    rows.execute(
        "UPDATE webhooks SET attempts = :attempts, error = :error, attempted_at = :now WHERE id = :id",
        {"id": webhook.id, "attempts": attempts, "error": error, "now": now},
    )


def bury(rows: Connection, letter: DeadLetter) -> None:
    """Add a dead letter, or replace it."""
    rows.execute(
        f"INSERT INTO dead_letters ({_LETTER}) VALUES (:webhook_id, :event_id, :attempts, :error, :failed_at, :wanted)"
        f" ON CONFLICT (webhook_id, event_id) DO UPDATE SET {_CHANGES}",
        letter._asdict(),
    )


def forget_letter(rows: Connection, webhook_id: int, event_id: int) -> None:
    """A dead letter was delivered after all."""
    rows.execute(
        "DELETE FROM dead_letters WHERE webhook_id = :webhook_id AND event_id = :event_id",
        {"webhook_id": webhook_id, "event_id": event_id},
    )


def letters(rows: Connection, webhook_id: int | None, after: tuple[int, int], limit: int) -> list[DeadLetter]:
    """Up to ``limit`` dead letters that follow a pair of event and webhook id, of one webhook or (None) of all."""
    found = rows.execute(
        f"SELECT {_LETTER} FROM dead_letters WHERE (event_id, webhook_id) > (:event_id, :after)"
        " AND webhook_id = coalesce(:webhook_id, webhook_id) ORDER BY event_id, webhook_id LIMIT :limit",
        {"event_id": after[0], "after": after[1], "webhook_id": webhook_id, "limit": limit},
    )
    return [DeadLetter._make(row) for row in found]


def count_letters(rows: Connection) -> dict[int, int]:
    """How many dead letters each webhook has that has any."""
    return dict(rows.execute("SELECT webhook_id, count(*) FROM dead_letters GROUP BY webhook_id").fetchall())


def want(rows: Connection, webhook_id: int, event_ids: str | None) -> int:
    """Ask for dead letters to be delivered after all; None: for all, else a JSON list of ids. Returns how many."""
    return rows.execute(
        "UPDATE dead_letters SET wanted = 1 WHERE webhook_id = :webhook_id"
        " AND (CAST(:ids AS TEXT) IS NULL OR event_id IN (SELECT CAST(value AS BIGINT) FROM json_each(:ids)))",
        {"webhook_id": webhook_id, "ids": event_ids},
    ).rowcount


def next_wanted(rows: Connection, webhook_id: int) -> DeadLetter | None:
    """The oldest dead letter that somebody asked for."""
    row = rows.execute(
        f"SELECT {_LETTER} FROM dead_letters WHERE webhook_id = :id AND wanted = 1 ORDER BY event_id LIMIT 1",
        {"id": webhook_id},
    ).fetchone()
    return None if row is None else DeadLetter._make(row)


def expire_letters(rows: Connection, until: Instant) -> int:
    """Delete the dead letters of before ``until``. Returns how many."""
    return rows.execute("DELETE FROM dead_letters WHERE failed_at < :until", {"until": until}).rowcount
