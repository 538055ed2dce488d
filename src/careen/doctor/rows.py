"""The database: whether it answers, what schema it has, whose clock is right, whether anybody does the jobs."""

import time
from collections.abc import Generator, Iterator

from careen.clock import SECOND, system_now
from careen.db import inspection, jobs, schema
from careen.db.engine import Connection, is_url, name_of
from careen.doctor.finding import Finding, ok, problem, warning
from careen.doctor.machine import ASTRAY
from careen.settings import Settings
from careen.startup.stores import database_place

LATE = 15 * 60 * SECOND
"""For how long a job may be due before somebody should look."""

OLDEST_SERVER = 140_000
"""PostgreSQL before 14 is not supported by its makers any more, and not tried here."""

CROWDED = 0.8
"""The part of the connections that a server allows from which on the next node may find none."""


def look(settings: Settings, rows: Connection, *, deep: bool) -> Iterator[Finding]:
    """The findings of a database that answers; if it is a file, ``deep`` reads every page of it."""
    place = database_place(settings)
    wrong = inspection.check_pages(rows) if deep and not is_url(place) else []
    if is_url(place):
        yield from _server(rows)
    elif wrong:
        yield problem("database", f"{place} is damaged: {wrong[0]}", "restore a backup (docs/backup.md)")
    else:
        yield ok("database", f"{place} is sound" if deep else f"{place} can be read")
    revision = yield from _schema(rows)
    if revision == schema.head():
        yield from _jobs(settings, rows)


def unreachable(settings: Settings, error: Exception) -> Finding:
    """What is said of a database that cannot be looked at."""
    place = database_place(settings)
    match error:
        case FileNotFoundError():
            return problem(
                "database",
                f"there is no registry in {settings.data}",
                "name its data folder with --data, set `database` as its nodes have it, or start one with `careen serve`",
            )
        case inspection.NotClosed():
            return warning(
                "database",
                f"{place} was left by a crash, and reading it would change it",
                "start the server, which takes in what was not, and look again",
            )
        case ImportError():
            return problem(
                "database", "the driver of PostgreSQL is not installed", "install careen[postgres]"
            )
    name = name_of(place) if is_url(place) else str(place)
    return problem("database", f"{name} cannot be read: {error}", "docs/runbook.md, “The database is away”")


def _server(rows: Connection) -> Iterator[Finding]:
    version, now, allowed, open_ones = inspection.server_facts(rows)
    said = f"PostgreSQL {version // 10_000}.{version % 10_000}, {open_ones} of {allowed} connections in use"
    if version < OLDEST_SERVER:
        yield warning("database", said, "upgrade it: Careen is tried with PostgreSQL 14 and later")
    elif open_ones > CROWDED * allowed:
        yield warning(
            "database", said, "raise max_connections of the server: each process of a node has several"
        )
    else:
        yield ok("database", said)
    off = time.time() - now
    if abs(off) > ASTRAY:
        yield problem(
            "clock",
            f"this machine's clock is {off:+.0f} seconds off the database's: this node does no jobs",
            "look at the time service of both (docs/runbook.md, “The clock”)",
        )


def _schema(rows: Connection) -> Generator[Finding, None, str | None]:
    found, known = inspection.revision(rows), schema.head()
    if found == known:
        yield ok("schema", f"the database has schema {known}, which this version makes")
    elif found is None or found < known:
        yield warning(
            "schema",
            f"the database has schema {found or 'none'}, this version makes {known}",
            "the next start brings it up to date: make a backup before (`careen backup`)",
        )
    else:
        yield warning(
            "schema",
            f"the database has schema {found}, newer than {known} of this version",
            "install the newer version; this one serves only if it may (docs/runbook.md, “Back to the old version”)",
        )
    return found


def _jobs(settings: Settings, rows: Connection) -> Iterator[Finding]:
    if settings.clock_file:
        return  # the registry's present is another's, and so is what is due
    waiting = jobs.waiting(rows, system_now())
    late = [(kind, overdue) for kind, _, overdue in waiting if overdue > LATE]
    for kind, overdue in late:
        yield warning(
            "jobs",
            f"a job of the kind {kind} has been due for {overdue // SECOND // 60} minutes",
            "is `careen serve` running, here or on another node? Its log says why a job fails (docs/runbook.md, “Jobs do not run”)",
        )
    if not late:
        yield ok("jobs", f"none is late; {sum(count for _, count, _ in waiting)} wait for their time")
