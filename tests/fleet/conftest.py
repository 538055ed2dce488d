"""Fixtures: Amazon's cloud, empty for every test, and `careen fleet` in it."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from moto.moto_api._internal.models import moto_api_backend

from tests.fleet.amazon import Amazon, serving
from tests.server import clean_environment

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def cloud() -> Iterator[Amazon]:
    """One server."""
    with serving() as started:
        yield started


@pytest.fixture
def amazon(cloud: Amazon, monkeypatch: pytest.MonkeyPatch) -> Amazon:
    """Amazon's cloud without anything in it; this process is led there."""
    moto_api_backend.reset()
    cloud.asked.clear()
    cloud.apps.clear()
    cloud.rule = lambda *_: None
    for name, value in cloud.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    return cloud


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run `careen fleet …` in a folder of the test's own, with an environment."""

    def run(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "careen", "fleet", *arguments],
            env=clean_environment() | environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    return run
