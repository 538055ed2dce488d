"""oras-py, the library: files pushed and pulled, tags, manifests, what refers to what, deletion."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from oras.client import OrasClient
from oras.oci import Subject

from tests.distribution.client import Client
from tests.images import image
from tests.server import ACCESS_KEY_ID, SECRET_ACCESS_KEY, Server
from tests.tls import TlsServer


@pytest.fixture
def client(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client that is logged in by Basic authentication, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    reach = {"tls_verify": str(server.authority)} if isinstance(server, TlsServer) else {"insecure": True}
    opened = OrasClient(hostname=server.host, auth_backend="basic", **reach)
    opened.login(
        hostname=server.host,
        username=ACCESS_KEY_ID,
        password=SECRET_ACCESS_KEY,
        config_path=str(tmp_path / "config.json"),
    )
    return opened


def test_the_life_of_an_artifact(client: Any, server: Server, name: str, tmp_path: Path) -> None:
    """Push a file, list the tags, read the manifest, pull, delete: by digest, so a second tag of it goes as well."""
    target = f"{server.host}/{name}:1"
    (tmp_path / "notes.txt").write_text(name)
    pushed = client.push(target=target, files=["notes.txt:text/plain"], quiet=True)
    assert pushed.status_code == 201
    client.push(target=f"{target}-again", files=["notes.txt:text/plain"], quiet=True)
    assert client.get_tags(f"{server.host}/{name}") == ["1", "1-again"]
    (layer,) = client.get_manifest(target)["layers"]
    assert (layer["mediaType"], layer["size"]) == ("text/plain", len(name))
    client.pull(target=target, outdir=str(tmp_path / "out"))
    assert (tmp_path / "out" / "notes.txt").read_text() == name
    assert client.delete_tag(f"{server.host}/{name}", "1")
    assert client.get_tags(f"{server.host}/{name}") == []


@pytest.mark.parametrize("chunked", [False, True], ids=["whole", "in chunks"])
def test_a_large_file_comes_back(
    client: Any, server: Server, name: str, tmp_path: Path, chunked: bool
) -> None:
    """In one request, and in many."""
    data = name.encode() * 20_000
    (tmp_path / "large").write_bytes(data)
    target = f"{server.host}/{name}:1"
    client.push(target=target, files=["large"], do_chunked=chunked, chunk_size=100_000, quiet=True)
    client.pull(target=target, outdir=str(tmp_path / "out"))
    assert (tmp_path / "out" / "large").read_bytes() == data


def test_what_refers_to_an_artifact_is_found(client: Any, server: Server, name: str, tmp_path: Path) -> None:
    """A push with a subject is in the list of referrers."""
    (tmp_path / "notes.txt").write_text(name)
    subject = image(name)
    over_http = Client.of(server)
    over_http.push(name, subject, "1")
    referred = Subject(mediaType=subject.media_type, digest=subject.digest, size=len(subject.manifest))
    target = f"{server.host}/{name}:notes"
    pushed = client.push(target=target, files=["notes.txt"], subject=referred, quiet=True)
    listed = over_http.send("GET", f"/v2/{name}/referrers/{subject.digest}").json()["manifests"]
    assert [one["digest"] for one in listed] == [pushed.headers["docker-content-digest"]]


def test_without_basic_authentication_it_finds_no_token(server: Server, client: Any) -> None:
    """What the library takes by itself asks the realm for a bearer token. ECR has none, nor has Careen: say ``basic``."""
    refused = Client.of(server).send("GET", "/v2/", headers={"Authorization": "Basic Og=="})
    challenge = SimpleNamespace(headers={"Www-Authenticate": refused.headers["www-authenticate"]})
    by_itself = OrasClient(hostname=server.host).auth
    by_itself.session = client.session
    by_itself._tls_verify = client.auth._tls_verify
    assert by_itself.authenticate_request(challenge, {}) == ({}, False)
