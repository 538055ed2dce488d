"""What tests of imports do with a registry in their own process, and how they look at it."""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from careen import startup
from careen.clock import Instant
from careen.importing.opening import opened
from careen.importing.selection import Selection
from careen.importing.source import Source
from careen.importing.transfer import Result, transfer
from careen.registry import images, repositories
from careen.registry.registry import Registry
from careen.settings import Settings
from tests import backend
from tests.images import Built
from tests.importing.folder import Folder


@contextlib.contextmanager
def opened_registry(data: Path) -> Iterator[Registry]:
    """A new registry in this process."""
    chosen = Settings(data=str(data), **backend.current().settings(data))
    startup.prepare(chosen)
    registry = startup.open_registry(chosen)
    yield registry
    registry.close()


def bring(registry: Registry, folder: Folder, selection: Selection | None = None, **options: Any) -> Result:
    """Import a registry's folder."""
    return bring_from(registry, opened(folder.data), selection, **options)


def bring_from(
    registry: Registry,
    source: contextlib.AbstractContextManager[Source],
    selection: Selection | None = None,
    **options: Any,
) -> Result:
    """Import whatever there is."""
    with source as found:
        return asyncio.run(transfer(registry, found, selection or Selection(), **options))


def pushed(registry: Registry, repository: str) -> dict[str, Instant]:
    """Push times by digest."""
    return {each.row.digest: each.row.pushed_at for each in _all(registry, repository)}


def tags(registry: Registry, repository: str) -> dict[str, str]:
    """Digests by tag."""
    return {tag: each.row.digest for each in _all(registry, repository) for tag in each.tags}


def _all(registry: Registry, repository: str) -> list[images.Image]:
    found = registry.read(repositories.find, repository)
    return [] if found is None else registry.read(images.page, found, "", 1000)


def put(registry: Registry, repository: str, built: Built, tag: str) -> None:
    """Push here."""
    found = registry.read(repositories.require, repository)
    registry.write_now(images.put, found, built.manifest, media_type=built.media_type, tag=tag)
