"""The client against CNCF distribution, directly and through a proxy that does damage."""

import random
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from careen.oci.digest import digest_of
from careen.upstream import client as client_module
from careen.upstream import credentials, exchange
from careen.upstream.client import Client
from careen.upstream.errors import (
    Denied,
    Invalid,
    NotFound,
    TooManyRequests,
    Unavailable,
    UpstreamError,
)
from tests.images import artifact, image, index
from tests.tls import make_certificate, needs_openssl
from tests.upstream.conftest import HASTY, client_of, content, push
from tests.upstream.distribution import (
    Distribution,
    TokenServer,
    needs_distribution,
)
from tests.upstream.proxy import Fault, Proxy

pytestmark = needs_distribution

BIG = random.Random(7).randbytes(3_000_000)  # noqa: S311 the same bytes every time
BIG_DIGEST = digest_of(BIG)


def test_what_was_pushed_is_resolved_and_read(client: Client, name: str) -> None:
    """A pushed image is found by tag and digest, its manifest and blobs come back as they were."""
    built = image("base", "app")
    assert not client.has_manifest(name, "1.0")
    assert not client.has_blob(name, built.digests[0])
    push(client, name, built, "1.0")
    held = client.resolve(name, "1.0")
    assert held == (built.media_type, built.digest, len(built.manifest))
    for reference in ("1.0", built.digest):
        assert client.manifest(name, reference) == (built.media_type, built.digest, built.manifest)
    for blob in built.blobs:
        assert client.has_blob(name, digest_of(blob))
        assert b"".join(client.blob(name, digest_of(blob), len(blob))) == blob


def test_a_blob_is_mounted_where_it_can_be(client: Client, name: str) -> None:
    """With ``mount_from`` nothing is sent that the registry has, and what it has not is."""
    client.push_blob(f"{name}/one", BIG_DIGEST, len(BIG), content(BIG))
    mounted = client.push_blob(
        f"{name}/two", BIG_DIGEST, len(BIG), content(b"unread"), mount_from=f"{name}/one"
    )
    assert not mounted
    other = BIG[::-1]
    assert client.push_blob(
        f"{name}/two", digest_of(other), len(other), content(other), mount_from=f"{name}/one"
    )
    assert client.has_blob(f"{name}/two", BIG_DIGEST)
    assert client.has_blob(f"{name}/two", digest_of(other))


