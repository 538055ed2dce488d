"""Who is calling, and what may they do: credentials, the challenge, Amazon's managed policies."""

import base64
from collections.abc import Callable

import pytest

from careen.clock import SECOND, system_now
from careen.iam import keys, tokens
from tests.distribution.client import Client, careen, new_key
from tests.distribution.stock import APP, BOTH, SMALL, put_in
from tests.images import image
from tests.server import ACCESS_KEY_ID, REGION, REGISTRY_ID, SECRET_ACCESS_KEY, Server
from tests.waiting import found, until

EXPIRED = "Your authorization token has expired. Reauthenticate and try again."
ZEROS = "sha256:" + "0" * 64


def basic(text: str | bytes) -> str:
    data = text if isinstance(text, bytes) else text.encode()
    return "Basic " + base64.b64encode(data).decode()


def token(server: Server, *, lives: int = 3600, key_id: str = ACCESS_KEY_ID, master_key: bytes = b"") -> str:
    """An authorization token of this registry, or of another one's master key, for ``lives`` seconds from now."""
    sealed_with = keys.token_key(master_key or server.master_key())
    return tokens.mint(sealed_with, tokens.Authorization(key_id), system_now() + lives * SECOND)


GOOD: dict[str, Callable[[Server], str]] = {
    "an access key and its secret": lambda _: basic(f"{ACCESS_KEY_ID}:{SECRET_ACCESS_KEY}"),
    "AWS and a token": lambda server: basic(f"AWS:{token(server)}"),
    "the scheme in other letters": lambda server: basic(f"AWS:{token(server)}").replace("Basic", "bASIC"),
    "spaces around": lambda server: basic(f"AWS:{token(server)}").replace(" ", "  ") + " ",
}

BAD: dict[str, Callable[[Server], str | None]] = {
    "none": lambda _: None,
    "empty": lambda _: "",
    "a wrong secret": lambda _: basic(f"{ACCESS_KEY_ID}:wrong"),
    "no secret": lambda _: basic(f"{ACCESS_KEY_ID}:"),
    "an unknown key": lambda _: basic("AKIAUNKNOWNUNKNOWNUN:"),
    "nobody": lambda _: basic(":"),
    "no colon": lambda _: basic(ACCESS_KEY_ID),
    "a secret with more behind it": lambda _: basic(f"{ACCESS_KEY_ID}:{SECRET_ACCESS_KEY}:"),
    "another scheme": lambda server: f"Bearer {token(server)}",
    "the scheme alone": lambda _: "Basic",
    "not base64": lambda _: "Basic %%%%",
    "base64 cut off": lambda server: basic(f"AWS:{token(server)}")[:-3],
    "not ASCII": lambda _: "Basic \xe9\xff",
    "not UTF-8": lambda _: basic(b"AWS:\xff\xfe"),
    "NULs": lambda _: basic(b"AWS\0:\0"),
    "AWS and a secret": lambda _: basic(f"AWS:{SECRET_ACCESS_KEY}"),
    "a key with a token": lambda server: basic(f"{ACCESS_KEY_ID}:{token(server)}"),
    "a token of another registry": lambda server: basic(f"AWS:{token(server, master_key=b'x' * 32)}"),
    "a token for a key that is gone": lambda server: basic(f"AWS:{token(server, key_id='AKIAGONE')}"),
    "an expired token of another registry": lambda server: basic(
        f"AWS:{token(server, lives=-1, master_key=b'x' * 32)}"
    ),
    "a SigV4 signature": lambda _: "AWS4-HMAC-SHA256 Credential=AKIA/20260101/x/ecr/aws4_request",
}


@pytest.mark.parametrize("credential", GOOD.values(), ids=GOOD.keys())
def test_a_good_credential_is_let_in(client: Client, credential: Callable[[Server], str]) -> None:
    """A key with its secret, or ``AWS`` with the token that `aws ecr get-login-password` prints."""
    got = client.send("GET", "/v2/", headers={"Authorization": credential(client.server)})
    assert (got.status, got.body) == (200, b"{}")


@pytest.mark.parametrize("credential", BAD.values(), ids=BAD.keys())
def test_a_bad_credential_is_challenged(client: Client, credential: Callable[[Server], str | None]) -> None:
    """401 with Amazon ECR's challenge, whatever is wrong: nobody learns what."""
    connection = client.open()
    value = credential(client.server)
    connection.request("GET", "/v2/", headers={} if value is None else {"Authorization": value})
    response = connection.getresponse()
    assert (response.status, response.read()) == (401, b"Not Authorized\n")
    connection.close()


