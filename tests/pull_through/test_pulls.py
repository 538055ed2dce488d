"""Pulls through the cache: what is fetched, how often, what is given when the upstream is away, and who may."""

import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from careen.oci.digest import digest_of
from careen.upstream.client import Client as Upstream
from tests.distribution.client import Client, new_key
from tests.ecrapi.client import refusal
from tests.images import artifact, image, index
from tests.pull_through.conftest import write_secret
from tests.server import ACCESS_KEY_ID, SECRET_ACCESS_KEY, Server, running
from tests.upstream.conftest import push
from tests.upstream.distribution import needs_distribution
from tests.upstream.proxy import Fault, Proxy
from tests.waiting import PATIENCE, until

pytestmark = needs_distribution

DOWN = Fault(status=503, headers={"Retry-After": "3600"})
"""An upstream that is away, and says that there is no use in trying again soon."""


def test_a_first_pull_brings_the_whole_image(
    upstream: Upstream, proxy: Proxy, puller: Client, prefix: str, name: str
) -> None:
    """An index comes with every image that it lists and all their layers; after that nobody asks the upstream."""
    children = image("base", "amd64"), image("base", "arm64", size=200_000)
    for child in children:
        push(upstream, name, child)
    built = index(*children)
    push(upstream, name, built, "1.0")

    pulled = puller.send("GET", f"/v2/{prefix}/{name}/manifests/1.0")
    assert (pulled.status, pulled.body) == (200, built.manifest)
    assert pulled.headers["docker-content-digest"] == built.digest
    asked = len(proxy.seen)
    for child in children:
        assert puller.send("GET", f"/v2/{prefix}/{name}/manifests/{child.digest}").body == child.manifest
        for blob in child.blobs:
            assert puller.send("GET", f"/v2/{prefix}/{name}/blobs/{digest_of(blob)}").body == blob
    for method in ("GET", "HEAD"):
        assert puller.send(method, f"/v2/{prefix}/{name}/manifests/1.0").status == 200
    assert len(proxy.seen) == asked
    assert proxy.gets(digest_of(children[0].blobs[1])) == 1, "both images have this layer"


def test_a_pull_by_digest_needs_no_second_look(
    upstream: Upstream, proxy: Proxy, puller: Client, prefix: str, name: str, later: Callable[[float], None]
) -> None:
    """What a digest names does not change, so the upstream is asked once and never again."""
    built = image("base")
    push(upstream, name, built, "1.0")
    path = f"/v2/{prefix}/{name}/manifests/{built.digest}"
    assert puller.send("GET", path).status == 200
    asked = len(proxy.seen)
    later(100)
    assert puller.send("GET", path).status == 200
    assert len(proxy.seen) == asked


def test_many_at_once_are_one_to_the_upstream(
    upstream: Upstream, proxy: Proxy, puller: Client, prefix: str, name: str
) -> None:
    """Twenty clients of two processes wait for one import: the upstream gives each blob and each manifest once."""
    built = image("base", "app", size=300_000)
    push(upstream, name, built, "1.0")
    proxy.seen.clear()
    hold = threading.Event()
    proxy.always("/blobs/", Fault(hold=hold), "GET")
    with ThreadPoolExecutor(20) as clients:
        pulls = [clients.submit(puller.send, "GET", f"/v2/{prefix}/{name}/manifests/1.0") for _ in range(20)]
        until(lambda: proxy.gets("/blobs/"))
        hold.set()
        assert {pull.result().body for pull in pulls} == {built.manifest}
    for part in ("/manifests/", *built.digests):
        assert sum(seen.is_get(part) and "authorization" in seen.headers for seen in proxy.seen) == 1


def test_a_tag_is_compared_after_a_day(
    upstream: Upstream, proxy: Proxy, puller: Client, prefix: str, name: str, later: Callable[[float], None]
) -> None:
    """Within 24 hours a tag is given as it is; then one HEAD tells whether it moved, and if it did the new image comes."""
    old, new = image("base", "old"), image("base", "new")
    push(upstream, name, old, "latest")

    def pulled() -> bytes:
        return puller.send("GET", f"/v2/{prefix}/{name}/manifests/latest").body

    assert pulled() == old.manifest
    push(upstream, name, new, "latest")
    later(23.9)
    assert pulled() == old.manifest
    later(0.2)
    assert pulled() == new.manifest
    assert proxy.gets(digest_of(new.blobs[1])) == 1, "the repository has the layer they share"
    later(24.1)
    proxy.seen.clear()
    assert pulled() == new.manifest
    assert [seen.method for seen in proxy.seen if "authorization" in seen.headers] == ["HEAD"]
    assert puller.send("GET", f"/v2/{prefix}/{name}/manifests/{old.digest}").body == old.manifest


