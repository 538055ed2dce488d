"""The worker: does what waits in the job table, on time, one job at a time, apart from the processes that serve requests.

Recurring work is a job that asks for itself again. Several workers may run on one database, of one node or of many, and none leads:
a lease keeps each job one worker's for as long as it takes, and a job whose worker died is another's when the lease ends. A job may
therefore run twice; every one is written so that the second time finds nothing left to do.

The scrub takes hours, most of which it waits, a move to or from the archive's home as long as its bytes; scans wait for a scanner,
deliveries to webhooks and replication for others. They have threads of their own, so that nothing else waits for them.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial

import structlog

from careen import deliveries, figures, tracing
from careen.clock import HOUR, SECOND, Cautious, Clock, Instant
from careen.registry import (
    archive,
    events,
    gc,
    jobs,
    lifecycle,
    measurements,
    moves,
    pins,
    places,
    previews,
    reports,
    scans,
    scrub,
    sign_in,
    storage,
    summaries,
    trail,
    webhooks,
)
from careen.registry.fresh import Version
from careen.registry.jobs import Job
from careen.registry.nodes import NOTE_SECONDS, Company
from careen.registry.registry import Node, Registry, Transaction
from careen.registry.trouble import tell
from careen.replication.work import backfilling, copies

IDLE_SECONDS = 0.1
"""How often an idle worker looks whether something was committed (5 µs); only then, or once a second, at the jobs."""

TROUBLE_SECONDS = 5.0
"""How long a worker pauses that cannot even claim a job."""

KEEP_SECONDS = 30.0
"""How often a worker says that it goes on with a job: ten times in a lease, so that the database may be away for minutes."""

COPIES_AT_ONCE = 2
"""Images that are on their way to other registries at the same time, beside those of a backfill."""

ANSWER_SECONDS = 3.0
"""How long a worker that stops waits for the answers of other registries."""

MAX_ATTEMPTS = 5
"""After so many failures what somebody waits for is given up; recurring jobs never are."""

log = structlog.get_logger()


def run(registry: Registry, stop: threading.Event) -> None:
    """Work until ``stop`` is set."""
    company = Company(registry)
    _note(company)  # first of all: with a wrong clock not even the first job may be claimed
    node = registry.node
    beside = [_thread(registry, stop, company, name, work) for name, work in _beside(node, stop)]
    beside.append(threading.Thread(target=deliveries.run, args=(registry, company, stop)))
    beside.append(threading.Thread(target=_keep_company, args=(company, stop), name="company"))
    if registry.limits.has_archive:
        name = node.bears("moves")
        # The archive's home may be new: of that no event tells.
        look = partial(moves.look_at_all, registry)
        beside.append(_thread(registry, stop, company, name, moving(stop, name), first=look))
    replicating = [_thread(registry, stop, company, name, work) for name, work in _replicating(node, stop)]
    for thread in (*beside, *replicating):
        thread.start()
    # A full disk fails the claim of a job, too; a worker that ends for it would end the server.
    _go_on(
        registry,
        stop,
        registry.node.bears("worker"),
        lambda: _work(registry, stop, company),
        "the worker cannot work; trying again",
    )
    for thread in beside:
        thread.join()
    # One that waits for an answer from afar may be left behind, as by a crash: its job is done again when the lease ends.
    deadline = time.monotonic() + ANSWER_SECONDS
    for thread in replicating:
        thread.join(max(0, deadline - time.monotonic()))


def _go_on(
    registry: Registry, stop: threading.Event, name: str, turn: Callable[[], None], trouble: str, **about: str
) -> None:
    """Take turns until told to stop. What fails is told and tried again, and what the worker had claimed is given back first.

    Else it would wait for the end of its lease: a collection, say, that makes room on the disk which was full.

    Args:
        registry: the registry.
        stop: ends it, when the turn is over.
        name: whose leases are given back.
        turn: what to do.
        trouble: the event of the log when it fails.
        about: what is logged with it.
    """
    troubled = False
    while not stop.is_set():
        try:
            if troubled:
                registry.write_now(jobs.release, name)
                troubled = False
            turn()
        except Exception as error:  # noqa: BLE001 it is told
            tell(error, trouble, **about, seconds=TROUBLE_SECONDS)
            troubled = True
            stop.wait(TROUBLE_SECONDS)


def _keep_company(company: Company, stop: threading.Event) -> None:
    """Say again and again that this node is at work, and at last that it stops."""
    while not stop.wait(NOTE_SECONDS):
        _note(company)
    with contextlib.suppress(Exception):  # else the others notice by themselves, in half a minute
        company.leave()


def _note(company: Company) -> None:
    try:
        company.note()
    except Exception as error:  # noqa: BLE001 it is told
        tell(error, "this node could not be noted; trying again", seconds=NOTE_SECONDS)


def _work(registry: Registry, stop: threading.Event, company: Company) -> None:
    """Do what is due, as long as this node's clock can say what is."""
    if company.is_clock_astray:
        stop.wait(TROUBLE_SECONDS)
        return
    name = registry.node.bears("worker")
    registry.write_now(jobs.schedule)
    leap, looked = 0, float("-inf")
    while not stop.is_set() and not company.is_clock_astray:
        if time.monotonic() - looked >= 1:
            looked = time.monotonic()
            leap = _tell_of_leap(registry.clock, leap)
            if registry.read(jobs.astray):
                registry.write_now(jobs.recall)
        version = registry.database.version()
        if not run_one(registry, name):
            _wait_for_a_commit(registry, version, stop)


