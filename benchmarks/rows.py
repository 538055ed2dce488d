"""Rows by the hundred thousand, put where pushes would have put them."""

import sqlite3
from collections.abc import Iterator
from typing import Any


def insert(
    connection: sqlite3.Connection, table: str, rows: Iterator[dict[str, Any]], *, replace: bool = False
) -> None:
    """Insert rows that all have the columns of the first."""
    first = next(rows)
    insert = "INSERT OR REPLACE" if replace else "INSERT"
    values = ", ".join(f":{column}" for column in first)
    statement = f"{insert} INTO {table} ({', '.join(first)}) VALUES ({values})"
    connection.execute(statement, first)
    connection.executemany(statement, rows)
