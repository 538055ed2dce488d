"""Images on their way to other registries: all of them, whole, with their tags, and what happens when they cannot get there."""

import threading

import pytest

from careen import worker
from careen.clock import DAY, HOUR, SECOND
from careen.registry import archive, images, replication, repositories
from careen.replication import work
from careen.upstream import address
from careen.upstream.client import Client as UpstreamClient
from tests.distribution.client import Client
from tests.images import artifact, image, index
from tests.registry import steps
from tests.replication.conftest import NOWHERE, SOUTH, WEST, Source, has, is_whole, rule
from tests.server import ACCESS_KEY_ID, SECRET_ACCESS_KEY, Server
from tests.upstream.distribution import Distribution, needs_distribution
from tests.upstream.proxy import Fault, Proxy, Seen

ONE, TWO = image("base", "one", size=70_000), image("base", "two", size=70_000)
BOTH = index(ONE, TWO)


def test_a_push_arrives_whole_with_its_tag(to_west: Source, west: Client, name: str) -> None:
    """The repository is made there; the status goes from in progress to complete."""
    to_west.push(name, ONE, "v1")
    assert to_west.outcome(name, ONE) == ("IN_PROGRESS", None)
    assert has(west, name, "v1") is None
    to_west.work()
    assert is_whole(west, name, ONE, "v1")
    assert to_west.outcome(name, ONE) == ("COMPLETE", None)


def test_an_index_arrives_with_what_it_lists(to_west: Source, west: Client, name: str) -> None:
    """Whatever order the jobs run in."""
    for child in (ONE, TWO):
        to_west.push(name, child)
    to_west.push(name, BOTH, "latest")
    to_west.work()
    assert has(west, name, "latest") == BOTH.manifest
    assert is_whole(west, name, ONE)
    assert is_whole(west, name, TWO)


def test_an_index_brings_what_it_lists_by_itself(to_west: Source, west: Client, name: str) -> None:
    """Its children were pushed before anything was replicated."""
    to_west.configure()
    for child in (ONE, TWO):
        to_west.push(name, child)
    to_west.configure(rule(WEST, prefix=name))
    to_west.push(name, BOTH)
    assert to_west.work() == 1
    assert has(west, name, BOTH.digest) == BOTH.manifest
    assert is_whole(west, name, ONE)
    assert to_west.status(name, ONE) == []


def test_a_referrer_follows_its_subject(to_west: Source, west: Client, name: str) -> None:
    """And is listed there."""
    signature = artifact("application/vnd.example.signature", ONE)
    to_west.push(name, ONE)
    to_west.push(name, signature)
    to_west.work()
    listed = west.send("GET", f"/v2/{name}/referrers/{ONE.digest}").json()["manifests"]
    assert [each["digest"] for each in listed] == [signature.digest]


def test_a_tag_that_moves_moves_there(to_west: Source, west: Client, name: str) -> None:
    """With one upload of what is new, and none of what both images share."""
    to_west.push(name, ONE, "latest")
    to_west.work()
    to_west.push(name, TWO, "latest")
    to_west.work()
    assert has(west, name, "latest") == TWO.manifest
    assert has(west, name, ONE.digest) == ONE.manifest


@pytest.mark.parametrize("moment", ["sha256:", "v1"], ids=["before its tag is sent", "as its tag is sent"])
def test_a_tag_that_moves_while_its_image_gets_there(
    source: Source, proxy: Proxy, west: Client, name: str, moment: str
) -> None:
    """What has it now may be there first: the tag comes to name that all the same."""
    source.lead(WEST, proxy.url, username=ACCESS_KEY_ID, password=SECRET_ACCESS_KEY)
    source.configure(rule(WEST))
    source.push(name, ONE, "v1")

    def move_now(seen: Seen) -> Fault | None:
        if seen.method == "PUT" and f"/manifests/{moment}" in seen.path:
            proxy.heal()
            source.push(name, TWO, "v1")
            assert worker.run_one(source.registry, "another", work.copies("another", source.stop))
            assert has(west, name, "v1") == TWO.manifest
        return None

    proxy.faults.append(move_now)
    source.work()
    assert has(west, name, "v1") == TWO.manifest
    assert is_whole(west, name, ONE)


