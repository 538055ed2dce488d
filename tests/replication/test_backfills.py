"""Backfills: what was here before, listed and copied step by step, stopped, given up, and gone on with after a crash."""

import threading
from typing import Any

import pytest

from careen import worker
from careen.clock import DAY, HOUR
from careen.registry import backfills
from careen.registry.backfills import Backfill, Result
from careen.replication import work
from tests.distribution.client import Client
from tests.images import image, index
from tests.registry import steps
from tests.replication.conftest import NOWHERE, WEST, Source, has, is_whole, rule
from tests.server import ACCESS_KEY_ID, SECRET_ACCESS_KEY, Server
from tests.upstream.proxy import Fault, Proxy, Seen

ONE, TWO = image("base", "one"), image("base", "two")
BOTH = index(ONE, TWO)


def start(source: Source) -> str:
    """Begin a backfill to the Careen. Returns its id."""
    return source.registry.write_now(backfills.start, WEST).id


def found(source: Source, backfill_id: str) -> Backfill:
    """It, as it is now."""
    return source.registry.read(backfills.get, backfill_id)


def progress(source: Source, backfill_id: str) -> tuple[int, int, int]:
    """How many replications there are: all, complete, failed."""
    told = source.registry.read(backfills.progress, found(source, backfill_id))
    assert told is not None
    return told[0].total, told[0].complete, told[0].failed


def results(source: Source, backfill_id: str, status: str | None = None) -> list[Result]:
    """What became of each."""
    first = ("", "", "")
    return source.registry.read(backfills.results, found(source, backfill_id), status, first, 1000)


def test_what_was_here_before_goes_there(to_west: Source, west: Client, name: str) -> None:
    """Each image and tag is a replication; what no rule is about is left out, and so is what is archived."""
    to_west.configure()
    for child in (ONE, TWO):
        to_west.push(name, child)
    to_west.push(name, BOTH, "v1")
    to_west.push(name, BOTH, "latest")
    to_west.push("another", ONE, "v1")
    to_west.configure(rule(WEST, prefix=name))
    backfill_id = start(to_west)
    assert found(to_west, backfill_id).status == "PREPARING"
    assert to_west.registry.read(backfills.progress, found(to_west, backfill_id)) is None
    to_west.work()
    assert found(to_west, backfill_id).status == "COMPLETE"
    assert progress(to_west, backfill_id) == (4, 4, 0)
    assert has(west, name, "v1") == has(west, name, "latest") == BOTH.manifest
    assert is_whole(west, name, ONE)
    told = {
        (each.digest, each.tag): backfills.sub_image_codes(each) for each in results(to_west, backfill_id)
    }
    assert told == {
        (ONE.digest, ""): None,
        (TWO.digest, ""): None,
        (BOTH.digest, "latest"): [],
        (BOTH.digest, "v1"): [],
    }
    assert to_west.outcome(name, ONE) == ("COMPLETE", None)


def test_a_second_one_finds_everything_there(source: Source, proxy: Proxy, name: str) -> None:
    """It sends nothing."""
    source.lead(WEST, proxy.url, username=ACCESS_KEY_ID, password=SECRET_ACCESS_KEY)
    source.push(name, ONE, "v1")
    source.configure(rule(WEST))
    for _ in range(2):
        proxy.seen.clear()
        backfill_id = start(source)
        source.work()
        assert progress(source, backfill_id) == (1, 1, 0)
    assert {each.method for each in proxy.seen} == {"HEAD"}


def test_a_tag_that_may_not_move_there_is_its_own_failure(
    to_west: Source, server: Server, west: Client, name: str
) -> None:
    """The image's other replications are complete."""
    server.boto().create_repository(repositoryName=name, imageTagMutability="IMMUTABLE")
    west.push(name, TWO, "v1")
    to_west.configure()
    to_west.push(name, ONE, "v1")
    to_west.push(name, ONE, "v2")
    to_west.configure(rule(WEST, prefix=name))
    backfill_id = start(to_west)
    to_west.work()
    assert [(each.tag, each.status, each.failure_code) for each in results(to_west, backfill_id)] == [
        ("v1", "FAILED", "IMAGE_TAG_ALREADY_EXISTS"),
        ("v2", "COMPLETE", None),
    ]
    assert [each.tag for each in results(to_west, backfill_id, "COMPLETE")] == ["v2"]
    ended = found(to_west, backfill_id)
    assert (ended.status, ended.failure_code) == ("FAILED", "REPLICATION_FAILURES")


