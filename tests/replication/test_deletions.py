"""Deletions that are replicated: what goes there, what stays, and what comes back."""

from careen import worker
from careen.clock import DAY, SECOND
from careen.ecr.replication import Destination
from careen.registry import images, lifecycle, replication, repositories, trash
from careen.replication import work
from careen.upstream import address
from careen.upstream.client import Client as UpstreamClient
from tests.distribution.client import Client
from tests.images import artifact, image, index
from tests.registry import steps
from tests.registry.steps import with_limits
from tests.replication.conftest import SOUTH, WEST, Source, has, is_whole, rule
from tests.server import ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY, Server
from tests.upstream.distribution import Distribution, needs_distribution
from tests.upstream.proxy import Fault, Proxy, Seen

ONE, TWO = image("base", "one"), image("base", "two")

KEEP_ONE = (
    '{"rules":[{"rulePriority":1,"selection":{"tagStatus":"any","countType":"imageCountMoreThan","countNumber":1},'
    '"action":{"type":"expire"}}]}'
)


def test_an_image_deleted_by_digest_goes_with_its_tags(to_west: Source, west: Client, name: str) -> None:
    """And with its referrers, there as here."""
    signature = artifact("application/vnd.example.signature", ONE)
    to_west.push(name, ONE, "v1")
    to_west.push(name, signature)
    to_west.work()
    assert has(west, name, signature.digest) is not None
    steps.delete(to_west.registry, name, ONE)
    to_west.work()
    assert [has(west, name, each) for each in ("v1", ONE.digest, signature.digest)] == [None, None, None]


def test_a_tag_that_is_removed_is_removed_there(to_west: Source, west: Client, name: str) -> None:
    """The image keeps its others; a tag that names another image there by now is let alone."""
    to_west.push(name, ONE, "v1")
    to_west.push(name, ONE, "v2")
    to_west.work()
    to_west.untag(name, "v1")
    to_west.work()
    assert has(west, name, "v1") is None
    assert is_whole(west, name, ONE, "v2")
    west.push(name, TWO, "v2")
    to_west.untag(name, "v2")
    to_west.work()
    assert has(west, name, "v2") == TWO.manifest


def test_the_last_tag_takes_the_image_along_by_ecrs_delete(to_west: Source, west: Client, name: str) -> None:
    """BatchDeleteImage by the last tag deletes the image, there too."""
    to_west.push(name, ONE, "v1")
    to_west.work()
    found = to_west.registry.read(repositories.require, name)
    to_west.registry.write_now(images.delete_by_tag, found, "v1", steps.cause())
    to_west.work()
    assert has(west, name, ONE.digest) is None


def test_what_a_policy_expires_is_deleted_there(to_west: Source, west: Client, name: str) -> None:
    """A lifecycle policy of the source decides for both (ECR user guide, "Replicating image deletions")."""
    to_west.push(name, ONE, "v1")
    to_west.push(name, TWO, "v2")
    to_west.work()
    to_west.registry.write_now(lifecycle.put_policy, name, KEEP_ONE)
    found = to_west.registry.read(repositories.require, name)
    ran = lifecycle.run(to_west.registry, found.id)
    assert ran is not None
    assert ran.expired == 1
    to_west.work()
    assert has(west, name, ONE.digest) is None
    assert is_whole(west, name, TWO, "v2")


def test_without_a_rule_that_says_so_nothing_is_deleted(to_west: Source, west: Client, name: str) -> None:
    """As replication was before there was such a rule."""
    to_west.configure(rule(WEST, prefix=name))
    to_west.push(name, ONE, "v1")
    to_west.work()
    to_west.untag(name, "v1")
    steps.delete(to_west.registry, name, ONE)
    assert to_west.work() == 0
    assert is_whole(west, name, ONE, "v1")


def test_a_repository_that_is_deleted_stays_there(to_west: Source, west: Client, name: str) -> None:
    """Images are deleted one by one, or not at all: what one command undoes here must be asked for there, too."""
    to_west.push(name, ONE, "v1")
    to_west.work()
    to_west.registry.write_now(repositories.delete, name, steps.cause(), force=True)
    assert to_west.work() == 0
    assert is_whole(west, name, ONE, "v1")


def test_it_can_be_brought_back_there(to_west: Source, server: Server, west: Client, name: str) -> None:
    """It lies in that registry's trash, with a reason that names where it was deleted first."""
    to_west.push(name, ONE, "v1")
    to_west.work()
    steps.delete(to_west.registry, name, ONE)
    to_west.work()
    careen = server.boto("careen")
    (entry,) = careen.describe_deletions(repositoryName=name)["deletions"]
    assert entry["reason"] == (
        f"it was deleted in {to_west.registry.region}/{to_west.registry.id}, which replicates to here"
    )
    careen.restore_images(repositoryName=name, imageIds=[{"imageDigest": ONE.digest}])
    assert is_whole(west, name, ONE, "v1")


