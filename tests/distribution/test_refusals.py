"""Every request that is refused: status, code, words and headers, and that nothing came of it."""

import json
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest

from careen.oci.digest import digest_of
from careen.oci.manifest import MAX_BYTES
from tests.distribution import stock
from tests.distribution.client import Client
from tests.distribution.stock import ABSENT, APP, Stock
from tests.images import index
from tests.server import REGISTRY_ID

ZEROS = "sha256:" + "0" * 64
UPLOAD = "/v2/{name}/blobs/uploads/6f2b1a9e-0000-4000-8000-000000000000"

SHOUTED = "/v2/{name}/blobs/uploads/6F2B1A9E-0000-4000-8000-000000000000"


@dataclass(frozen=True)
class Refused:
    """A request, and how it is refused. Paths and messages are filled from the stock's names."""

    method: str
    path: str
    status: int
    code: str
    message: str = ""
    """Words of the message."""
    body: bytes | None = None
    sent: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)


def put(body: bytes, status: int, code: str, message: str, tag: str = "new", **sent: str) -> Refused:
    return Refused("PUT", f"/v2/{{name}}/manifests/{tag}", status, code, message, body, sent)


def not_allowed(method: str, path: str, allowed: str) -> Refused:
    words = f"{method} is not supported here"
    return Refused(method, path, 405, "UNSUPPORTED", words, headers={"allow": allowed})


UNKNOWN = ("The repository with name 'no/such' does not exist in the registry", REGISTRY_ID)

NAMES = {
    f"{what} {kind}": Refused(method, path.replace("NAME", repository), status, code, message)
    for kind, repository, status, code, message in (
        ("unknown repository", "no/such", 404, "NAME_UNKNOWN", f"{UNKNOWN[0]} with id '{UNKNOWN[1]}'"),
        ("malformed repository", "No/Such", 400, "NAME_INVALID", "'No/Such' is not a repository name"),
    )
    for what, method, path in (
        ("blob of an", "GET", f"/v2/NAME/blobs/{ZEROS}"),
        ("deletion of a blob of an", "DELETE", f"/v2/NAME/blobs/{ZEROS}"),
        ("manifest of an", "GET", "/v2/NAME/manifests/v1"),
        ("deletion of a manifest of an", "DELETE", "/v2/NAME/manifests/v1"),
        ("tags of an", "GET", "/v2/NAME/tags/list"),
        ("upload in an", "GET", UPLOAD.replace("{name}", "NAME")),
        ("chunk in an", "PATCH", UPLOAD.replace("{name}", "NAME")),
        ("end of an upload in an", "PUT", UPLOAD.replace("{name}", "NAME") + f"?digest={ZEROS}"),
    )
} | {
    "push to a malformed repository": Refused("POST", "/v2/No/Such/blobs/uploads/", 400, "NAME_INVALID"),
    "manifest for a malformed repository": Refused(
        "PUT", "/v2/No/Such/manifests/v1", 400, "NAME_INVALID", body=b"{}"
    ),
    "referrers in a malformed repository": Refused(
        "GET", f"/v2/No/Such/referrers/{ZEROS}", 400, "NAME_INVALID"
    ),
}

REFERENCES = {
    "unknown blob": Refused("GET", "/v2/{name}/blobs/" + ZEROS, 404, "BLOB_UNKNOWN"),
    "deletion of an unknown blob": Refused("DELETE", "/v2/{name}/blobs/" + ZEROS, 404, "BLOB_UNKNOWN"),
    "blob of no digest": Refused("GET", "/v2/{name}/blobs/v1", 400, "DIGEST_INVALID"),
    "blob of another algorithm": Refused("GET", "/v2/{name}/blobs/md5:0", 400, "DIGEST_INVALID"),
    "deletion of a blob of no digest": Refused("DELETE", "/v2/{name}/blobs/x:y", 400, "DIGEST_INVALID"),
    "unknown tag": Refused(
        "GET", "/v2/{name}/manifests/v9", 404, "MANIFEST_UNKNOWN", "Requested image not found"
    ),
    "unknown manifest": Refused("GET", "/v2/{name}/manifests/" + ZEROS, 404, "MANIFEST_UNKNOWN"),
    "a blob is no manifest": Refused("GET", "/v2/{name}/manifests/{small}", 404, "MANIFEST_UNKNOWN"),
    "malformed tag": Refused("GET", "/v2/{name}/manifests/.v1", 400, "TAG_INVALID"),
    "tag too long": Refused("GET", "/v2/{name}/manifests/" + "v" * 129, 400, "TAG_INVALID"),
    "malformed digest": Refused("GET", "/v2/{name}/manifests/sha256:0", 400, "DIGEST_INVALID"),
    "deletion of an unknown tag": Refused("DELETE", "/v2/{name}/manifests/v9", 404, "MANIFEST_UNKNOWN"),
    "deletion of a malformed tag": Refused("DELETE", "/v2/{name}/manifests/-v", 400, "TAG_INVALID"),
    "put by a malformed tag": put(APP.manifest, 400, "TAG_INVALID", "'.v1' is not a tag", tag=".v1"),
    "referrers of no digest": Refused("GET", "/v2/{name}/referrers/v1", 400, "DIGEST_INVALID"),
    "referrers of a malformed digest": Refused("GET", "/v2/{name}/referrers/sha256:0", 400, "DIGEST_INVALID"),
}

