"""The versions of Python that Careen is for, beside the one at hand: ``python -m release.pythons [VERSION …]``.

The whole suite runs on the one at hand. For each of the others an environment of its own is made with what the lock file says, and
the core of the tests runs in it, where warnings are errors: what an interpreter deprecates is found here first. One that this
machine does not have is said by name, and is no failure.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path

from release import uv

CORE = (
    "tests/charts",
    "tests/cli/test_startup.py",
    "tests/db/test_rows.py",
    "tests/ecr",
    "tests/ecrapi/test_every_operation.py",
    "tests/findings",
    "tests/iam",
    "tests/oci",
    "tests/registry/test_push.py",
    "tests/upstream",
)
"""The grammars and wires, rows, every operation of the API on a live server, and the start of every command."""

NOT_YET = ("3.14",)
"""Versions that are to be tried where they are, and that the metadata does not claim."""


def versions() -> list[str]:
    """``3.12``, …: those that the package's metadata names and those to come, but for the one that asks."""
    project = tomllib.loads((uv.ROOT / "pyproject.toml").read_text())["project"]
    named = (
        re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", each) for each in project["classifiers"]
    )
    ours = "{}.{}".format(*sys.version_info)
    return [each for each in (*(each[1] for each in named if each), *NOT_YET) if each != ours]


def interpreter(version: str) -> Path | None:
    """An interpreter of this version: on the path, of pyenv, or of uv; None if there is none."""
    found = subprocess.run(
        [uv.program(), "python", "find", "--quiet", "--no-python-downloads", "--no-project", version],
        capture_output=True,
        text=True,
        check=False,
    )
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    candidates = [shutil.which(f"python{version}"), *sorted(pyenv.glob(f"{version}.*/bin/python"))]
    return next(
        (Path(each) for each in [*candidates, found.stdout.strip()] if each and _is(each, version)), None
    )


def _is(program: str | Path, version: str) -> bool:
    """Whether it starts: a shim may stand for an interpreter that is not there."""
    asked = [program, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip() == version


def passes(version: str, python: Path) -> bool:
    """Run the core of the tests with an interpreter, in an environment that is made or brought up to date."""
    home = uv.ROOT / "results" / "pythons" / version
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    sync: list[str | Path] = [
        uv.program(), "sync", "--quiet", "--frozen", "--compile-bytecode", "--no-default-groups", "--group", "test",
        "--python", python,
    ]  # fmt: skip
    subprocess.run(sync, cwd=uv.ROOT, env={**environment, "UV_PROJECT_ENVIRONMENT": str(home)}, check=True)
    tests: list[str | Path] = [
        home / "bin" / "python", "-m", "pytest", "-q", "-n", "auto", "-m", "not slow", "-p", "no:cacheprovider", *CORE,
    ]  # fmt: skip
    return subprocess.run(tests, cwd=uv.ROOT, env=environment, check=False).returncode == 0


def main() -> int:
    """Try them, say how each did, and answer whether none failed."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("versions", nargs="*", default=versions())
    outcomes: dict[str, str] = {}
    for version in parser.parse_args().versions:
        began, python = time.monotonic(), interpreter(version)
        if python is None:
            outcomes[version] = f"missing: uv python install {version}"
        else:
            outcome = "passes" if passes(version, python) else "FAILS"
            outcomes[version] = f"{outcome} ({python}, {time.monotonic() - began:.0f} s)"
    for version, outcome in outcomes.items():
        sys.stdout.write(f"Python {version} {outcome}\n")
    return int(any(outcome.startswith("FAILS") for outcome in outcomes.values()))


if __name__ == "__main__":
    sys.exit(main())
