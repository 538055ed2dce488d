"""Repositories at a glance, for lists that can be searched and sorted by any column, however many there are.

The worker adds all of them up every few minutes: the order of a list is as old as that. What a row of the list says is added up
when it is asked for, unless that would take long.
"""

from collections.abc import Sequence
from typing import NamedTuple

from careen.clock import SECOND, Instant
from careen.db import summaries
from careen.db.summaries import Column as Column
from careen.db.summaries import Figures as Figures
from careen.db.summaries import Place as Place
from careen.faults import Point, reach
from careen.registry import rules
from careen.registry.registry import Registry, Transaction
from careen.registry.rules import Origin

JOB = "summarize"

EVERY = 60 * SECOND
"""How often repositories are added up, if that is quick."""

RESTS = 50
"""How many times as long as adding up takes the worker waits before the next time."""

FEW = 200
"""A repository of so many images at most is added up when somebody looks."""

BATCH = 500
"""Rows that are written in one transaction."""


class Summary(NamedTuple):
    """A repository in a list."""

    name: str
    created_at: Instant
    is_public: bool
    origin: Origin
    """Where its lifecycle policy comes from."""
    figures: Figures
    place: Place
    """In the list that it is of."""


class Found(NamedTuple):
    """A part of a list."""

    total: int
    """How many repositories the whole list has."""
    listed: list[Summary]


def find(
    tx: Transaction,
    part: str,
    column: Column,
    after: Place | None,
    limit: int,
    *,
    is_public: bool | None = None,
    descending: bool = False,
) -> Found:
    """A part of the list of repositories.

    Args:
        tx: the transaction.
        part: of their names; empty: all of them.
        column: what they are sorted by, as it was last added up.
        after: where the part before ended.
        limit: how many at most.
        is_public: only public ones, only private ones, or (None) both.
        descending: the largest first.
    """
    found = summaries.page(tx.rows, part, column, after, limit, is_public=is_public, descending=descending)
    defaults = rules.defaults(tx)
    return Found(
        summaries.count(tx.rows, part, is_public=is_public),
        [
            Summary(
                each.name,
                each.created_at,
                each.is_public,
                rules.origin_of(each.name, each.lifecycle_policy, defaults),
                summaries.of(tx.rows, each.id) if each.figures.images <= FEW else each.figures,
                (each.sorted_by, each.name),
            )
            for each in found
        ],
    )


def refresh(registry: Registry) -> int:
    """Add all repositories up, and keep what is new. Returns how many figures were.

    Reading takes a second for 10,000 repositories with 100,000 images; nobody waits for it.
    """
    changed = registry.read(_changed)
    for start in range(0, len(changed), BATCH):  # each transaction short: pushes wait for it
        registry.write_now(_keep, changed[start : start + BATCH])
    return len(changed)


def _changed(tx: Transaction) -> list[tuple[int, Figures]]:
    found, kept = summaries.of_all(tx.rows), summaries.kept(tx.rows)
    emptied = ((each, summaries.NOTHING) for each in kept.keys() - found.keys())
    return [pair for pair in (*found.items(), *emptied) if kept.get(pair[0]) != pair[1]]


def _keep(tx: Transaction, figures: Sequence[tuple[int, Figures]]) -> None:
    summaries.keep(tx.rows, figures)
    reach(Point.SUMMARIES_KEPT)
