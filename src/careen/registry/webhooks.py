"""Webhooks: who is told of events, how far each is, and what could not be delivered.

Each webhook goes through the log of events in order, from a cursor of its own. An event is dealt with when its receiver took it or
when it became a dead letter; only then the cursor moves, so a crash repeats an event and loses none. Sending is
``careen.deliveries``'s.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

from careen.clock import DAY, system_now
from careen.db import events as event_rows
from careen.db import webhooks
from careen.db.webhooks import DeadLetter as DeadLetter
from careen.db.webhooks import WebhookRow as WebhookRow
from careen.ecr import errors
from careen.ecr import events as ecr_events
from careen.ecr.events import DetailType, Event, Stamped
from careen.faults import Point, reach
from careen.iam import keys
from careen.registry import events
from careen.registry.events import Filter
from careen.registry.registry import Registry, Transaction

MAX_WEBHOOKS = 100
"""Of a registry."""

ROTATION = DAY
"""How long the old secret signs beside the new one."""

LOOK_AHEAD = 50
"""Events that are read at once."""

MAX_PENDING = 1000
"""As far as it is counted what waits for a webhook."""

_NAME = re.compile("[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}")


class Due(NamedTuple):
    """What a webhook's receiver is to be sent next."""

    webhook: WebhookRow
    event: Stamped | None
    """None: nothing for now."""
    position: int
    """Nothing up to here is to be sent any more."""
    letter: DeadLetter | None = None
    """The dead letter that the event was, if it is sent because somebody asked."""
    passed: int = 0
    """Events that it does not ask for, on the way to ``position``."""


class State(NamedTuple):
    """How a webhook does."""

    webhook: WebhookRow
    pending: int
    """Events that wait for it, :data:`MAX_PENDING` at most."""
    dead_letters: int


def put(
    tx: Transaction, name: str, url: str, wanted: Filter, *, enabled: bool = True, rotate: bool = False
) -> tuple[WebhookRow, bool]:
    """Add a webhook, which hears of what happens from now on, or change one, which goes on where it was.

    One that was disabled begins anew, too. Returns it, and whether its secret is new.

    Raises:
        careen.ecr.errors.InvalidParameter: a name, address or filter outside the grammar.
        careen.ecr.errors.LimitExceeded: there are :data:`MAX_WEBHOOKS`.
    """
    _check(name, url, wanted)
    known = webhooks.by_name(tx.rows, name)
    if known is None and len(webhooks.every(tx.rows)) >= MAX_WEBHOOKS:
        raise errors.LimitExceeded(f"A registry can have at most {MAX_WEBHOOKS} webhooks")
    turned = known is not None and rotate
    row = WebhookRow(
        id=0,
        name=name,
        url=url,
        detail_types=_encoded(wanted.detail_types),
        actions=_encoded(wanted.actions),
        repositories=wanted.repositories,
        enabled=int(enabled),
        generation=known.generation + turned if known else 0,
        rotated_at=system_now() if turned else known.rotated_at if known else 0,
        created_at=known.created_at if known else tx.now,
        cursor=known.cursor if known and known.enabled else events.latest(tx),
        attempts=0,
        error=None,
        attempted_at=None,
        delivered_at=None,
    )
    webhooks.put(tx.rows, row)
    return require(tx, name), known is None or turned


def _check(name: str, url: str, wanted: Filter) -> None:
    if _NAME.fullmatch(name) is None:
        raise errors.InvalidParameter("webhookName", f"must satisfy regular expression '{_NAME.pattern}'")
    try:
        parts = urlsplit(url)
        is_sound = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_sound = False
    if not is_sound or not url.isascii() or not url.isprintable() or " " in url:
        raise errors.InvalidParameter("url", "must be an address that begins with http:// or https://")
    if parts.username is not None or parts.fragment:
        raise errors.InvalidParameter("url", "must have no user, no password and no fragment")
    for each in wanted.detail_types:
        if each not in set(DetailType):
            known = ", ".join(kind for kind in DetailType if kind is not DetailType.OWN_WEBHOOK_TEST)
            raise errors.InvalidParameter("detailTypes", f"Member must satisfy enum value set: [{known}]")


