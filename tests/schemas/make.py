"""Make the data folder of a released schema: ``python -m tests.schemas.make 0003 COMMIT``. README.md says when.

The version at that commit is unpacked, installed with the dependencies it had, and served; what ``contents.py`` names is pushed to
it over HTTP, a key is made and a policy is put. Then it is stopped, and its folder is packed. What it makes of an empty database on
PostgreSQL is kept as statements.
"""

import argparse
import contextlib
import json
import lzma
import os
import sqlite3
import subprocess
import tarfile
import tempfile
from pathlib import Path

from careen.db import schema
from release.packages import extract
from release.uv import ROOT, program
from tests import postgres
from tests.distribution.client import Client
from tests.schemas.contents import APP, KEEP_ONE, LEFTOVER, POLICY, PUSHED
from tests.server import Server
from tests.waiting import until

HERE = Path(__file__).parent
MAX_BYTES = 50_000
"""A fixture that is larger does not belong into the tree."""


def install(commit: str, folder: Path, *extras: str) -> Path:
    """Unpack a version and install it with its own lock file. Returns its Python."""
    folder.mkdir()
    archive = folder.with_suffix(".tar")
    subprocess.run(["git", "archive", "-o", archive, commit], cwd=ROOT, check=True)
    extract(archive, folder)
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    subprocess.run(
        [program(), "sync", "--quiet", "--frozen", "--no-default-groups", *extras],
        cwd=folder, env=environment, check=True,
    )  # fmt: skip
    return folder / ".venv" / "bin" / "python"


def fill(server: Server, python: Path) -> dict[str, str]:
    """Serve with that version and push everything. Returns the key it made: ``accessKeyId`` and ``secretAccessKey``."""
    environment = server.environment()
    serving = subprocess.Popen([python, "-m", "careen", "serve"], env=environment, cwd=python.parent)
    try:
        until(server._answers, "the old version does not answer")
        client = Client(server)
        for repository, built, tag in PUSHED:
            client.push(repository, built, tag)
        assert client.send("GET", f"/v2/{APP}/manifests/1.0").status == 200  # a pull, to be remembered
        client.push_blob(APP, LEFTOVER)
        server.boto().put_lifecycle_policy(repositoryName=POLICY, lifecyclePolicyText=KEEP_ONE)
        made = subprocess.run(
            [python, "-m", "careen", "key", "create", "ci", "--policy", "PowerUser", "--json"],
            env=environment, cwd=python.parent, capture_output=True, text=True, check=True,
        )  # fmt: skip
    finally:
        serving.terminate()
        serving.wait(60)
    key: dict[str, str] = json.loads(made.stdout)
    return {name: key[name] for name in ("accessKeyId", "secretAccessKey")}


def pack(data: Path, revision: str, key: dict[str, str]) -> None:
    """Pack a data folder that nobody has open, with its key beside it."""
    database = data / "careen.db"
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert schema.current(database) == revision, "the commit has another schema"
    (data / "key.json").write_text(json.dumps(key))
    packed = HERE / f"{revision}.tar.xz"
    with tarfile.open(packed, "w:xz", preset=9) as archive:
        for path in sorted(data.rglob("*")):
            if path.is_file() and path.name not in {"careen.db-wal", "careen.db-shm"}:
                archive.add(path, path.relative_to(data), recursive=False, filter=_anonymous)
    assert packed.stat().st_size < MAX_BYTES


def dump(python: Path, revision: str) -> None:
    """Keep the tables that a version makes on PostgreSQL, as statements."""
    program = "import sys; from careen.db import schema; schema.migrate(sys.argv[1])"
    with postgres.running() as server:
        url = server.empty_database()
        subprocess.run([python, "-c", program, url], cwd=python.parent, check=True)
        assert schema.current(url) == revision, "the commit has another schema"
        assert postgres.PROGRAMS is not None
        made = subprocess.run(
            [postgres.PROGRAMS / "pg_dump", "--inserts", "--no-owner", "--no-privileges", url],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    # What begins with a backslash is for psql.
    statements = "".join(line for line in made.stdout.splitlines(keepends=True) if not line.startswith("\\"))
    packed = HERE / f"{revision}.postgresql.sql.xz"
    packed.write_bytes(lzma.compress(statements.encode(), preset=9))
    assert packed.stat().st_size < MAX_BYTES


def _anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """Without the name of whoever made it."""
    return entry.replace(uid=0, gid=0, uname="", gname="", deep=False)


def main() -> None:
    """Make one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("revision", help="the schema's, such as 0003")
    parser.add_argument("commit", help="the last one that had it")
    parser.add_argument("--postgresql", action="store_true", help="only its tables on PostgreSQL")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        python = install(given.commit, Path(folder) / "version", "--extra", "postgres")
        server = Server(Path(folder) / "data", lifecycle_interval=86_400)
        if not given.postgresql:
            pack(server.data, given.revision, fill(server, python))
        dump(python, given.revision)


if __name__ == "__main__":
    main()
