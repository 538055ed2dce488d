"""Pulls without any credential: every client gets what is public, and nothing that is private."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from careen.oci.digest import digest_of
from tests.clients.client import Shell, needs
from tests.clients.engine import short_folder
from tests.distribution.client import Client
from tests.images import Built, image, write_layout
from tests.server import ACCESS_KEY_ID, SECRET_ACCESS_KEY, Server, free_port, running


class Stranger(Shell):
    """A user who has never logged in anywhere."""

    def __init__(self, server: Server, folder: Path, host: str | None = None) -> None:
        super().__init__(server, folder)
        self.host = host or self.host
        (folder / "config.json").write_text("{}")
        (folder / "auth.json").write_text("{}")
        for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            del self._environment[key]


@pytest.fixture
def pushed(shared_server: Server, name: str) -> Built:
    """An image in two repositories, of which one is public."""
    built = image("base", f"app {name}", size=70_000)
    shared_server.boto("ecr-public").create_repository(repositoryName=name)
    for repository in (name, f"public/{name}"):
        Client(shared_server).push(repository, built, "1")
    return built


@pytest.fixture
def stranger(shared_server: Server, tmp_path: Path) -> Stranger:
    """Nobody in particular."""
    return Stranger(shared_server, tmp_path)


def by_crane(shell: Shell, target: str) -> Path:
    shell.run("crane", "--insecure", "pull", "--format=oci", target, "out")
    return shell.folder / "out" / "blobs"


def by_skopeo(shell: Shell, target: str) -> Path:
    shell.run("skopeo", "copy", "--src-tls-verify=false", f"docker://{target}", "oci:out:1")
    return shell.folder / "out" / "blobs"


def by_podman(shell: Shell, target: str) -> Path:
    with short_folder() as folder:
        storage = ("--root", f"{folder}/root", "--runroot", f"{folder}/run", "--storage-driver", "vfs")
        shell.run("podman", *storage, "pull", "--tls-verify=false", target)
        shell.run("podman", *storage, "save", "--format=oci-dir", "--output", "out", target)
    return shell.folder / "out"


def by_regctl(shell: Shell, target: str) -> Path:
    shell.attempt(
        "regctl", "registry", "set", "--tls=disabled", shell.host
    )  # it looks at /v2/, and says that it may not
    shell.run("regctl", "image", "copy", target, "ocidir://out:1")
    return shell.folder / "out" / "blobs"


def by_oras(shell: Shell, target: str) -> Path:
    shell.run("oras", "copy", "--from-plain-http", target, "--to-oci-layout", "out:1")
    return shell.folder / "out" / "blobs"


PULLS: dict[str, Callable[[Shell, str], Path]] = {
    "crane": by_crane,
    "skopeo": by_skopeo,
    "podman": by_podman,
    "regctl": by_regctl,
    "oras": by_oras,
}


@pytest.mark.parametrize("tool", [pytest.param(tool, marks=needs(tool)) for tool in PULLS])
def test_a_stranger_pulls_what_is_public(stranger: Stranger, pushed: Built, name: str, tool: str) -> None:
    """Every layer as it was pushed; the same image in a private repository is refused."""
    blobs = PULLS[tool](stranger, f"{stranger.host}/public/{name}:1")
    got = {digest_of(path.read_bytes()) for path in blobs.rglob("*") if path.is_file()}
    # podman packs layers anew when it saves them; the config is what it was
    assert set(pushed.digests[:1] if tool == "podman" else pushed.digests) <= got
    with pytest.raises(AssertionError, match=r"(?i)unauthorized|credential|authentication required"):
        PULLS[tool](stranger, f"{stranger.host}/{name}:1")


@needs("containerd", "ctr")
def test_containerd_pulls_what_is_public(
    stranger: Stranger, pushed: Built, name: str, containerd: Path
) -> None:
    """As Kubernetes does: it asks for the image at once, and for a credential only where it must."""
    ctr = ("ctr", "--address", containerd, "images")
    stranger.run(*ctr, "pull", "--plain-http", f"{stranger.host}/public/{name}:1")
    assert pushed.digest in stranger.run(*ctr, "list")
    refused = stranger.attempt(*ctr, "pull", "--plain-http", f"{stranger.host}/{name}:1")
    assert (refused.returncode != 0, "401 Unauthorized" in refused.stderr) == (True, True)


@needs("skopeo")
def test_a_push_takes_the_token_of_ecr_public(shared_server: Server, tmp_path: Path, name: str) -> None:
    """As `aws ecr-public get-login-password` prints it; a stranger's push is refused."""
    shell = Shell(shared_server, tmp_path)
    aws = ("aws", "ecr-public", "--region", "us-east-1", "--output", "json")
    shell.json(*aws, "create-repository", "--repository-name", name)
    source = write_layout(tmp_path / "in", image(name), "1")
    target = f"docker://{shell.host}/public/{name}:1"
    password = shell.run("aws", "ecr-public", "get-login-password", "--region", "us-east-1")
    login = ("skopeo", "login", "--tls-verify=false", "--username", "AWS", "--password-stdin", shell.host)
    assert "Succeeded" in shell.run(*login, stdin=password)
    shell.run("skopeo", "copy", "--dest-tls-verify=false", source, target)
    tags = shell.json(*aws, "describe-image-tags", "--repository-name", name)["imageTagDetails"]
    assert [tag["imageTag"] for tag in tags] == ["1"]
    shell.run("skopeo", "logout", shell.host)
    (tmp_path / "config.json").write_text("{}")
    refused = shell.attempt("skopeo", "copy", "--dest-tls-verify=false", source, target.replace(":1", ":2"))
    assert refused.returncode
    assert "authentication required" in refused.stderr