def test_an_image_that_went_meanwhile_has_failed(to_west: Source, name: str) -> None:
    """It was listed and is not here any more."""
    to_west.configure()
    to_west.push(name, ONE, "v1")
    to_west.push(name, TWO, "v2")
    to_west.configure(rule(WEST, prefix=name))
    backfill_id = start(to_west)
    to_west.registry.write_now(backfills.prepare, backfill_id)
    steps.delete(to_west.registry, name, ONE)
    to_west.work()
    codes = {each.digest: each.failure_code for each in results(to_west, backfill_id)}
    assert codes == {ONE.digest: "IMAGE_NOT_FOUND", TWO.digest: None}


@pytest.mark.disk
def test_half_of_many_fail(to_west: Source, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Then the backfill has failed, and the rest is not tried (ECR user guide: after a hundred)."""
    monkeypatch.setattr(backfills, "ENOUGH", 4)
    to_west.configure()
    for number in range(6):
        to_west.push(name, image(f"failing {number}", size=70_000))
    for path in steps.files(to_west.registry):
        path.unlink()
    to_west.configure(rule(WEST, prefix=name))
    backfill_id = start(to_west)
    to_west.work()
    ended = found(to_west, backfill_id)
    assert (ended.status, ended.failure_code) == ("FAILED", "REPLICATION_FAILURE_THRESHOLD_EXCEEDED")
    assert progress(to_west, backfill_id) == (6, 0, 4)
    assert len(results(to_west, backfill_id)) == 4


def test_a_destination_that_nobody_has_named(source: Source, name: str) -> None:
    """Every image fails with the code that says so."""
    source.push(name, ONE, "v1")
    source.configure(rule(NOWHERE))
    backfill_id = source.registry.write_now(backfills.start, NOWHERE).id
    source.work()
    assert [each.failure_code for each in results(source, backfill_id)] == ["DESTINATION_NOT_CONFIGURED"]


def test_it_waits_for_a_destination_that_is_down(
    source: Source, proxy: Proxy, west: Client, name: str
) -> None:
    """And goes on where it was."""
    source.lead(WEST, proxy.url, username=ACCESS_KEY_ID, password=SECRET_ACCESS_KEY)
    for number in range(6):
        source.push(name, image(f"waiting {number}"))
    source.configure(rule(WEST))
    proxy.always("/v2/", Fault(status=503))
    backfill_id = start(source)
    source.work()
    assert len(proxy.seen) == 2 * work.IN_A_ROW
    assert progress(source, backfill_id) == (6, 0, 0)
    proxy.heal()
    source.clock.forward(HOUR)
    source.work()
    assert found(source, backfill_id).status == "COMPLETE"
    assert has(west, name, image("waiting 5").digest) is not None


def test_it_gives_up_after_an_hour(source: Source, proxy: Proxy, name: str) -> None:
    """What is left has failed with the destination's code."""
    source.lead(WEST, proxy.url, username=ACCESS_KEY_ID, password=SECRET_ACCESS_KEY)
    source.push(name, ONE, "v1")
    source.push(name, TWO, "v2")
    source.configure(rule(WEST))
    proxy.always("/v2/", Fault(status=503))
    backfill_id = start(source)
    for _ in range(work.ROUNDS):
        assert found(source, backfill_id).ended_at is None
        source.work()
        source.clock.forward(HOUR)
    assert {each.failure_code for each in results(source, backfill_id)} == {"DESTINATION_UNAVAILABLE"}
    assert found(source, backfill_id).status == "FAILED"


def test_one_image_that_the_destination_chokes_on_does_not_hold_the_others(
    source: Source, proxy: Proxy, west: Client, name: str
) -> None:
    """They are copied; it is tried again, and has failed in the end."""
    source.lead(WEST, proxy.url, username=ACCESS_KEY_ID, password=SECRET_ACCESS_KEY)
    for built in (ONE, TWO):
        source.push(name, built)
    source.configure(rule(WEST))
    proxy.always(f"/v2/{name}/manifests/{ONE.digest}", Fault(status=500))
    backfill_id = start(source)
    for _ in range(work.ROUNDS):
        source.work()
        source.clock.forward(HOUR)
    assert is_whole(west, name, TWO)
    assert progress(source, backfill_id) == (2, 1, 1)


def test_stopped_while_it_copies(source: Source, proxy: Proxy, west: Client, name: str) -> None:
    """The image that is on its way arrives; the others do not, and have no result."""
    source.lead(WEST, proxy.url, username=ACCESS_KEY_ID, password=SECRET_ACCESS_KEY)
    built = sorted((image(f"stopped {number}") for number in range(3)), key=lambda each: each.digest)
    for each in built:
        source.push(name, each)
    source.configure(rule(WEST))
    backfill_id = start(source)

    def stop_now(seen: Seen) -> Fault | None:
        if seen.method == "PUT" and "/manifests/" in seen.path:
            proxy.heal()
            assert source.registry.write_now(backfills.stop, backfill_id).status == "STOPPING"
        return None

    proxy.faults.append(stop_now)
    source.work()
    assert found(source, backfill_id).status == "STOPPED"
    assert [has(west, name, each.digest) is not None for each in built] == [True, False, False]
    assert [each.digest for each in results(source, backfill_id)] == [built[0].digest]


def test_stopped_while_it_waits(source: Source, proxy: Proxy, name: str) -> None:
    """It need not wait for the destination to stop; stopped before everything was listed, it has no progress."""
    source.lead(WEST, proxy.url)
    source.push(name, ONE)
    source.configure(rule(WEST))
    proxy.always("/v2/", Fault(status=503))
    backfill_id = start(source)
    source.work()
    source.registry.write_now(backfills.stop, backfill_id)
    source.work()
    assert found(source, backfill_id).status == "STOPPED"
    another = start(source)
    source.registry.write_now(backfills.stop, another)
    source.work()
    assert found(source, another).status == "STOPPED"
    assert source.registry.read(backfills.progress, found(source, another)) is None


def test_it_is_cut_into_slices(to_west: Source, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """So that two backfills go on by turns, whichever is longer; repositories are listed in batches."""
    monkeypatch.setattr(work, "SLICE", 2)
    monkeypatch.setattr(backfills, "BATCH", 2)
    to_west.configure()
    for number in range(5):
        to_west.push(f"{name}/{number}", ONE)
    to_west.configure(rule(WEST, prefix=name))
    backfill_id = start(to_west)
    slices = 0
    while worker.run_one(to_west.registry, "w", work.backfilling("w", threading.Event())):
        slices += 1
    assert slices == 3
    assert progress(to_west, backfill_id) == (5, 5, 0)


def test_after_a_crash_it_goes_on_where_it_was(to_west: Source, west: Client, name: str) -> None:
    """A worker that dies in the middle leaves a lease; the next one has the rest, and sends nothing twice."""
    to_west.configure()
    built = [image(f"crashed {number}") for number in range(4)]
    for each in built:
        to_west.push(name, each)
    to_west.configure(rule(WEST, prefix=name))
    backfill_id = start(to_west)

    class Death(BaseException):
        pass

    bring, brought = work._bring, 0

    def dying(*arguments: Any) -> Any:
        nonlocal brought
        brought += 1
        outcome = bring(*arguments)
        if brought == 3:
            raise Death
        return outcome

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(work, "_bring", dying)
        with pytest.raises(Death):
            to_west.work()
    assert to_west.work() == 0
    assert progress(to_west, backfill_id) == (4, 2, 0)
    to_west.clock.forward(HOUR)
    to_west.work()
    assert progress(to_west, backfill_id) == (4, 4, 0)
    assert all(has(west, name, each.digest) for each in built)


def test_it_is_known_for_ninety_days(to_west: Source, name: str) -> None:
    """After its end, as on Amazon ECR."""
    to_west.push(name, ONE)
    backfill_id = start(to_west)
    to_west.work()
    to_west.clock.forward(90 * DAY - HOUR)
    assert found(to_west, backfill_id).status == "COMPLETE"
    to_west.clock.forward(2 * HOUR)
    assert to_west.registry.read(backfills.page, (2**62, ""), 10) == []
    another = start(to_west)
    assert [each.id for each in to_west.registry.read(backfills.page, (2**62, ""), 10)] == [another]