AWAY = {
    "is down": (Fault(status=503, headers={"Retry-After": "3600"}), "unavailable"),
    "is busy": (Fault(status=429, headers={"Retry-After": "3600"}), "busy"),
    "refuses": (Fault(status=403), "refuses"),
    "has it no more": (Fault(status=404), "has it no more"),
}


@pytest.mark.parametrize("fault", [fault for fault, _ in AWAY.values()], ids=AWAY)
def test_without_its_upstream_the_cached_image_is_given(
    upstream: Upstream,
    proxy: Proxy,
    puller: Client,
    prefix: str,
    name: str,
    later: Callable[[float], None],
    fault: Fault,
) -> None:
    """Whatever keeps the upstream from answering, who pulls gets what is cached; after five minutes it is asked again."""
    old, new = image("base", "old"), image("base", "new")
    push(upstream, name, old, "1.0")
    path = f"/v2/{prefix}/{name}/manifests/1.0"
    assert puller.send("GET", path).body == old.manifest
    push(upstream, name, new, "1.0")
    proxy.always("/v2/", fault)
    later(24.1)
    assert puller.send("GET", path).body == old.manifest
    asked = len(proxy.seen)
    assert puller.send("GET", path).body == old.manifest
    assert len(proxy.seen) == asked
    proxy.heal()
    later(0.1)
    assert puller.send("GET", path).body == new.manifest


NOT_GIVEN = {
    "is not there": ([], "", 404, "NAME_UNKNOWN"),
    "is forbidden": ([Fault(status=403)], "/manifests/", 403, "DENIED"),
    "is too much": (
        [Fault(status=429, headers={"Retry-After": "7200"})],
        "/manifests/",
        429,
        "TOOMANYREQUESTS",
    ),
    "is down": ([DOWN], "/manifests/", 503, "UNSUPPORTED"),
    "has a damaged layer": ([Fault(wrong=True)], "/blobs/", 502, "MANIFEST_INVALID"),
    "has a damaged manifest": ([Fault(wrong=True)], "/manifests/", 502, "MANIFEST_INVALID"),
    "has lost a layer": ([Fault(status=404)], "/blobs/", 404, "MANIFEST_UNKNOWN"),
}


@pytest.mark.parametrize(("faults", "where", "status", "code"), NOT_GIVEN.values(), ids=NOT_GIVEN)
def test_what_the_upstream_does_not_give(
    upstream: Upstream,
    proxy: Proxy,
    puller: Client,
    prefix: str,
    name: str,
    faults: list[Fault],
    where: str,
    status: int,
    code: str,
) -> None:
    """Nothing is cached of what is not whole, the client is told why, and when the upstream is well the pull succeeds."""
    built = image("base", size=100_000)
    if faults:
        push(upstream, name, built, "1.0")
    for fault in faults:
        proxy.always(where, fault, "GET")
    path = f"/v2/{prefix}/{name}/manifests/1.0"
    refused = puller.send("GET", path)
    assert (refused.status, refused.code) == (status, code)
    if status == 429:
        assert refused.headers["retry-after"] == "7200"
    tags = puller.send("GET", f"/v2/{prefix}/{name}/tags/list")
    assert tags.status == 404 or tags.json()["tags"] == []
    proxy.heal()
    push(upstream, name, built, "1.0")
    assert puller.send("GET", path).body == built.manifest


def test_a_transfer_that_breaks_goes_on(
    upstream: Upstream, proxy: Proxy, puller: Client, prefix: str, name: str
) -> None:
    """A connection that is reset in the middle of a layer costs only what had not come yet."""
    built = image("base", size=2_000_000)
    push(upstream, name, built, "1.0")
    proxy.once(built.digests[1], Fault(reset_after=900_000), Fault(reset_after=500_000))
    assert puller.send("GET", f"/v2/{prefix}/{name}/manifests/1.0").body == built.manifest
    assert any(seen.headers.get("range", "").startswith("bytes=") for seen in proxy.seen)
    assert puller.send("GET", f"/v2/{prefix}/{name}/blobs/{built.digests[1]}").body == built.blobs[1]


def kill(server: Server) -> None:
    """SIGKILL for all processes of a server at once."""
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    for pid in (server.pid, *map(int, children)):
        os.kill(pid, signal.SIGKILL)
    server.stop(signal.SIGKILL)