def test_the_challenge_is_amazon_s_byte_for_byte(client: Client) -> None:
    """Header by header what ECR sends; the realm is the address the client used."""
    answer = client.send_raw(b"GET /v2/ HTTP/1.1\r\nHost: registry.example:5000\r\nConnection: close\r\n\r\n")
    status, date, *rest = answer.split(b"\r\n")
    [request_id] = [line for line in rest if line.startswith(b"x-request-id: ")]  # the one thing that is ours
    rest.remove(request_id)
    assert (status, date[:6]) == (b"HTTP/1.1 401 Unauthorized", b"date: ")
    assert rest == [
        b"docker-distribution-api-version: registry/2.0",
        b'www-authenticate: Basic realm="http://registry.example:5000/",service="ecr.amazonaws.com"',
        b"content-type: text/plain; charset=utf-8",
        b"content-length: 15",
        b"connection: close",
        b"",
        b"Not Authorized\n",
    ]


ANYTHING = [
    ("GET", "/v2/_catalog"),
    ("GET", "/v2/x/y"),
    ("GET", f"/v2/no/such/blobs/{ZEROS}"),
    ("POST", "/v2/no/such/blobs/uploads/"),
    ("PUT", "/v2/no/such/manifests/1"),
    ("DELETE", "/v2/no/such/manifests/1"),
    ("GET", "/v2/../healthz"),
]


@pytest.mark.parametrize(("method", "path"), ANYTHING)
def test_nothing_is_told_to_the_unknown(client: Client, method: str, path: str) -> None:
    """What is there and what is not looks the same from outside."""
    got = client.send(method, path, headers={"Authorization": basic("AKIAX:y")})
    assert (got.status, got.body) == (401, b"Not Authorized\n")


def test_an_expired_token_is_told_to_log_in_again(client: Client) -> None:
    """403 DENIED with ECR's sentence, as `docker pull` prints it after twelve hours."""
    got = client.send(
        "GET", "/v2/", headers={"Authorization": basic(f"AWS:{token(client.server, lives=-1)}")}
    )
    assert (got.status, got.code, got.message) == (403, "DENIED", EXPIRED)


def test_a_token_ends_while_it_is_used(client: Client) -> None:
    """What was remembered of a token is forgotten when its time is over."""

    def used() -> dict[str, str] | None:
        """One that was good when it was used first: on a busy machine its second may be over by then."""
        made = {"Authorization": basic(f"AWS:{token(client.server, lives=1)}")}
        return made if client.send("GET", "/v2/", headers=made).status == 200 else None

    headers = found(used, "no token is good")
    until(lambda: client.send("GET", "/v2/", headers=headers).status == 403, "it does not end")


def test_a_deleted_key_is_refused_at_once(client: Client, name: str) -> None:
    """With its secret, and with a token that was made for it."""
    holder = new_key(client.server, name, "ReadOnly")
    with_token = {"Authorization": basic(f"AWS:{token(client.server, key_id=holder.user)}")}
    credentials: list[dict[str, str]] = [{}, with_token]
    assert [holder.send("GET", "/v2/", headers=sent).status for sent in credentials] == [200, 200]
    careen(client.server, "key", "delete", holder.user)
    assert [holder.send("GET", "/v2/", headers=sent).status for sent in credentials] == [401, 401]


PULL_ONLY_DENIED = {
    "begin an upload": ("POST", "/v2/{name}/blobs/uploads/", "InitiateLayerUpload"),
    "mount a blob": ("POST", "/v2/{name}/blobs/uploads/?mount={small}&from={name}", "InitiateLayerUpload"),
    "append to an upload": ("PATCH", "/v2/{name}/blobs/uploads/1", "UploadLayerPart"),
    "cancel an upload": ("DELETE", "/v2/{name}/blobs/uploads/1", "UploadLayerPart"),
    "finish an upload": ("PUT", "/v2/{name}/blobs/uploads/1?digest={small}", "CompleteLayerUpload"),
    "put an image": ("PUT", "/v2/{name}/manifests/new", "PutImage"),
    "delete a tag": ("DELETE", "/v2/{name}/manifests/1.0", "BatchDeleteImage"),
    "delete an image": ("DELETE", "/v2/{name}/manifests/{app}", "BatchDeleteImage"),
    "delete a blob": ("DELETE", "/v2/{name}/blobs/{small}", "BatchDeleteImage"),
    "list tags": ("GET", "/v2/{name}/tags/list", "ListImages"),
}


