"""What an error of a database's driver says about the database, whichever it is."""

import sqlite3
from enum import Enum, auto

from careen.db.engine import Away, OutcomeUnknown


class Failure(Enum):
    """Why a database does not do what it is asked for, though nothing is wrong with what it is asked for."""

    FULL = auto()
    DAMAGED = auto()
    """Its files are not what it wrote."""
    READ_ONLY = auto()
    BUSY = auto()
    """Others held what it needed for too long."""
    AWAY = auto()
    UNKNOWN = auto()
    """The connection was lost on a commit: it counts, or it does not."""


_BY_RESULT = {
    sqlite3.SQLITE_FULL: Failure.FULL,
    sqlite3.SQLITE_CORRUPT: Failure.DAMAGED,
    sqlite3.SQLITE_NOTADB: Failure.DAMAGED,
    sqlite3.SQLITE_READONLY: Failure.READ_ONLY,
    sqlite3.SQLITE_IOERR: Failure.READ_ONLY,
    sqlite3.SQLITE_CANTOPEN: Failure.READ_ONLY,
    sqlite3.SQLITE_BUSY: Failure.BUSY,
}

_BY_SQLSTATE = {
    "53100": Failure.FULL,  # disk_full
    "XX001": Failure.DAMAGED,  # data_corrupted
    "XX002": Failure.DAMAGED,  # index_corrupted
    "25006": Failure.READ_ONLY,  # read_only_sql_transaction: a standby, or a server that was told so
    "58030": Failure.READ_ONLY,  # io_error
    "40001": Failure.BUSY,  # serialization_failure, again and again
    "40P01": Failure.BUSY,  # deadlock_detected, again and again
    "55P03": Failure.BUSY,  # lock_not_available
    "25P03": Failure.AWAY,  # idle_in_transaction_session_timeout: it was this node that was away
    "25P04": Failure.AWAY,  # transaction_timeout
    "57014": Failure.BUSY,  # query_canceled: statement_timeout
}


def failure(error: BaseException) -> Failure | None:
    """What a driver's error says of the database; None if it is another error, or the statement's own fault.

    Sources: SQLite, "Result and Error Codes"; PostgreSQL, appendix A, "PostgreSQL Error Codes".
    """
    if isinstance(error, Away):
        return Failure.AWAY
    if isinstance(error, OutcomeUnknown):
        return Failure.UNKNOWN
    if isinstance(error, sqlite3.Error):
        return _BY_RESULT.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)  # the rest says where, not what
    # psycopg is imported only where there is a server, so its errors are known by what they have.
    if not hasattr(error, "sqlstate"):
        return None
    is_operational = any(each.__name__ == "OperationalError" for each in type(error).__mro__)
    return _BY_SQLSTATE.get(error.sqlstate or "", Failure.AWAY if is_operational else None)
