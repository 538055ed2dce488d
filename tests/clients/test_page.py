"""docs/clients.md: every block is run as it stands, on a machine where the names in it lead to registries."""

import os
import shutil
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.clients.client import needs
from tests.clients.engine import containerd, docker_engine, short_folder, write_root
from tests.clients.namespace import Namespace, ServerInside, ShellInside, TlsServerInside
from tests.images import image, write_layout
from tests.server import REGION, REGISTRY_ID, Server, serving
from tests.tls import TlsServer, needs_openssl

pytestmark = [pytest.mark.slow, needs_openssl, needs("nsenter", "ip")]

PAGE = Path(__file__).parents[2] / "docs" / "clients.md"

AMAZONS = (f"{REGISTRY_ID}.dkr.ecr.{REGION}.amazonaws.com", f"api.ecr.{REGION}.amazonaws.com")
NAMES = ("registry.example", *AMAZONS)

STORAGE = """
[storage]
driver = "vfs"
graphroot = "{folder}/root"
runroot = "{folder}/run"
"""


class Block(NamedTuple):
    """A block of the page."""

    language: str
    registry: str
    """``http``, ``tls``, or ``names``: Amazon's, over TLS."""
    tools: tuple[str, ...]
    """What has to be installed."""
    text: str


REQUIRED = {
    "docker": ("docker", "dockerd", "containerd", "ctr", "runc", "busybox"),
    "ctr": ("containerd", "ctr"),
}


def blocks() -> Iterator[Any]:
    """All of them, each to be skipped by name where a tool is missing; one that does not say where it runs is an error."""
    for fenced in PAGE.read_text().split("```")[1::2]:
        head, _, text = fenced.partition("\n")
        language, registry, *rest = head.split()
        tools = tuple(rest[0].split(",")) if rest else ()
        required = [one for tool in tools for one in REQUIRED.get(tool, (tool,))]
        block = Block(language, registry, tools, text)
        yield pytest.param(block, marks=needs(*required), id=f"{registry}-{'-'.join(tools) or language}")


@pytest.fixture(scope="module")
def registries(place: Namespace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Server]]:
    """The registries of the page, by what its blocks call them."""
    place.name(*NAMES)
    folder = tmp_path_factory.mktemp("page")
    names = tuple(f"DNS:{name}" for name in NAMES)
    plain = ServerInside(folder / "plain", place, "localhost:5000", port=5000)
    tls = TlsServerInside(folder / "tls", place, "registry.example", names=names, port=443)
    with serving(plain), serving(tls):
        yield {"http": plain, "tls": tls, "names": tls}


@pytest.fixture(scope="module")
def engine(place: Namespace, registries: dict[str, Server]) -> Iterator[str]:
    """An engine on that machine."""
    assert registries
    with docker_engine(place.within()) as host:
        yield host


@pytest.fixture(scope="module")
def supervisor(place: Namespace, registries: dict[str, Server]) -> Iterator[str]:
    """The address of a containerd on that machine."""
    assert registries
    with containerd(place.within()) as socket:
        yield str(socket)


@pytest.fixture
def storage() -> Iterator[Path]:
    """The configuration of podman's and buildah's images."""
    with short_folder() as folder:
        (folder / "storage.conf").write_text(STORAGE.format(folder=folder))
        yield folder / "storage.conf"


def prepare(folder: Path) -> None:
    """What the page takes for there: notes.txt, an image in a layout and as an archive, and files for an alpine."""
    (folder / "notes.txt").write_text("a note\n")
    write_layout(folder / "image", image("of the page", size=50_000), "1")
    with tarfile.open(folder / "image.tar", "w") as archive:
        archive.add(folder / "image", ".")
    write_root(folder / "root.tar")


@pytest.mark.parametrize("block", list(blocks()))
def test_the_block_runs(
    request: pytest.FixtureRequest,
    registries: dict[str, Server],
    place: Namespace,
    storage: Path,
    tmp_path: Path,
    block: Block,
) -> None:
    """Every command of it succeeds."""
    server = registries[block.registry]
    shell = ShellInside(server, tmp_path, place)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    shell.set(PATH=path, DOCKER_CONFIG=str(tmp_path / ".docker"), CONTAINERS_STORAGE_CONF=str(storage))
    shutil.rmtree(tmp_path / ".config", ignore_errors=True)
    (tmp_path / ".docker").mkdir()
    prepare(tmp_path)
    if isinstance(server, TlsServer):
        shutil.copyfile(server.authority, tmp_path / "ca.crt")
    if block.registry == "names":
        shell.set(AWS_IGNORE_CONFIGURED_ENDPOINT_URLS="true")
    if "docker" in block.tools:
        shell.set(DOCKER_HOST=request.getfixturevalue("engine"))
        shell.run("docker", "import", "root.tar", "alpine")
    if "ctr" in block.tools:
        shell.set(CONTAINERD_ADDRESS=request.getfixturevalue("supervisor"))
    if "podman" in block.tools:
        shell.run("podman", "import", "root.tar", "alpine")
    interpreter = (sys.executable, "-c") if block.language == "python" else ("bash", "-euo", "pipefail", "-c")
    shell.run(*interpreter, block.text)
