"""Callers without a credential: what is public they may read, as often as their address may, and nothing else."""

import base64
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from careen.oci.digest import digest_of
from tests.distribution import stock
from tests.distribution.client import Answer, Client, basic
from tests.distribution.stock import APP, ARM, SIGNATURE, SMALL, Stock, put_in
from tests.distribution.test_again import Caller, calling
from tests.distribution.test_auth import ZEROS, token
from tests.images import image
from tests.server import ACCESS_KEY_ID, REGISTRY_ID, Server, running

PNG = b"\x89PNG\r\n\x1a\n" + bytes(1000)


class Stranger(Client):
    """A caller who does not say who it is."""

    @property
    def authorization(self) -> str:
        """What is sent as one."""
        return ""


@pytest.fixture(scope="module")
def open_stock(client: Client) -> Stock:
    """A public repository with one of everything, for those who only read."""
    client.server.boto("ecr-public").create_repository(repositoryName="strangers/read")
    return put_in(client, "public/strangers/read")


@pytest.fixture
def public(client: Client, name: str) -> Stock:
    """A public repository with one of everything, for those who change it."""
    client.server.boto("ecr-public").create_repository(repositoryName=name)
    return put_in(client, f"public/{name}")


def ask(client: Client, method: str, path: str, **headers: str) -> Answer:
    """One request with these headers and no others."""
    connection = client.open()
    try:
        connection.request(
            method, path, headers={name.replace("_", "-"): text for name, text in headers.items()}
        )
        response = connection.getresponse()
        fields = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, fields, response.read())
    finally:
        connection.close()


READS: dict[str, tuple[str, bytes | None]] = {
    "a manifest by tag": ("/v2/{name}/manifests/1.0", APP.manifest),
    "a manifest by digest": ("/v2/{name}/manifests/{app}", APP.manifest),
    "a small blob": ("/v2/{name}/blobs/{small}", SMALL),
    "a large blob": ("/v2/{name}/blobs/{large}", stock.LARGE),
    "tags": ("/v2/{name}/tags/list", None),
    "referrers": ("/v2/{name}/referrers/{app}", None),
}

EMPTY: dict[str, dict[str, str]] = {
    "no credential": {},
    "an empty one, as skopeo and podman send": {"authorization": "Basic Og=="},
    "the token of nobody": {"authorization": "Bearer Og=="},
}


@pytest.mark.parametrize(("path", "body"), READS.values(), ids=READS)
def test_what_is_public_is_read_by_anybody(open_stock: Stock, path: str, body: bytes | None) -> None:
    """GET and HEAD, with the answer that a credential gets."""
    path = open_stock.fill(path)
    expected = open_stock.client.send("GET", path)
    for sent in EMPTY.values():
        got = ask(open_stock.client, "GET", path, **sent)
        assert (got.status, got.body) == (200, expected.body)
        assert body is None or got.body == body
        head = ask(open_stock.client, "HEAD", path, **sent)
        assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(len(got.body)))


def test_a_part_of_a_blob(open_stock: Stock) -> None:
    """Ranges and conditions are heard."""
    path = open_stock.fill("/v2/{name}/blobs/{large}")
    got = ask(open_stock.client, "GET", path, range="bytes=100-199")
    assert (got.status, got.body) == (206, stock.LARGE[100:200])
    assert ask(open_stock.client, "GET", path, if_none_match=f'"{digest_of(stock.LARGE)}"').status == 304


REFUSED = {
    "begin an upload": ("POST", "/v2/{name}/blobs/uploads/"),
    "mount a blob": ("POST", "/v2/{name}/blobs/uploads/?mount={small}"),
    "put an image": ("PUT", "/v2/{name}/manifests/new"),
    "delete a tag": ("DELETE", "/v2/{name}/manifests/1.0"),
    "delete a blob": ("DELETE", "/v2/{name}/blobs/{small}"),
    "look at an upload": ("GET", "/v2/{name}/blobs/uploads/1"),
    "the catalog": ("GET", "/v2/_catalog"),
    "the root": ("GET", "/v2/"),
    "what is no path": ("GET", "/v2/{name}"),
    "no method": ("PATCH", "/v2/{name}/manifests/1.0"),
    "nothing there": ("GET", "/v2/public/no/such/manifests/1"),
    "a name that is none": ("GET", "/v2/public/No/manifests/1"),
    "the prefix alone": ("GET", "/v2/public/manifests/1"),
}


