"""Every request that only reads, answered: end-1, 2, 3, 8 and 12 of the distribution specification."""

import json
import uuid
from dataclasses import dataclass, field

import pytest

from tests.distribution import stock
from tests.distribution.client import Client
from tests.distribution.stock import APP, BILL, BOTH, LARGE, ORPHAN, SIGNATURE, SMALL, Stock
from tests.images import Built

OCTETS = "application/octet-stream"
IMAGE = APP.media_type
INDEX = BOTH.media_type


@pytest.fixture(scope="module")
def stocked(client: Client) -> Stock:
    """A repository with one of everything; tests of this module only look."""
    return stock.put_in(client, f"reading/{uuid.uuid4().hex[:8]}")


@dataclass(frozen=True)
class Reading:
    """A GET and its answer; a HEAD is answered the same without the body. Texts are filled from the stock's names."""

    path: str
    body: bytes
    type: str
    headers: dict[str, str] = field(default_factory=dict)
    """Beside content-type and content-length."""
    sent: dict[str, str] = field(default_factory=dict)
    status: int = 200


def blob(digest: str, data: bytes) -> Reading:
    headers = {"docker-content-digest": digest, "etag": f'"{digest}"', "accept-ranges": "bytes"}
    return Reading(f"/v2/{{name}}/blobs/{digest}", data, OCTETS, headers)


def manifest(reference: str, built: Built, **sent: str) -> Reading:
    headers = {"docker-content-digest": built.digest, "etag": f'"{built.digest}"'}
    return Reading(f"/v2/{{name}}/manifests/{reference}", built.manifest, built.media_type, headers, sent)


def json_body(**members: object) -> bytes:
    return json.dumps(members, separators=(",", ":")).encode()


def referrers(*listed: tuple[Built, str, dict[str, str] | None]) -> bytes:
    descriptors = [
        built.descriptor
        | {"artifactType": kind}
        | ({} if annotations is None else {"annotations": annotations})
        for built, kind, annotations in listed
    ]
    return json_body(schemaVersion=2, mediaType=INDEX, manifests=descriptors)


SIGNED = (SIGNATURE, "application/vnd.example.signature", None)
BILLED = (BILL, "application/vnd.example.sbom", {"org.example.tool": "syft"})
FILTERED = {"oci-filters-applied": "artifactType"}

READINGS = {
    "end-1 ping": Reading("/v2/", b"{}", "application/json"),
    "end-1 ping without its slash": Reading("/v2", b"{}", "application/json"),
    "end-2 blob in a row": blob("{small}", SMALL),
    "end-2 blob in a file": blob("{large}", LARGE),
    "end-2 layer of an image": blob("{app_layer}", APP.blobs[1]),
    "end-3 image by tag": manifest("1.0", APP),
    "end-3 image by digest": manifest("{app}", APP),
    "end-3 index": manifest("multi", BOTH),
    "end-3 image that Accept does not name": manifest("1.0", APP, Accept="application/json"),
    "end-8 tags": Reading(
        "/v2/{name}/tags/list", b'{{"name":"{name}","tags":["1.0","latest","multi"]}}', "application/json"
    ),
    "end-8 no tags asked for": Reading(
        "/v2/{name}/tags/list?n=0", b'{{"name":"{name}","tags":[]}}', "application/json"
    ),
    "end-12 referrers, oldest first": Reading("/v2/{name}/referrers/{app}", referrers(SIGNED, BILLED), INDEX),
    "end-12 referrers of one type": Reading(
        "/v2/{name}/referrers/{app}?artifactType=application/vnd.example.sbom",
        referrers(BILLED),
        INDEX,
        FILTERED,
    ),
    "end-12 referrers of a type that none has": Reading(
        "/v2/{name}/referrers/{app}?artifactType=text/plain", referrers(), INDEX, FILTERED
    ),
    "end-12 referrers of what is not here": Reading(
        "/v2/{name}/referrers/{absent}",
        referrers((ORPHAN, "application/vnd.example.signature", None)),
        INDEX,
    ),
    "end-12 referrers of what has none": Reading("/v2/{name}/referrers/{both}", referrers(), INDEX),
    "end-12 no such repository": Reading("/v2/no/such/referrers/{app}", referrers(), INDEX),
}


