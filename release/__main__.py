"""Make a release of the commit that is checked out: ``python -m release [FOLDER]``."""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from release import bom, packages
from release.uv import ROOT


def main() -> None:
    """Build everything from what is committed, so that nothing else gets in, and print its digests."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "results" / "dist")
    out: Path = parser.parse_args().folder.resolve()
    if _git("status", "--porcelain", "--untracked-files=no"):
        sys.stderr.write("what is not committed is not in it\n")
    with tempfile.TemporaryDirectory(prefix="careen-release-") as folder:
        tree = Path(folder) / "tree"
        archive = Path(folder) / "tree.tar"
        _git("archive", "--output", str(archive), "HEAD")
        packages.extract(archive, tree)
        built = packages.build(tree, out, int(_git("log", "-1", "--format=%ct")))
        bom.write(tree, built)
    sys.stdout.write(packages.write_sums(out))


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


if __name__ == "__main__":
    main()