@pytest.mark.parametrize(("method", "path"), REFUSED.values(), ids=REFUSED)
def test_everything_else_takes_a_credential(open_stock: Stock, method: str, path: str) -> None:
    """Amazon ECR's challenge, Basic, whatever is there; nothing has changed."""
    for sent in EMPTY.values():
        got = ask(open_stock.client, method, open_stock.fill(path), **sent)
        assert (got.status, got.body) == (401, b"Not Authorized\n")
        assert got.headers["www-authenticate"].startswith("Basic ")
    tags = open_stock.client.send("GET", f"/v2/{open_stock.name}/tags/list").json()["tags"]
    assert tags == ["1.0", "latest", "multi"]


@pytest.mark.parametrize("place", ["{name}", "public/{name}"])
def test_what_is_private_stays_so(client: Client, name: str, place: str) -> None:
    """Also where a public repository would be: the name does not make it one."""
    stocked = put_in(client, place.format(name=name))
    for path, _ in READS.values():
        for sent in EMPTY.values():
            assert ask(client, "GET", stocked.fill(path), **sent).status == 401
        assert client.send("GET", stocked.fill(path)).status == 200


WRONG = {
    "an unknown key": basic("AKIAX", "y"),
    "a wrong secret": basic(ACCESS_KEY_ID, "wrong"),
    "a name alone": basic("somebody", ""),
    "a password alone": basic("", "something"),
    "no base64": "Basic %%%",
    "another scheme": "Digest Og==",
}


@pytest.mark.parametrize("credential", WRONG.values(), ids=WRONG)
def test_a_wrong_credential_is_told(open_stock: Stock, credential: str) -> None:
    """Whoever thinks to be logged in learns that this is not so, though nobody would be let in."""
    got = ask(open_stock.client, "GET", f"/v2/{open_stock.name}/manifests/1.0", authorization=credential)
    assert got.status == 401


def test_an_expired_token_is_told(open_stock: Stock) -> None:
    """As on ECR Public, where people log out then, or in again."""
    expired = basic("AWS", token(open_stock.client.server, lives=-1))
    got = ask(open_stock.client, "GET", f"/v2/{open_stock.name}/manifests/1.0", authorization=expired)
    assert (got.status, got.code) == (403, "DENIED")


def test_a_repository_is_public_as_long_as_it_is_there(public: Stock, name: str) -> None:
    """One that is deleted, and made anew by ECR, is private at once."""
    path = f"/v2/{public.name}/manifests/1.0"
    assert ask(public.client, "GET", path).status == 200
    server = public.client.server
    server.boto("ecr-public").delete_repository(repositoryName=name, force=True)
    assert ask(public.client, "GET", path).status == 401
    put_in(public.client, public.name)
    assert ask(public.client, "GET", path).status == 401
    assert public.client.send("GET", path).status == 200


def test_strangers_do_not_learn_who_deleted_what(public: Stock) -> None:
    """That an image lies in the trash, by whose hand and how it comes back, is for those who are let in."""
    path = f"/v2/{public.name}/manifests/{SIGNATURE.digest}"
    assert public.client.send("DELETE", path).status == 202
    told = public.client.send("GET", path)
    assert (told.code, "was deleted" in told.message) == ("MANIFEST_UNKNOWN", True)
    got = ask(public.client, "GET", path)
    assert (got.status, got.json()) == (
        404,
        {"errors": [{"code": "MANIFEST_UNKNOWN", "message": "Requested image not found"}]},
    )


def test_a_stranger_s_pull_brings_nothing_back(make_server: Callable[..., Server]) -> None:
    """Not even where pulls do: nobody is to change what is there without saying who it is."""
    client = stocked(make_server(restore_on_pull=True))
    assert client.send("DELETE", f"/v2/public/app/manifests/{APP.digest}").status == 202
    assert ask(client, "GET", "/v2/public/app/manifests/1").status == 404
    assert client.send("GET", "/v2/public/app/manifests/1").status == 200
    assert ask(client, "GET", "/v2/public/app/manifests/1").status == 200


