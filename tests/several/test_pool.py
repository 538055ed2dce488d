"""A pool between nodes and database, which keeps a session for each client."""

import contextlib
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import backend
from tests.distribution.client import Client
from tests.images import image
from tests.postgres import PASSWORD, Postgres, needs_postgres, unprivileged
from tests.server import free_port, running
from tests.waiting import PATIENCE

PGBOUNCER = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")

pytestmark = [
    needs_postgres,
    pytest.mark.skipif(PGBOUNCER is None, reason="PgBouncer is not installed"),
]

CONFIGURATION = """
[databases]
* = host=127.0.0.1 port={server} user=postgres password={password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = session
default_pool_size = 60
logfile = {folder}/pgbouncer.log
"""


@pytest.fixture
def pool(postgres: Postgres) -> Iterator[int]:
    """The port of a pool before the server."""
    with tempfile.TemporaryDirectory(prefix="careen-pgbouncer-") as name:
        folder, port = Path(name), free_port()
        folder.chmod(0o777)
        configuration = folder / "pgbouncer.ini"
        configuration.write_text(
            CONFIGURATION.format(server=postgres.port, password=PASSWORD, port=port, folder=folder)
        )
        assert PGBOUNCER is not None
        process = subprocess.Popen(
            [*unprivileged(), PGBOUNCER, str(configuration)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _wait(process, port, folder / "pgbouncer.log")
            yield port
        finally:
            process.kill()  # whoever holds a session would be waited for
            process.wait(PATIENCE)


def _wait(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 60):
            return
    raise AssertionError(f"PgBouncer did not start:\n{log.read_text() if log.exists() else ''}")


def test_a_registry_behind_a_pool(postgres: Postgres, pool: int, tmp_path: Path) -> None:
    """From an empty database on: the tables are made, images pushed and pulled, jobs done, the node noted."""
    database = postgres.empty_database().replace(f":{postgres.port}/", f":{pool}/")
    data = tmp_path / "data"
    with running(data, **backend.current().settings(data) | {"database": database}) as server:
        client = Client(server)
        for number in range(8):  # psycopg prepares what was asked five times
            client.push("team/app", image(f"n{number}"), f"n{number}")
            assert client.send("GET", f"/v2/team/app/manifests/n{number}").status == 200
        deleted = server.boto().batch_delete_image(repositoryName="team/app", imageIds=[{"imageTag": "n0"}])
        assert deleted["failures"] == []
        assert client.send("GET", "/v2/team/app/manifests/n0").status == 404
    with postgres.connected(database.rpartition("/")[2]) as rows:
        assert rows.execute("SELECT count(*) FROM manifests").fetchall() == [(7,)]