def _wait_for_a_commit(registry: Registry, version: Version, stop: threading.Event) -> None:
    """Wait until something is committed after ``version``, for a second at most: jobs become due by themselves."""
    for _ in range(round(1 / IDLE_SECONDS)):
        if stop.wait(IDLE_SECONDS) or registry.database.version() != version:
            return


def _tell_of_leap(clock: Clock, told: Instant) -> Instant:
    """Warn when the system's clock is set ahead or back, once. Returns the leap that was told of; 0 for none."""
    leap = clock.leap if isinstance(clock, Cautious) else 0
    if leap and not told:
        log.warning(
            "the clock leapt; ages are judged as if it had not, until it has stayed for a day",
            seconds=leap // SECOND,
        )
    elif told and not leap:
        log.warning("the clock is believed again")
    return leap


def _beside(node: Node, stop: threading.Event) -> Iterator[tuple[str, Mapping[str, "Work"]]]:
    """What has a thread of its own: the thread's name, which its leases bear, and what it does."""
    scrub_name, scan_name = node.bears("scrub"), node.bears("scan")
    yield scrub_name, scrubs(stop, scrub_name)
    yield scan_name, image_scans(stop, scan_name)


def _replicating(node: Node, stop: threading.Event) -> Iterator[tuple[str, Mapping[str, "Work"]]]:
    """The same of replication."""
    for number in range(COPIES_AT_ONCE):
        name = node.bears(f"replication-{number}")
        yield name, copies(name, stop)
    yield node.bears("backfill"), backfilling(node.bears("backfill"), stop)


def _thread(
    registry: Registry,
    stop: threading.Event,
    company: Company,
    name: str,
    work: Mapping[str, "Work"],
    *,
    first: Callable[[], object] | None = None,
) -> threading.Thread:
    """A thread that does ``work`` as it is asked for, after ``first``. It is left behind by a process that does not join it."""
    target = partial(_run_beside, registry, stop, company, name, work, first)
    return threading.Thread(target=target, name=name, daemon=True)


def _run_beside(
    registry: Registry,
    stop: threading.Event,
    company: Company,
    name: str,
    work: Mapping[str, "Work"],
    first: Callable[[], object] | None,
) -> None:
    def turn() -> None:
        nonlocal first
        if first is not None:
            first()
            first = None
        version = registry.database.version()
        if company.is_clock_astray or not run_one(registry, name, work):
            _wait_for_a_commit(registry, version, stop)

    # The disk is full, say: the other jobs go on, and so will these.
    _go_on(registry, stop, name, turn, "a worker's thread cannot work; trying again", thread=name)


