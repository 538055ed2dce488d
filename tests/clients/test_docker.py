"""The docker command without an engine: manifests inspected, lists made of two images and pushed."""

from pathlib import Path

import pytest

from careen.oci import media_types
from tests.clients.client import Shell, needs
from tests.distribution.client import Client
from tests.images import image, index
from tests.server import Server

pytestmark = needs("docker")


@pytest.fixture
def shell(server: Server, tmp_path: Path) -> Shell:
    """A shell whose docker configuration has the credentials."""
    return Shell(server, tmp_path, ca_variable="SSL_CERT_FILE")


def test_an_index_is_inspected(shell: Shell, server: Server, name: str) -> None:
    """``docker manifest inspect`` shows what was pushed."""
    client, children = Client.of(server), [image("amd64"), image("arm64")]
    for child in children:
        client.push(name, child)
    client.push_manifest(name, index(*children), "1")
    shown = shell.json("docker", "manifest", "inspect", *shell.reach("--insecure"), f"{shell.host}/{name}:1")
    assert [child["digest"] for child in shown["manifests"]] == [child.digest for child in children]


def test_a_list_is_made_of_two_images(shell: Shell, server: Server, name: str) -> None:
    """Create, annotate, push: the images are put by digest, then the list by tag."""
    client, target = Client.of(server), f"{shell.host}/{name}"
    for architecture in ("amd64", "arm64"):
        client.push(name, image(architecture), architecture)
    manifest = ("docker", "manifest")
    shell.run(
        *manifest, "create", *shell.reach("--insecure"), f"{target}:1", f"{target}:amd64", f"{target}:arm64"
    )
    shell.run(*manifest, "annotate", f"{target}:1", f"{target}:arm64", "--arch", "arm64")
    if shell.authority is not None:
        # To 127.0.0.0/8 docker pushes lists over plain HTTP only; test_amazon_names.py has it over TLS.
        refused = shell.attempt(*manifest, "push", f"{target}:1")
        assert refused.returncode
        assert f'Get "http://{shell.host}/v2/": ' in refused.stderr
        return
    shell.run(*manifest, "push", *shell.reach("--insecure"), f"{target}:1")
    listed = client.send("GET", f"/v2/{name}/manifests/1").json()
    assert listed["mediaType"] == media_types.OCI_INDEX
    assert [child["platform"]["architecture"] for child in listed["manifests"]] == ["amd64", "arm64"]