UPLOADS = {
    "unknown upload": Refused("GET", UPLOAD, 404, "BLOB_UPLOAD_UNKNOWN"),
    "chunk of an unknown upload": Refused("PATCH", UPLOAD, 404, "BLOB_UPLOAD_UNKNOWN", body=b"x"),
    "end of an unknown upload": Refused("PUT", UPLOAD + f"?digest={ZEROS}", 404, "BLOB_UPLOAD_UNKNOWN"),
    "cancel of an unknown upload": Refused("DELETE", UPLOAD, 404, "BLOB_UPLOAD_UNKNOWN"),
    "upload that is no UUID": Refused("GET", "/v2/{name}/blobs/uploads/1", 404, "BLOB_UPLOAD_UNKNOWN"),
    "upload in another spelling": Refused("PATCH", SHOUTED, 404, "BLOB_UPLOAD_UNKNOWN"),
    "end without a digest": Refused("PUT", UPLOAD, 400, "DIGEST_INVALID", "the digest parameter is missing"),
    "end with a malformed digest": Refused("PUT", UPLOAD + "?digest=sha256:0", 400, "DIGEST_INVALID"),
    "whole blob of a malformed digest": Refused(
        "POST", "/v2/{name}/blobs/uploads/?digest=sha256:0", 400, "DIGEST_INVALID", body=b"x"
    ),
    "whole blob of another digest": Refused(
        "POST", "/v2/{name}/blobs/uploads/?digest=" + ZEROS, 400, "DIGEST_INVALID", body=b"x"
    ),
}  # fmt: skip

MANIFESTS = {
    "empty body": put(b"", 400, "MANIFEST_INVALID", "'Invalid JSON syntax'"),
    "malformed JSON": put(
        b'{"schemaVersion": 2,', 400, "MANIFEST_INVALID",
        "Invalid parameter at 'ImageManifest' failed to satisfy constraint: 'Invalid JSON syntax'",
    ),
    "no manifest": put(b"{}", 400, "MANIFEST_INVALID", "missing required field `schemaVersion`"),
    "unknown media type": put(APP.manifest.replace(b"oci.image.manifest", b"x"), 400, "MANIFEST_INVALID", "not supported"),
    "another media type than the request's": put(
        APP.manifest, 400, "MANIFEST_INVALID", "the request 'text/plain'", **{"Content-Type": "text/plain"}
    ),
    "another digest": put(APP.manifest, 400, "DIGEST_INVALID", APP.digest, tag=ZEROS),
    "another sha512 digest": put(APP.manifest, 400, "DIGEST_INVALID", "", tag="sha512:" + "0" * 128),
    "blobs that are not here": put(ABSENT.manifest, 404, "MANIFEST_BLOB_UNKNOWN", ", ".join(ABSENT.digests)),
    "children that are not here": put(index(APP, ABSENT).manifest, 404, "MANIFEST_BLOB_UNKNOWN", f"[{ABSENT.digest}]"),
}  # fmt: skip

LISTINGS = {
    f"{listing} with n={n}": Refused("GET", f"{path}?n={n}", 400, "PAGINATION_NUMBER_INVALID")
    for listing, path in (("tags", "/v2/{name}/tags/list"), ("catalog", "/v2/_catalog"))
    for n in ("-1", "x", "", "1.5", "1e3", "%C2%B2", "9" * 5000)
}