def require(tx: Transaction, name: str) -> WebhookRow:
    """The webhook of that name.

    Raises:
        careen.ecr.errors.WebhookNotFound: there is none.
    """
    found = webhooks.by_name(tx.rows, name)
    if found is None:
        raise errors.WebhookNotFound(name, tx.registry_id)
    return found


def delete(tx: Transaction, name: str) -> None:
    """Remove a webhook and its dead letters.

    Raises:
        careen.ecr.errors.WebhookNotFound: there is none.
    """
    if not webhooks.delete(tx.rows, name):
        raise errors.WebhookNotFound(name, tx.registry_id)


def states(tx: Transaction) -> list[State]:
    """All webhooks, by name."""
    buried = webhooks.count_letters(tx.rows)
    return [State(row, _pending(tx, row), buried.get(row.id, 0)) for row in webhooks.every(tx.rows)]


def _pending(tx: Transaction, row: WebhookRow) -> int:
    if not row.enabled:
        return 0
    waiting = events.following(tx, row.cursor, MAX_PENDING)
    return sum(selects(row, each.event) for each in waiting)


def test(tx: Transaction, name: str) -> int:
    """Record an event for one webhook alone. Returns its sequence number.

    Raises:
        careen.ecr.errors.WebhookNotFound: there is none of that name.
        careen.ecr.errors.InvalidParameter: it is disabled.
    """
    if not require(tx, name).enabled:
        raise errors.InvalidParameter("webhookName", "The webhook is disabled")
    return events.record(tx, ecr_events.webhook_test(name))


def filter_of(row: WebhookRow) -> Filter:
    """Which events a webhook asks for."""
    return Filter(_decoded(row.detail_types), _decoded(row.actions), row.repositories)


def selects(row: WebhookRow, event: Event) -> bool:
    """Whether a webhook is told of an event."""
    if event.detail_type is DetailType.OWN_WEBHOOK_TEST:
        return bool(event.detail["webhook-name"] == row.name)
    return filter_of(row).selects(event)


def secrets(registry: Registry, row: WebhookRow) -> list[bytes]:
    """What signs now: the secret, and for a while after it was turned over the one before."""
    recent = row.generation > 0 and system_now() - row.rotated_at < ROTATION
    return [
        keys.webhook_secret(registry.master_key, row.id, generation)
        for generation in range(row.generation, row.generation - 1 - recent, -1)
    ]


def attempts(tx: Transaction, webhook_id: int) -> int | None:
    """How often a webhook's next event was tried in vain; None: there is no such webhook any more."""
    row = webhooks.by_id(tx.rows, webhook_id)
    return None if row is None else row.attempts


def ids(tx: Transaction) -> list[int]:
    """The ids of all webhooks."""
    return [row.id for row in webhooks.every(tx.rows)]


def due(tx: Transaction, webhook_id: int, position: int) -> Due | None:
    """What a webhook is to be sent next, after ``position`` or after its cursor. None: there is no such webhook any more."""
    row = webhooks.by_id(tx.rows, webhook_id)
    if row is None:
        return None
    position = max(position, row.cursor)
    if not row.enabled:
        return Due(row, None, position)
    letter = webhooks.next_wanted(tx.rows, webhook_id)
    if letter is not None:
        return Due(row, events.one(tx, letter.event_id), position, letter)
    passed = 0
    for each in events.following(tx, position, LOOK_AHEAD):
        if selects(row, each.event):
            return Due(row, each, position, passed=passed)
        position, passed = each.sequence, passed + 1
    return Due(row, None, position, passed=passed)


def skip(tx: Transaction, due: Due) -> None:
    """Remember that nothing up to a position is to be sent."""
    webhooks.advance(tx.rows, due.webhook, due.position)