def test_a_large_blob_goes_in_chunks_and_goes_on_after_a_break(
    by_proxy: Client, proxy: Proxy, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A chunk that fails is sent again from where the registry says; the others are sent once."""
    monkeypatch.setattr(client_module, "CHUNK_BYTES", 1_000_000)
    proxy.once("/blobs/uploads/", Fault(), Fault(status=502), method="PATCH")
    assert by_proxy.push_blob(name, BIG_DIGEST, len(BIG), content(BIG))
    ranges = [seen.headers["content-range"] for seen in proxy.seen if seen.method == "PATCH"]
    assert ranges == ["0-999999", "1000000-1999999", "1000000-1999999", "2000000-2999999"]
    assert b"".join(by_proxy.blob(name, BIG_DIGEST, len(BIG))) == BIG


def test_a_push_that_fails_begins_again(by_proxy: Client, proxy: Proxy, name: str) -> None:
    """A blob pushed in one request is pushed anew, by a new upload, when that fails."""
    proxy.once("/blobs/uploads/", Fault(status=503), method="PUT")
    assert by_proxy.push_blob(name, BIG_DIGEST, len(BIG), content(BIG))
    assert [s.method for s in proxy.seen if "/blobs/uploads/" in s.path].count("POST") >= 2
    assert by_proxy.has_blob(name, BIG_DIGEST)


def test_referrers_are_listed_by_tag_where_the_registry_has_no_list(client: Client, name: str) -> None:
    """CNCF distribution has no referrers API: the referrers tag is read, and nothing is an empty list."""
    subject = image("base")
    push(client, name, subject, "1.0")
    assert client.referrers(name, subject.digest) == []
    signature = artifact("application/vnd.example.signature", subject)
    push(client, name, signature)
    listed = index(signature)
    push(client, name, listed, subject.digest.replace(":", "-"))
    assert [referrer.digest for referrer in client.referrers(name, subject.digest)] == [signature.digest]


def test_a_manifest_is_deleted(client: Client, name: str) -> None:
    """After a delete by digest the image is not found."""
    built = image("base")
    push(client, name, built, "1.0")
    client.delete_manifest(name, built.digest)
    with pytest.raises(NotFound) as caught:
        client.manifest(name, "1.0")
    assert (caught.value.status, caught.value.code) == (404, "MANIFEST_UNKNOWN")


def test_a_transfer_goes_on_where_it_broke(by_proxy: Client, proxy: Proxy, name: str) -> None:
    """A blob whose connection is reset again and again is asked for from the byte that is missing."""
    by_proxy.push_blob(name, BIG_DIGEST, len(BIG), content(BIG))
    proxy.once(BIG_DIGEST, *(Fault(reset_after=500_000) for _ in range(5)))
    assert b"".join(by_proxy.blob(name, BIG_DIGEST, len(BIG))) == BIG
    asked = [seen.headers.get("range", "") for seen in proxy.seen if seen.is_get(BIG_DIGEST)]
    assert asked[0] == ""
    assert len(asked) == 6
    offsets = [int(header.removeprefix("bytes=").removesuffix("-")) for header in asked[1:]]
    assert offsets == sorted(set(offsets))
    assert 0 < offsets[0] <= 500_000


def test_a_registry_without_ranges_is_read_again_from_the_start(
    by_proxy: Client, proxy: Proxy, name: str
) -> None:
    """What came before is left out when the whole blob comes again."""
    by_proxy.push_blob(name, BIG_DIGEST, len(BIG), content(BIG))
    proxy.once(BIG_DIGEST, Fault(reset_after=700_000), Fault(drop_range=True))
    assert b"".join(by_proxy.blob(name, BIG_DIGEST, len(BIG))) == BIG


FAILURES = {
    "never comes": (Fault(reset_after=0), Unavailable),
    "has a fault": (Fault(status=500), Unavailable),
    "is busy": (Fault(status=429), TooManyRequests),
    "wants to be left alone for an hour": (
        Fault(status=429, headers={"Retry-After": "3600"}),
        TooManyRequests,
    ),
    "is forbidden": (Fault(status=403), Denied),
    "is missing": (Fault(status=404), NotFound),
    "is another": (Fault(wrong=True), Invalid),
    "leads round": (Fault(status=307, headers={"Location": "?again"}), Invalid),
}


@pytest.mark.parametrize(("fault", "kind"), FAILURES.values(), ids=FAILURES)
def test_what_a_blob_and_a_manifest_that_cannot_be_had_raise(
    by_proxy: Client, proxy: Proxy, name: str, fault: Fault, kind: type[UpstreamError]
) -> None:
    """Every way to fail has its error, for a blob and for a manifest."""
    built = image("base", size=100_000)
    push(by_proxy, name, built, "1.0")
    proxy.always("/blobs/", fault, "GET")
    proxy.always("/manifests/", fault, "GET")
    blob = built.blobs[1]
    with pytest.raises(kind):
        list(by_proxy.blob(name, digest_of(blob), len(blob)))
    with pytest.raises(kind):
        by_proxy.manifest(name, "1.0")


def test_passing_failures_are_not_noticed(by_proxy: Client, proxy: Proxy, name: str) -> None:
    """Up to three failures of each request in a row are made good by trying again."""
    built = image("base")
    push(by_proxy, name, built, "1.0")
    passing = (
        Fault(status=503),
        Fault(status=429, headers={"Retry-After": "0"}),
        Fault(reset_after=0),
    )
    proxy.once("/manifests/1.0", *passing)
    proxy.once(built.digests[1], *passing)
    assert by_proxy.manifest(name, "1.0").data == built.manifest
    assert b"".join(by_proxy.blob(name, built.digests[1], len(built.blobs[1]))) == built.blobs[1]


def test_more_and_fewer_bytes_than_described_are_refused(client: Client, name: str) -> None:
    """The size of a descriptor is held to, whatever the digest."""
    client.push_blob(name, BIG_DIGEST, len(BIG), content(BIG))
    for size in (len(BIG) - 1, len(BIG) + 1):
        with pytest.raises(Invalid):
            list(client.blob(name, BIG_DIGEST, size))


def test_a_registry_that_knows_no_head_is_resolved_by_get(by_proxy: Client, proxy: Proxy, name: str) -> None:
    """HEAD refused with 405 leads to a GET, whose digest is computed."""
    built = image("base")
    push(by_proxy, name, built, "1.0")
    proxy.always("/manifests/", Fault(status=405), "HEAD")
    assert by_proxy.resolve(name, "1.0").digest == built.digest


def test_nobody_is_let_in_without_the_password(guarded: Distribution, name: str) -> None:
    """No credential and a wrong one are ``Denied``, the wrong one after a single try."""
    with client_of(guarded.url, credentials.anonymous) as nobody, pytest.raises(Denied):
        nobody.manifest(name, "1.0")
    with Proxy(guarded.url).running() as counting:
        with client_of(counting.url, credentials.fixed("bench", "wrong")) as mistaken:
            for _ in range(2):
                with pytest.raises(Denied):
                    mistaken.manifest(name, "1.0")
        assert sum("authorization" in seen.headers for seen in counting.seen) == 2


def test_no_one_listens(name: str) -> None:
    """A registry that cannot be reached is ``Unavailable``."""
    with client_of("http://127.0.0.1:9") as client, pytest.raises(Unavailable):
        client.manifest(name, "1.0")


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TokenServer]:
    """A server of tokens."""
    with TokenServer(tmp_path_factory.mktemp("tokens") / "keys").running() as started:
        yield started


@pytest.fixture(scope="module")
def by_token(tmp_path_factory: pytest.TempPathFactory, tokens: TokenServer) -> Iterator[Distribution]:
    """CNCF distribution that takes its tokens."""
    folder: Path = tmp_path_factory.mktemp("by-token") / "distribution"
    with Distribution(folder, tokens.auth()).running() as started:
        yield started


def test_one_token_is_asked_for_each_scope_until_it_ends(
    by_token: Distribution, tokens: TokenServer, name: str
) -> None:
    """A token is used for all requests of its scope while it is good, and asked for anew after that."""
    built = image("base", "app")
    tokens.asked.clear()
    with client_of(by_token.url) as client:
        push(client, name, built, "1.0")
        assert client.manifest(name, "1.0").digest == built.digest
        actions = [query["scope"][0].removeprefix(f"repository:{name}:") for query, _ in tokens.asked]
        assert [sorted(each.split(",")) for each in actions] == [["pull", "push"], ["pull"]]
        assert all(query["service"] == [TokenServer.SERVICE] for query, _ in tokens.asked)
    tokens.asked.clear()
    tokens.seconds = 0
    try:
        with client_of(by_token.url) as client:
            for _ in range(3):
                client.resolve(name, "1.0")
    finally:
        tokens.seconds = 300
    assert len(tokens.asked) == 3


def test_a_token_server_may_serve_anyone_or_refuse(
    by_token: Distribution, tokens: TokenServer, name: str
) -> None:
    """Without a credential a token for anyone is asked for; a wrong password is ``Denied``."""
    built = image("base")
    with client_of(by_token.url) as client:
        push(client, name, built, "1.0")
    with client_of(by_token.url, credentials.anonymous) as nobody:
        with pytest.raises(Denied):
            nobody.manifest(name, "1.0")
        tokens.may[""] = ["pull"]
        try:
            assert nobody.manifest(name, "1.0").digest == built.digest
            with pytest.raises(Denied):
                nobody.push_manifest(name, "2.0", built.manifest, built.media_type)
        finally:
            del tokens.may[""]
    with client_of(by_token.url, credentials.fixed("bench", "wrong")) as mistaken, pytest.raises(Denied):
        mistaken.manifest(name, "1.0")


def test_a_slow_registry_is_given_up(by_proxy: Client, proxy: Proxy, name: str) -> None:
    """A body that does not come within the time-out is a broken transfer."""
    by_proxy.push_blob(name, BIG_DIGEST, len(BIG), content(BIG))
    never = threading.Event()
    proxy.always(BIG_DIGEST, Fault(hold=never), "GET")
    try:
        with (
            client_of(proxy.url, patience=replace(HASTY, silence_timeout=0.2, tries=2)) as hasty,
            pytest.raises(Unavailable),
        ):
            list(hasty.blob(name, BIG_DIGEST, len(BIG)))
    finally:
        never.set()


@needs_openssl
def test_a_certificate_is_believed_if_its_authority_is(
    client: Client, guarded: Distribution, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A registry with an authority of its own is read when SSL_CERT_FILE names it, and not before; never on to plain HTTP."""
    built = image("base")
    push(client, name, built, "1.0")
    certificate = make_certificate(tmp_path)
    with Proxy(guarded.url, certificate).running() as proxy:
        exchange._trust.cache_clear()
        with client_of(proxy.url) as stranger, pytest.raises(Unavailable, match="certificate"):
            stranger.ping()
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate.authority))
        exchange._trust.cache_clear()
        with client_of(proxy.url) as trusting:
            assert trusting.manifest(name, "1.0").data == built.manifest
            elsewhere = Fault(status=307, headers={"Location": f"{guarded.url}/v2/{name}/manifests/1.0"})
            proxy.always("/manifests/", elsewhere, "GET")
            with pytest.raises(Invalid, match="unencrypted"):
                trusting.manifest(name, "1.0")
    exchange._trust.cache_clear()


def test_a_credential_does_not_go_elsewhere(client: Client, guarded: Distribution, name: str) -> None:
    """Where a registry redirects to another host, that one is not told the password; a redirect at home is followed with it."""
    built = image("base")
    push(client, name, built, "1.0")
    with Proxy(guarded.url).running() as other, Proxy(guarded.url).running() as front:
        there = f"{other.url}/v2/{name}/manifests/1.0"
        front.always("/manifests/1.0", Fault(status=307, headers={"Location": there}))
        with client_of(front.url) as reader:
            reader.ping()
            with pytest.raises(Denied):
                reader.manifest(name, "1.0")
        assert [seen.headers.get("authorization") for seen in other.seen] == [None]
        front.heal()
        front.always("/manifests/2.0", Fault(status=307, headers={"Location": f"/v2/{name}/manifests/1.0"}))
        with client_of(front.url) as reader:
            assert reader.manifest(name, "2.0").data == built.manifest
