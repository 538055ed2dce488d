"""Uploads: end-4, 5, 6, 11 and 13 of the distribution specification, in every way clients send them."""

import random
import re
from collections.abc import Callable, Iterable

import pytest

from careen.oci.digest import digest_of
from careen.registry.layers import INLINE_BYTES
from tests.distribution.client import Answer, Client, answer
from tests.server import REGISTRY_ID, Server
from tests.waiting import until

DATA = random.Random("upload").randbytes(3_000_000)  # noqa: S311 the same bytes every time

SIZES = {
    "empty": 0,
    "a byte": 1,
    "the largest row": INLINE_BYTES,
    "the smallest file": INLINE_BYTES + 1,
    "three pieces": 3_000_000,
}


def in_pieces(data: bytes, size: int = 50_000) -> Iterable[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def monolithic(client: Client, name: str, data: bytes, digest: str) -> Answer:
    return client.send("POST", f"/v2/{name}/blobs/uploads/?digest={digest}", data)


def post_and_put(client: Client, name: str, data: bytes, digest: str) -> Answer:
    return client.send("PUT", f"{client.begin(name)}?digest={digest}", data)


def streamed(client: Client, name: str, data: bytes, digest: str) -> Answer:
    """As docker does: one PATCH without a length, then an empty PUT."""
    location = client.begin(name)
    patched = client.send("PATCH", location, in_pieces(data))
    assert patched.status == 202
    return client.send("PUT", f"{location}?digest={digest}")


def chunked(client: Client, name: str, data: bytes, digest: str) -> Answer:
    """Chunks with their Content-Range, the last one in the PUT."""
    location, size = client.begin(name), max(len(data) // 3, 1)
    for first in range(0, 2 * size, size):
        piece = data[first : first + size]
        if piece:
            place = {"Content-Range": f"{first}-{first + len(piece) - 1}"}
            location = client.send("PATCH", location, piece, place).headers["location"]
    rest = data[2 * size :]
    place = {"Content-Range": f"{2 * size}-{len(data) - 1}"} if rest else {}
    return client.send("PUT", f"{location}?digest={digest}", rest, place)


def half_and_half(client: Client, name: str, data: bytes, digest: str) -> Answer:
    """Half in a PATCH, the rest in the PUT, and no word about where it belongs."""
    location, half = client.begin(name), len(data) // 2
    client.send("PATCH", location, data[:half])
    return client.send("PUT", f"{location}?digest={digest}", data[half:])


def streamed_half_and_half(client: Client, name: str, data: bytes, digest: str) -> Answer:
    """The same without lengths."""
    location, half = client.begin(name), len(data) // 2
    client.send("PATCH", location, in_pieces(data[:half]))
    return client.send("PUT", f"{location}?digest={digest}", in_pieces(data[half:]))


WAYS = [monolithic, post_and_put, streamed, chunked, half_and_half, streamed_half_and_half]


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES.keys())
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_a_blob_is_pushed(client: Client, name: str, way: Callable[..., Answer], size: int) -> None:
    """201 with location and digest, and the same bytes back, whatever the way and the size."""
    data = DATA[:size]
    digest = digest_of(data)
    done = way(client, name, data, digest)
    assert (done.status, done.body, done.headers["content-length"]) == (201, b"", "0")
    assert done.headers["location"] == f"/v2/{name}/blobs/{digest}"
    assert done.headers["docker-content-digest"] == digest
    assert client.send("GET", done.headers["location"]).body == data


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("size", [100, 100_000])
def test_a_blob_is_pushed_by_its_sha512(
    client: Client, name: str, way: Callable[..., Answer], size: int
) -> None:
    """The other registered algorithm works in every way, too."""
    data = DATA[:size]
    digest = digest_of(data, "sha512")
    done = way(client, name, data, digest)
    assert (done.status, done.headers["docker-content-digest"]) == (201, digest)
    assert client.send("GET", f"/v2/{name}/blobs/{digest}").body == data


def test_an_upload_says_how_far_it_is(client: Client, name: str) -> None:
    """202 or 204 with Location, Range and Docker-Upload-UUID at every step."""
    begun = client.send("POST", f"/v2/{name}/blobs/uploads/")
    location = begun.headers["location"]
    assert re.fullmatch(
        rf"/v2/{name}/blobs/uploads/[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}", location
    )
    steps = [
        (begun, 202, "0-0"),
        (client.send("GET", location), 204, "0-0"),
        (client.send("PATCH", location, b"0123456789"), 202, "0-9"),
        (client.send("PATCH", location, b"abc", {"Content-Range": "10-12"}), 202, "0-12"),
        (client.send("PATCH", location, b"def", {"Content-Range": "bytes 13-15/*"}), 202, "0-15"),
        (client.send("GET", location), 204, "0-15"),
    ]
    for got, status, reached in steps:
        assert (got.status, got.headers["range"], got.headers["location"]) == (status, reached, location)
        assert got.headers["docker-upload-uuid"] == location.rpartition("/")[2]
        assert ("content-length" in got.headers) is (status == 202)  # a 204 has no content to have a length


MISPLACED = {
    "a gap": ("11-13", 416, "BLOB_UPLOAD_INVALID"),
    "an overlap": ("9-11", 416, "BLOB_UPLOAD_INVALID"),
    "from the beginning": ("0-2", 416, "BLOB_UPLOAD_INVALID"),
    "backwards": ("10-9", 416, "BLOB_UPLOAD_INVALID"),
    "longer than the body": ("10-13", 400, "SIZE_INVALID"),
    "shorter than the body": ("10-11", 400, "SIZE_INVALID"),
    "no range": ("ten to twelve", 400, "BLOB_UPLOAD_INVALID"),
    "half a range": ("10-", 400, "BLOB_UPLOAD_INVALID"),
    "a number that nobody could mean": ("10-" + "9" * 5000, 400, "BLOB_UPLOAD_INVALID"),
}


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
@pytest.mark.parametrize(("place", "status", "code"), MISPLACED.values(), ids=MISPLACED.keys())
def test_a_chunk_out_of_place_is_refused(
    client: Client, name: str, method: str, place: str, status: int, code: str
) -> None:
    """416 says where to go on; nothing of the chunk is kept, and the upload completes from there."""
    location, data = client.begin(name), DATA[:13]
    client.send("PATCH", location, data[:10])
    path = f"{location}?digest={digest_of(data)}" if method == "PUT" else location
    got = client.send(method, path, data[10:], {"Content-Range": place})
    assert (got.status, got.code) == (status, code)
    if status == 416:
        assert (got.headers["range"], got.headers["location"]) == ("0-9", location)
    assert client.send("GET", location).headers["range"] == "0-9"
    right = {"Content-Range": "10-12"}
    assert client.send("PUT", f"{location}?digest={digest_of(data)}", data[10:], right).status == 201


@pytest.mark.parametrize("size", [100, 100_000])
def test_a_wrong_digest_admits_nothing(client: Client, name: str, size: int) -> None:
    """400 DIGEST_INVALID; neither digest is a blob now, and the right one may still be given."""
    data, wrong = DATA[:size], digest_of(b"other")
    location = client.begin(name)
    client.send("PATCH", location, data)
    refused = client.send("PUT", f"{location}?digest={wrong}")
    assert (refused.status, refused.code) == (400, "DIGEST_INVALID")
    for digest in (wrong, digest_of(data)):
        assert client.send("HEAD", f"/v2/{name}/blobs/{digest}").status == 404
    assert client.send("PUT", f"{location}?digest={digest_of(data)}").status == 201


def test_a_wrong_digest_of_a_whole_small_blob_admits_nothing(client: Client, name: str) -> None:
    """The short way, where no file is written, refuses the same, and the upload is still empty."""
    location, data = client.begin(name), b"small"
    refused = client.send("PUT", f"{location}?digest={digest_of(b'other')}", data)
    assert (refused.status, refused.code) == (400, "DIGEST_INVALID")
    assert client.send("GET", location).headers["range"] == "0-0"
    assert client.send("PUT", f"{location}?digest={digest_of(data)}", data).status == 201


def test_an_upload_is_over_when_it_is_finished(client: Client, name: str) -> None:
    """Its location is unknown from then on."""
    for size in (100, 100_000):
        location, data = client.begin(name), DATA[:size]
        client.send("PUT", f"{location}?digest={digest_of(data)}", data)
        for method in ("GET", "PATCH", "DELETE"):
            assert client.send(method, location).code == "BLOB_UPLOAD_UNKNOWN"


def test_an_upload_can_be_cancelled(client: Client, name: str) -> None:
    """204, and it is unknown from then on."""
    location = client.begin(name)
    client.send("PATCH", location, DATA[:100_000])
    assert client.send("DELETE", location).status == 204
    assert client.send("DELETE", location).code == "BLOB_UPLOAD_UNKNOWN"
    assert client.send("PUT", f"{location}?digest={digest_of(b'')}").code == "BLOB_UPLOAD_UNKNOWN"


def test_an_upload_belongs_to_its_repository(client: Client, name: str) -> None:
    """In another repository nobody can look at it, add to it, finish it or cancel it."""
    location, other = client.begin(name), f"{name}-other"
    client.push_blob(other, b"so that it is there")
    client.send("PATCH", location, b"data")
    elsewhere = location.replace(name, other)
    assert client.send("GET", elsewhere).code == "BLOB_UPLOAD_UNKNOWN"
    assert client.send("PATCH", elsewhere, b"more").code == "BLOB_UPLOAD_UNKNOWN"
    assert client.send("PUT", f"{elsewhere}?digest={digest_of(b'data')}").code == "BLOB_UPLOAD_UNKNOWN"
    assert client.send("DELETE", elsewhere).code == "BLOB_UPLOAD_UNKNOWN"
    assert client.send("PUT", f"{location}?digest={digest_of(b'data')}").status == 201


@pytest.mark.disk  # a bucket lets the second wait
def test_an_upload_serves_one_request_at_a_time(client: Client, name: str) -> None:
    """While a chunk comes in, every other request on the upload is 409; then they are served."""
    location = client.begin(name)
    slow = client.open()
    slow.putrequest("PATCH", location)
    slow.putheader("Authorization", client.authorization)
    slow.putheader("Content-Length", "10")
    slow.endheaders(b"01234")
    until(lambda: client.send("GET", location).status == 409)
    for method in ("PATCH", "PUT", "DELETE"):
        got = client.send(method, f"{location}?digest={digest_of(b'x')}", b"x")
        assert (got.status, got.code) == (409, "BLOB_UPLOAD_INVALID")
    slow.send(b"56789")
    assert answer(slow).status == 202
    slow.close()
    assert client.send("GET", location).headers["range"] == "0-9"


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
@pytest.mark.parametrize("arrived", [2, 300_000, 2_500_000])
def test_what_arrived_before_the_client_hung_up_is_kept(
    client: Client, name: str, method: str, arrived: int
) -> None:
    """The upload stands at the last byte that came; the rest, sent after it, completes it."""
    location, digest = client.begin(name), digest_of(DATA)
    path = f"{location}?digest={digest}" if method == "PUT" else location
    cut_off = client.open()
    cut_off.putrequest(method, path)
    cut_off.putheader("Authorization", client.authorization)
    cut_off.putheader("Content-Length", str(len(DATA)))
    cut_off.endheaders(DATA[:arrived])
    cut_off.close()
    until(lambda: client.send("GET", location).headers.get("range") == f"0-{arrived - 1}")
    assert client.send("HEAD", f"/v2/{name}/blobs/{digest}").status == 404
    place = {"Content-Range": f"{arrived}-{len(DATA) - 1}"}
    assert client.send("PUT", f"{location}?digest={digest}", DATA[arrived:], place).status == 201
    assert client.send("GET", f"/v2/{name}/blobs/{digest}").body == DATA


def test_pushing_a_blob_that_is_there_changes_nothing(client: Client, name: str) -> None:
    """201 again, in the same repository and in another one, and each has it."""
    for repository in (name, name, f"{name}-other"):
        digest = client.push_blob(repository, DATA)
    for repository in (name, f"{name}-other"):
        assert client.send("GET", f"/v2/{repository}/blobs/{digest}").body == DATA


def test_a_push_to_no_repository_creates_none(make_server: Callable[..., Server], name: str) -> None:
    """Where pushes do not create: NAME_UNKNOWN with Amazon ECR's sentence, for every step, and nothing is there after."""
    client = Client(make_server(create_on_push=False))
    unknown = f"The repository with name '{name}' does not exist in the registry with id '{REGISTRY_ID}'"
    digest = digest_of(b"x")
    for method, path, body in (
        ("POST", "blobs/uploads/", None),
        ("POST", f"blobs/uploads/?digest={digest}", b"x"),
        ("POST", f"blobs/uploads/?mount={digest}&from=other/one", None),
        ("PUT", "manifests/v1", b"{}"),
    ):
        got = client.send(method, f"/v2/{name}/{path}", body)
        assert (got.status, got.code, got.message) == (404, "NAME_UNKNOWN", unknown)
    assert client.send("GET", "/v2/_catalog").json() == {"repositories": []}
    client.server.boto().create_repository(repositoryName=name)
    assert client.push_blob(name, b"x") == digest


@pytest.mark.disk
@pytest.mark.parametrize("size", [100, 100_000], ids=["row", "file"])
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_repository_may_go_while_a_blob_comes(client: Client, name: str, method: str, size: int) -> None:
    """Deleted between the first byte and the last: NAME_UNKNOWN, and no blob in the repository of that name made anew."""
    data = random.Random(name).randbytes(size)  # noqa: S311 bytes that the registry has nowhere
    digest = digest_of(data)
    client.push_blob(name, b"so that it is there")
    location = client.begin(name) if method == "PUT" else f"/v2/{name}/blobs/uploads/"
    files = set((client.server.data / "uploads").rglob("*"))
    slow = client.open()
    slow.putrequest(method, f"{location}?digest={digest}")
    slow.putheader("Authorization", client.authorization)
    slow.putheader("Content-Length", str(size))
    slow.endheaders(data[:50])
    if method == "PUT":
        until(lambda: client.send("GET", location).status == 409)
    else:
        until(lambda: set((client.server.data / "uploads").rglob("*")) > files)
    client.server.boto().delete_repository(repositoryName=name)
    slow.send(data[50:])
    assert answer(slow).code == "NAME_UNKNOWN"
    slow.close()
    client.push_blob(name, b"anew")
    assert client.send("HEAD", f"/v2/{name}/blobs/{digest}").status == 404


def test_an_upload_ends_with_its_repository(client: Client, name: str) -> None:
    """A repository that is deleted takes its uploads with it; one made anew under the name has none."""
    location = client.begin(name)
    client.send("PATCH", location, b"data")
    client.server.boto().delete_repository(repositoryName=name)
    assert client.send("PUT", f"{location}?digest={digest_of(b'data')}").code == "NAME_UNKNOWN"
    client.push_blob(name, b"anew")
    assert client.send("PUT", f"{location}?digest={digest_of(b'data')}").code == "BLOB_UPLOAD_UNKNOWN"