def run_one(registry: Registry, worker: str, work: Mapping[str, "Work"] | None = None) -> bool:
    """Claim one due job and do it.

    Args:
        registry: the registry.
        worker: the worker's name: a lease is its own.
        work: kinds of jobs to what is done; :data:`JOBS` if not given.

    Returns:
        Whether there was one.
    """
    work = JOBS if work is None else work
    job = registry.write_now(jobs.claim, work, worker) if registry.read(jobs.any_due, work) else None
    if job is None:
        return False
    began = time.perf_counter()
    try:
        with tracing.job(job.kind), _kept(registry, job, worker):
            work[job.kind](registry, job)
    except Exception as error:  # noqa: BLE001 it is told
        _count(job, "failed", began)
        tell(error, "job failed", kind=job.kind, key=job.key, attempts=job.attempts)
        if job.kind in GIVE_UP and job.attempts >= MAX_ATTEMPTS:
            registry.write_now(GIVE_UP[job.kind], int(job.key))
            registry.write_now(jobs.finish, job, worker)
        else:
            registry.write_now(jobs.retry, job, worker, repr(error), jobs.backoff(job.attempts))
        return True
    _count(job, "done", began)
    registry.write_now(jobs.finish, job, worker)
    return True


def _count(job: Job, outcome: str, began: float) -> None:
    figures.JOBS.add(job.kind, outcome)
    figures.JOB_SECONDS.observe(job.kind, value=time.perf_counter() - began)


@contextlib.contextmanager
def _kept(registry: Registry, job: Job, worker: str) -> Iterator[None]:
    """Keep the lease of a job for the length of a ``with`` block, however long that is.

    What would do harm in two workers at the same time looks for itself whether the lease is still its own (``jobs.keep``).
    """
    ended = threading.Event()

    def keep() -> None:
        is_ours = True
        while is_ours and not ended.wait(KEEP_SECONDS):
            try:
                is_ours = registry.write_now(jobs.keep, job, worker)
            except Exception as error:  # noqa: BLE001 it is told
                tell(error, "a lease could not be kept; trying again", kind=job.kind, key=job.key)

    keeping = threading.Thread(target=keep, name=f"lease-{job.kind}", daemon=True)
    keeping.start()
    try:
        yield
    finally:
        ended.set()
        keeping.join()


def _measure(registry: Registry, job: Job) -> None:
    measurements.measure(registry)
    registry.write_now(jobs.again, job, registry.limits.measure_every)


def _summarize(registry: Registry, job: Job) -> None:
    began = time.monotonic()
    summaries.refresh(registry)
    took = round((time.monotonic() - began) * SECOND)
    registry.write_now(jobs.again, job, max(summaries.EVERY, summaries.RESTS * took))


def _preview(registry: Registry, job: Job) -> None:
    previews.compute(registry, int(job.key))


def _lifecycle_round(registry: Registry, job: Job) -> None:
    count = lifecycle.enqueue_runs(registry)
    registry.write_now(jobs.again, job, registry.limits.lifecycle_every)
    log.debug("lifecycle round", repositories=count)


def _lifecycle(registry: Registry, job: Job) -> None:
    ran = lifecycle.run(registry, int(job.key))
    if ran is not None:
        for outcome in ("expired", "archived", "untagged", "skipped"):
            figures.LIFECYCLE_IMAGES.add(outcome, amount=getattr(ran, outcome))
    if ran is not None and ran.expired + ran.archived + ran.untagged + ran.skipped:
        log.info("lifecycle policy run", **ran._asdict())


def _restore(registry: Registry, job: Job) -> None:
    restored = registry.write_now(archive.end_restore, int(job.key))
    if restored is not None:
        trail.activated(registry, *restored)


def _collect(registry: Registry, job: Job) -> None:
    collected = gc.collect(registry)
    if collected.blobs:
        log.info("collected", blobs=collected.blobs, freed_bytes=collected.freed)
    registry.write_now(jobs.again, job, registry.limits.collect_every)


def _events(registry: Registry, job: Job) -> None:
    """Forget old events, after those that could not be delivered for too long were made dead letters."""
    if buried := webhooks.prune(registry):
        log.error("events waited too long for a webhook and are dead letters now", events=buried)
    events.prune(registry)
    registry.write_now(jobs.again, job, HOUR)


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
    registry.write_now(sign_in.forget)
    if registry.limits.has_archive:
        moves.look_at_all(registry)
    if swept.blobs + swept.orphans + swept.uploads:
        log.info(
            "swept", blobs=swept.blobs, orphans=swept.orphans, uploads=swept.uploads, freed_bytes=swept.freed
        )
    for digest in storage.damaged(registry):
        log.error(
            "a blob is damaged: its file is gone or has another size; pushing it again mends it",
            digest=digest,
        )
    registry.write_now(jobs.again, job, registry.limits.sweep_every)


