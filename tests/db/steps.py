"""What the tests of both databases do to them."""

from collections.abc import Callable

from careen.db.engine import Connection, Database

INSERT = "INSERT INTO principals (kind, name, path, unique_id, created_at) VALUES ('user', :name, '/', 'AIDA-' || :name, 0)"


def add(rows: Connection, name: str) -> str:
    """Add a row that must be unique."""
    rows.execute(INSERT, {"name": name})
    return name


def adding(name: str) -> Callable[[Connection], str]:
    """The same as a piece of work."""
    return lambda rows: add(rows, name)


def names(database: Database) -> set[str]:
    """All rows."""
    with database.read() as rows:
        return {row[0] for row in rows.execute("SELECT name FROM principals")}
