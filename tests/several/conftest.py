"""Fixtures: registries of several nodes, in this process, on one database and one home of blobs."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from careen import startup
from careen.registry.registry import Registry
from careen.settings import Settings
from tests.postgres import Postgres

MakeSettings = Callable[..., Settings]


@pytest.fixture
def settings_of(postgres: Postgres, tmp_path: Path) -> MakeSettings:
    """The settings of a node by its name. All share a database and, as if it were a network's, a data folder."""
    database = postgres.database()

    def settings(name: str, **others: str | float) -> Settings:
        given: dict[str, Any] = {"data": str(tmp_path / "data"), "database": database, "node": name}
        return Settings(**given | others)

    return settings


@pytest.fixture
def opened(settings_of: MakeSettings) -> Iterator[Callable[..., Registry]]:
    """Open a node's registry, as its processes have it open."""
    registries: list[Registry] = []

    def another(name: str, **others: str | float) -> Registry:
        settings = settings_of(name, **others)
        startup.prepare(settings)
        registries.append(startup.open_registry(settings))
        return registries[-1]

    yield another
    for registry in registries:
        registry.close()