# Answers that are given again.
def test_an_answer_to_somebody_is_none_to_anybody(client: Client, open_stock: Stock, name: str) -> None:
    """On one connection, in any order, for a private and a public repository: each gets what it would have got alone."""
    put_in(client, name)
    private, open_to_all = f"/v2/{name}/manifests/latest", f"/v2/{open_stock.name}/manifests/latest"
    with calling(client) as caller:
        for _ in range(2):
            for path, expected in ((private, 401), (open_to_all, 200)):
                assert caller.ask_until_ready(path).status == 200
                for credential in ("", "Basic Og==", "Bearer Og=="):
                    assert caller.ask(path, authorization=credential).status == expected
                assert caller.ask(path, authorization=basic("AKIANOBODY", "x")).status == 401


def test_what_strangers_are_answered_follows_what_is_there(public: Stock) -> None:
    """A tag that moves, and a blob that is deleted, are seen by the next request."""
    path = f"/v2/{public.name}/manifests/latest"
    with calling(Stranger(public.client.server)) as caller:
        assert caller.ask_until_ready(path).body == APP.manifest
        public.client.push(public.name, ARM, "latest")
        assert caller.ask(path).body == ARM.manifest
        small = public.fill("/v2/{name}/blobs/{small}")
        assert caller.ask_until_ready(small).body == SMALL
        assert public.client.send("DELETE", small).status == 202
        assert caller.ask(small).status == 404


# The limit.
LIMITED = {"anonymous_rate": 0.0001, "anonymous_burst": 5}
"""Five requests, and then next to none."""


def stocked(server: Server) -> Client:
    """A caller of a registry with a public image."""
    server.boto("ecr-public").create_repository(repositoryName="app")
    client = Client(server)
    client.push("public/app", APP, "1")
    return client


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A registry with one web server in front, which says from where requests come; each test comes from somewhere else."""
    with running(tmp_path_factory.mktemp("limited") / "data", proxies="127.0.0.1", **LIMITED) as server:
        yield stocked(server)


def spend(caller: Caller, path: str, **headers: str) -> list[int]:
    return [caller.ask(path, **headers).status for _ in range(7)]


def test_an_address_asks_only_so_often(limited: Client) -> None:
    """Answers that could be given again are counted too; then it is 429 with the time to wait, and for others nothing."""
    path, here = "/v2/public/app/manifests/1", {"x_forwarded_for": "198.51.100.1"}
    with calling(Stranger(limited.server)) as stranger:
        assert spend(stranger, path, **here) == [200] * 5 + [429] * 2
        refused = stranger.ask(path, **here)
        assert (refused.code, refused.message) == ("TOOMANYREQUESTS", "Rate exceeded")
        assert 9_000 < int(refused.headers["retry-after"]) <= 10_000
        assert stranger.ask(f"/v2/public/app/blobs/{APP.digests[0]}", **here).status == 429
        assert stranger.ask("/v2/_logos/public/app", **here).status == 429
        assert stranger.ask("/v2/private/app/manifests/1", **here).status == 401
    with calling(limited) as known:
        assert spend(known, path, **here) == [200] * 7


def test_addresses_are_counted_apart(limited: Client) -> None:
    """By what the web server in front says; what a client says before it is not believed, and of IPv6 a network is one."""
    path = "/v2/public/app/manifests/1"
    apart = ["192.0.2.1", "10.0.0.9, 192.0.2.2", "2001:db8::1", "::ffff:192.0.2.3", "unknown"]
    with calling(Stranger(limited.server)) as stranger:
        for sent in apart:
            assert spend(stranger, path, x_forwarded_for=sent) == [200] * 5 + [429] * 2
        for same in ["203.0.113.7, 192.0.2.1", "192.0.2.2", "2001:db8::ffff", "192.0.2.3"]:
            assert stranger.ask(path, x_forwarded_for=same).status == 429
        assert stranger.ask(path, x_forwarded_for="2001:db8:0:1::1").status == 200


def test_a_pull_by_nobody_counts(limited: Client) -> None:
    """An image that strangers use is in use; a pull that was refused is none."""
    server = limited.server
    server.boto("ecr-public").create_repository(repositoryName="counted")
    limited.push("public/counted", APP, "1")
    with calling(Stranger(server)) as stranger:
        spend(stranger, "/v2/public/counted/manifests/1", x_forwarded_for="198.51.100.2")
    server.stop()
    server.start()
    described: dict[str, Any] = server.boto("careen").describe_pulls(repositoryName="public/counted")
    assert described["pullCount"] == 5


def test_the_header_is_not_believed_unless_the_settings_say_so(two_names: Client) -> None:
    """Anybody could have as many addresses as there are."""
    path = "/v2/public/app/tags/list"
    with calling(Stranger(two_names.server)) as stranger:
        answers = [stranger.ask(path, x_forwarded_for=f"192.0.2.{number}").status for number in range(6)]
    assert answers == [200] * 5 + [429]


# Who is known.
def test_who_is_known_pulls_without_permission(open_stock: Stock, as_holder: Callable[[str], Client]) -> None:
    """What anybody may read, somebody may; not what is private."""
    holder = as_holder("PublicReadOnly")
    for path, _ in READS.values():
        assert holder.send("GET", open_stock.fill(path)).status == 200
        assert holder.send("GET", open_stock.fill(path).replace("public/", "private/")).status == 403


def denied(policy: str, action: str, resource: str) -> tuple[int, str, str]:
    sentence = (
        f"User: arn:aws:iam::{REGISTRY_ID}:user/has-{policy} is not authorized to perform: {action} on resource: {resource} "
        f"because no identity-based policy allows the {action} action"
    )
    return 403, "DENIED", sentence


def test_who_may_push_to_public_repositories_does(
    public: Stock, client: Client, name: str, as_holder: Callable[[str], Client]
) -> None:
    """By ECR Public's policies, a layer mounted from a public repository included; deleting takes more, private ones are closed."""
    power, built = as_holder("PublicPowerUser"), image("pushed by a public power user")
    power.push(public.name, built, "new")
    got = power.send("DELETE", f"/v2/{public.name}/manifests/new")
    resource = f"arn:aws:ecr-public::{REGISTRY_ID}:repository/{name}"
    assert (got.status, got.code, got.message) == denied(
        "PublicPowerUser", "ecr-public:BatchDeleteImage", resource
    )
    client.server.boto("ecr-public").create_repository(repositoryName=f"{name}/copy")
    mounted = power.send(
        "POST", public.fill(f"/v2/public/{name}/copy/blobs/uploads/?mount={{small}}&from={{name}}")
    )
    assert mounted.status == 201
    put_in(client, name)
    assert power.send("POST", f"/v2/{name}/blobs/uploads/").status == 403
    hidden = power.send(
        "POST", public.fill(f"/v2/public/{name}/copy/blobs/uploads/?mount={{large}}&from={name}")
    )
    assert hidden.status == 202