def moving(stop: threading.Event, worker: str) -> dict[str, "Work"]:
    """What the moves' own thread does: for :func:`run_one`. It ends soon after ``stop`` is set."""
    return {places.MOVE: partial(_move, stop=stop, worker=worker)}


class _Stopped(Exception):
    """The worker stops, or another has the job."""


def _move(registry: Registry, job: Job, *, stop: threading.Event, worker: str) -> None:
    """Move a blob between the registry's home and the archive's; a large one takes longer than a lease."""
    kept = time.monotonic()

    def going() -> None:
        nonlocal kept
        if stop.is_set():
            raise _Stopped
        if time.monotonic() - kept > KEEP_SECONDS:
            kept = time.monotonic()
            if not registry.write_now(jobs.keep, job, worker):
                raise _Stopped

    try:
        moved = moves.move(registry, job.key, going)
    except _Stopped:
        if stop.is_set():
            registry.write_now(jobs.again, job, 0)
        return
    if moved is not None:
        log.info("moved", **moved._asdict())


def image_scans(stop: threading.Event, worker: str) -> dict[str, "Work"]:
    """What the scans' own thread does: for :func:`run_one`. It ends soon after ``stop`` is set."""
    return {scans.JOB: partial(_scan, stop=stop, worker=worker)}


def _scan(registry: Registry, job: Job, *, stop: threading.Event, worker: str) -> None:
    if job.attempts > MAX_ATTEMPTS:  # workers die of this image, so that none could say that it failed
        registry.write_now(scans.give_up, int(job.key))
        return
    try:
        scans.run(registry, int(job.key), stop, lambda: registry.write_now(jobs.keep, job, worker))
    except scans.Stopped:
        if stop.is_set():  # else the job is another worker's by now
            registry.write_now(jobs.again, job, 0)


def _report(registry: Registry, job: Job) -> None:
    reports.read(registry, int(job.key))


def scrubs(stop: threading.Event, worker: str) -> dict[str, "Work"]:
    """What the scrub's own thread does: for :func:`run_one`. It ends soon after ``stop`` is set."""
    return {"scrub": partial(_scrub, stop=stop, worker=worker)}


def _scrub(registry: Registry, job: Job, *, stop: threading.Event, worker: str) -> None:
    """Go on with the scrub of everything; when it is through, the next comes after its time."""
    progress = scrub.run(
        registry,
        scrub.Pace(registry.limits.scrub_rate, stop),
        scope=scrub.PERIODIC,
        found=partial(_tell_damage, registry),
        keep=lambda: registry.write_now(jobs.keep, job, worker),
    )
    finished = progress.finished_at is not None
    registry.write_now(jobs.again, job, registry.limits.scrub_every if finished else 0)
    if finished and progress.size:
        log.info(
            "scrubbed",
            blobs=progress.blobs,
            manifests=progress.manifests,
            bytes=progress.size,
            stray_files=progress.strays,
        )


def _tell_damage(registry: Registry, damage: scrub.Damage) -> None:
    """One line per damage, with the images that suffer from it."""
    images = [
        f"{image.repository}{':' + image.tags[0] if image.tags else '@' + image.digest}"
        for image in registry.read(scrub.report).images
        if damage.digest in image.damaged
    ]
    log.error("damaged", **damage._asdict(), images=images)


Work = Callable[[Registry, Job], None]

JOBS: dict[str, Work] = {
    "preview": _preview,
    "lifecycle-round": _lifecycle_round,
    "lifecycle": _lifecycle,
    places.RESTORE: _restore,
    "collect": _collect,
    "events": _events,
    measurements.JOB: _measure,
    "pins": _pins,
    reports.JOB: _report,
    summaries.JOB: _summarize,
    "sweep": _sweep,
}
"""Kind of job to what is done."""

GIVE_UP: dict[str, Callable[[Transaction, int], None]] = {
    "preview": previews.fail,
    scans.JOB: scans.give_up,
}
"""What is noted when somebody waits for a job that fails again and again."""