@pytest.mark.parametrize("reading", READINGS.values(), ids=READINGS.keys())
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_reading_is_answered(stocked: Stock, reading: Reading, method: str) -> None:
    """Status, type, length, every header, and the body byte for byte; a HEAD has all but the body."""
    got = stocked.client.send(method, stocked.fill(reading.path), headers=reading.sent)
    body = stocked.fill(reading.body.decode()).encode() if b"{name}" in reading.body else reading.body
    assert got.status == reading.status
    assert got.body == (b"" if method == "HEAD" else body)
    assert got.headers.pop("date")
    assert got.headers.pop("x-request-id")
    assert got.headers == {
        "docker-distribution-api-version": "registry/2.0",
        "content-type": reading.type,
        "content-length": str(len(body)),
        **{name: stocked.fill(value) for name, value in reading.headers.items()},
    }


CURRENT = {
    "the tag itself": '"{digest}"',
    "a weak one": 'W/"{digest}"',
    "among others": '"sha256:0", "{digest}", W/"x"',
    "whatever there is": "*",
}


@pytest.mark.parametrize("known", CURRENT.values(), ids=CURRENT.keys())
@pytest.mark.parametrize("path", ["/v2/{name}/blobs/{large}", "/v2/{name}/manifests/1.0"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_who_has_it_is_told_so(stocked: Stock, method: str, path: str, known: str) -> None:
    """304 with the digest and the entity tag, without content and without a length of it."""
    digest = stocked.fill("{large}" if "blobs" in path else "{app}")
    sent = {"If-None-Match": known.format(digest=digest)}
    got = stocked.client.send(method, stocked.fill(path), headers=sent)
    assert (got.status, got.body) == (304, b"")
    assert (got.headers["etag"], got.headers["docker-content-digest"]) == (f'"{digest}"', digest)
    assert not {"content-length", "transfer-encoding", "content-type"} & got.headers.keys()


@pytest.mark.parametrize("known", ['"sha256:0"', "", "{digest}"])
def test_who_has_another_gets_it(stocked: Stock, known: str) -> None:
    """An If-None-Match of anything else changes nothing; an entity tag has quotes."""
    sent = {"If-None-Match": known.format(digest=stocked.fill("{large}"))}
    assert stocked.client.send("GET", stocked.fill("/v2/{name}/blobs/{large}"), headers=sent).body == LARGE


def test_the_catalog_lists_every_repository_by_name(stocked: Stock) -> None:
    """``GET /v2/_catalog``: page after page, in order, each name once."""
    client, prefix = stocked.client, f"catalog/{uuid.uuid4().hex[:8]}"
    for number in range(3):
        client.push_blob(f"{prefix}/{number}", b"x")
    pages = [page.json()["repositories"] for page in client.pages("/v2/_catalog?n=20")]
    names = [name for page in pages for name in page]
    assert all(len(page) == 20 for page in pages[:-1])
    assert names == sorted(set(names))
    assert {stocked.name, *(f"{prefix}/{number}" for number in range(3))} <= set(names)


def test_tags_are_paged_to_the_end(client: Client, name: str) -> None:
    """``n`` tags at a time, each page's Link leading to the next, in lexical order, until there is no Link."""
    tags = ["10", "9", "B", "_", "a", "a.b", "a0"]
    for tag in reversed(tags):
        client.push(name, APP, tag)
    pages = [page.json()["tags"] for page in client.pages(f"/v2/{name}/tags/list?n=3")]
    assert pages == [tags[:3], tags[3:6], tags[6:]]


PAGES: dict[str, tuple[str, list[str], bool]] = {
    "all": ("", ["1.0", "latest", "multi"], False),
    "exactly all": ("?n=3", ["1.0", "latest", "multi"], False),
    "more than there are": ("?n=99999999", ["1.0", "latest", "multi"], False),
    "fewer": ("?n=2", ["1.0", "latest"], True),
    "after one": ("?last=1.0", ["latest", "multi"], False),
    "after one that is not there": ("?n=1&last=k", ["latest"], True),
    "after the last": ("?n=5&last=multi", [], False),
    "none": ("?n=0", [], False),
}


@pytest.mark.parametrize(("query", "tags", "more"), PAGES.values(), ids=PAGES.keys())
def test_one_page_of_tags(stocked: Stock, query: str, tags: list[str], more: bool) -> None:
    """Up to ``n`` tags after ``last``, and a Link exactly if there are more."""
    page = stocked.client.send("GET", f"/v2/{stocked.name}/tags/list{query}")
    assert page.json() == {"name": stocked.name, "tags": tags}
    assert ("link" in page.headers) is more
