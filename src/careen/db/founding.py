"""What a registry agrees on once, however many nodes start at the same moment: its key, who it is, and where its blobs are.

In a data folder the files ``master.key`` and ``owner`` say so. Nodes that share a database have it in rows, so that the two
settings that lead to rows and blobs are all they need; whoever would rather not have the key there gives it to every node in a
file.
"""

from collections.abc import Mapping

from careen.db import rules
from careen.db.engine import Connection
from careen.faults import Point, reach
from careen.iam import keys

OWNER = "owner"
"""Who the registry is, to those who keep its blobs."""

HOME = "home-blobs"
ARCHIVE = "home-archive"
"""What the homes of its blobs say of themselves."""

_KEY = "master-key"
_FINGERPRINT = "master-key-fingerprint"


class WrongKey(Exception):
    """A master key is not the one that the registry began with."""


class NoKey(Exception):
    """The registry's master key is not in its database, and nobody brought it."""


def known(rows: Connection, kind: str) -> str | None:
    """What was agreed on; None: nothing yet."""
    return rules.registry_document(rows, kind)


def agree(rows: Connection, kind: str, proposed: str) -> str:
    """What was agreed on; ``proposed``, from now on, if nothing was."""
    agreed = known(rows, kind)
    if agreed is None:
        rules.put_registry_document(rows, kind, proposed)
        reach(Point.AGREED)
        return proposed
    return agreed


def known_key(rows: Connection, given: bytes | None) -> bytes | None:
    """The master key, as a file gives it or the database keeps it; None: the registry has not begun.

    Args:
        rows: of the database.
        given: what a file says; None: there is none.

    Raises:
        WrongKey: the registry began with another.
        NoKey: it began with a file's, and there is none.
    """
    fingerprint = known(rows, _FINGERPRINT)
    if fingerprint is None:
        return None
    kept = known(rows, _KEY)
    key = given or (None if kept is None else bytes.fromhex(kept))
    if key is None:
        raise NoKey
    if _fingerprint(key) != fingerprint:
        raise WrongKey
    return key


def keeps_key(rows: Connection) -> bool:
    """Whether the database has the master key, and not its fingerprint alone."""
    return known(rows, _KEY) is not None


def agree_on_key(rows: Connection, given: bytes | None) -> bytes:
    """The master key. The first who asks decides: one that nobody brings is made, and kept in the database.

    Raises:
        WrongKey, NoKey: as :func:`known_key`.
    """
    key = known_key(rows, given)
    if key is not None:
        return key
    key = given or keys.new_master_key()
    if given is None:
        rules.put_registry_document(rows, _KEY, key.hex())
    rules.put_registry_document(rows, _FINGERPRINT, _fingerprint(key))
    reach(Point.KEY_AGREED)
    return key


def bring_key(rows: Connection, *, key: bytes, keep: bool) -> None:
    """Let rows that came from elsewhere have the key that they began with.

    Args:
        rows: of the database that they came to.
        key: the registry's.
        keep: whether the database is to have it, or else its fingerprint only.
    """
    rules.put_registry_document(rows, _KEY, key.hex() if keep else None)
    rules.put_registry_document(rows, _FINGERPRINT, _fingerprint(key))


def bring_homes(rows: Connection, said: Mapping[str, str]) -> None:
    """Let rows that came from a data folder have who the registry is and where its blobs are, of which nothing said there holds.

    Args:
        rows: of the database that they came to.
        said: what :data:`OWNER`, :data:`HOME` and :data:`ARCHIVE` are, as far as somebody has said it.
    """
    for kind in (OWNER, HOME, ARCHIVE):
        rules.put_registry_document(rows, kind, said.get(kind))


def leave_homes(rows: Connection) -> None:
    """Forget who the registry is and where its blobs were: they were copied, and the copy is another registry."""
    for kind in (OWNER, HOME, ARCHIVE):
        rules.put_registry_document(rows, kind, None)


def _fingerprint(key: bytes) -> str:
    return keys.fingerprint(key, "master key")