def test_what_comes_back_here_comes_back_there(to_west: Source, west: Client, name: str) -> None:
    """The trash's undo is replicated as a push is."""
    to_west.registry = with_limits(to_west.registry, trash=DAY)
    to_west.push(name, ONE, "v1")
    to_west.work()
    steps.delete(to_west.registry, name, ONE)
    to_west.work()
    assert has(west, name, "v1") is None
    to_west.registry.write_now(trash.restore, name, ONE.digest, steps.TESTER)
    to_west.work()
    assert is_whole(west, name, ONE, "v1")


def test_an_image_that_is_back_before_its_deletion_got_there(
    to_west: Source, west: Client, name: str
) -> None:
    """What is asked for late is asked again of the present: nothing is deleted."""
    to_west.push(name, ONE, "v1")
    to_west.work()
    steps.delete(to_west.registry, name, ONE)
    to_west.push(name, ONE, "v1")
    to_west.work()
    assert is_whole(west, name, ONE, "v1")
    assert to_west.outcome(name, ONE) == ("COMPLETE", None)


def test_an_image_that_is_deleted_before_it_got_there(to_west: Source, west: Client, name: str) -> None:
    """It never arrives."""
    to_west.push(name, ONE, "v1")
    steps.delete(to_west.registry, name, ONE)
    to_west.work()
    assert has(west, name, ONE.digest) is None


def test_an_image_that_is_deleted_while_it_gets_there(
    source: Source, proxy: Proxy, west: Client, name: str
) -> None:
    """The copy that comes too late is deleted after it."""
    source.lead(WEST, proxy.url, username=ACCESS_KEY_ID, password=SECRET_ACCESS_KEY)
    source.configure(rule(WEST, deletes=True))
    source.push(name, ONE)

    def delete_now(seen: Seen) -> Fault | None:
        if seen.method == "PUT" and "/manifests/" in seen.path:
            proxy.heal()
            steps.delete(source.registry, name, ONE)
        return None

    proxy.faults.append(delete_now)
    source.work()
    assert has(west, name, ONE.digest) is None


def test_a_tag_that_is_removed_while_its_image_gets_there(
    source: Source, proxy: Proxy, west: Client, name: str
) -> None:
    """The tag that comes too late is removed after it, and the image stays."""
    source.lead(WEST, proxy.url, username=ACCESS_KEY_ID, password=SECRET_ACCESS_KEY)
    source.configure(rule(WEST, deletes=True))
    source.push(name, ONE, "v1")

    def untag_now(seen: Seen) -> Fault | None:
        if seen.method == "PUT" and "/manifests/v1" in seen.path:
            proxy.heal()
            source.untag(name, "v1")
            assert worker.run_one(source.registry, "another", work.copies("another", source.stop))
        return None

    proxy.faults.append(untag_now)
    source.work()
    assert has(west, name, "v1") is None
    assert is_whole(west, name, ONE)


def test_an_image_whose_deletion_overtakes_that_of_its_index(
    source: Source, proxy: Proxy, west: Client, name: str
) -> None:
    """The destination refuses it while an index there lists the image, so it is tried again."""
    both = index(ONE, TWO)
    source.lead(WEST, proxy.url, username=ACCESS_KEY_ID, password=SECRET_ACCESS_KEY)
    source.configure(rule(WEST, deletes=True))
    for built in (ONE, TWO, both):
        source.push(name, built)
    source.work()
    for built in (both, ONE):
        steps.delete(source.registry, name, built)

    def overtake(seen: Seen) -> Fault | None:
        if seen.method == "DELETE":
            proxy.heal()
            assert worker.run_one(source.registry, "another", work.copies("another", source.stop))
            assert has(west, name, ONE.digest) == ONE.manifest
        return None

    proxy.faults.append(overtake)
    source.work()
    source.clock.forward(30 * SECOND)
    source.work()
    assert [has(west, name, each.digest) for each in (both, ONE)] == [None, None]
    assert has(west, name, TWO.digest) == TWO.manifest
    assert source.registry.read(replication.deletions, 9) == []


def test_a_repository_that_is_made_anew_while_an_image_of_the_old_one_gets_there(
    source: Source, proxy: Proxy, west: Client, name: str
) -> None:
    """The deletion of the old one is not replicated, so the image stays there as all others do."""
    source.lead(WEST, proxy.url, username=ACCESS_KEY_ID, password=SECRET_ACCESS_KEY)
    source.configure(rule(WEST, deletes=True))
    source.push(name, ONE, "v1")

    def make_anew(seen: Seen) -> Fault | None:
        if seen.method == "PUT" and "/manifests/v1" in seen.path:
            proxy.heal()
            source.registry.write_now(repositories.delete, name, steps.cause(), force=True)
            source.registry.write_now(repositories.create, name)
        return None

    proxy.faults.append(make_anew)
    source.work()
    assert is_whole(west, name, ONE, "v1")


