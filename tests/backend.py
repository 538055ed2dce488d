"""Where the registries of a test run keep their rows and bytes: in the data folder, or in PostgreSQL and S3.

``pytest --database=postgresql --blobs=s3`` (``make test-nodes``) runs the same tests on the other backends.
"""

import contextlib
import os
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from tests.postgres import Postgres
    from tests.seaweed import S3


class Backend:
    """What settings a registry gets for its data folder."""

    def __init__(self, postgres: "Postgres | None" = None, s3: "S3 | None" = None) -> None:
        self.postgres = postgres
        self.s3 = s3
        self._of: dict[Path, dict[str, Any]] = {}

    def settings(self, data: Path) -> dict[str, Any]:
        """The settings ``database`` and ``blobs`` of the registry of a data folder; the same again if asked again."""
        if data not in self._of:
            made: dict[str, Any] = {}
            if self.postgres is not None:
                made["database"] = self.postgres.database()
            if self.s3 is not None:
                # Clients whose bytes pass through us see the same as on disk; those that are sent on are in test_s3.py.
                made |= {"blobs": self._place(), "s3_redirect": False}
            self._of[data] = made
        return self._of[data]

    def emptied(self, data: Path, ended: Path) -> dict[str, Any]:
        """The same for a registry that takes the database of one that has ended: without its rows, and with bytes elsewhere.

        A tenth of the time that a database of its own takes, for those who make hundreds.
        """
        made = dict(self.settings(ended))
        if self.postgres is not None:
            self.postgres.empty(made["database"])
        if self.s3 is not None:
            made["blobs"] = self._place()
        self._of[data] = made
        return made

    def settle(self) -> None:
        """Wait until every event that was written is shown."""
        if self.postgres is not None:
            self.postgres.settle()

    def disconnect(self, data: Path) -> None:
        """Break the connections of a data folder's registry to its server, if it has one."""
        if self.postgres is not None:
            self.postgres.disconnect(self.settings(data)["database"])

    def objects(self, data: Path) -> dict[str, int]:
        """The keys in the bucket of a data folder's registry, with the bytes of each; nothing if that has no bucket."""
        blobs = self.settings(data).get("blobs")
        return {} if self.s3 is None or blobs is None else self.s3.sizes(urlsplit(blobs).path.strip("/"))

    def _place(self) -> str:
        assert self.s3 is not None
        return self.s3.url(uuid.uuid4().hex)

    def shell(self, arguments: Sequence[str]) -> dict[str, str]:
        """What a command needs in its environment to find the registry of the folder behind ``--data``."""
        if "--data" not in arguments:
            return {}
        known = self._of.get(Path(arguments[arguments.index("--data") + 1]), {})
        return self.environment | {f"CAREEN_{name.upper()}": str(value) for name, value in known.items()}

    @property
    def environment(self) -> dict[str, str]:
        """With what the S3 server lets us in."""
        return {} if self.s3 is None else self.s3.environment


_current = Backend()


def current() -> Backend:
    """The backend of this test run."""
    return _current


@contextlib.contextmanager
def used(backend: Backend) -> Iterator[None]:
    """Let every registry that is made meanwhile be on this backend."""
    global _current  # noqa: PLW0603 one test run, one backend
    before, _current = _current, backend
    os.environ.update(backend.environment)
    try:
        yield
    finally:
        _current = before
        for name in backend.environment:
            del os.environ[name]


def add_options(parser: pytest.Parser) -> None:
    """The two options."""
    group = parser.getgroup("careen")
    group.addoption(
        "--database", choices=["sqlite", "postgresql"], default="sqlite", help="of every registry"
    )
    group.addoption("--blobs", choices=["disk", "s3"], default="disk", help="of every registry")


def skip(item: pytest.Item) -> None:
    """Leave out what looks into a file that is not there with these options."""
    for option, here in (("database", "sqlite"), ("blobs", "disk")):
        if item.get_closest_marker(here) and item.config.getoption(option) != here:
            pytest.skip(f"looks into the files of {here}")
