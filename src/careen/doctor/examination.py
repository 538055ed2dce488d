"""All looks, one after the other. None depends on that another found nothing."""

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Mapping

from careen.db import inspection
from careen.db.engine import Connection
from careen.db.failures import failure
from careen.doctor import configuration, machine, rows, store
from careen.doctor.finding import Finding, problem
from careen.settings import Settings
from careen.startup.stores import database_place


def examine(settings: Settings, environ: Mapping[str, str], *, deep: bool = False) -> Iterator[Finding]:
    """Look at a registry where it runs, beside a server that has it open or without one. Nothing is changed.

    Args:
        settings: of the registry.
        environ: the environment that they were read from.
        deep: look at every blob and every file, and try whether a bucket can be written to.
    """
    yield from configuration.look(settings, environ)
    yield from machine.look(settings)
    with contextlib.ExitStack() as stack:
        found: Connection | None = None
        try:
            found = stack.enter_context(inspection.looked_at(database_place(settings)))
            yield from rows.look(settings, found, deep=deep)
        except Exception as error:
            if not _is_foreseen(error):
                raise
            yield rows.unreachable(settings, error)
            found = None
        try:
            yield from store.look(settings, found, deep=deep)
        except PermissionError as error:
            yield problem(
                "store",
                f"user {os.getuid()} may not read {error.filename}",
                "run Careen, and this command, as the owner of the blobs' folder",
            )


def _is_foreseen(error: Exception) -> bool:
    """Whether it says that the database cannot be read, and not that we are wrong."""
    foreseen = (FileNotFoundError, ImportError, PermissionError, inspection.NotClosed, sqlite3.Error)
    return isinstance(error, foreseen) or failure(error) is not None