def test_ecr_s_permissions_hold_on_public_repositories_too(
    public: Stock, as_holder: Callable[[str], Client]
) -> None:
    """It is a repository of the registry like the others."""
    power = as_holder("PowerUser")
    power.push(public.name, image("pushed by a power user"), "new")
    resource = f"arn:aws:ecr-public::{REGISTRY_ID}:repository/{public.name.removeprefix('public/')}"
    got = power.send("DELETE", f"/v2/{public.name}/manifests/new")
    assert (got.status, got.code, got.message) == denied("PowerUser", "ecr-public:BatchDeleteImage", resource)


def test_a_push_makes_no_public_repository(client: Client, name: str) -> None:
    """With ``create_on_push`` it makes a private one, whatever its name: nothing becomes public by accident."""
    client.push(f"public/{name}", APP, "1")
    assert ask(client, "GET", f"/v2/public/{name}/manifests/1").status == 401


# Tokens.
def test_anybody_gets_a_token_of_nobody(client: Client) -> None:
    """For clients that do not go on without one; what they ask for in it makes no difference."""
    got = ask(client, "GET", "/v2/token?service=x&scope=repository:public/app:pull,push")
    assert (got.status, got.headers["cache-control"]) == (200, "no-store")
    answer = got.json()
    assert answer["token"] == answer["access_token"] == "Og=="
    assert answer["expires_in"] >= 60


def test_an_authorization_token_is_handed_back(client: Client) -> None:
    """A new one in its place would outlive it."""
    mine = token(client.server)
    got = ask(client, "GET", "/v2/token", authorization=basic("AWS", mine))
    assert base64.b64decode(got.json()["token"]).decode() == f"AWS:{mine}"