def test_a_tag_that_a_replica_takes_while_its_image_gets_there(
    source: Source, proxy: Proxy, west: Client, name: str
) -> None:
    """That goes no further, at this moment either: two registries would pass the tag back and forth."""
    source.lead(WEST, proxy.url, username=ACCESS_KEY_ID, password=SECRET_ACCESS_KEY)
    source.configure(rule(WEST))
    source.push(name, ONE, "v1")
    for data in TWO.blobs:
        steps.upload(source.registry, name, data)
    target = source.registry.read(repositories.require, name)

    def replicate_now(seen: Seen) -> Fault | None:
        if seen.method == "PUT" and "/manifests/v1" in seen.path:
            proxy.heal()
            replica_of = "us-west-2/111111111111"
            source.registry.write_now(images.put, target, TWO.manifest, tag="v1", replica_of=replica_of)
        return None

    proxy.faults.append(replicate_now)
    source.work()
    assert source.status(name, TWO) == []
    assert has(west, name, "v1") == ONE.manifest


def test_what_is_there_is_not_sent(source: Source, proxy: Proxy, name: str) -> None:
    """An image with a second tag sends its manifest once more and no layer; a push that changes nothing asks for nothing."""
    source.lead(WEST, proxy.url, username=ACCESS_KEY_ID, password=SECRET_ACCESS_KEY)
    source.configure(rule(WEST))
    source.push(name, ONE, "v1")
    source.work()
    proxy.seen.clear()
    source.push(name, ONE, "v2")
    source.work()
    writes = [each for each in proxy.seen if each.method not in {"GET", "HEAD"}]
    assert [each.path for each in writes] == [f"/v2/{name}/manifests/v2"]
    source.push(name, ONE, "v1")
    assert source.work() == 0


def test_a_layer_is_mounted_from_a_repository_that_has_it(source: Source, proxy: Proxy, name: str) -> None:
    """No byte of it is sent again."""
    source.lead(WEST, proxy.url, username=ACCESS_KEY_ID, password=SECRET_ACCESS_KEY)
    source.configure(rule(WEST))
    source.push(f"{name}/a", ONE)
    source.push(f"{name}/b", ONE)
    source.work()
    sent = [each for each in proxy.seen if each.method in {"PUT", "PATCH"} and "/b/blobs/" in each.path]
    assert sent == []


def test_filters_choose_repositories(to_west: Source, west: Client, name: str) -> None:
    """By the beginning of their names."""
    to_west.configure(rule(WEST, prefix=f"{name}-yes"))
    to_west.push(f"{name}-yes/app", ONE)
    to_west.push(f"{name}-no", ONE)
    assert to_west.work() == 1
    assert is_whole(west, f"{name}-yes/app", ONE)
    assert to_west.status(f"{name}-no", ONE) == []


def test_what_was_here_before_stays_here(to_west: Source, name: str) -> None:
    """Replication is about what is pushed after it was configured (ECR user guide)."""
    to_west.configure()
    to_west.push(name, ONE, "v1")
    to_west.configure(rule(WEST))
    assert to_west.work() == 0
    assert to_west.status(name, ONE) == []


def test_an_image_that_is_restored_is_replicated(to_west: Source, west: Client, name: str) -> None:
    """From the archive, as on Amazon ECR; what is archived is not."""
    to_west.configure()
    to_west.push(name, ONE, "v1")
    found = steps.row(to_west.registry, name, ONE)
    assert found is not None
    to_west.registry.write_now(archive.archive, found)
    to_west.configure(rule(WEST))
    archived = steps.row(to_west.registry, name, ONE)
    assert archived is not None
    to_west.registry.write_now(archive.begin_restore, archived)
    while worker.run_one(to_west.registry, "w"):
        pass
    to_west.work()
    assert is_whole(west, name, ONE, "v1")


@needs_distribution
def test_a_registry_that_knows_nothing_of_ecr(source: Source, plain: Distribution, name: str) -> None:
    """It gets everything, and referrers under the tag that the specification has for those who do not list them."""
    signature = artifact("application/vnd.example.signature", ONE)
    source.lead(SOUTH, plain.url)
    source.configure(rule(SOUTH))
    source.push(name, ONE, "v1")
    source.push(name, TWO)
    source.push(name, BOTH, "both")
    source.push(name, signature)
    source.work()
    assert {source.outcome(name, each) for each in (ONE, TWO, BOTH, signature)} == {("COMPLETE", None)}
    with UpstreamClient(address.parse(plain.url)) as there:
        assert there.manifest(name, "v1").data == ONE.manifest
        assert there.manifest(name, "both").data == BOTH.manifest
        for built in (ONE, TWO):
            for digest, data in zip(built.digests, built.blobs, strict=True):
                assert b"".join(there.blob(name, digest, len(data))) == data
        assert [each.digest for each in there.referrers(name, ONE.digest)] == [signature.digest]


