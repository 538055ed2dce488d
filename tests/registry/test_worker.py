"""The worker: what it does when jobs fail, come back, and are asked for while it works."""

import threading

import pytest
from structlog.testing import capture_logs

from careen import worker
from careen.clock import DAY, HOUR, SECOND, Instant
from careen.db.jobs import LEASE
from careen.registry import archive, images, jobs, lifecycle, previews, repositories
from careen.registry.registry import Registry
from tests.ecrapi.samples import KEEP_ONE
from tests.images import image
from tests.registry.steps import Hands, digests, kept, push, row, upload, with_limits
from tests.waiting import PATIENCE, until

APP = "team/app"
BROKEN = "no policy at all"


def work(registry: Registry) -> int:
    """Do all that is due. Returns how many jobs that were."""
    done = 0
    scrubs = worker.scrubs(threading.Event(), "test")
    while worker.run_one(registry, "test") or worker.run_one(registry, "test", scrubs):
        done += 1
        assert done < 100, "the worker is kept busy by its own doing"
    return done


def waiting(registry: Registry) -> dict[str, Instant]:
    """Kinds of jobs that wait, and until when."""
    return registry.read(lambda tx: dict(tx.rows.execute("SELECT kind, run_at FROM jobs").fetchall()))


def break_policy(registry: Registry, text: str = BROKEN) -> None:
    """Damage the stored policy, as a bad disk might."""
    registry.write_now(lambda tx: tx.rows.execute("UPDATE repositories SET lifecycle_policy = ?", (text,)))


@pytest.fixture
def with_policy(registry: Registry) -> Registry:
    """Two images, a policy that keeps one, and a run that is asked for."""
    push(registry, APP, image("old"), "old")
    push(registry, APP, image("new"), "new")
    registry.write_now(lifecycle.put_policy, APP, KEEP_ONE)
    lifecycle.enqueue_runs(registry)
    return registry


def test_a_job_that_fails_is_tried_again_later(with_policy: Registry, clock: Hands) -> None:
    """Half a minute later, then a minute, and so on up to an hour; when it succeeds it is done."""
    break_policy(with_policy)
    waits = []
    for _ in range(9):
        before = clock.now
        assert work(with_policy) == 1
        waits.append(round((waiting(with_policy)["lifecycle"] - before) / SECOND))
        assert work(with_policy) == 0
        clock.forward(waits[-1] * SECOND)
    assert waits == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]
    assert len(digests(with_policy, APP)) == 2
    break_policy(with_policy, KEEP_ONE)
    clock.forward(HOUR)
    assert work(with_policy) == 1
    assert digests(with_policy, APP) == {image("new").digest}
    assert waiting(with_policy) == {}


def test_a_failure_is_noted_with_its_job(with_policy: Registry) -> None:
    """Whoever looks into the table sees why it waits."""
    break_policy(with_policy)
    work(with_policy)
    [(error,)] = with_policy.read(lambda tx: tx.rows.execute("SELECT error FROM jobs").fetchall())
    assert "InvalidLifecyclePolicy" in error


def test_a_failing_job_does_not_hold_up_the_others(with_policy: Registry) -> None:
    """What is due is done, whatever else fails."""
    break_policy(with_policy)
    with_policy.write_now(previews.start, APP, KEEP_ONE)
    assert work(with_policy) == 2
    assert with_policy.read(previews.get, APP)[1].status == previews.COMPLETE


def test_a_preview_that_keeps_failing_is_given_up(registry: Registry, clock: Hands) -> None:
    """It ends as FAILED, its job is gone, and another may be started."""
    registry.write_now(repositories.create, APP)
    registry.write_now(previews.start, APP, KEEP_ONE)
    registry.write_now(lambda tx: tx.rows.execute("UPDATE lifecycle_previews SET policy = ?", (BROKEN,)))
    for attempt in range(worker.MAX_ATTEMPTS):
        assert registry.read(previews.get, APP)[1].status == previews.IN_PROGRESS
        assert work(registry) == 1, attempt
        clock.forward(HOUR)
    assert registry.read(previews.get, APP)[1].status == previews.FAILED
    assert waiting(registry) == {}
    registry.write_now(previews.start, APP, KEEP_ONE)
    assert work(registry) == 1
    assert registry.read(previews.get, APP)[1].status == previews.COMPLETE


def test_recurring_jobs_come_back_at_their_time(registry: Registry, clock: Hands) -> None:
    """Each asks for itself again; asking for all of them once more, as every start does, changes nothing."""
    timed = with_limits(
        registry, collect_every=60 * SECOND, lifecycle_every=HOUR, sweep_every=DAY, scrub_every=2 * DAY
    )
    timed.write_now(jobs.schedule)
    assert work(timed) == 8
    now = clock.now
    timed.write_now(jobs.schedule)
    assert {kind: round((at - now) / SECOND) for kind, at in waiting(timed).items()} == {
        "collect": 60,
        "events": 3600,
        "lifecycle-round": 3600,
        "measure": 3600,
        "pins": 600,
        "scrub": 172_800,
        "summarize": 60,
        "sweep": 86_400,
    }
    assert work(timed) == 0
    clock.forward(61 * SECOND)
    assert work(timed) == 2
    clock.forward(HOUR)
    assert work(timed) == 6
    clock.forward(DAY)
    assert work(timed) == 7