def test_a_key_gets_a_token_that_is_not_its_secret(
    client: Client, open_stock: Stock, as_holder: Callable[[str], Client]
) -> None:
    """It is good as Bearer for all that the key may do."""
    public, holder = open_stock, as_holder("PullOnly")
    got = holder.send("GET", "/v2/token").json()["token"]
    assert holder.password not in base64.b64decode(got).decode()
    bearer = {"Authorization": f"Bearer {got}"}
    assert client.send("GET", f"/v2/{public.name}/manifests/1.0", headers=bearer).status == 200
    assert client.send("GET", "/v2/", headers=bearer).status == 200
    assert client.send("POST", f"/v2/{public.name}/blobs/uploads/", headers=bearer).status == 403


@pytest.mark.parametrize("credential", WRONG.values(), ids=WRONG)
def test_a_wrong_credential_gets_no_token(client: Client, credential: str) -> None:
    """It is challenged, as Basic: that is how a token is asked for."""
    got = ask(client, "GET", "/v2/token", authorization=credential)
    assert (got.status, got.headers["www-authenticate"].split()[0]) == (401, "Basic")


def test_an_expired_token_gets_none(client: Client) -> None:
    """It is over."""
    got = ask(client, "GET", "/v2/token", authorization=basic("AWS", token(client.server, lives=-1)))
    assert (got.status, got.code) == (403, "DENIED")
    assert ask(client, "POST", "/v2/token").status == 405


@pytest.fixture(scope="module")
def two_names(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A registry that is called ``public.example`` by those who pull only with a token."""
    names = {"public_host": "public.example:443", "public_url": "https://registry.example"}
    with running(tmp_path_factory.mktemp("names") / "data", **names, **LIMITED) as server:
        yield stocked(server)


@pytest.mark.parametrize("host", ["public.example:443", "PUBLIC.example:443"])
@pytest.mark.parametrize("path", ["/v2/", f"/v2/private/blobs/{ZEROS}"])
def test_under_its_public_name_a_token_is_asked_for(two_names: Client, host: str, path: str) -> None:
    """ECR Public's challenge; the realm is where clients reach the token, with the scheme that they use."""
    got = ask(two_names, "GET", path, host=host)
    assert (got.status, got.body) == (401, b"Not Authorized\n")
    assert got.headers["www-authenticate"] == (
        'Bearer realm="https://public.example:443/v2/token",service="public.example:443",scope="aws"'
    )


@pytest.mark.parametrize("host", ["registry.example", "public.example", "public.example:443.evil"])
def test_under_any_other_name_the_challenge_is_ecr_s(two_names: Client, host: str) -> None:
    """To the letter."""
    got = ask(two_names, "GET", "/v2/", host=host)
    assert got.headers["www-authenticate"] == (
        'Basic realm="https://registry.example/",service="ecr.amazonaws.com"'
    )


# Logos.
def described(client: Client, name: str) -> str:
    """A public repository with a logo. Returns the logo's path."""
    made = client.server.boto("ecr-public").create_repository(
        repositoryName=name, catalogData={"logoImageBlob": PNG}
    )
    url: str = made["catalogData"]["logoUrl"]
    return url.removeprefix(client.server.url)


def test_a_logo_is_shown_to_anybody(client: Client, name: str) -> None:
    """As the image that it is, and as nothing that a browser runs."""
    path = described(client, name)
    got = ask(client, "GET", path)
    assert (got.status, got.body, got.headers["content-type"]) == (200, PNG, "image/png")
    assert got.headers["x-content-type-options"] == "nosniff"
    assert got.headers["content-security-policy"] == "default-src 'none'; sandbox"
    head = ask(client, "HEAD", path)
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(len(PNG)))
    assert ask(client, "PUT", path).status == 405


@pytest.mark.parametrize(
    "path", ["/v2/_logos/public/no/such", "/v2/_logos/", "/v2/_logos/../token", "/v2/_logos/{name}"]
)
def test_where_there_is_no_logo_nothing_is_told(client: Client, name: str, path: str) -> None:
    """A private repository is as one that does not exist."""
    client.push(name, APP, "1")
    got = ask(client, "GET", path.format(name=name))
    assert (got.status, got.code) == (404, "NAME_UNKNOWN")


def test_the_logo_of_a_repository_that_is_no_longer_there_is_gone(client: Client, name: str) -> None:
    """With its row."""
    path = described(client, name)
    client.server.boto("ecr-public").delete_repository(repositoryName=name)
    assert ask(client, "GET", path).status == 404