def delivered(tx: Transaction, due: Due) -> None:
    """The receiver took the event: it is dealt with."""
    if due.event is not None:
        webhooks.note_delivery(tx.rows, due.webhook, tx.now)
        webhooks.forget_letter(tx.rows, due.webhook.id, due.event.sequence)
        if due.letter is None:
            webhooks.advance(tx.rows, due.webhook, due.event.sequence)
    reach(Point.WEBHOOK_DELIVERED)


def failed(tx: Transaction, due: Due, error: str) -> int:
    """The receiver did not take the event. Returns how often it was tried in vain; 0: it is a dead letter now."""
    row, event = due.webhook, due.event
    if event is None:
        return 0
    if due.letter is not None:
        _bury(tx, row, event.sequence, due.letter.attempts + 1, error)
        return 0
    attempts = row.attempts + 1
    webhooks.note_failure(tx.rows, row, attempts, error, tx.now)
    if attempts < tx.limits.webhook_attempts:
        return attempts
    _bury(tx, row, event.sequence, attempts, error)
    webhooks.advance(tx.rows, row, event.sequence)
    return 0


def _bury(tx: Transaction, row: WebhookRow, sequence: int, attempts: int, error: str) -> None:
    if event_rows.one(tx.rows, sequence) is not None:
        webhooks.bury(tx.rows, DeadLetter(row.id, sequence, attempts, error, tx.now, 0))


class Letter(NamedTuple):
    """A dead letter with its event."""

    webhook: str
    letter: DeadLetter
    event: Stamped


def letters(tx: Transaction, name: str | None, after: tuple[int, int], limit: int) -> list[Letter]:
    """Up to ``limit`` dead letters after a pair of event and webhook id, of one webhook or of all, oldest event first.

    Raises:
        careen.ecr.errors.WebhookNotFound: there is none of that name.
    """
    wanted = None if name is None else require(tx, name).id
    names = {row.id: row.name for row in webhooks.every(tx.rows)}
    found = webhooks.letters(tx.rows, wanted, after, limit)
    paired = [(letter, events.one(tx, letter.event_id)) for letter in found]
    return [Letter(names[letter.webhook_id], letter, event) for letter, event in paired if event is not None]


def redeliver(tx: Transaction, name: str, sequences: Sequence[int] | None) -> int:
    """Ask for dead letters to be sent once more, before anything else: those of these events, or all. Returns how many.

    Raises:
        careen.ecr.errors.WebhookNotFound: there is none of that name.
    """
    encoded = None if sequences is None else msgspec.json.encode(list(sequences)).decode()
    return webhooks.want(tx.rows, require(tx, name).id, encoded)


def prune(registry: Registry) -> int:
    """Let go of old dead letters, and make dead letters of events that waited for as long as events are kept.

    So the log of a registry whose receiver is gone for good does not grow without an end, and nothing is dropped in silence.

    Returns:
        How many events became dead letters.
    """
    registry.write_now(_expire_letters)
    total = 0
    for webhook_id in registry.read(ids):
        while (buried := registry.write_now(_bury_overdue, webhook_id)) is not None:
            total += buried
    return total


def _expire_letters(tx: Transaction) -> None:
    webhooks.expire_letters(tx.rows, tx.now - tx.limits.events)


def _bury_overdue(tx: Transaction, webhook_id: int) -> int | None:
    """One step of :func:`prune`: how many became dead letters; None if none is overdue."""
    row = webhooks.by_id(tx.rows, webhook_id)
    if row is None or not row.enabled:
        return None
    horizon = tx.now - tx.limits.events
    overdue = [each for each in events.following(tx, row.cursor, LOOK_AHEAD) if each.recorded_at < horizon]
    wanted = [each for each in overdue if selects(row, each.event)]
    for each in wanted:
        error = f"it waited for {tx.limits.events / DAY:g} days; the last attempt: {row.error or 'none'}"
        _bury(tx, row, each.sequence, row.attempts, error)
    if overdue:
        webhooks.advance(tx.rows, row, overdue[-1].sequence)
    return len(wanted) if overdue else None


def _encoded(values: Sequence[str]) -> str:
    return msgspec.json.encode(list(values)).decode()


def _decoded(text: str) -> list[str]:
    return msgspec.json.decode(text, type=list[str])
