"""Durable jobs with leases: what a worker does, once, whichever worker and whatever crashes."""

import json
from collections.abc import Iterable
from typing import NamedTuple

from careen.clock import SECOND, Instant
from careen.db.engine import Connection

LEASE = 300 * SECOND
"""How long a claimed job is its worker's before another may take it, unless the lease is extended."""


class Job(NamedTuple):
    """A claimed job."""

    id: int
    kind: str
    key: str
    attempts: int
    """How often it was claimed, this time included."""
    leased_by: str
    """The worker that claimed it."""


def enqueue(rows: Connection, kind: str, key: str, run_at: Instant) -> None:
    """Ask for a job once: while one of this kind and key waits, another request only brings it forward."""
    rows.execute(
        "INSERT INTO jobs (kind, key, run_at, leased_until, attempts) VALUES (:kind, :key, :run_at, 0, 0)"
        " ON CONFLICT (kind, key) DO UPDATE SET run_at = excluded.run_at WHERE jobs.run_at > excluded.run_at",
        {"kind": kind, "key": key, "run_at": run_at},
    )


def enqueue_if_absent(rows: Connection, kind: str, key: str, run_at: Instant) -> None:
    """Ask for a job, unless one of this kind and key waits already, for whenever."""
    rows.execute(
        "INSERT INTO jobs (kind, key, run_at, leased_until, attempts) VALUES (:kind, :key, :run_at, 0, 0)"
        " ON CONFLICT (kind, key) DO NOTHING",
        {"kind": kind, "key": key, "run_at": run_at},
    )


_NOT_AT_WORK = (
    "(leased_by IS NULL OR NOT EXISTS (SELECT 1 FROM nodes"
    " WHERE substr(leased_by, length(leased_by) - length(nodes.id) + 1) = nodes.id))"
)
"""Whose lease is none of a node's that is noted: its worker is dead, whenever its clock made the lease end."""

_DUE = "run_at <= :now AND leased_until <= :now AND kind IN (SELECT value FROM json_each(:kinds))"


def latest(rows: Connection) -> list[tuple[str, Instant]]:
    """Each kind of job that waits, with the latest instant that one waits for. What a node that is there works on does not wait."""
    return rows.execute(f"SELECT kind, max(run_at) FROM jobs WHERE {_NOT_AT_WORK} GROUP BY kind").fetchall()


def waiting(rows: Connection, now: Instant) -> list[tuple[str, int, Instant]]:
    """Each kind of job that nobody works on: how many wait or have failed, and for how long the first has been due (0: not yet)."""
    return rows.execute(
        "SELECT kind, count(*), CASE WHEN min(run_at) < :now THEN :now - min(run_at) ELSE 0 END FROM jobs"
        " WHERE leased_until <= :now GROUP BY kind ORDER BY kind",
        {"now": now},
    ).fetchall()


def bring_forward(rows: Connection, kind: str, beyond: Instant, now: Instant) -> None:
    """Let the jobs of a kind that wait for later than ``beyond`` be anyone's now, but for what a node that is there works on."""
    rows.execute(
        "UPDATE jobs SET run_at = :now, leased_until = 0"
        f" WHERE kind = :kind AND run_at > :beyond AND {_NOT_AT_WORK}",
        {"kind": kind, "beyond": beyond, "now": now},
    )


def postpone(rows: Connection, kind: str, ending: str, until: Instant, behind: Job) -> None:
    """Let the jobs of a kind whose keys end so, and that nobody works on, wait until an instant, if they do not already.

    ``behind`` is the job that goes before them: it stays as it is.
    """
    rows.execute(
        "UPDATE jobs SET run_at = :until WHERE kind = :kind AND leased_until = 0 AND run_at < :until AND id <> :behind"
        " AND substr(key, length(key) - length(:ending) + 1) = :ending",
        {"kind": kind, "ending": ending, "until": until, "behind": behind.id},
    )


