"""Previews and runs of lifecycle policies."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from careen.clock import Instant
from careen.db.engine import Connection


class Preview(NamedTuple):
    """A row of ``lifecycle_previews``."""

    repository_id: int
    policy: str
    """As it was sent."""
    status: str
    started_at: Instant


class PreviewResult(NamedTuple):
    """One image that the previewed policy would act on."""

    position: int
    digest: str
    tags: str
    """JSON list."""
    pushed_at: Instant
    action: str
    rule_priority: int
    status: str


class Action(NamedTuple):
    """What a run did to one image."""

    position: int
    digest: str
    tags: str
    """JSON list."""
    size: int
    action: str
    rule_priority: int | None
    reason: str
    outcome: str


class Run(NamedTuple):
    """A row of ``lifecycle_runs``."""

    id: int
    repository_id: int
    policy: str
    evaluated_at: Instant
    finished_at: Instant | None
    images: int


def start_preview(rows: Connection, repository_id: int, policy: str, now: Instant) -> None:
    """Replace the repository's preview with one that is in progress."""
    rows.execute("DELETE FROM lifecycle_previews WHERE repository_id = :id", {"id": repository_id})
    rows.execute(
        "INSERT INTO lifecycle_previews (repository_id, policy, status, started_at) VALUES (:id, :policy, 'IN_PROGRESS', :now)",
        {"id": repository_id, "policy": policy, "now": now},
    )


def preview(rows: Connection, repository_id: int) -> Preview | None:
    """The repository's latest preview."""
    row = rows.execute(
        "SELECT repository_id, policy, status, started_at FROM lifecycle_previews WHERE repository_id = :id",
        {"id": repository_id},
    ).fetchone()
    return None if row is None else Preview._make(row)


def finish_preview(rows: Connection, started: Preview, status: str, results: Iterable[PreviewResult]) -> None:
    """Keep a preview's outcome, unless another preview was started since."""
    done = rows.execute(
        "UPDATE lifecycle_previews SET status = :status"
        " WHERE repository_id = :id AND started_at = :started_at AND status = 'IN_PROGRESS'",
        {"id": started.repository_id, "started_at": started.started_at, "status": status},
    )
    if done.rowcount:
        rows.executemany(
            "INSERT INTO lifecycle_preview_results (repository_id, position, digest, tags, pushed_at, action,"
            " rule_priority, status)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [(started.repository_id, *result) for result in results],
        )


def preview_results(rows: Connection, repository_id: int) -> list[PreviewResult]:
    """All results, in order of execution."""
    found = rows.execute(
        "SELECT position, digest, tags, pushed_at, action, rule_priority, status FROM lifecycle_preview_results"
        " WHERE repository_id = :id ORDER BY position",
        {"id": repository_id},
    )
    return [PreviewResult._make(row) for row in found]


def preview_counts(rows: Connection, repository_id: int) -> dict[str, int]:
    """How many results there are per action."""
    found: list[Any] = rows.execute(
        "SELECT action, count(*) FROM lifecycle_preview_results WHERE repository_id = :id GROUP BY action",
        {"id": repository_id},
    ).fetchall()
    return dict(found)


def start_run(rows: Connection, repository_id: int, policy: str, now: Instant, images: int) -> int:
    """Begin the record of a run. Returns its id."""
    row = rows.execute(
        "INSERT INTO lifecycle_runs (repository_id, policy, evaluated_at, images)"
        " VALUES (:id, :policy, :now, :images) RETURNING id",
        {"id": repository_id, "policy": policy, "now": now, "images": images},
    ).fetchone()
    return int(row[0])


def record_actions(rows: Connection, run_id: int, actions: Iterable[Action]) -> None:
    """Note what a run did."""
    rows.executemany(
        "INSERT INTO lifecycle_actions (run_id, position, digest, tags, size, action, rule_priority, reason, outcome)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [(run_id, *action) for action in actions],
    )


def finish_run(rows: Connection, run_id: int, now: Instant) -> None:
    """Close the record of a run."""
    rows.execute("UPDATE lifecycle_runs SET finished_at = :now WHERE id = :id", {"id": run_id, "now": now})


def runs(rows: Connection, repository_id: int, limit: int) -> list[Run]:
    """The latest runs, the newest first."""
    found = rows.execute(
        "SELECT id, repository_id, policy, evaluated_at, finished_at, images FROM lifecycle_runs WHERE repository_id = :id"
        " ORDER BY id DESC LIMIT :limit",
        {"id": repository_id, "limit": limit},
    )
    return [Run._make(row) for row in found]


def page(rows: Connection, repository_id: int | None, before: int, limit: int) -> list[tuple[Run, str]]:
    """Up to ``limit`` runs below an id with the names of their repositories, the newest first; of one repository, or of all."""
    found = rows.execute(
        "SELECT run.id, run.repository_id, run.policy, run.evaluated_at, run.finished_at, run.images, repository.name"
        " FROM lifecycle_runs run JOIN repositories repository ON repository.id = run.repository_id"
        f" WHERE run.id < :before{'' if repository_id is None else ' AND run.repository_id = :id'}"
        " ORDER BY run.id DESC LIMIT :limit",
        {"before": before, "id": repository_id, "limit": limit},
    )
    return [(Run._make(row[:-1]), row[-1]) for row in found]


def run(rows: Connection, repository_id: int, run_id: int) -> Run | None:
    """One run of a repository."""
    row = rows.execute(
        "SELECT id, repository_id, policy, evaluated_at, finished_at, images FROM lifecycle_runs"
        " WHERE id = :run AND repository_id = :id",
        {"run": run_id, "id": repository_id},
    ).fetchone()
    return None if row is None else Run._make(row)


def outcomes(rows: Connection, run_id: int) -> list[tuple[str, int, int]]:
    """Each outcome of a run, with how many images and bytes it concerns."""
    found = rows.execute(
        "SELECT outcome, count(*), sum(size) FROM lifecycle_actions WHERE run_id = :id GROUP BY outcome ORDER BY outcome",
        {"id": run_id},
    )
    return [(row[0], int(row[1]), int(row[2])) for row in found]


def actions_after(rows: Connection, run_id: int, after: int, limit: int) -> list[Action]:
    """Up to ``limit`` of what a run did behind a position, in the order it did it."""
    found = rows.execute(
        "SELECT position, digest, tags, size, action, rule_priority, reason, outcome FROM lifecycle_actions"
        " WHERE run_id = :id AND position > :after ORDER BY position LIMIT :limit",
        {"id": run_id, "after": after, "limit": limit},
    )
    return [Action._make(row) for row in found]


def actions(rows: Connection, run_id: int) -> list[Action]:
    """Everything a run did, in the order it did it."""
    found = rows.execute(
        "SELECT position, digest, tags, size, action, rule_priority, reason, outcome FROM lifecycle_actions WHERE run_id = :id"
        " ORDER BY position",
        {"id": run_id},
    )
    return [Action._make(row) for row in found]
