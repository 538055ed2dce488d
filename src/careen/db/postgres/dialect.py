"""What is told a PostgreSQL server, and what it says, in the words of ``careen.db``: SQLite's."""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import psycopg
from psycopg.adapt import AdaptersMap, Buffer, Dumper, Loader
from psycopg.pq import Format
from psycopg.types.numeric import Int8BinaryDumper, NumericBinaryLoader
from psycopg.types.string import StrDumper

Driver = psycopg.Connection[tuple[Any, ...]]
Parameters = Mapping[str, Any] | Sequence[Any]

_TOKEN = re.compile(
    r"/\*postgresql: (?P<ours>.*?) ?\*/|(?P<text>'(?:[^']|'')*')|(?P<cast>::)|(?<!\w):(?P<name>[a-z_]\w*)"
    r"|(?P<mark>\?)|(?P<percent>%)"
)


@cache
def translated(statement: str) -> bytes:
    """A statement of this package in psycopg's words. ``/*postgresql: … */`` is a comment for SQLite and text here."""
    return _TOKEN.sub(_translate, statement).encode()


def _translate(token: re.Match[str]) -> str:
    if token["ours"] is not None:
        return _TOKEN.sub(_translate, token["ours"])
    if token["name"]:
        return f"%({token['name']})s"
    return "%s" if token["mark"] else token[0].replace("%", "%%")


class _FlagDumper(Dumper):
    """Flags are integers in our tables, as in SQLite."""

    oid = Int8BinaryDumper.oid

    def dump(self, obj: Any) -> Buffer:
        return b"1" if obj else b"0"


class _FlagLoader(Loader):
    """What EXISTS says, as SQLite says it."""

    format = Format.BINARY

    def load(self, data: Buffer) -> int:
        return bytes(data)[0]


class _SumLoader(NumericBinaryLoader):
    """Sums of our columns are of integers."""

    def load(self, data: Buffer) -> Any:
        return int(super().load(data))


class _SoughtTextDumper(StrDumper):
    """Text that somebody asks for. PostgreSQL has no NUL (nor do we store one): what has one finds nothing, as in SQLite."""

    def dump(self, obj: str) -> Buffer | None:
        return super().dump(obj.replace("\0", "\uffff"))


def _adapters() -> AdaptersMap:
    adapters = AdaptersMap(psycopg.adapters)
    adapters.register_dumper(bool, _FlagDumper)
    adapters.register_dumper(int, Int8BinaryDumper)
    adapters.register_dumper(str, StrDumper)  # of a type that is known, so that `:name IS NULL` has one
    adapters.register_loader("bool", _FlagLoader)
    adapters.register_loader("numeric", _SumLoader)
    return adapters


ADAPTERS = _adapters()
"""How values travel."""

SEEKING = AdaptersMap(ADAPTERS)
"""For statements that only look for them."""
SEEKING.register_dumper(str, _SoughtTextDumper)


class Rows:
    """A connection in the words of ``careen.db``."""

    __slots__ = ("_driver",)

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    def execute(self, statement: str, parameters: Parameters = ()) -> "psycopg.Cursor[tuple[Any, ...]]":
        """Run one statement."""
        return self._driver.execute(translated(statement), parameters, binary=True)

    def executemany(
        self, statement: str, parameters: Iterable[Parameters]
    ) -> "psycopg.Cursor[tuple[Any, ...]]":
        """Run a statement many times, in one go."""
        cursor = self._driver.cursor()
        cursor.executemany(translated(statement), parameters)
        # psycopg ends a pipeline with a Flush, after which the server's idle_in_transaction_session_timeout does not run before the
        # next statement: a node that is lost here would hold its locks for ever.
        self._driver.execute(b"SELECT", prepare=False)
        return cursor
