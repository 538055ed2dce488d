"""Fixtures: Amazon's cloud, empty for every test, and `careen fleet` in it."""

import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import botocore.session
import pytest
from moto.moto_api._internal.models import moto_api_backend

from careen.cli.tree import app
from careen.fleet.permissions import PERMISSIONS

# A scan imports these in its threads. pytest parses what is imported, and in Python 3.11 two threads that parse at the same
# time may end in a SystemError (python/cpython#106905).
from careen.pins import eks, kubernetes  # noqa: F401
from tests import program
from tests.fleet.amazon import Amazon, serving
from tests.server import clean_environment

models = cache(botocore.session.create_loader)
"""AWS's service models: read once, and not by every session of botocore's that a command makes."""

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def cloud() -> Iterator[Amazon]:
    """One server."""
    with serving() as started:
        yield started


@pytest.fixture
def amazon(cloud: Amazon, monkeypatch: pytest.MonkeyPatch) -> Amazon:
    """Amazon's cloud without anything in it; this process is led there."""
    monkeypatch.setattr(botocore.session, "create_loader", models)
    moto_api_backend.reset()
    cloud.asked.clear()
    cloud.apps.clear()
    cloud.rule = lambda *_: None
    for name, value in cloud.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    return cloud


_NEEDS = {"drift": "apply", "scan": "read"}
"""Whose permissions a command needs, where it has none of its own."""


@pytest.fixture
def fleet(
    cloud: Amazon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """The same in this process, where it takes no second to begin; where the fixture ``amazon`` leads, or an environment.

    In Amazon's cloud no command asks for more than it says that it needs.
    """
    monkeypatch.chdir(tmp_path)

    def fleet(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        capsys.readouterr()
        before = cloud.asked.copy()
        with pytest.raises(SystemExit) as ended:
            app(["fleet", *arguments])
        said, errors = capsys.readouterr()
        made = {each for each in cloud.asked - before if each.startswith("ecr:")}
        assert made <= set(PERMISSIONS.get(_NEEDS.get(arguments[0], arguments[0]), ()))
        return subprocess.CompletedProcess(arguments, int(ended.value.code or 0), said, errors)

    return fleet


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run `careen fleet …` in a folder of the test's own, with an environment."""

    def run(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        return program.run("fleet", *arguments, env=clean_environment() | environment, cwd=tmp_path)

    return run