def sentence(policy: str, action: str, name: str) -> str:
    return (
        f"User: arn:aws:iam::{REGISTRY_ID}:user/has-{policy} is not authorized to perform: ecr:{action} on resource: "
        f"arn:aws:ecr:{REGION}:{REGISTRY_ID}:repository/{name} "
        f"because no identity-based policy allows the ecr:{action} action"
    )


@pytest.mark.parametrize(("method", "path", "action"), PULL_ONLY_DENIED.values(), ids=PULL_ONLY_DENIED.keys())
def test_a_pull_only_key_cannot(
    client: Client, name: str, as_holder: Callable[[str], Client], method: str, path: str, action: str
) -> None:
    """403 DENIED with ECR's sentence, and nothing has changed."""
    stocked = put_in(client, name)
    got = as_holder("PullOnly").send(method, stocked.fill(path), b"x" if method in {"PUT", "PATCH"} else None)
    assert (got.status, got.code, got.message) == (403, "DENIED", sentence("PullOnly", action, name))
    assert client.send("GET", f"/v2/{name}/tags/list").json()["tags"] == ["1.0", "latest", "multi"]
    assert client.send("GET", stocked.fill("/v2/{name}/blobs/{small}")).body == SMALL


def test_a_pull_only_key_can_pull(client: Client, name: str, as_holder: Callable[[str], Client]) -> None:
    """Manifests by tag and digest, and blobs: all that `docker pull` asks."""
    stocked, puller = put_in(client, name), as_holder("PullOnly")
    assert puller.send("GET", "/v2/").status == 200
    assert puller.send("HEAD", f"/v2/{name}/manifests/multi").status == 200
    assert puller.send("GET", f"/v2/{name}/manifests/{BOTH.digest}").body == BOTH.manifest
    assert puller.send("GET", f"/v2/{name}/manifests/{APP.digest}").body == APP.manifest
    assert puller.send("GET", stocked.fill("/v2/{name}/blobs/{app_layer}")).body == APP.blobs[1]


def test_a_power_user_pushes_and_does_not_delete(
    client: Client, name: str, as_holder: Callable[[str], Client]
) -> None:
    """As Amazon's policy of that name says."""
    client.push_blob(name, SMALL)
    built = image("pushed by a power user")
    power = as_holder("PowerUser")
    power.push(name, built, "1.0")
    got = power.send("DELETE", f"/v2/{name}/manifests/1.0")
    assert (got.status, got.message) == (403, sentence("PowerUser", "BatchDeleteImage", name))


def test_who_may_push_may_not_create(client: Client, name: str, as_holder: Callable[[str], Client]) -> None:
    """Creating on push takes the right to create a repository; without it nothing comes to be."""
    got = as_holder("PowerUser").send("POST", f"/v2/{name}/blobs/uploads/")
    assert (got.status, got.message) == (403, sentence("PowerUser", "CreateRepository", name))
    assert client.send("GET", f"/v2/{name}/tags/list").code == "NAME_UNKNOWN"


def test_a_download_grant_opens_one_blob_for_reading(client: Client, name: str) -> None:
    """A URL of GetDownloadUrlForLayer needs no credential; it is good for that blob, for GET and HEAD, until it ends."""
    put_in(client, name)
    url = client.server.boto().get_download_url_for_layer(repositoryName=name, layerDigest=APP.digests[1])
    path = url["downloadUrl"].removeprefix(client.server.url)
    nobody = {"Authorization": ""}
    assert client.send("GET", path, headers=nobody).body == APP.blobs[1]
    assert client.send("HEAD", path, headers=nobody).status == 200
    assert client.send("DELETE", path, headers=nobody).status == 401
    other = path.replace(APP.digests[1], APP.digests[2])
    assert client.send("GET", other, headers=nobody).status == 401
    assert client.send("DELETE", path).code == "UNSUPPORTED"  # an image needs it; the grant is not looked at
