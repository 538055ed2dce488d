"""The sdist and the wheel: what is in them, that they can be built again, and that one can work with them."""

import email
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

from release import packages
from release.packages import Built
from release.uv import ROOT
from tests.clients.client import Shell, needs
from tests.distribution.client import Client
from tests.images import image, write_layout
from tests.release.conftest import EPOCH, copy
from tests.server import Server, clean_environment, serving

FOR_OURSELVES = ".ci/"
"""What an sdist has not: how this tree is kept, rather than how Careen is built, tested and run."""


def test_the_same_commit_makes_the_same_bytes(built: Built, tracked: list[str], tmp_path: Path) -> None:
    """In another folder, later, for somebody whose umask lets nobody read."""
    before = os.umask(0o077)
    try:
        tree = copy(tracked, tmp_path / "elsewhere")
        for each in tree.rglob("*"):
            os.utime(each, (1, 1))
        again = packages.build(tree, tmp_path / "dist", EPOCH)
    finally:
        os.umask(before)
    for one, other in ((built.sdist, again.sdist), (built.wheel, again.wheel)):
        assert other.name == one.name
        assert other.read_bytes() == one.read_bytes()
        assert other.stat().st_mode & 0o777 == 0o644


def test_a_wheel_of_the_tree_is_that_of_the_sdist(built: Built, tracked: list[str], tmp_path: Path) -> None:
    """What is left out of the sdist is not missed; the version of `pip install .` is the one that was released."""
    tree = copy(tracked, tmp_path / "tree")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", tmp_path],
        cwd=tree,
        env=os.environ | {"SOURCE_DATE_EPOCH": str(EPOCH)},
        check=True,
        capture_output=True,
    )
    assert (tmp_path / built.wheel.name).read_bytes() == built.wheel.read_bytes()


def test_the_sdist_has_what_git_knows_and_nothing_else(built: Built, tracked: list[str]) -> None:
    """But for how this tree is kept; and the metadata, which it needs."""
    with tarfile.open(built.sdist) as packed:
        names = {name.partition("/")[2] for name in packed.getnames()}
    wanted = {name for name in tracked if not name.startswith(FOR_OURSELVES)}
    assert names == wanted | {"PKG-INFO"}


def test_the_wheel_has_the_package_and_its_licences(built: Built, tracked: list[str]) -> None:
    """Migrations, templates, static files and service models with it: every file of `src/careen`, and no byte code."""
    with zipfile.ZipFile(built.wheel) as packed:
        names = set(packed.namelist())
    metadata, package = (
        {name for name in names if ("dist-info/" in name) is is_metadata} for is_metadata in (True, False)
    )
    assert package == {name.removeprefix("src/") for name in tracked if name.startswith("src/careen/")}
    assert {name.partition(".dist-info/")[2] for name in metadata} == {
        "METADATA",
        "RECORD",
        "WHEEL",
        "entry_points.txt",
        "licenses/LICENSE",
        "licenses/src/careen/console/static/vendor/htmx-LICENSE.txt",
        "licenses/src/careen/console/static/vendor/tabler-LICENSE.txt",
    }


def test_nobody_publishes_it_by_mistake(built: Built) -> None:
    """The index of Python packages refuses what says so; docs/release.md says who decides otherwise."""
    with zipfile.ZipFile(built.wheel) as packed:
        [name] = [name for name in packed.namelist() if name.endswith(".dist-info/METADATA")]
        metadata = email.message_from_bytes(packed.read(name))
    assert "Private :: Do Not Upload" in metadata.get_all("Classifier", [])


def test_sums_are_those_that_sha256sum_checks(built: Built, tmp_path: Path) -> None:
    """Of everything that is handed out."""
    folder = shutil.copytree(built.sdist.parent, tmp_path / "dist")
    packages.write_sums(folder)
    done = subprocess.run(
        ["sha256sum", "--check", "SHA256SUMS"], cwd=folder, capture_output=True, text=True, check=True
    )
    assert sorted(done.stdout.splitlines()) == sorted(
        f"{path.name}: OK" for path in folder.iterdir() if path.name != "SHA256SUMS"
    )
    assert len(done.stdout.splitlines()) == 3


class Installed(Server):
    """A registry that serves from the wheel, in an environment that has nothing else of this tree."""

    def __init__(self, data: Path, careen: Path) -> None:
        super().__init__(data)
        self._careen = careen

    def _command(self) -> list[str]:
        return [str(self._careen), "serve"]


@needs("crane")
def test_it_installs_without_a_compiler_and_works(built: Built, uv: Path, tmp_path: Path) -> None:
    """Into an empty environment, with no other program to call; then it serves, and crane has every byte back that it pushed."""
    python, locked = tmp_path / "venv" / "bin" / "python", tmp_path / "locked.txt"
    export: list[str | Path] = [
        uv, "export", "--quiet", "--frozen", "--no-dev", "--no-emit-project", "--output-file", locked,
    ]  # fmt: skip
    subprocess.run(export, cwd=ROOT, check=True, capture_output=True)
    bare = clean_environment() | {"PATH": str(tmp_path / "nothing"), "CC": "false", "CXX": "false"}
    bare.pop("VIRTUAL_ENV", None)
    install: list[str | Path] = [uv, "pip", "install", "--quiet", "--python", python]
    commands: list[list[str | Path]] = [
        [uv, "venv", "--quiet", "--python", sys.executable, python.parents[1]],
        [*install, "--only-binary", ":all:", "--require-hashes", "--requirements", locked],
        [*install, "--no-deps", built.wheel],
    ]
    for command in commands:
        subprocess.run(command, env=bare, cwd=tmp_path, check=True)
    careen = python.with_name("careen")
    said = subprocess.run(
        [careen, "--version"], env=bare, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == built.wheel.name.split("-")[1]
    with serving(Installed(tmp_path / "data", careen)) as server:
        shell = Shell(server, tmp_path)
        write_layout(tmp_path / "in", image("released", size=120_000), "1")
        name = f"{server.host}/team/app:1"
        shell.run("crane", *shell.reach("--insecure"), "push", tmp_path / "in", name)
        assert "PASS" in shell.run("crane", *shell.reach("--insecure"), "validate", "--remote", name)
        assert "htmx" in Client(server).send("GET", "/console/sign-in").body.decode()
