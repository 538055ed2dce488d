"""Account settings: those that were put."""

from careen.db.engine import Connection


def get(rows: Connection, name: str) -> str | None:
    """The value of a setting, or None if nobody has put one."""
    row = rows.execute("SELECT value FROM account_settings WHERE name = :name", {"name": name}).fetchone()
    return None if row is None else str(row[0])


def put(rows: Connection, name: str, value: str) -> None:
    """Set a value."""
    rows.execute(
        "INSERT INTO account_settings (name, value) VALUES (:name, :value)"
        " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        {"name": name, "value": value},
    )
