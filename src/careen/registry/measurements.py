"""What the registry stores, measured every hour: how it grows, what it costs, and what tidying up would give back.

The rows say it all, in one snapshot that holds nobody up (`measure_interval` says how often). The first fourteen days keep every
measurement, later ones the first of each day, for ever: a year of days takes 50 KB.
"""

from careen.clock import DAY, SECOND, Instant
from careen.db import layers, pins, repositories, samples, trash
from careen.db.samples import Sample as Sample
from careen.faults import Point, reach
from careen.lifecycle.cost import both_homes_dollars
from careen.lifecycle.plan import ACTED_ON, Action, Decision
from careen.registry import lifecycle, rules, storage
from careen.registry.registry import Limits, Registry, Transaction

JOB = "measure"

WHOLE = 14 * DAY
"""How long every measurement is kept."""

STALE_DAYS = 14
"""An untagged image as old as that is nobody's any more, where no rule says otherwise."""

TIDY = (
    '{"rules": [{"rulePriority": 1, "description": "what nobody tagged for two weeks", "selection": {"tagStatus": "untagged",'
    f' "countType": "sinceImagePushed", "countUnit": "days", "countNumber": {STALE_DAYS}}}, "action": {{"type": "expire"}}}}]}}'
)
"""The policy that says so: the least that a repository without one might have."""

ALL = 2**31 - 1
"""A limit above any number of measurements."""


def measure(registry: Registry) -> Sample:
    """Measure, and keep it."""
    sample = registry.read(_measured, registry.database.size())
    registry.write_now(_keep, sample)
    return sample


def page(tx: Transaction, start: Instant, end: Instant, before: Instant, limit: int) -> list[Sample]:
    """Up to ``limit`` measurements between two instants and before a third, the latest first."""
    return samples.page(tx.rows, start, end, before, limit)


def dollars(sample: Sample, limits: Limits) -> float:
    """What storage costs in a month, in US dollars, at the prices of now."""
    return both_homes_dollars(
        sample.taken_bytes, sample.archive_home_bytes, limits.price, limits.archive_price
    )


def _measured(tx: Transaction, database_bytes: int) -> Sample:
    totals, (trash_images, trash_bytes) = layers.totals(tx.rows), trash.totals(tx.rows)
    shared = layers.shared_bytes(tx.rows)
    unruled, doomed, spared = _judged(tx)
    return Sample(
        sampled_at=tx.now // SECOND * SECOND,  # as clients can name it: the wire has no microseconds
        live_bytes=totals.referenced_bytes - totals.archive_bytes - shared,
        shared_bytes=shared,
        archive_bytes=totals.archive_bytes,
        trash_bytes=trash_bytes,
        unneeded_bytes=totals.blob_bytes - totals.referenced_bytes - trash_bytes,
        taken_bytes=totals.blob_bytes - totals.inline_bytes + totals.condemned_bytes + database_bytes,
        archive_home_bytes=totals.archive_home_bytes,
        repositories=repositories.count(tx.rows),
        images=totals.manifests,
        trash_images=trash_images,
        unruled=unruled,
        stale_images=sum(map(len, doomed.values())),
        stale_bytes=storage.freed_by(tx, doomed) if doomed else 0,
        spared_images=spared,
    )


def _judged(tx: Transaction) -> tuple[int, dict[str, list[str]], int]:
    """What the rules say, and the lack of them.

    Returns:
        How many repositories no rule acts on; what :data:`TIDY` would delete from each of them; how many images of the others a
        rule would take were they not in use.
    """
    unruled, doomed, spared = 0, {}, 0
    in_use = pins.pinned_repositories(tx.rows)
    suspects = repositories.with_loose_images(tx.rows, tx.now - STALE_DAYS * DAY)
    for repository in repositories.every(tx.rows):
        holds = rules.effective_for(tx, repository)
        if not holds.is_empty:
            if repository.id in in_use:
                spared += sum(map(_is_spared, lifecycle.plan(tx, repository, holds).decisions))
            continue
        unruled += 1
        if repository.id in suspects:
            plan = lifecycle.plan(tx, repository, rules.effective_for(tx, repository, TIDY))
            gone = [each.image.digest for each in plan.decisions if each.action in ACTED_ON]
            if gone:
                doomed[repository.name] = gone
    return unruled, doomed, spared


def _is_spared(decision: Decision) -> bool:
    kept = decision.protected_by
    return decision.action is Action.PROTECTED and kept is not None and kept.rule is None


def _keep(tx: Transaction, sample: Sample) -> None:
    samples.insert(tx.rows, sample)
    samples.thin(tx.rows, tx.now - WHOLE)
    reach(Point.STORAGE_MEASURED)
