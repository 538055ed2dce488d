"""The worker: does what waits in the job table, on time, one job at a time, apart from the processes that serve requests.

Recurring work is a job that asks for itself again. Several workers may run on one database: a lease keeps each job one worker's,
and a job whose worker died is another's when the lease ends. A job may therefore run twice; every one is written so that the
second time finds nothing left to do.
"""

import os
import threading
from collections.abc import Callable

import structlog

from careen.clock import HOUR, SECOND, Instant
from careen.registry import archive, gc, jobs, lifecycle, pins, previews
from careen.registry.jobs import Job
from careen.registry.registry import Registry

IDLE_SECONDS = 0.1
"""How often an idle worker looks whether something was committed (5 µs); only then, or once a second, at the jobs."""

RETRY = 30 * SECOND
"""After a failure: first wait; it doubles up to an hour."""

MAX_ATTEMPTS = 5
"""After so many failures a preview is given up; recurring jobs never are."""

log = structlog.get_logger()


def run(registry: Registry, stop: threading.Event) -> None:
    """Work until ``stop`` is set."""
    name = f"worker-{os.getpid()}"
    registry.write_now(jobs.schedule)
    version, idle = -1, 0
    while not stop.is_set():
        seen = registry.database.version()
        if seen == version and idle * IDLE_SECONDS < 1:
            idle += 1
            stop.wait(IDLE_SECONDS)
            continue
        version, idle = seen, 0
        while not stop.is_set() and run_one(registry, name):
            pass


def run_one(registry: Registry, worker: str) -> bool:
    """Claim one due job and do it. Returns whether there was one."""
    job = registry.write_now(jobs.claim, worker) if registry.read(jobs.any_due) else None
    if job is None:
        return False
    try:
        JOBS[job.kind](registry, job)
    except Exception as error:
        log.exception("job failed", kind=job.kind, key=job.key, attempts=job.attempts)
        if job.kind == "preview" and job.attempts >= MAX_ATTEMPTS:
            registry.write_now(previews.fail, int(job.key))
            registry.write_now(jobs.finish, job, worker)
        else:
            registry.write_now(jobs.retry, job, worker, repr(error), _wait(job.attempts))
        return True
    registry.write_now(jobs.finish, job, worker)
    return True


def _wait(attempts: int) -> Instant:
    return min(RETRY << min(attempts - 1, 10), HOUR)


def _preview(registry: Registry, job: Job) -> None:
    previews.compute(registry, int(job.key))


def _lifecycle_round(registry: Registry, job: Job) -> None:
    count = lifecycle.enqueue_runs(registry)
    registry.write_now(jobs.again, job, registry.limits.lifecycle_every)
    log.debug("lifecycle round", repositories=count)


def _lifecycle(registry: Registry, job: Job) -> None:
    ran = lifecycle.run(registry, int(job.key))
    if ran is not None and ran.expired + ran.archived + ran.untagged + ran.skipped:
        log.info("lifecycle policy run", **ran._asdict())


def _restore(registry: Registry, job: Job) -> None:
    registry.write_now(archive.end_restore, int(job.key))


def _collect(registry: Registry, job: Job) -> None:
    collected = gc.collect(registry)
    if collected.blobs:
        log.info("collected", blobs=collected.blobs, freed_bytes=collected.freed)
    registry.write_now(jobs.again, job, registry.limits.collect_every)


def _pins(registry: Registry, job: Job) -> None:
    lapsed = registry.write_now(pins.lapse)
    if lapsed.ended:
        log.info("pins ended", pins=lapsed.ended)
    for each in lapsed.stale:
        if each.silent % HOUR >= pins.LOOK_EVERY:  # once an hour says enough
            continue
        log.warning(
            "a feed of images in use is silent; its pins are kept",
            source=each.feed.source,
            pins=each.pins,
            silent_hours=each.silent // HOUR,
        )
    registry.write_now(jobs.again, job, pins.LOOK_EVERY)


def _sweep(registry: Registry, job: Job) -> None:
    swept = gc.sweep(registry)
    if swept.blobs + swept.orphans + swept.uploads:
        log.info(
            "swept", blobs=swept.blobs, orphans=swept.orphans, uploads=swept.uploads, freed_bytes=swept.freed
        )
    registry.write_now(jobs.again, job, registry.limits.sweep_every)


JOBS: dict[str, Callable[[Registry, Job], None]] = {
    "preview": _preview,
    "lifecycle-round": _lifecycle_round,
    "lifecycle": _lifecycle,
    "restore": _restore,
    "collect": _collect,
    "pins": _pins,
    "sweep": _sweep,
}
"""Kind of job to what is done."""