def test_a_recurring_job_that_fails_comes_back_too(registry: Registry, clock: Hands) -> None:
    """However often: recurring jobs are never given up."""
    registry.write_now(jobs.schedule)
    registry.write_now(lambda tx: tx.rows.execute("ALTER TABLE reviews RENAME TO hidden"))
    for _ in range(worker.MAX_ATTEMPTS + 1):
        work(registry)
        clock.forward(HOUR)
    registry.write_now(lambda tx: tx.rows.execute("ALTER TABLE hidden RENAME TO reviews"))
    upload(registry, APP, b"x" * 100_000)
    work(registry)
    assert kept(registry) == {}


def test_policies_run_by_schedule(registry: Registry, clock: Hands) -> None:
    """Nobody asks: the round finds every policy, and each runs as a job of its own."""
    hourly = with_limits(registry, lifecycle_every=HOUR)
    hourly.write_now(jobs.schedule)
    work(hourly)
    for name in (APP, "team/other"):
        push(hourly, name, image("old"), "old")
        push(hourly, name, image("new"), "new")
        hourly.write_now(lifecycle.put_policy, name, KEEP_ONE)
    assert work(hourly) == 0
    clock.forward(HOUR)
    work(hourly)
    for name in (APP, "team/other"):
        assert digests(hourly, name) == {image("new").digest}


def test_what_a_policy_deletes_the_collector_gives_back(with_policy: Registry) -> None:
    """With no grace period, in the same round of work."""
    push(with_policy, APP, image("large", size=100_000), "large")
    push(with_policy, APP, image("newest"), "newest")
    with_policy.write_now(jobs.schedule)
    work(with_policy)
    assert digests(with_policy, APP) == {image("newest").digest}
    with_policy.write_now(lambda tx: tx.rows.execute("UPDATE jobs SET run_at = 0"))
    work(with_policy)
    assert kept(with_policy) == {}


def test_a_restore_ends(registry: Registry) -> None:
    """The image is back, and its image counts as activated now."""
    stored = push(registry, APP, image("app"), "1").image.row
    registry.write_now(archive.archive_with_referrers, stored)
    registry.write_now(archive.begin_restore, stored._replace(status=archive.ARCHIVED))
    assert work(registry) == 1
    back = row(registry, APP, image("app"))
    assert back is not None
    assert back.status == images.ACTIVE
    assert back.activated_at is not None


def test_a_dead_workers_job_is_anothers_when_its_lease_ends(with_policy: Registry, clock: Hands) -> None:
    """Not before: the worker may be alive and busy."""
    assert with_policy.write_now(jobs.claim, worker.JOBS, "dead") is not None
    assert work(with_policy) == 0
    clock.forward(LEASE)
    assert work(with_policy) == 1
    assert digests(with_policy, APP) == {image("new").digest}


def test_a_job_of_a_kind_unknown_waits_for_a_worker_that_knows_it(registry: Registry) -> None:
    """A newer process may have asked for it."""
    registry.write_now(
        lambda tx: tx.rows.execute(
            "INSERT INTO jobs (kind, key, run_at, leased_until, attempts) VALUES ('from-the-future', '', 0, 0, 0)"
        )
    )
    assert work(registry) == 0
    assert "from-the-future" in waiting(registry)


def test_a_worker_at_work(registry: Registry) -> None:
    """In a thread as in a process: it does what comes within moments, and stops when it is told to."""
    registry.write_now(repositories.create, APP)
    stop = threading.Event()
    working = threading.Thread(target=worker.run, args=(registry, stop))
    working.start()
    try:
        for _ in range(2):
            registry.write_now(previews.start, APP, KEEP_ONE)
            until(lambda: registry.read(previews.get, APP)[1].status == previews.COMPLETE)
    finally:
        stop.set()
        working.join(PATIENCE)
    assert not working.is_alive()


def test_what_could_not_even_be_noted_as_failed_is_tried_again(with_policy: Registry) -> None:
    """On a full disk, say, where nothing can be written: it does not wait for the end of its lease, which here never comes."""
    break_policy(with_policy)
    with_policy.write_now(lambda tx: tx.rows.execute("ALTER TABLE jobs RENAME COLUMN error TO wrong"))
    stop = threading.Event()
    working = threading.Thread(target=worker.run, args=(with_policy, stop))
    try:
        with capture_logs() as logs:
            working.start()
            until(lambda: "the worker cannot work; trying again" in [line["event"] for line in logs])
        with_policy.write_now(lambda tx: tx.rows.execute("ALTER TABLE jobs RENAME COLUMN wrong TO error"))
        break_policy(with_policy, KEEP_ONE)
        until(lambda: digests(with_policy, APP) == {image("new").digest})
    finally:
        stop.set()
        working.join(PATIENCE)
