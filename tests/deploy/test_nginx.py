"""Behind nginx everything answers as it does directly, and nginx sends the blobs."""

import os
import random
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from careen.oci.digest import digest_of
from tests.clients.client import Shell, copy_in_and_out, needs
from tests.deploy.nginx import Nginx, behind_nginx, needs_nginx
from tests.distribution.client import Answer, Client, answer
from tests.distribution.stock import LARGE, Stock, put_in
from tests.images import image, write_layout
from tests.server import ACCESS_KEY_ID, SECRET_ACCESS_KEY
from tests.tls import make_certificate, needs_openssl
from tests.waiting import found

pytestmark = needs_nginx

NAME = "behind/nginx"

OWN = {"date", "x-request-id", "server", "connection", "transfer-encoding", "keep-alive"}
"""Headers that are each server's own, or each request's."""


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    """Over plain HTTP: nginx, and a registry with one of everything behind it."""
    with behind_nginx(tmp_path_factory.mktemp("http") / "data") as started:
        yield started


@pytest.fixture(scope="module")
def stock(front: Nginx) -> Stock:
    """The repository that the table asks about, pushed through nginx."""
    return put_in(Client(front), NAME)


@pytest.fixture(scope="module")
def https(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    """The same with TLS and HTTP/2."""
    folder = tmp_path_factory.mktemp("https")
    with behind_nginx(folder / "data", make_certificate(folder)) as started:
        yield started


class Row(NamedTuple):
    """A request, and what both must answer."""

    method: str
    path: str
    status: int
    headers: Mapping[str, str] = {}
    body: bytes | None = None
    by_nginx: bool = False
    """Whether nginx sends the body from the file."""


BLOB = "/v2/{name}/blobs/{large}"
SMALL = "/v2/{name}/blobs/{small}"

ROWS: dict[str, Row] = {
    "root": Row("GET", "/v2/", 200),
    "health": Row("GET", "/healthz", 200),
    "readiness": Row("GET", "/readyz", 200),
    "manifest": Row("GET", "/v2/{name}/manifests/1.0", 200),
    "manifest, compressed if you can": Row(
        "GET", "/v2/{name}/manifests/1.0", 200, {"Accept-Encoding": "gzip"}
    ),
    "manifest, HEAD": Row("HEAD", "/v2/{name}/manifests/1.0", 200),
    "manifest, unchanged": Row("GET", "/v2/{name}/manifests/1.0", 304, {"If-None-Match": '"{app}"'}),
    "manifest, unknown": Row("GET", "/v2/{name}/manifests/none", 404),
    "tags": Row("GET", "/v2/{name}/tags/list?n=1", 200),
    "referrers": Row("GET", "/v2/{name}/referrers/{app}", 200),
    "catalog": Row("GET", "/v2/_catalog", 200),
    "blob": Row("GET", BLOB, 200, by_nginx=True),
    "blob, compressed if you can": Row("GET", BLOB, 200, {"Accept-Encoding": "gzip"}, by_nginx=True),
    "blob, HEAD": Row("HEAD", BLOB, 200),
    "blob, HEAD with a range": Row("HEAD", BLOB, 200, {"Range": "bytes=0-9"}),
    "blob, unchanged": Row("GET", BLOB, 304, {"If-None-Match": '"{large}"'}),
    "blob, changed": Row("GET", BLOB, 200, {"If-None-Match": '"sha256:0"'}, by_nginx=True),
    "blob, unchanged, HEAD": Row("HEAD", BLOB, 304, {"If-None-Match": '"{large}"'}),
    "blob, not modified since": Row(
        "GET", BLOB, 200, {"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"}, by_nginx=True
    ),
    "blob, unmodified since": Row("GET", BLOB, 200, {"If-Unmodified-Since": "Thu, 01 Jan 1998 00:00:00 GMT"}),
    "blob, if it matches": Row("GET", BLOB, 200, {"If-Match": '"another"'}),
    "first bytes": Row("GET", BLOB, 206, {"Range": "bytes=0-9"}, by_nginx=True),
    "bytes within": Row("GET", BLOB, 206, {"Range": "bytes=7-70000"}, by_nginx=True),
    "to the end": Row("GET", BLOB, 206, {"Range": "bytes=99990-"}, by_nginx=True),
    "beyond the end": Row("GET", BLOB, 206, {"Range": "bytes=99990-200000"}, by_nginx=True),
    "last bytes": Row("GET", BLOB, 206, {"Range": "bytes=-10"}, by_nginx=True),
    "more last bytes than there are": Row("GET", BLOB, 206, {"Range": "bytes=-1000000"}, by_nginx=True),
    "all bytes": Row("GET", BLOB, 206, {"Range": "bytes=0-"}, by_nginx=True),
    "spaces": Row("GET", BLOB, 206, {"Range": "bytes= 0 - 9"}, by_nginx=True),
    "outside": Row("GET", BLOB, 416, {"Range": "bytes=100000-"}),
    "no last bytes": Row("GET", BLOB, 416, {"Range": "bytes=-0"}),
    "last before first": Row("GET", BLOB, 416, {"Range": "bytes=5-4"}),
    "several ranges": Row("GET", BLOB, 200, {"Range": "bytes=0-1,5-6"}),
    "words": Row("GET", BLOB, 200, {"Range": "bytes=a-b"}),
    "another unit": Row("GET", BLOB, 200, {"Range": "items=0-9"}),
    "a unit in capitals": Row("GET", BLOB, 200, {"Range": "BYTES=0-9"}),
    "the rest of the same": Row("GET", BLOB, 206, {"Range": "bytes=9-", "If-Range": '"{large}"'}),
    "the rest of another": Row("GET", BLOB, 200, {"Range": "bytes=9-", "If-Range": '"sha256:0"'}),
    "row": Row("GET", SMALL, 200),
    "row, HEAD": Row("HEAD", SMALL, 200),
    "row, range": Row("GET", SMALL, 206, {"Range": "bytes=0-9"}),
    "row, outside": Row("GET", SMALL, 416, {"Range": "bytes=1000-"}),
    "blob, unknown": Row("GET", "/v2/{name}/blobs/{absent}", 404),
    "blob, no digest": Row("GET", "/v2/{name}/blobs/sha256:x", 400),
    "repository, unknown": Row("GET", "/v2/none/blobs/{large}", 404),
    "no credential": Row("GET", BLOB, 401, {"Authorization": ""}),
    "a wrong credential": Row("GET", BLOB, 401, {"Authorization": "Basic QVdTOng="}),
    "a path with dots": Row("GET", "/v2/{name}/../manifests/1.0", 400),
    "a path in escapes": Row("GET", "/v2/{name}/manifests/%31.0", 200),
    "two slashes": Row("GET", "/v2//{name}/manifests/1.0", 400),
    "no such method": Row("PUT", BLOB, 405, body=b"x"),
    "a manifest that is too large": Row("PUT", "/v2/{name}/manifests/big", 413, body=bytes(5_000_000)),
    "a chunk that does not follow": Row("PATCH", "/v2/{name}/blobs/uploads/none", 404, body=bytes(300_000)),
    "an unsigned call": Row("POST", "/", 400, body=b"{{}}"),
}


def kept(got: Answer) -> dict[str, str]:
    """The headers that say something to a client."""
    ranged = {"accept-ranges"} if got.status == 206 else set()  # nginx does not repeat itself in a 206
    volatile = {"x-amzn-requestid"}
    return {name: value for name, value in got.headers.items() if name not in OWN | ranged | volatile}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_nginx_answers_as_the_registry_does(front: Nginx, stock: Stock, row: Row) -> None:
    """Status, headers and body are those of the registry itself; blobs in files come from nginx."""
    headers = {key: stock.fill(value) for key, value in row.headers.items()}
    headers["User-Agent"] = str(uuid.uuid4())
    through, direct = (
        Client(server).send(row.method, stock.fill(row.path), row.body, headers)
        for server in (front, front.behind)
    )
    # The realm is the address that the client used, and here there are two.
    realm = direct.headers.get("www-authenticate", "").replace(front.behind.host, front.host)
    if realm:
        direct.headers["www-authenticate"] = realm
    assert (through.status, kept(through), through.body) == (row.status, kept(direct), direct.body)
    assert direct.status == row.status
    (deed,) = front.deeds(headers["User-Agent"])
    assert (" /-/blobs/sha256/" in deed) == row.by_nginx


def test_a_blob_that_goes_meanwhile_is_unknown(front: Nginx) -> None:
    """The collector may come between our answer and nginx's look at the file: 404 in the specification's envelope."""
    data = random.Random("gone").randbytes(90_000)  # noqa: S311 the same bytes every time
    digest = Client(front).push_blob(NAME, data)
    path = f"/v2/{NAME}/blobs/{digest}"
    assert Client(front).send("GET", path).body == data
    (file,) = (front.behind.data / "blobs" / "sha256").rglob(f"{digest.removeprefix('sha256:')}.*")
    file.unlink()
    for headers in ({}, {"Range": "bytes=0-9"}):
        through, direct = (
            Client(server).send("GET", path, headers=headers) for server in (front, front.behind)
        )
        assert (through.status, through.code) == (404, "BLOB_UNKNOWN")
        assert (kept(through), through.body) == (kept(direct), direct.body)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start nginx as another user")
def test_an_nginx_that_may_not_read_the_files_costs_speed_only(tmp_path: Path) -> None:
    """The registry sends them itself, ranges too."""
    tmp_path.chmod(0o700)
    with behind_nginx(tmp_path / "data", user="www-data") as front:
        client = Client(front)
        digest = client.push_blob(NAME, LARGE)
        path = f"/v2/{NAME}/blobs/{digest}"
        whole, part = client.send("GET", path), client.send("GET", path, headers={"Range": "bytes=9-19"})
        assert (whole.status, whole.body) == (200, LARGE)
        assert (part.status, part.body) == (206, LARGE[9:20])
        assert "Permission denied" in (front.data / "errors").read_text()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start nginx as another user")
def test_the_rights_that_the_page_asks_for_are_enough() -> None:
    """Nginx as www-data sends blobs of a data folder that it cannot list, with a database that it cannot read."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o711)
        data = Path(name) / "data"
        with behind_nginx(data, user="www-data") as front:
            shutil.chown(data, group="www-data")
            data.chmod(0o710)
            for database in data.glob("careen.db*"):
                database.chmod(0o600)
            path = f"/v2/{NAME}/blobs/{Client(front).push_blob(NAME, LARGE)}"
            assert Client(front).send("GET", path).body == LARGE
            assert front.deeds(" /-/blobs/sha256/")
            assert "Permission denied" not in (front.data / "errors").read_text()


def test_without_the_setting_the_registry_sends_by_itself(tmp_path: Path) -> None:
    """That nginx asks for it decides nothing."""
    with behind_nginx(tmp_path / "data", accel="") as front:
        digest = Client(front).push_blob(NAME, LARGE)
        got = Client(front).send("GET", f"/v2/{NAME}/blobs/{digest}")
        assert (got.status, got.body) == (200, LARGE)
        assert front.deeds(f"GET /v2/{NAME}/blobs/{digest}")


def test_a_client_without_nginx_gets_the_bytes(front: Nginx, stock: Stock) -> None:
    """The registry hands over to nginx only what came through nginx."""
    assert Client(front.behind).send("GET", stock.fill(BLOB)).body == LARGE


def test_uploads_of_every_form_arrive(front: Nginx) -> None:
    """Whole, in chunks without a length, in parts over several connections; nothing is kept on nginx's disk."""
    client, data = Client(front), random.Random("forms").randbytes(3_000_000)  # noqa: S311 the same bytes every time
    digest = digest_of(data)
    for name in ("whole", "streamed", "parts"):
        repository = f"{NAME}/{name}"
        if name == "whole":
            client.push_blob(repository, data)
        else:
            location = client.begin(repository)
            pieces = [data[:1_000_000], data[1_000_000:2_500_000]]
            if name == "streamed":
                patched = [client.send("PATCH", location, iter(pieces))]
            else:
                patched = [client.send("PATCH", location, piece) for piece in pieces]
            assert [one.status for one in patched] == [202] * len(patched)
            assert patched[-1].headers["range"] == "0-2499999"
            assert client.send("PUT", f"{location}?digest={digest}", data[2_500_000:]).status == 201
        assert client.send("GET", f"/v2/{repository}/blobs/{digest}").body == data
    assert [path for path in (front.data / "body").rglob("*") if path.is_file()] == []


def test_a_broken_upload_goes_on(front: Nginx) -> None:
    """What nginx has, it passes on, but for its last buffer: the registry says where to go on."""
    client, data = Client(front), random.Random("broken").randbytes(2_000_000)  # noqa: S311 the same bytes every time
    location = client.begin(NAME)
    with client.connect() as connection:
        connection.sendall(client.head_of("PATCH", location, "Content-Length: 2000000") + data[:1_500_000])

    def last_byte() -> int:
        status = client.send("GET", location)
        return 0 if status.status == 409 else int(status.headers["range"].removeprefix("0-"))

    arrived = found(last_byte, "nothing arrives") + 1
    assert 1_000_000 < arrived <= 1_500_000
    place = {"Content-Range": f"{arrived}-{len(data) - 1}"}
    assert client.send("PATCH", location, data[arrived:], place).status == 202
    assert client.send("PUT", f"{location}?digest={digest_of(data)}").status == 201


def test_nobody_gets_at_files_without_the_registry(front: Nginx, stock: Stock) -> None:
    """The location that the registry redirects to is closed to clients, whatever they claim."""
    path = stock.fill(BLOB)
    redirect = Client(front.behind).send("GET", path, headers={"X-Sendfile-Type": "X-Accel-Redirect"})
    inside = redirect.headers["x-accel-redirect"]
    assert (redirect.status, redirect.body) == (200, b"")
    for sent in ({}, {"X-Accel-Redirect": inside}, {"X-Sendfile-Type": "X-Accel-Redirect"}):
        got = Client(front).send("GET", inside, headers=sent)
        assert (got.status, got.body) == (404, b"Not Found")
    got = Client(front, "", "").send("GET", path, headers={"X-Accel-Redirect": inside})
    assert got.status == 401


def test_connections_to_the_registry_are_kept(front: Nginx, stock: Stock) -> None:
    """Downloads that nginx takes over leave their connection to the registry open for the next."""

    def connections() -> set[str]:
        lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
        fields = [line.split() for line in lines]
        to = f":{front.behind.port:04X}"
        return {each[1] for each in fields if each[2].endswith(to) and each[3] == "01"}

    client = Client(front)
    client.send("GET", stock.fill(BLOB))
    before = connections()
    for _ in range(20):
        assert client.send("GET", stock.fill(BLOB)).status == 200
    assert before
    assert len(connections() - before) <= 2  # one for each of nginx's workers


@needs("crane")
def test_crane_pushes_and_pulls_a_large_image(front: Nginx, tmp_path: Path) -> None:
    """A layer of a hundred megabytes, there and back, to the byte."""
    shell = Shell(front, tmp_path)
    built = image("large", size=100_000_000)
    write_layout(tmp_path / "in", built, "1")
    target = f"{front.host}/{NAME}/large:1"
    shell.run("crane", "--insecure", "push", tmp_path / "in", target)
    assert "PASS" in shell.run("crane", "--insecure", "validate", "--remote", target)
    shell.run("crane", "--insecure", "pull", "--format", "oci", target, tmp_path / "out")
    for digest in built.digests:
        assert digest_of((tmp_path / "out" / "blobs" / digest.replace(":", "/")).read_bytes()) == digest
    layer = built.digests[1].removeprefix("sha256:")
    assert front.deeds(f"/{layer}.")


@needs("skopeo")
def test_skopeo_copies_in_and_out(front: Nginx, tmp_path: Path) -> None:
    """Logged in through nginx."""
    copy_in_and_out(Shell(front, tmp_path), f"{NAME}/skopeo", image("base", "skopeo", size=300_000))


def push_with_boto(front: Nginx, name: str) -> None:
    """What AWS's clients do: repository, layer in parts, image, and the layer's download URL."""
    trust = front._certificate
    ecr = front.boto(**({} if trust is None else {"verify": str(trust.authority)}))
    created = ecr.create_repository(repositoryName=name)["repository"]
    assert created["repositoryUri"] == f"{front.host}/{name}"
    built = image("boto", size=200_000)
    for blob in built.blobs:
        upload = ecr.initiate_layer_upload(repositoryName=name)["uploadId"]
        ecr.upload_layer_part(
            repositoryName=name,
            uploadId=upload,
            partFirstByte=0,
            partLastByte=len(blob) - 1,
            layerPartBlob=blob,
        )
        ecr.complete_layer_upload(repositoryName=name, uploadId=upload, layerDigests=[digest_of(blob)])
    ecr.put_image(repositoryName=name, imageManifest=built.manifest.decode(), imageTag="1")
    url = ecr.get_download_url_for_layer(repositoryName=name, layerDigest=built.digests[1])["downloadUrl"]
    assert url.startswith(f"{front.url}/v2/{name}/blobs/")
    endpoint = ecr.get_authorization_token()["authorizationData"][0]["proxyEndpoint"]
    assert endpoint == front.url
    connection = Client(front, tls=front.context()).open()
    try:
        connection.request("GET", url.removeprefix(front.url))  # the URL alone is the grant
        assert answer(connection).body == built.blobs[1]
    finally:
        connection.close()


def test_signatures_of_aws_clients_hold_through_nginx(front: Nginx) -> None:
    """boto3 signs for nginx's address, and the registry sees the same host."""
    push_with_boto(front, f"{NAME}/boto")


@needs_openssl
def test_signatures_hold_behind_a_front_with_tls(https: Nginx) -> None:
    """And what the registry calls itself begins with https."""
    push_with_boto(https, "tls/boto")


@needs_openssl
def test_the_challenge_names_the_public_url(https: Nginx) -> None:
    """Whatever a client claims about scheme and host, through the front or not."""
    forged = {
        "X-Forwarded-Proto": "http",
        "X-Forwarded-Host": "evil.example",
        "Forwarded": "proto=http;host=evil.example",
    }
    for server in (https, https.behind):
        got = Client(server, "", "", tls=server.context()).send("GET", "/v2/", headers=forged)
        assert got.status == 401
        assert got.headers["www-authenticate"] == f'Basic realm="{https.url}/",service="ecr.amazonaws.com"'


@needs_openssl
@needs("crane")
def test_crane_over_tls(https: Nginx, tmp_path: Path) -> None:
    """HTTP/2, with the certificate it is told to trust."""
    shell = Shell(https, tmp_path)
    write_layout(tmp_path / "in", image("tls", size=3_000_000), "1")
    assert https._certificate is not None
    trust = {"SSL_CERT_FILE": str(https._certificate.authority)}
    target = f"{https.host}/tls/crane:1"
    shell.run("crane", "push", tmp_path / "in", target, **trust)
    assert "PASS" in shell.run("crane", "validate", "--remote", target, **trust)
    assert https.deeds(": GET /-/blobs/")


@needs_openssl
@needs("skopeo")
def test_skopeo_over_tls(https: Nginx, tmp_path: Path) -> None:
    """There and back."""
    shell = Shell(https, tmp_path)
    source = write_layout(tmp_path / "in", built := image("tls skopeo", size=300_000), "1")
    assert https._certificate is not None
    (tmp_path / "trust").mkdir()
    (tmp_path / "trust" / "ca.crt").write_bytes(https._certificate.authority.read_bytes())
    who, target = f"{ACCESS_KEY_ID}:{SECRET_ACCESS_KEY}", f"docker://{https.host}/tls/skopeo:1"
    shell.run("skopeo", "copy", "--dest-creds", who, "--dest-cert-dir", tmp_path / "trust", source, target)
    shell.run(
        *("skopeo", "copy", "--src-creds", who, "--src-cert-dir", tmp_path / "trust"),
        *(target, f"oci:{tmp_path}/out:1"),
    )
    layer = tmp_path / "out" / "blobs" / built.digests[1].replace(":", "/")
    assert layer.read_bytes() == built.blobs[1]
