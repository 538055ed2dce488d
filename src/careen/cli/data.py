"""Commands that work on the data folder itself, beside a server that has it open or without one."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from careen import settings
from careen.cli.output import fail

if TYPE_CHECKING:
    from careen.registry.registry import Registry


@contextlib.contextmanager
def opened(data: str | None, **options: str | None) -> "Iterator[Registry]":
    """The registry of a data folder or a database, for the length of one command; options go before the settings of their names.

    It is there already: a command knows neither where the nodes will have their blobs nor which key they will bring.
    """
    from careen import startup

    loaded = load_settings({"data": data, **options})
    try:
        startup.check_begun(loaded)
        startup.prepare(loaded)
    except startup.NoRegistry as error:
        hint = (
            "set `database` as its nodes have it" if loaded.database else "name its data folder with --data"
        )
        fail(str(error), f"{hint}, or start one with `careen serve`")
    except startup.CannotStart as error:
        fail(str(error))
    registry = startup.open_registry(loaded)
    try:
        yield registry
    finally:
        registry.close()


def load_settings(options: Mapping[str, object]) -> settings.Settings:
    """The settings, with these options of the command line."""
    try:
        return settings.load(options)
    except settings.InvalidSetting as error:
        fail(f"setting: {error}", "see docs/settings.md for every setting, its type and default", code=2)