METHODS = {
    "POST of a blob": not_allowed("POST", "/v2/{name}/blobs/{small}", "GET, HEAD, DELETE"),
    "POST of a manifest": not_allowed("POST", "/v2/{name}/manifests/1.0", "GET, HEAD, PUT, DELETE"),
    "PATCH of a manifest": not_allowed("PATCH", "/v2/{name}/manifests/1.0", "GET, HEAD, PUT, DELETE"),
    "PUT where uploads begin": not_allowed("PUT", "/v2/{name}/blobs/uploads/", "POST"),
    "POST to an upload": not_allowed("POST", UPLOAD, "GET, PATCH, PUT, DELETE"),
    "DELETE of the tags": not_allowed("DELETE", "/v2/{name}/tags/list", "GET, HEAD"),
    "PUT of referrers": not_allowed("PUT", "/v2/{name}/referrers/{app}", "GET, HEAD"),
    "DELETE of the registry": not_allowed("DELETE", "/v2/", "GET, HEAD"),
    "POST to the catalog": not_allowed("POST", "/v2/_catalog", "GET, HEAD"),
    "a method nobody knows": not_allowed("LOCK", "/v2/{name}/manifests/1.0", "GET, HEAD, PUT, DELETE"),
    "no such endpoint": Refused("GET", "/v2/{name}/layers/1", 404, "UNSUPPORTED", "no such endpoint"),
    "no repository": Refused("GET", "/v2/manifests/1", 404, "UNSUPPORTED", "no such endpoint"),
    "beside the API": Refused("GET", "/v2x", 404, "UNSUPPORTED", "no such endpoint"),
}

REFUSALS = NAMES | REFERENCES | UPLOADS | MANIFESTS | LISTINGS | METHODS


@pytest.fixture(scope="module")
def stocked(client: Client) -> Stock:
    """A repository with one of everything; what this module asks of it is refused."""
    return stock.put_in(client, f"refusals/{uuid.uuid4().hex[:8]}")


@pytest.mark.parametrize("case", REFUSALS.values(), ids=REFUSALS.keys())
def test_a_request_is_refused(stocked: Stock, case: Refused) -> None:
    """With this status and code, in the specification's envelope, with these headers."""
    got = stocked.client.send(case.method, stocked.fill(case.path), case.body, case.sent)
    assert (got.status, got.code) == (case.status, case.code)
    assert case.message in got.message
    assert got.headers.pop("content-length") == str(len(got.body))
    assert got.headers.pop("date")
    assert got.headers.pop("x-request-id")
    assert got.headers == {
        "docker-distribution-api-version": "registry/2.0",
        "content-type": "application/json",
        **case.headers,
    }


def test_nothing_came_of_what_was_refused(client: Client, name: str) -> None:
    """After a round of refusals the repository is as it was, and none was created."""
    stocked = stock.put_in(client, name)
    before = [
        client.send("GET", stocked.fill(path)).body
        for path in ("/v2/{name}/tags/list", "/v2/{name}/manifests/1.0")
    ]
    catalog = client.send("GET", "/v2/_catalog").json()
    for case in REFUSALS.values():
        client.send(case.method, stocked.fill(case.path), case.body, case.sent)
    after = [
        client.send("GET", stocked.fill(path)).body
        for path in ("/v2/{name}/tags/list", "/v2/{name}/manifests/1.0")
    ]
    assert after == before
    assert set(client.send("GET", "/v2/_catalog").json()["repositories"]) >= set(catalog["repositories"])
    assert "no/such" not in client.send("GET", "/v2/_catalog").json()["repositories"]


def spread(data: bytes) -> Iterable[bytes]:
    """In pieces, so that it goes without a Content-Length."""
    return (data[at : at + 65_536] for at in range(0, len(data), 65_536))


def padded(size: int) -> bytes:
    """APP's manifest with so much of annotations that it has ``size`` bytes."""
    body = json.loads(APP.manifest) | {"annotations": {"org.example.padding": ""}}
    bare = json.dumps(body).encode()
    return bare[:-3] + b"x" * (size - len(bare)) + bare[-3:]


@pytest.mark.parametrize("streamed", [False, True], ids=["with its length", "streamed"])
def test_the_largest_manifest_has_four_mebibytes(client: Client, name: str, streamed: bool) -> None:
    """4 MiB are taken, one byte more is 413, and the connection that would bring the rest is closed."""
    client.push(name, APP, "small")
    largest, larger = padded(MAX_BYTES), padded(MAX_BYTES + 1)
    put = client.send("PUT", f"/v2/{name}/manifests/large", spread(largest) if streamed else largest)
    assert (put.status, put.headers["docker-content-digest"]) == (201, digest_of(largest))
    assert client.send("GET", f"/v2/{name}/manifests/large").body == largest
    over = client.send("PUT", f"/v2/{name}/manifests/larger", spread(larger) if streamed else larger)
    assert (over.status, over.code, over.headers["connection"]) == (413, "SIZE_INVALID", "close")
    assert client.send("GET", f"/v2/{name}/manifests/larger").code == "MANIFEST_UNKNOWN"
