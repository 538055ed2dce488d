"""Damage and repair, as people with real clients see it: the pull fails in words, the next push makes every image whole."""

import contextlib
import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import program
from tests.clients.client import Shell, needs
from tests.distribution.client import Client
from tests.images import Built, image, write_layout
from tests.server import Server
from tests.waiting import PATIENCE, until

SIZE = 120_000


def scrub(server: Server, *options: str) -> tuple[int, Any]:
    """`careen scrub` beside the server. Returns its exit status and what it prints."""
    done = server.careen("scrub", "--rate", "0", "--json", *options)
    assert "Traceback" not in done.stderr
    return done.returncode, json.loads(done.stdout)


def damage(server: Server, digest: str) -> None:
    """Turn a bit of a blob's file, and let the scrub find it."""
    (path,) = (server.data / "blobs").rglob(f"{digest.partition(':')[2]}.*")
    data = bytearray(path.read_bytes())
    data[1000] ^= 4
    path.write_bytes(data)
    status, found = scrub(server)
    assert status == 1
    assert [it["digest"] for it in found["blobs"]] == [digest]


def pushed(shell: Shell, tool: str, built: Built, reference: str) -> None:
    """Push an image from a layout with a real client."""
    folder = shell.folder / "layout"
    where = write_layout(folder, built, "1")
    if tool == "crane":
        shell.run("crane", "--insecure", "push", folder, reference)
    else:
        shell.run("skopeo", "copy", "--dest-tls-verify=false", where, f"docker://{reference}")


def is_pullable(shell: Shell, tool: str, reference: str) -> bool:
    """Whether a real client gets all of an image and finds its bytes right."""
    if tool == "crane":
        done = shell.attempt("crane", "--insecure", "validate", "--remote", reference)
        return done.returncode == 0 and "PASS" in done.stdout + done.stderr
    target = shell.folder / "pulled"
    done = shell.attempt("skopeo", "copy", "--src-tls-verify=false", f"docker://{reference}", f"dir:{target}")
    return done.returncode == 0


@pytest.mark.disk
@pytest.mark.parametrize(
    "tool", [pytest.param("crane", marks=needs("crane")), pytest.param("skopeo", marks=needs("skopeo"))]
)
def test_a_push_heals_every_image_that_has_the_layer(
    make_server: Callable[..., Server], tmp_path: Path, tool: str
) -> None:
    """Two images share the damaged layer; a push of another image that has it makes both whole, as does one of the image itself.

    The manifest is there all the time, and crane does not look at layers under a tag that names the manifest: it needs another tag.
    """
    server = make_server()
    shell = Shell(server, tmp_path)
    if tool == "skopeo":
        shell.login("skopeo")
    one, two, three = (image("base", name, size=SIZE) for name in ("one", "two", "three"))
    pushed(shell, tool, one, f"{server.host}/team/app:1")
    pushed(shell, tool, two, f"{server.host}/team/app:2")
    assert is_pullable(shell, tool, f"{server.host}/team/app:1")

    damage(server, one.digests[1])
    assert not is_pullable(shell, tool, f"{server.host}/team/app:1")
    pushed(shell, tool, three, f"{server.host}/team/app:3")
    for tag in ("1", "2", "3"):
        assert is_pullable(shell, tool, f"{server.host}/team/app:{tag}")
    assert scrub(server)[0] == 0

    damage(server, one.digests[2])
    assert is_pullable(shell, tool, f"{server.host}/team/app:2")
    pushed(shell, tool, one, f"{server.host}/team/app:{'again' if tool == 'crane' else '1'}")
    assert is_pullable(shell, tool, f"{server.host}/team/app:1")