def test_a_server_that_ends_in_the_middle_of_an_import(
    upstream: Upstream, proxy: Proxy, name: str, tmp_path: Path
) -> None:
    """Killed, it has no half image and fetches what is missing; told to stop, it does, however silent the upstream is."""
    first, second, later = (image(each, size=200_000) for each in ("one", "two", "three"))
    for child in (first, second, later):
        push(upstream, name, child)
    built = index(first, second)
    push(upstream, name, built, "1.0")
    hold = threading.Event()
    proxy.always(second.digests[1], Fault(hold=hold), "GET")
    proxy.always(later.digests[1], Fault(hold=hold), "GET")
    path = f"/v2/cache/{name}/manifests"
    with running(tmp_path / "data", create_on_push=False, shutdown_timeout=0.1) as server:
        secret = write_secret(server, "upstream")
        server.boto().create_pull_through_cache_rule(
            ecrRepositoryPrefix="cache", upstreamRegistryUrl=proxy.url, credentialArn=secret
        )
        puller = Client(server)
        with ThreadPoolExecutor(1) as clients:
            pull = clients.submit(puller.send, "GET", f"{path}/1.0")
            until(lambda: proxy.gets(second.digests[1]))
            kill(server)
            assert pull.exception(PATIENCE) is not None
        hold.set()
        server.start()
        assert puller.send("GET", f"/v2/cache/{name}/tags/list").json()["tags"] == []
        assert puller.send("GET", f"{path}/1.0").body == built.manifest
        assert puller.send("GET", f"/v2/cache/{name}/blobs/{second.digests[1]}").body == second.blobs[1]
        assert proxy.gets(first.digests[1]) == 1
        hold.clear()
        with ThreadPoolExecutor(1) as clients:
            pull = clients.submit(puller.send, "GET", f"{path}/{later.digest}")
            until(lambda: proxy.gets(later.digests[1]))
            assert server.stop() == 0
            assert pull.exception(PATIENCE) is not None
        hold.set()
        assert "Traceback" not in server.log.read_text()


def test_a_pushed_tag_is_not_the_upstreams(
    upstream: Upstream, proxy: Proxy, puller: Client, prefix: str, name: str, later: Callable[[float], None]
) -> None:
    """Whoever pushes a tag into a cached repository keeps it: the upstream is not asked about it any more."""
    theirs, ours = image("base", "theirs"), image("base", "ours")
    push(upstream, name, theirs, "1.0")
    path = f"/v2/{prefix}/{name}/manifests/1.0"
    assert puller.send("GET", path).body == theirs.manifest
    puller.push(f"{prefix}/{name}", ours, "1.0")
    later(24.1)
    proxy.seen.clear()
    assert puller.send("GET", path).body == ours.manifest
    assert proxy.seen == []


def test_an_immutable_tag_stays(
    upstream: Upstream,
    puller: Client,
    ecr: Any,
    prefix: str,
    name: str,
    later: Callable[[float], None],
) -> None:
    """A repository whose tags are immutable gives what it cached first, though the tag has moved upstream."""
    old, new = image("base", "old"), image("base", "new")
    push(upstream, name, old, "1.0")
    path = f"/v2/{prefix}/{name}/manifests/1.0"
    assert puller.send("GET", path).body == old.manifest
    ecr.put_image_tag_mutability(repositoryName=f"{prefix}/{name}", imageTagMutability="IMMUTABLE")
    push(upstream, name, new, "1.0")
    later(24.1)
    assert puller.send("GET", path).body == old.manifest


def test_a_deleted_image_comes_again(
    upstream: Upstream, puller: Client, ecr: Any, prefix: str, name: str
) -> None:
    """What was deleted here, by a policy or a person, is fetched when somebody asks for it."""
    built = image("base")
    push(upstream, name, built, "1.0")
    path = f"/v2/{prefix}/{name}/manifests/1.0"
    assert puller.send("GET", path).status == 200
    where = {"repositoryName": f"{prefix}/{name}"}
    assert ecr.batch_delete_image(**where, imageIds=[{"imageTag": "1.0"}])["failures"] == []
    assert ecr.list_images(**where)["imageIds"] == []
    assert puller.send("GET", path).body == built.manifest
    assert ecr.list_images(**where)["imageIds"] == [{"imageDigest": built.digest, "imageTag": "1.0"}]


def test_who_may_not_import_finds_what_is_there(
    caching: Server, upstream: Upstream, puller: Client, prefix: str, name: str
) -> None:
    """Without ecr:BatchImportUpstreamImage a pull finds no new image, without ecr:CreateRepository no new repository."""
    built, other = image("base", "one"), image("base", "two")
    push(upstream, name, built, "1.0")
    push(upstream, name, other, "2.0")
    may_import = new_key(caching, f"importer-{prefix}", "PullOnly")
    may_read = new_key(caching, f"reader-{prefix}", "ReadOnly")

    def pulled(who: Client, tag: str) -> tuple[int, str | None, str]:
        got = who.send("GET", f"/v2/{prefix}/{name}/manifests/{tag}")
        return got.status, got.code, "" if got.status == 200 else got.message

    missing = (
        f"The repository with name '{prefix}/{name}' does not exist in the registry with id '123456789012'"
    )
    assert pulled(may_import, "1.0") == (404, "NAME_UNKNOWN", missing)
    assert pulled(puller, "1.0")[0] == 200
    assert pulled(may_read, "1.0")[0] == 200
    assert pulled(may_read, "2.0") == (404, "MANIFEST_UNKNOWN", "Requested image not found")
    assert pulled(may_import, "2.0")[0] == 200