def test_a_deletion_that_no_rule_wants_any_more(
    source: Source, proxy: Proxy, west: Client, name: str
) -> None:
    """Whoever turns deletions off saves what waits to be deleted."""
    source.lead(WEST, proxy.url, username=ACCESS_KEY_ID, password=SECRET_ACCESS_KEY)
    source.configure(rule(WEST, deletes=True))
    source.push(name, ONE, "v1")
    source.work()
    proxy.always("/v2/", Fault(status=503))
    steps.delete(source.registry, name, ONE)
    source.work()
    proxy.heal()
    source.configure(rule(WEST))
    source.work()
    assert is_whole(west, name, ONE, "v1")


def test_an_image_that_is_back_while_its_deletion_gets_there(
    source: Source, proxy: Proxy, west: Client, name: str
) -> None:
    """The deletion that comes too late is made good."""
    source.lead(WEST, proxy.url, username=ACCESS_KEY_ID, password=SECRET_ACCESS_KEY)
    source.configure(rule(WEST, deletes=True))
    source.push(name, ONE, "v1")
    source.work()
    steps.delete(source.registry, name, ONE)

    def push_now(seen: Seen) -> Fault | None:
        if seen.method == "DELETE":
            proxy.heal()
            source.push(name, ONE, "v1")
        return None

    proxy.faults.append(push_now)
    source.work()
    assert is_whole(west, name, ONE, "v1")


def test_a_deletion_waits_for_a_destination_that_is_down(
    source: Source, proxy: Proxy, west: Client, name: str
) -> None:
    """As a copy does; after a day it is given up and shown."""
    source.lead(WEST, proxy.url, username=ACCESS_KEY_ID, password=SECRET_ACCESS_KEY)
    source.configure(rule(WEST, deletes=True))
    for built, tag in ((ONE, "v1"), (TWO, "v2")):
        source.push(name, built, tag)
    source.work()
    proxy.always("/v2/", Fault(status=503))
    steps.delete(source.registry, name, ONE)
    assert source.work() == 1
    proxy.heal()
    source.clock.forward(30 * SECOND)
    source.work()
    assert has(west, name, ONE.digest) is None
    proxy.always("/v2/", Fault(status=503))
    steps.delete(source.registry, name, TWO)
    source.work()
    source.clock.forward(DAY)
    source.work()
    proxy.heal()
    source.clock.forward(DAY)
    assert source.work() == 0
    assert has(west, name, TWO.digest) == TWO.manifest


@needs_distribution
def test_a_registry_that_knows_nothing_of_ecr_deletes_too(
    source: Source, plain: Distribution, name: str
) -> None:
    """By digest."""
    source.lead(SOUTH, plain.url)
    source.configure(rule(SOUTH, deletes=True))
    source.push(name, ONE, "v1")
    source.work()
    with UpstreamClient(address.parse(plain.url)) as there:
        assert there.has_manifest(name, ONE.digest)
        steps.delete(source.registry, name, ONE)
        source.work()
        assert not there.has_manifest(name, ONE.digest)


def test_by_ecrs_api_where_that_is_what_a_destination_has(
    source: Source, server: Server, west: Client, name: str
) -> None:
    """As on Amazon ECR: repositories are made, and images and tags deleted, by its operations."""
    there = Destination(REGION, "999999999999")
    source.lead(there, server.url, username=ACCESS_KEY_ID, password=SECRET_ACCESS_KEY, api_url=server.url)
    source.configure(rule(there, deletes=True))
    source.push(name, ONE, "v1")
    source.push(name, ONE, "v2")
    source.work()
    source.untag(name, "v1")
    source.work()
    assert has(west, name, "v1") is None
    assert is_whole(west, name, ONE, "v2")
    steps.delete(source.registry, name, ONE)
    source.work()
    assert has(west, name, ONE.digest) is None


def test_ecrs_api_cannot_remove_the_last_tag_of_an_image(
    source: Source, server: Server, west: Client, name: str
) -> None:
    """It would delete the image, which is here still: the tag stays there, and the deletion says why."""
    there = Destination(REGION, "999999999999")
    source.lead(there, server.url, username=ACCESS_KEY_ID, password=SECRET_ACCESS_KEY, api_url=server.url)
    source.configure(rule(there, deletes=True))
    source.push(name, ONE, "v1")
    source.work()
    source.untag(name, "v1")
    source.work()
    assert is_whole(west, name, ONE, "v1")
    (failed,) = source.registry.read(replication.deletions, 9)
    assert failed.failure_code == "DESTINATION_REFUSED_IMAGE"
    assert "last tag" in (failed.failure_reason or "")