@pytest.mark.disk
def test_a_damaged_layer_is_told_as_such(make_server: Callable[..., Server]) -> None:
    """GET, HEAD, ECR and a mount: nobody is told that it is there, and who asks for it learns why."""
    server = make_server()
    client = Client(server)
    built = image("app", size=SIZE)
    layer = built.digests[1]
    client.push("team/app", built, "1")
    path = f"/v2/team/app/blobs/{layer}"
    assert client.send("HEAD", path).status == client.send("GET", path).status == 200
    damage(server, layer)
    assert client.send("HEAD", path).status == 404
    told = client.send("GET", path)
    assert (told.status, told.code) == (404, "BLOB_UNKNOWN")
    assert "push an image that has it" in told.message
    assert told.json()["errors"][0]["detail"]["damage"] == "digest"
    elsewhere = client.send("GET", f"/v2/team/other/blobs/{layer}")
    assert elsewhere.code == "NAME_UNKNOWN"
    assert client.send("POST", f"/v2/team/other/blobs/uploads/?mount={layer}&from=team/app").status == 202
    assert client.send("GET", "/v2/team/app/manifests/1").status == 200
    ecr = server.boto()
    (availability,) = ecr.batch_check_layer_availability(repositoryName="team/app", layerDigests=[layer])[
        "layers"
    ]
    assert availability["layerAvailability"] == "UNAVAILABLE"
    with pytest.raises(ecr.exceptions.LayersNotFoundException):
        ecr.get_download_url_for_layer(repositoryName="team/app", layerDigest=layer)
    client.push_blob("team/app", built.blobs[1])
    assert client.send("GET", path).body == built.blobs[1]
    assert scrub(server, "--repository", "team/app")[0] == 0


def test_a_damaged_manifest_is_pushed_again(make_server: Callable[..., Server]) -> None:
    """Its tag is unknown, to ECR as well, until the manifest comes back."""
    server = make_server()
    client = Client(server)
    built = image("app")
    client.push("team/app", built, "1")
    with contextlib.closing(server.database()) as database:
        database.write(
            lambda rows: rows.execute("UPDATE manifest_contents SET content = ?", (b"{}",))
        ).result()
    assert scrub(server)[0] == 1
    assert client.send("GET", "/v2/team/app/manifests/1").code == "MANIFEST_UNKNOWN"
    asked = server.boto().batch_get_image(repositoryName="team/app", imageIds=[{"imageTag": "1"}])
    assert [it["failureCode"] for it in asked["failures"]] == ["ImageNotFound"]
    client.push_manifest("team/app", built)
    assert client.send("GET", "/v2/team/app/manifests/1").body == built.manifest
    assert scrub(server)[0] == 0


@pytest.mark.disk
def test_the_command_says_what_suffers(make_server: Callable[..., Server]) -> None:
    """Also later, without reading anything anew; and what is wrong with a call."""
    server = make_server()
    built = image("app", size=SIZE)
    Client(server).push("team/app", built, "1")
    damage(server, built.digests[1])

    def said(*options: str) -> tuple[int, str]:
        done = server.careen("scrub", *options)
        return done.returncode, done.stdout + done.stderr

    status, text = said("--status")
    assert status == 1
    assert f"damaged blob      {built.digests[1]}  digest  {len(built.blobs[1]):,} bytes" in text
    assert f"affected image    team/app@{built.digest}  1" in text
    assert said("--repository", "team/none") == (
        1, "error: The repository with name 'team/none' does not exist in the registry with id '123456789012'\n",
    )  # fmt: skip
    assert said("--rate", "-1")[0] == 2


def test_a_scrub_that_is_stopped_says_so_and_goes_on(make_server: Callable[..., Server]) -> None:
    """Ctrl-C ends it with the status of a stopped program; the next call goes on where it was."""
    server = make_server()
    for number in range(6):
        Client(server).push("team/app", image(f"{number}", size=SIZE), f"{number}")
    command = [*program.COMMAND, "scrub", "--json", "--rate"]
    scrubbing = subprocess.Popen(
        [*command, "20000"], env=server.environment(), stdout=subprocess.PIPE, text=True
    )
    with contextlib.closing(server.database()) as database:
        rows, begun = database.reader(), "SELECT 1 FROM scrubs WHERE scope = 'command' AND blobs > 0"
        until(lambda: rows.execute(begun).fetchone(), "no blob is verified")
    scrubbing.send_signal(signal.SIGINT)
    first = json.loads(scrubbing.communicate(timeout=PATIENCE)[0])["scrub"]
    assert scrubbing.returncode == 130
    assert first["finished_at"] is None
    assert 0 < first["blobs"] < 12
    status, found = scrub(server)
    assert (status, found["scrub"]["blobs"], found["scrub"]["manifests"]) == (0, 12, 6)
    assert found["scrub"]["started_at"] == first["started_at"]
