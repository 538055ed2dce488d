"""Fixtures: a server that many tests share, servers of one's own, and a registry without a server."""

import contextlib
import os
import resource
import signal
import uuid
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from careen import startup
from careen.registry.registry import Registry
from careen.settings import Settings
from tests import backend
from tests.begun import begin
from tests.pins.cluster import Cluster
from tests.pins.cluster import running as kubernetes
from tests.postgres import Postgres
from tests.postgres import running as run_postgres
from tests.seaweed import S3
from tests.server import Server, running

# A shell that starts the tests in the background has interrupts ignored, and so would be all that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)

hypothesis.settings.register_profile("careen", deadline=None)  # a busy machine is no wrong answer
hypothesis.settings.load_profile("careen")


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--database`` and ``--blobs``: where the registries of this run are."""
    backend.add_options(parser)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Marks ``sqlite`` and ``disk``: a test that looks into those files."""
    backend.skip(item)


@pytest.fixture(scope="session", autouse=True)
def _backend(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every registry of this run is where the options say."""
    options = request.config.getoption
    rows = request.getfixturevalue("postgres") if options("database") == "postgresql" else None
    blobs = request.getfixturevalue("s3") if options("blobs") == "s3" else None
    with backend.used(backend.Backend(rows, blobs)):
        yield


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server that many tests share; every test uses databases of its own."""
    with run_postgres() as started:
        yield started


def pytest_xdist_auto_num_workers() -> int:
    """``-n auto``: two for each processor, because half of the time a test waits for a server, a client or a clock."""
    return 2 * (os.cpu_count() or 1)


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A registry with default settings that creates on push; every test uses repositories of its own."""
    with running(tmp_path_factory.mktemp("shared") / "data") as started:
        yield started


@pytest.fixture(scope="session")
def server(shared_server: Server) -> Server:
    """The server that most tests talk to."""
    return shared_server


@pytest.fixture(scope="session")
def key_of(server: Server) -> Callable[[str], dict[str, str]]:
    """Access keys by the policy that they have, each made once."""
    return cache(lambda policy: server.key(f"has-{policy}", policy))


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    """An S3 server that many tests share; every test uses a place of its own in its bucket."""
    with S3(tmp_path_factory.mktemp("s3") / "weed").running() as started:
        yield started


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One Kubernetes API; every test has namespaces of its own."""
    with kubernetes(tmp_path_factory.mktemp("cluster")) as started:
        yield started


@pytest.fixture
def make_server(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Start servers with settings of one's own: ``make_server(workers=2)``; ``time="2026-01-01T00:00:00Z"`` sets its clock."""
    with contextlib.ExitStack() as stack:

        def make(time: str | None = None, **settings: Any) -> Server:
            data = tmp_path / f"data-{uuid.uuid4().hex[:6]}"
            if time is not None:
                clock_file = data.parent / f"{data.name}.clock"
                clock_file.write_text(time)
                settings["clock_file"] = clock_file
            return stack.enter_context(running(data, **settings))

        yield make


@pytest.fixture
def name() -> str:
    """A repository name that no other test uses."""
    return f"test/{uuid.uuid4().hex[:12]}"


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    """A registry in this process, without a server, a grace period or a trash."""
    data = tmp_path / "data"
    settings = Settings(
        data=str(data), create_on_push=True, blob_grace=0, trash_days=0, **backend.current().settings(data)
    )
    begin(data)
    startup.prepare(settings)
    opened = startup.open_registry(settings)
    yield opened
    opened.close()


@pytest.fixture
def small_disk() -> Iterator[int]:
    """Files may not grow beyond so many bytes, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    yield 100_000
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
