"""A base image for the image of Careen, made of this machine's own Python: tests fetch none from other registries."""

import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import re2
import uvloop

from tests.waiting import PATIENCE

LEFT_OUT = shutil.ignore_patterns(
    "__pycache__",
    "test",
    "tests",
    "idlelib",
    "tkinter",
    "_tkinter*",
    "config-*",
    "site-packages",
    "dist-packages",
)

ENV = Path("/usr/bin/env")


def write_base(root: Path) -> None:
    """Write the root file system of a base: a Python 3 with its library and what those are linked with, and `env`."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    python = Path(sys.base_prefix, "bin", version).resolve()
    local = root / "usr" / "local"
    for folder in (
        local / "bin",
        root / "usr" / "bin",
        *(root / each for each in ("tmp", "proc", "sys", "dev", "etc")),
    ):
        folder.mkdir(parents=True)
    (root / "tmp").chmod(0o1777)
    shutil.copy(python, local / "bin" / "python3")
    shutil.copy(ENV, root / "usr" / "bin" / "env")
    library = Path(sysconfig.get_path("stdlib", vars={"base": sys.base_prefix}))
    shutil.copytree(library, local / "lib" / version, ignore=LEFT_OUT)
    extensions = (local / "lib" / version / "lib-dynload").glob("*.so")
    # What wheels take for granted, as every Debian has it: C++'s library, and the older names of parts of C's.
    wheels = [path for package in (re2, uvloop) for path in Path(str(package.__file__)).parent.glob("*.so")]
    for library in _linked_with([python, ENV, *extensions, *wheels]):
        # The loader has its place; the rest is where that looks, wherever it was: an interpreter's library may lie beside it.
        loader = "ld-linux" in library.name
        target = root / (library.relative_to("/") if loader else Path("usr", "lib", library.name))
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library.resolve(), target)


def _linked_with(programs: list[Path]) -> list[Path]:
    listed = [
        subprocess.run(["ldd", program], capture_output=True, text=True, check=True, timeout=PATIENCE).stdout
        for program in programs
    ]
    return sorted(set(map(Path, re.findall(r"(?:=> |^\s+)(/\S+) \(0x", "".join(listed), re.MULTILINE))))
