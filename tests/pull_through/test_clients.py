"""Real clients pull through the cache what they never pushed."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from careen.oci.digest import digest_of
from careen.upstream.client import Client as Upstream
from tests.clients.client import Shell, needs
from tests.clients.test_podman import Podman
from tests.clients.test_podman import podman as podman
from tests.images import image, index
from tests.server import Server
from tests.upstream.conftest import client_of, push
from tests.upstream.distribution import Distribution, TokenServer, needs_distribution

pytestmark = needs_distribution


@pytest.fixture
def shell(caching: Server, tmp_path: Path) -> Shell:
    """A user's shell."""
    return Shell(caching, tmp_path)


@needs("crane")
def test_crane_validates_an_index(shell: Shell, upstream: Upstream, prefix: str, name: str) -> None:
    """Every byte of an image for two architectures is what its manifests say."""
    children = image(f"amd64 {name}", size=90_000), image(f"arm64 {name}", size=90_000)
    for child in children:
        push(upstream, name, child)
    push(upstream, name, index(*children), "1.0")
    target = f"{shell.host}/{prefix}/{name}"
    shell.run("crane", "pull", "--insecure", f"{target}:1.0", shell.folder / "image.tar")
    for child in children:
        assert "PASS" in shell.run("crane", "validate", "--insecure", "--remote", f"{target}@{child.digest}")


@needs("skopeo")
def test_skopeo_copies_all_architectures(shell: Shell, upstream: Upstream, prefix: str, name: str) -> None:
    """A copy of everything has every blob."""
    children = image(f"amd64 {name}", size=90_000), image(f"arm64 {name}", size=90_000)
    for child in children:
        push(upstream, name, child)
    push(upstream, name, index(*children), "1.0")
    shell.login("skopeo")
    source = f"docker://{shell.host}/{prefix}/{name}:1.0"
    shell.run("skopeo", "copy", "--all", "--src-tls-verify=false", source, f"oci:{shell.folder}/out:1")
    for child in children:
        for digest in (child.digest, *child.digests):
            blob = shell.folder / "out" / "blobs" / digest.replace(":", "/")
            assert digest_of(blob.read_bytes()) == digest


@pytest.fixture(scope="module")
def by_token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Distribution]:
    """An upstream with a token server, as Docker Hub has one."""
    with (
        TokenServer(tmp_path_factory.mktemp("tokens") / "keys").running() as tokens,
        Distribution(
            tmp_path_factory.mktemp("by-token") / "distribution", tokens.auth()
        ).running() as started,
    ):
        yield started


@needs("podman")
def test_podman_pulls_from_behind_a_token_server(
    shell: Shell, podman: Podman, by_token: Distribution, add_rule: Callable[..., str], name: str
) -> None:
    """An image whose upstream gives tokens for the rule's secret lands in podman's storage."""
    built = image(f"podman {name}", size=90_000)
    with client_of(by_token.url) as there:
        push(there, name, built, "1.0")
    target = f"{shell.host}/{add_rule(by_token.url)}/{name}:1.0"
    shell.login("podman")
    shell.run(*podman, "pull", "--quiet", "--tls-verify=false", target)
    (found,) = shell.json(*podman, "inspect", target)
    assert found["Digest"] == built.digest
