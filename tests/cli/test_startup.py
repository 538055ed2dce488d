"""What a start may import: the time it takes without a clock, which on a busy machine tells nothing."""

import json
import re
import subprocess
import sys

import pytest

from tests.server import clean_environment

LONG = {
    *("alembic", "argon2", "boto3", "botocore", "httpx2", "jinja2", "lightkube", "markdown_it", "psycopg"),
    *("pygments", "sqlalchemy", "starlette", "structlog", "uvicorn", "uvloop", "yaml"),
}
"""Packages of which each would take a tenth of what help may take, or more."""

EVERY_HELP = f"""
import contextlib, io, json, sys
from careen.cli.tree import app

long = {LONG}
asked, imported = 0, {{}}

def ask(path):
    global asked
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        app([*path, "--help"])
    asked += 1
    found = long & sys.modules.keys()
    if found:
        imported[" ".join(path)] = sorted(found)
        long.difference_update(found)

def walk(of, *path):
    for name in of:
        if not name.startswith("-"):
            ask([*path, name])
            walk(of[name], *path, name)

walk(app)
print(json.dumps([asked, imported]))
"""


@pytest.mark.parametrize("arguments", ["--help", "--version", "policy simulate --help"])
def test_help_imports_nothing_that_takes_long(arguments: str) -> None:
    """By what the interpreter itself says of the real program; `python -m benchmarks.startup` has the times."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "careen", *arguments.split()],
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    imported = set(re.findall(r"^import time:.*\| +([^.\s]+)", done.stderr, re.MULTILINE))
    assert {"careen", "cyclopts"} <= imported
    assert imported & LONG == set()


def test_no_command_imports_what_it_does_before_it_does_it() -> None:
    """Asked for the help of one command after the other, the program has none of that at the end."""
    done = subprocess.run(
        [sys.executable, "-c", EVERY_HELP],
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    asked, imported = json.loads(done.stdout)
    assert asked > 80
    assert imported == {}


@pytest.mark.parametrize(("columns", "lines"), [("400", 1), ("60", 5)])
def test_help_fills_the_terminal(columns: str, lines: int) -> None:
    """However the source wraps it: a paragraph has no line of its own but where the terminal ends; the next is apart from it."""
    done = subprocess.run(
        [sys.executable, "-m", "careen", "database", "move", "--help"],
        env=clean_environment() | {"COLUMNS": columns},
        capture_output=True,
        text=True,
        check=True,
    )
    [paragraph] = [
        part for part in re.split(r"\n *\n", done.stdout) if part.startswith("Every row is copied")
    ]
    assert len(paragraph.splitlines()) == lines
    assert paragraph.rstrip().endswith("Blobs stay where they are.")
