"""The trash: what is deleted comes back whole, or goes for good when its time is over; the ledger forgets neither."""

import asyncio
import dataclasses
import json
from collections.abc import Callable

import pytest

from careen.clock import DAY, HOUR
from careen.ecr import errors
from careen.registry import archive, gc, images, lifecycle, repositories, storage, trash
from careen.registry.deletions import Cause
from careen.registry.pulls import PullTimes
from careen.registry.registry import Registry, Transaction
from tests.images import Built, artifact, image, index
from tests.registry.steps import (
    TESTER,
    Hands,
    cause,
    delete,
    digests,
    is_whole,
    push,
    put,
    row,
    stored_bytes,
    with_limits,
)

APP = "team/app"
ONE, TWO = image("base", "one"), image("base", "two")
LARGE = image("large", size=200_000)
BOTH = index(ONE, TWO)
SIGNATURE = artifact("application/vnd.example.signature", BOTH)
SEAL = artifact("application/vnd.example.seal", SIGNATURE)
ME = "arn:aws:iam::000000000000:user/me"


@pytest.fixture
def registry(registry: Registry) -> Registry:
    """A registry whose trash keeps images for a week."""
    return with_limits(registry, trash=7 * DAY)


def restore(registry: Registry, reference: str, **options: bool) -> list[trash.Restored]:
    return registry.write_now(trash.restore, APP, reference, ME, **options)


def tags(registry: Registry, built: Built) -> list[str]:
    stored = row(registry, APP, built)
    assert stored is not None
    return registry.read(images.with_tags, stored).tags


def ledger(registry: Registry, digest: str | None = None) -> list[trash.Deletion]:
    return registry.read(trash.history, None, digest, None, 2**63 - 1, 1000)


def put_all(registry: Registry) -> None:
    """An index of two images with a signature and a seal of that; a large image beside them."""
    for built in (ONE, TWO):
        push(registry, APP, built)
    put(registry, APP, BOTH, "1.0")
    put(registry, APP, BOTH, "latest")
    push(registry, APP, SIGNATURE)
    push(registry, APP, SEAL)
    push(registry, APP, LARGE, "large")


def test_an_image_comes_back_as_it_was(registry: Registry, clock: Hands) -> None:
    """Tags with their times, push time, pull time and count; and every byte, however often the collector ran."""
    push(registry, APP, LARGE, "b")
    put(registry, APP, LARGE, "a")
    before = row(registry, APP, LARGE)
    assert before is not None
    registry.write_now(images.record_pulls, [(before.id, clock(), 3)])
    before = row(registry, APP, LARGE)
    assert before is not None
    delete(registry, APP, LARGE)
    clock.forward(6 * DAY)
    gc.collect(registry)
    gc.sweep(registry)
    assert digests(registry, APP) == set()
    [back] = restore(registry, "a")
    assert (back.digest, back.tags, back.taken_tags) == (LARGE.digest, ["a", "b"], [])
    after = row(registry, APP, LARGE)
    assert after is not None
    assert after._replace(id=before.id) == before
    assert is_whole(registry, APP, LARGE)
    with pytest.raises(errors.ImageNotInTrash, match="team/app:a is not in the trash"):
        restore(registry, "a")


def test_an_index_comes_back_with_all_that_went_with_it(registry: Registry) -> None:
    """Its children though they were deleted by themselves, the referrers that followed it, and theirs."""
    put_all(registry)
    assert set(delete(registry, APP, BOTH)) == {BOTH.digest, SIGNATURE.digest, SEAL.digest}
    delete(registry, APP, ONE)
    delete(registry, APP, TWO)
    assert digests(registry, APP) == {LARGE.digest}
    back = restore(registry, "latest")
    assert [each.digest for each in back] == [
        ONE.digest, TWO.digest, BOTH.digest, SIGNATURE.digest, SEAL.digest,
    ]  # fmt: skip
    assert tags(registry, BOTH) == ["1.0", "latest"]
    assert all(is_whole(registry, APP, each) for each in (ONE, TWO, BOTH, SIGNATURE, SEAL))
    with pytest.raises(images.ImageReferenced):
        delete(registry, APP, ONE)


def test_a_referrer_that_was_deleted_by_itself_stays_deleted(registry: Registry) -> None:
    """Only what went with the image comes back with it."""
    put_all(registry)
    delete(registry, APP, SIGNATURE)
    delete(registry, APP, BOTH)
    assert [each.digest for each in restore(registry, "1.0")] == [BOTH.digest]
    assert SIGNATURE.digest not in digests(registry, APP)


def test_what_cannot_come_back_whole_does_not_come_back(registry: Registry, clock: Hands) -> None:
    """A child that was purged: nothing is changed, and the refusal names it."""
    put_all(registry)
    clock.forward(DAY)
    registry.write_now(trash_children_first)
    clock.forward(6 * DAY + HOUR)
    gc.collect(registry)
    before = digests(registry, APP)
    with pytest.raises(errors.ImageNotRestorable, match=f"{BOTH.digest} lists {ONE.digest}"):
        restore(registry, BOTH.digest)
    assert digests(registry, APP) == before