def test_two_destinations_do_not_wait_for_each_other(to_west: Source, west: Client, name: str) -> None:
    """One that nobody has named fails, and says so; the other has the image. When it is named, it gets it, too."""
    to_west.configure(rule(WEST, NOWHERE, prefix=name))
    to_west.push(name, ONE)
    to_west.work()
    lost, arrived = sorted(to_west.status(name, ONE), key=lambda each: each.status, reverse=True)
    assert (lost.status, lost.failure_code) == ("FAILED", "DESTINATION_NOT_CONFIGURED")
    assert "no target with region sa-east-1 and registry_id 333333333333" in (lost.failure_reason or "")
    assert arrived.status == "COMPLETE"
    assert is_whole(west, name, ONE)
    to_west.lead(NOWHERE, f"http://{west.server.host}", username=ACCESS_KEY_ID, password=SECRET_ACCESS_KEY)
    to_west.clock.forward(30 * SECOND)
    to_west.work()
    assert {each.status for each in to_west.status(name, ONE)} == {"COMPLETE"}


def test_a_destination_that_is_down_is_tried_less_and_less_often(
    source: Source, proxy: Proxy, west: Client, name: str
) -> None:
    """After 30 seconds, a minute, two, …, an hour at most; and when it is up again the image is there."""
    source.lead(WEST, proxy.url, username=ACCESS_KEY_ID, password=SECRET_ACCESS_KEY)
    source.configure(rule(WEST))
    proxy.always("/v2/", Fault(status=503))
    source.push(name, ONE, "v1")
    assert source.work() == 1
    for expected in (30, 60, 120, 240, 480, 960, 1920, 3600, 3600):
        assert source.outcome(name, ONE)[0] == "IN_PROGRESS"
        source.clock.forward((expected - 15) * SECOND)
        assert source.work() == 0
        source.clock.forward(15 * SECOND)
        assert source.work() == 1
    proxy.heal()
    source.clock.forward(HOUR)
    source.work()
    assert source.outcome(name, ONE) == ("COMPLETE", None)
    assert is_whole(west, name, ONE, "v1")


def test_after_a_day_it_has_failed(source: Source, proxy: Proxy, name: str) -> None:
    """And is not tried any more; a new push of a tag tries it again."""
    source.lead(WEST, proxy.url, username=ACCESS_KEY_ID, password=SECRET_ACCESS_KEY)
    source.configure(rule(WEST))
    proxy.always("/v2/", Fault(status=503))
    source.push(name, ONE, "v1")
    source.work()
    source.clock.forward(DAY)
    source.work()
    assert source.outcome(name, ONE) == ("FAILED", "DESTINATION_UNAVAILABLE")
    source.clock.forward(30 * DAY)
    assert source.work() == 0
    proxy.heal()
    source.push(name, ONE, "v2")
    source.work()
    assert source.outcome(name, ONE) == ("COMPLETE", None)


def test_images_for_a_destination_that_is_down_wait_together(source: Source, proxy: Proxy, name: str) -> None:
    """And deletions with them: a hundred cost one try, not a hundred."""
    source.lead(WEST, proxy.url, username=ACCESS_KEY_ID, password=SECRET_ACCESS_KEY)
    source.configure(rule(WEST, deletes=True))
    proxy.always("/v2/", Fault(status=503))
    for number in range(3):
        source.push(name, image(f"image {number}"), f"v{number}")
    source.untag(name, "v2")
    for wait in (30, 60, 120):
        assert source.work() == 1
        source.clock.forward(wait * SECOND)
    proxy.heal()
    assert source.work() == 4


def test_a_connection_that_breaks_in_a_layer(source: Source, proxy: Proxy, west: Client, name: str) -> None:
    """What was sent is there already when it is tried again."""
    source.lead(WEST, proxy.url, username=ACCESS_KEY_ID, password=SECRET_ACCESS_KEY)
    source.configure(rule(WEST))
    proxy.once(f"/v2/{name}/manifests/", Fault(status=500), Fault(status=500), method="PUT")
    source.push(name, ONE, "v1")
    source.work()
    assert source.outcome(name, ONE)[0] == "IN_PROGRESS"
    proxy.seen.clear()
    source.clock.forward(30 * SECOND)
    source.work()
    assert is_whole(west, name, ONE, "v1")
    assert [each for each in proxy.seen if "/uploads/" in each.path] == []


def test_a_credential_that_is_refused(source: Source, server: Server, name: str) -> None:
    """Amazon's code for it; put right within a day, the image goes there without more ado."""
    source.lead(WEST, server.url, username=ACCESS_KEY_ID, password_file="west.secret")
    secret = source.registry.targets_file.with_name("west.secret")
    secret.write_text("wrong")
    source.configure(rule(WEST))
    source.push(name, ONE)
    source.work()
    assert source.outcome(name, ONE) == ("FAILED", "DESTINATION_REGISTRY_ACCESS_DENIED")
    secret.write_text(f"{SECRET_ACCESS_KEY}\n")
    source.clock.forward(30 * SECOND)
    source.work()
    assert source.outcome(name, ONE) == ("COMPLETE", None)


