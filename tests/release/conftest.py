"""Fixtures: a release that was built once for all of these tests, of this tree as it is."""

import shutil
import subprocess
from pathlib import Path

import pytest

from release import bom, packages
from release.packages import Built
from release.uv import ROOT, program

EPOCH = 1_800_000_000
"""The time that files in what is built here have."""


@pytest.fixture(scope="session")
def tracked() -> list[str]:
    """The files that git knows, relative to the tree."""
    if not (ROOT / ".git").exists():
        pytest.skip("this is no checkout: what belongs into a release is what git knows")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in listed.stdout.split("\0") if name and (ROOT / name).exists()]


def copy(tracked: list[str], target: Path) -> Path:
    """Copy the tree, with times and modes of their own."""
    for name in tracked:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, target / name)
    return target


@pytest.fixture(scope="session")
def uv() -> Path:
    """uv; tests that need it are skipped where it is not installed."""
    if not program().exists():
        pytest.skip("uv is not installed: make .uv/bin/uv")
    return program()


@pytest.fixture(scope="session")
def built(uv: Path, tracked: list[str], tmp_path_factory: pytest.TempPathFactory) -> Built:  # noqa: ARG001 bom calls it
    """Sdist, wheel and bill of materials."""
    folder = tmp_path_factory.mktemp("release")
    tree = copy(tracked, folder / "tree")
    built = packages.build(tree, folder / "dist", EPOCH)
    bom.write(tree, built)
    return built