def trash_children_first(tx: Transaction) -> None:
    """Delete the index, then its first child, with the child's time in the trash cut short."""
    found = repositories.require(tx, APP)
    images.delete_by_digest(tx, found, BOTH.digest, cause())
    short = dataclasses.replace(tx, limits=dataclasses.replace(tx.limits, trash=HOUR))
    images.delete_by_digest(short, found, ONE.digest, cause())


def test_a_tag_that_names_another_image_by_now_is_left_there(registry: Registry) -> None:
    """Unless it is asked for."""
    push(registry, APP, ONE, "latest")
    put(registry, APP, ONE, "1.0")
    delete(registry, APP, ONE)
    push(registry, APP, TWO, "latest")
    [back] = restore(registry, ONE.digest)
    assert (back.tags, back.taken_tags) == (["1.0"], ["latest"])
    assert tags(registry, TWO) == ["latest"]
    delete(registry, APP, ONE)
    delete(registry, APP, TWO)
    push(registry, APP, TWO, "1.0")
    [back] = restore(registry, ONE.digest, move_tags=True)
    assert (back.tags, tags(registry, TWO)) == (["1.0"], [])


def test_pushing_again_simply_works(registry: Registry) -> None:
    """The image is new, the one in the trash is not in its way, and bringing that back adds the tags that are free."""
    push(registry, APP, ONE, "1.0")
    delete(registry, APP, ONE)
    assert push(registry, APP, ONE, "2.0").created
    [back] = restore(registry, "1.0")
    assert back.tags == ["1.0"]
    assert tags(registry, ONE) == ["1.0", "2.0"]
    [entry] = ledger(registry)
    assert (entry.ended, entry.ended_by) == ("REPLACED", ME)


def test_an_archived_image_comes_back_archived(registry: Registry) -> None:
    """What was on its way out of the archive has arrived."""
    for built in (ONE, TWO):
        push(registry, APP, built)
        stored = row(registry, APP, built)
        assert stored is not None
        registry.write_now(archive.archive, stored)
    archived = row(registry, APP, TWO)
    assert archived is not None
    registry.write_now(archive.begin_restore, archived)
    for built, status in ((ONE, "ARCHIVED"), (TWO, "ACTIVE")):
        delete(registry, APP, built)
        restore(registry, built.digest)
        stored = row(registry, APP, built)
        assert stored is not None
        assert stored.status == status


def test_a_deleted_repository_comes_back_image_by_image(registry: Registry, clock: Hands) -> None:
    """Its images lie in the trash like any other; the first one makes the repository anew."""
    put_all(registry)
    registry.write_now(repositories.delete, APP, cause(), force=True)
    clock.forward(DAY)
    gc.collect(registry)
    gc.sweep(registry)
    assert registry.read(repositories.find, APP) is None
    for reference in ("1.0", "large"):
        restore(registry, reference)
    assert digests(registry, APP) == {each.digest for each in (ONE, TWO, BOTH, SIGNATURE, SEAL, LARGE)}
    assert is_whole(registry, APP, LARGE)


POLICY = json.dumps(
    {
        "rules": [
            {
                "rulePriority": 7,
                "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 1},
                "action": {"type": "expire"},
            }
        ]
    }
)


def test_a_whole_run_comes_back(registry: Registry, clock: Hands) -> None:
    """All that it deleted, and the ledger knows run, rule, reason and plan; the run's bytes are those of the trash."""
    for number in range(5):
        push(registry, APP, image("base", f"{number}"), f"v{number}")
        clock.forward()
    before = digests(registry, APP)
    registry.write_now(lifecycle.put_policy, APP, POLICY)
    plan = registry.read(lifecycle.simulate, APP)
    forecast = registry.read(storage.freed_by, {APP: [each.image.digest for each in plan.acted_on]})
    [number] = registry.read(lifecycle.to_run)
    ran = lifecycle.run(registry, number)
    assert ran is not None
    assert ran.expired == 4
    [(run, _)] = registry.read(lifecycle.history, APP, 1)
    gc.collect(registry)
    assert registry.read(storage.in_trash) == (4, forecast)
    assert {
        (each.deleted_by, each.run_id, each.rule_priority, each.operation, each.plan_hash is None)
        for each in ledger(registry)
    } == {("lifecycle", run.id, 7, "LifecyclePolicy", False)}
    assert all("rule 7" in each.reason for each in ledger(registry))
    back = list(trash.restore_run(registry, run.id, ME))
    assert {tag for each in back for tag in each.tags} == {"v0", "v1", "v2", "v3"}
    assert digests(registry, APP) == before
    again = lifecycle.run(registry, number)
    assert again is not None
    assert (again.expired, again.protected) == (
        0,
        4,
    )  # the rule still holds: who brought them back holds them
    clock.forward(8 * DAY)
    with pytest.raises(errors.ImageNotInTrash, match=f"run {run.id}"):
        list(trash.restore_run(registry, run.id, ME))