def test_a_tag_that_may_not_move_there(to_west: Source, server: Server, west: Client, name: str) -> None:
    """The image arrives without it (ECR user guide): the tag has failed, the image is complete."""
    server.boto().create_repository(repositoryName=name, imageTagMutability="IMMUTABLE")
    to_west.push(name, ONE, "v1")
    to_west.work()
    to_west.push(name, TWO, "v1")
    to_west.push(name, TWO, "v2")
    to_west.work()
    assert has(west, name, "v1") == ONE.manifest
    assert has(west, name, "v2") == TWO.manifest
    (status,) = to_west.status(name, TWO)
    assert (status.status, replication.refused_tags(status)) == ("COMPLETE", ["v1"])


def test_a_rule_that_is_taken_away_ends_what_waits(source: Source, proxy: Proxy, name: str) -> None:
    """What is not to go there any more is not tried, and not shown."""
    source.lead(WEST, proxy.url)
    source.configure(rule(WEST))
    proxy.always("/v2/", Fault(status=503))
    source.push(name, ONE)
    source.work()
    source.configure()
    source.clock.forward(HOUR)
    proxy.seen.clear()
    source.work()
    assert proxy.seen == []
    assert source.status(name, ONE) == []


@pytest.mark.disk
def test_a_damaged_layer_is_named(to_west: Source, name: str) -> None:
    """The file is gone: nothing is tried for ever, and the reason says which layer to push again."""
    to_west.push(name, ONE)
    digest = next(d for d, data in zip(ONE.digests, ONE.blobs, strict=True) if len(data) > 65_536)
    for path in steps.files(to_west.registry):
        if digest.removeprefix("sha256:") in path.name:
            path.unlink()
    to_west.work()
    (status,) = to_west.status(name, ONE)
    assert (status.status, status.failure_code) == ("FAILED", "SOURCE_IMAGE_DAMAGED")
    assert digest in (status.failure_reason or "")


def test_several_workers_do_each_job_once(source: Source, proxy: Proxy, name: str) -> None:
    """A lease is one worker's: each manifest is put once."""
    source.lead(WEST, proxy.url, username=ACCESS_KEY_ID, password=SECRET_ACCESS_KEY)
    source.configure(rule(WEST))
    built = [image(f"of many {number}") for number in range(6)]
    for each in built:
        source.push(name, each)

    def run(worker_name: str) -> None:
        while worker.run_one(source.registry, worker_name, work.copies(worker_name, threading.Event())):
            pass

    threads = [threading.Thread(target=run, args=(f"w{number}",)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    puts = [each.path for each in proxy.seen if each.method == "PUT" and "/manifests/" in each.path]
    assert sorted(puts) == sorted(f"/v2/{name}/manifests/{each.digest}" for each in built)


def test_a_long_transfer_keeps_its_lease_and_stops_when_told(
    source: Source, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Told to stop, it leaves the job to whoever is next, at once; whoever lost the job leaves it alone."""
    source.lead(WEST, proxy.url, username=ACCESS_KEY_ID, password=SECRET_ACCESS_KEY)
    source.configure(rule(WEST))
    source.push(name, ONE)
    stop = threading.Event()
    stop.set()
    assert worker.run_one(source.registry, "w", work.copies("w", stop))
    assert [each for each in proxy.seen if each.method != "HEAD"] == []
    monkeypatch.setattr(work, "BEAT_SECONDS", 0)
    assert worker.run_one(source.registry, "w", work.copies("w", threading.Event()))
    assert source.outcome(name, ONE) == ("COMPLETE", None)


def test_a_layer_that_the_destination_loses_on_the_way(
    source: Source, proxy: Proxy, west: Client, name: str
) -> None:
    """It said that it has it, and when the manifest came it had it no more: the image is tried again."""
    source.lead(WEST, proxy.url, username=ACCESS_KEY_ID, password=SECRET_ACCESS_KEY)
    source.configure(rule(WEST))

    def lose(seen: Seen) -> Fault | None:
        if seen.method == "PUT" and "/manifests/" in seen.path:
            proxy.heal()
            assert west.send("DELETE", f"/v2/{name}/blobs/{ONE.digests[0]}").status == 202
        return None

    proxy.faults.append(lose)
    source.push(name, ONE, "v1")
    source.work()
    assert source.outcome(name, ONE) == ("IN_PROGRESS", "DESTINATION_UNAVAILABLE")
    source.clock.forward(30 * SECOND)
    source.work()
    assert is_whole(west, name, ONE, "v1")