def test_batch_get_image_imports(upstream: Upstream, proxy: Proxy, ecr: Any, prefix: str, name: str) -> None:
    """BatchGetImage brings what is missing, and says for each image why its upstream did not give it."""
    built = image("base")
    push(upstream, name, built, "1.0")
    where = {"repositoryName": f"{prefix}/{name}"}
    answer = ecr.batch_get_image(**where, imageIds=[{"imageTag": "1.0"}])
    assert [each["imageManifest"].encode() for each in answer["images"]] == [built.manifest]
    proxy.always("/manifests/down", DOWN)
    proxy.always("/manifests/busy", Fault(status=429, headers={"Retry-After": "3600"}))
    proxy.always("/manifests/secret", Fault(status=403))
    wanted = ["1.0", "down", "busy", "secret", "gone"]
    answer = ecr.batch_get_image(**where, imageIds=[{"imageTag": tag} for tag in wanted])
    assert len(answer["images"]) == 1
    assert {each["imageId"]["imageTag"]: each["failureCode"] for each in answer["failures"]} == {
        "down": "UpstreamUnavailable",
        "busy": "UpstreamTooManyRequests",
        "secret": "UpstreamAccessDenied",
        "gone": "ImageNotFound",
    }


def test_batch_get_image_without_a_secret_or_an_upstream(
    caching: Server, ecr: Any, add_rule: Callable[..., str], name: str
) -> None:
    """A secret that is gone is UnableToGetUpstreamImageException; so is an upstream that is away before there is a repository."""
    vanishing = write_secret(caching, "vanishing")
    prefix = add_rule("http://127.0.0.1:9", credentialArn=vanishing)
    (caching.data / "secrets" / "ecr-pullthroughcache" / "vanishing.json").unlink()
    refused = refusal(ecr.batch_get_image, repositoryName=f"{prefix}/{name}", imageIds=[{"imageTag": "1.0"}])
    assert refused.code == "UnableToGetUpstreamImageException"


def test_careen_is_an_upstream_with_its_referrers(
    caching: Server, ecr: Any, puller: Client, add_rule: Callable[..., str], server: Server, name: str
) -> None:
    """Another Careen, which asks for Basic credentials as Amazon ECR does, gives images and what refers to them."""
    there = Client(server)
    built = image("base")
    there.push(name, built, "1.0")
    signature = artifact("application/vnd.example.signature", built)
    there.push(name, signature)
    secret = write_secret(
        caching, "careen", f'{{"username": "{ACCESS_KEY_ID}", "accessToken": "{SECRET_ACCESS_KEY}"}}'
    )
    prefix = add_rule(server.url, credentialArn=secret)
    assert puller.send("GET", f"/v2/{prefix}/{name}/manifests/1.0").body == built.manifest
    listed = puller.send("GET", f"/v2/{prefix}/{name}/referrers/{built.digest}").json()
    assert [each["digest"] for each in listed["manifests"]] == [signature.digest]
    assert puller.send("GET", f"/v2/{prefix}/{name}/manifests/{signature.digest}").body == signature.manifest
    referrers = ecr.list_image_referrers(
        repositoryName=f"{prefix}/{name}", subjectId={"imageDigest": built.digest}
    )
    assert [each["digest"] for each in referrers["referrers"]] == [signature.digest]


def test_referrers_of_an_upstream_that_is_away(
    upstream: Upstream, proxy: Proxy, puller: Client, ecr: Any, prefix: str, name: str
) -> None:
    """OCI clients get what is known; ListImageReferrers says that the upstream could not be asked, if nothing is."""
    built = image("base")
    push(upstream, name, built, "1.0")
    assert puller.send("GET", f"/v2/{prefix}/{name}/manifests/1.0").status == 200
    proxy.always("/referrers/", DOWN)
    subject = {"repositoryName": f"{prefix}/{name}", "subjectId": {"imageDigest": built.digest}}
    refused = refusal(ecr.list_image_referrers, **subject)
    assert refused.code == "UnableToListUpstreamImageReferrersException"
    listed = puller.send("GET", f"/v2/{prefix}/{name}/referrers/{built.digest}")
    assert (listed.status, listed.json()["manifests"]) == (200, [])
