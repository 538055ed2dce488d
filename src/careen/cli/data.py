"""Commands that work on the data folder itself, beside a server that has it open or without one."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from careen import settings
from careen.cli.output import fail
from careen.registry.registry import Registry


@contextlib.contextmanager
def opened(data: str | None) -> Iterator[Registry]:
    """The registry of a data folder, for the length of one command."""
    from careen import server

    loaded = load_settings({"data": data})
    if not loaded.database and not (Path(loaded.data) / "careen.db").exists():
        fail(
            f"there is no registry in {loaded.data}",
            "name its data folder with --data, or start one with `careen serve`",
        )
    try:
        server.prepare(loaded)
    except server.CannotStart as error:
        fail(str(error))
    registry = server.open_registry(loaded)
    try:
        yield registry
    finally:
        registry.close()


def load_settings(options: dict[str, object]) -> settings.Settings:
    """The settings, with these options of the command line."""
    try:
        return settings.load(options)
    except settings.InvalidSetting as error:
        fail(f"setting: {error}", "see docs/settings.md for every setting, its type and default", code=2)