def test_what_lay_there_for_its_time_goes_for_good(registry: Registry, clock: Hands) -> None:
    """Exactly the bytes that were forecast come back, the ledger says how many, and who purged it."""
    put_all(registry)
    doomed = {APP: [BOTH.digest, SIGNATURE.digest, SEAL.digest, LARGE.digest]}
    forecast = registry.read(storage.freed_by, doomed)
    delete(registry, APP, BOTH)
    delete(registry, APP, LARGE)
    before = stored_bytes(registry)
    clock.forward(7 * DAY - HOUR)
    assert gc.collect(registry).freed == 0
    clock.forward(2 * HOUR)
    collected = gc.collect(registry)
    assert (collected.purged, collected.freed) == (4, forecast)
    assert before - stored_bytes(registry) == forecast
    assert sum(each.freed or 0 for each in ledger(registry)) == forecast
    assert {(each.ended, each.ended_by) for each in ledger(registry)} == {("PURGED", "schedule")}
    assert registry.read(storage.in_trash) == (0, 0)
    with pytest.raises(errors.ImageNotInTrash):
        restore(registry, "large")
    assert gc.sweep(registry) == gc.Collected()


def test_the_trash_can_be_emptied(registry: Registry) -> None:
    """Of one repository, or of all; layers that an image or another trashed one needs stay."""
    push(registry, APP, ONE, "1")
    push(registry, "team/lib", TWO, "2")
    push(registry, "team/lib", LARGE, "3")
    delete(registry, APP, ONE)
    delete(registry, "team/lib", TWO)
    gc.collect(registry)  # no repository links the layers any more, only the trash holds them
    base = ONE.blobs[1]
    emptied = trash.purge(registry, by=ME, repository="team/lib", all_of_it=True)
    assert emptied.images == 1
    assert is_whole(registry, "team/lib", LARGE)
    restore(registry, "1")
    assert is_whole(registry, APP, ONE)
    assert emptied.freed == TWO.size - len(base)
    delete(registry, APP, ONE)
    gc.collect(registry)
    assert trash.purge(registry, by=ME, all_of_it=True).freed == ONE.size
    assert [each.ended_by for each in ledger(registry) if each.ended == "PURGED"] == [ME, ME]


def test_without_a_trash_the_ledger_is_kept_all_the_same(registry: Registry) -> None:
    """Who deleted it can be told; it cannot come back, and its bytes go at once."""
    registry = with_limits(registry, trash=0)
    push(registry, APP, LARGE, "1")
    delete(registry, APP, LARGE)
    [entry] = ledger(registry, LARGE.digest)
    assert (entry.deleted_by, entry.ended, trash.tags_of(entry)) == (TESTER, "PURGED", ["1"])
    assert gc.collect(registry).freed == LARGE.size
    with pytest.raises(errors.ImageNotInTrash):
        restore(registry, "1")


Delete = Callable[[Registry], object]

WAYS: dict[str, tuple[Delete, set[str]]] = {
    "by digest": (lambda registry: delete(registry, APP, ONE), {"BatchDeleteImage"}),
    "with its subject": (lambda registry: delete(registry, APP, BOTH), {"BatchDeleteImage"}),
    "with its repository": (
        lambda registry: registry.write_now(
            repositories.delete, APP, Cause(ME, "DeleteRepository"), force=True
        ),
        {"DeleteRepository"},
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_delete_is_noted(registry: Registry, way: str) -> None:
    """No image goes without an entry that says who and by what."""
    push(registry, APP, ONE, "1")
    if way != "by digest":
        push(registry, APP, TWO)
        put(registry, APP, BOTH)
        push(registry, APP, SIGNATURE)
    act, operations = WAYS[way]
    before = digests(registry, APP)
    act(registry)
    left = digests(registry, APP) if registry.read(repositories.find, APP) else set()
    entries = ledger(registry)
    assert {each.digest for each in entries} == before - left
    assert {each.operation for each in entries} == operations
    assert len({each.batch for each in entries}) == 1


def test_missed_pulls_are_counted_where_they_are_missed(registry: Registry, clock: Hands) -> None:
    """Together, with the last time; a failing write loses none."""
    push(registry, APP, ONE, "1")
    delete(registry, APP, ONE)
    trashed = registry.read(trash.find, APP, "1")
    assert trashed is not None
    pulls = PullTimes(registry)
    for _ in range(3):
        pulls.record_missed(trashed.deletion_id)
    asyncio.run(pulls.flush())
    [entry] = ledger(registry)
    assert entry.missed_pulls == 3
    assert entry.missed_at is not None
    assert entry.missed_at < clock.now
