"""What a monitoring system is told of a registry, read in one snapshot. Names of repositories are not among it."""

from dataclasses import dataclass

from careen.clock import Instant
from careen.db import collections, jobs, layers, trash, webhooks
from careen.db.collections import Total as Total
from careen.registry import nodes
from careen.registry.nodes import NodeRow
from careen.registry.registry import Transaction


@dataclass(frozen=True, slots=True)
class Waiting:
    """Jobs of one kind that no worker has taken."""

    kind: str
    count: int
    overdue: Instant
    """Microseconds since the first of them was due; 0: none is."""


@dataclass(frozen=True, slots=True)
class Metrics:
    """Sizes are bytes."""

    collections: list[Total]
    reviews: int
    """Blobs that may have become unneeded, and wait for the collector to look."""
    due_reviews: int
    """Those of them whose time has come."""
    condemned_bytes: int
    """Of blobs that are gone; they are about to go, too."""
    trash_images: int
    jobs: list[Waiting]
    failing_webhooks: int
    dead_letters: int
    """Events that could not be delivered to webhooks."""
    nodes: list[NodeRow]
    """Those that share the database; none: it is one node's."""


def measure(tx: Transaction) -> Metrics:
    """All of it, as it stands."""
    reviews, due, condemned_bytes = layers.backlog(tx.rows, tx.now)
    return Metrics(
        collections=collections.totals(tx.rows),
        reviews=reviews,
        due_reviews=due,
        condemned_bytes=condemned_bytes,
        trash_images=trash.count(tx.rows),
        jobs=[Waiting(*row) for row in jobs.waiting(tx.rows, tx.now)],
        failing_webhooks=sum(row.error is not None for row in webhooks.every(tx.rows)),
        dead_letters=sum(webhooks.count_letters(tx.rows).values()),
        nodes=nodes.every(tx),
    )