def hasten(rows: Connection, kind: str, now: Instant) -> None:
    """Let the jobs of a kind that nobody works on be due now."""
    rows.execute(
        "UPDATE jobs SET run_at = :now WHERE kind = :kind AND leased_until = 0 AND run_at > :now",
        {"kind": kind, "now": now},
    )


def any_due(rows: Connection, kinds: Iterable[str], now: Instant) -> bool:
    """Whether a job of these kinds could be claimed."""
    statement = f"SELECT 1 FROM jobs WHERE {_DUE} LIMIT 1"
    return rows.execute(statement, {"now": now, "kinds": json.dumps(list(kinds))}).fetchone() is not None


def claim(rows: Connection, kinds: Iterable[str], worker: str, now: Instant) -> Job | None:
    """Take the job of these kinds that has been due longest. A lease that ran out is anyone's again.

    While a job is claimed its ``run_at`` is the end of the lease; an earlier one means that it was asked for again meanwhile.
    """
    row = rows.execute(
        "UPDATE jobs SET leased_by = :worker, leased_until = :until, run_at = :until, attempts = attempts + 1 WHERE id ="
        f" (SELECT id FROM jobs WHERE {_DUE} ORDER BY run_at, id LIMIT 1 /*postgresql: FOR UPDATE SKIP LOCKED */)"
        " RETURNING id, kind, key, attempts, leased_by",
        {"worker": worker, "now": now, "until": now + LEASE, "kinds": json.dumps(list(kinds))},
    ).fetchone()
    return None if row is None else Job._make(row)


def extend(rows: Connection, job: Job, worker: str, now: Instant) -> bool:
    """Keep the lease. False: another worker has the job now, so stop.

    What was asked for meanwhile stays so: then ``run_at`` is not the end of the lease, and must stay before it, however far it is.
    """
    statement = (
        "UPDATE jobs SET run_at = CASE WHEN run_at = leased_until THEN :until ELSE run_at END,"
        " leased_until = CASE WHEN run_at < leased_until AND run_at >= :until THEN run_at + 1 ELSE :until END"
        " WHERE id = :id AND leased_by = :worker"
    )
    return rows.execute(statement, {"id": job.id, "worker": worker, "until": now + LEASE}).rowcount > 0


def finish(rows: Connection, job: Job, worker: str) -> None:
    """The job is done, unless it was asked for again while it ran: then it waits anew."""
    parameters = {"id": job.id, "worker": worker}
    rows.execute(
        "DELETE FROM jobs WHERE id = :id AND leased_by = :worker AND run_at >= leased_until", parameters
    )
    rows.execute(
        "UPDATE jobs SET leased_until = 0, leased_by = NULL, attempts = 0"
        " WHERE id = :id AND leased_by = :worker",
        parameters,
    )


def reschedule(rows: Connection, job: Job, run_at: Instant) -> None:
    """Let a claimed job wait for ``run_at`` when it is finished, instead of being gone; unless another has it by now."""
    rows.execute(
        "UPDATE jobs SET run_at = :run_at, leased_until = :run_at + 1 WHERE id = :id AND leased_by = :worker",
        {"id": job.id, "worker": job.leased_by, "run_at": run_at},
    )


def release(rows: Connection, worker: str, now: Instant) -> None:
    """Let whatever a worker has claimed be due at ``now`` for anyone."""
    rows.execute(
        "UPDATE jobs SET leased_until = 0, leased_by = NULL, run_at = CASE WHEN run_at < :now THEN run_at ELSE :now END"
        " WHERE leased_by = :worker",
        {"worker": worker, "now": now},
    )


def retry(rows: Connection, job: Job, worker: str, error: str, run_at: Instant) -> None:
    """The job failed; try again at ``run_at``."""
    rows.execute(
        "UPDATE jobs SET leased_until = 0, leased_by = NULL, error = :error, run_at = :run_at"
        " WHERE id = :id AND leased_by = :worker",
        {"id": job.id, "worker": worker, "error": error[:2000], "run_at": run_at},
    )
