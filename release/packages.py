"""The sdist and the wheel, with the same bytes whenever, wherever and by whomever they are built.

The wheel is built from the sdist, so whoever builds from that has the same. Hatchling gives files one time, one order and one of
two modes; its version, which the wheel names, is the lock file's.
"""

import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import NamedTuple

SUMS = "SHA256SUMS"


class Built(NamedTuple):
    """What was built, and the time that it says."""

    sdist: Path
    wheel: Path
    epoch: int
    """Seconds since 1970: the commit's, so that it is the same for everybody."""


def build(tree: Path, out: Path, epoch: int) -> Built:
    """Build both into a folder, which is made, and in which nothing of an earlier build stays.

    Args:
        tree: the source; nothing is written into it.
        out: the folder.
        epoch: the time that files in them have, in seconds since 1970.
    """
    out.mkdir(parents=True, exist_ok=True)
    for earlier in [*out.glob("careen-*"), *out.glob(SUMS)]:
        earlier.unlink()
    sdist = _hatchling("sdist", tree, out, epoch)
    with tempfile.TemporaryDirectory(prefix="careen-sdist-") as folder:
        extract(sdist, Path(folder))
        unpacked = Path(folder) / sdist.name.removesuffix(".tar.gz")
        return Built(sdist, _hatchling("wheel", unpacked, out, epoch), epoch)


def extract(archive: Path, folder: Path) -> None:
    """Unpack an archive of our own. Filters came with Python 3.11.4; Debian 12 has 3.11.2."""
    with tarfile.open(archive) as packed:
        if hasattr(tarfile, "data_filter"):
            packed.extractall(folder, filter="data")
        else:
            packed.extractall(folder)  # noqa: S202 we have just made it


def write_sums(out: Path) -> str:
    """Write ``SHA256SUMS`` of everything in the folder, as ``sha256sum --check`` reads it. Returns its text."""
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
        for path in sorted(out.glob("careen-*"))
    ]
    (out / SUMS).write_text("".join(lines))
    return "".join(lines)


def _hatchling(target: str, tree: Path, out: Path, epoch: int) -> Path:
    before = set(out.iterdir())
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", out],
        cwd=tree,
        env={**os.environ, "SOURCE_DATE_EPOCH": str(epoch)},
        check=True,
    )
    [made] = set(out.iterdir()) - before
    made.chmod(0o644)
    return made