@pytest.fixture(scope="module")
def two_names(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, str]]:
    """A registry with a second name for public repositories, and the name."""
    port = free_port()
    data = tmp_path_factory.mktemp("names") / "data"
    with running(data, port=port, public_host=f"localhost:{port}") as server:
        yield server, f"localhost:{port}"


@pytest.mark.parametrize("tool", [pytest.param(tool, marks=needs(tool)) for tool in PULLS])
def test_a_token_for_nothing_is_taken_by_every_client(
    two_names: tuple[Server, str], tmp_path: Path, name: str, tool: str
) -> None:
    """Under the second name they are asked for one, get it and pull."""
    server, host = two_names
    server.boto("ecr-public").create_repository(repositoryName=name)
    Client(server).push(f"public/{name}", image(name), "1")
    PULLS[tool](Stranger(server, tmp_path, host), f"{host}/public/{name}:1")


@needs("docker", "dockerd", "containerd", "ctr", "runc")
def test_the_docker_engine_pulls_by_a_token_only(
    two_names: tuple[Server, str], engine: str, tmp_path: Path, name: str
) -> None:
    """With its own image store it cannot meet a Basic challenge without a password; a Bearer one it can, logged in or not."""
    server, host = two_names
    server.boto("ecr-public").create_repository(repositoryName=name)
    for repository in (name, f"public/{name}"):
        Client(server).push(repository, image(name), "1")
    shell = Stranger(server, tmp_path, host)
    shell.set(DOCKER_HOST=engine)
    assert "Digest: sha256:" in shell.run("docker", "pull", f"{host}/public/{name}:1")
    for target in (f"{server.host}/public/{name}:1", f"{host}/{name}:1"):
        assert shell.attempt("docker", "pull", target).returncode
    credentials = ("--username", ACCESS_KEY_ID, "--password-stdin", host)
    shell.run("docker", "login", *credentials, stdin=SECRET_ACCESS_KEY)
    assert "Digest: sha256:" in shell.run("docker", "pull", f"{host}/{name}:1")
    shell.run("docker", "tag", f"{host}/{name}:1", f"{host}/public/{name}:2")
    shell.run("docker", "push", f"{host}/public/{name}:2")
