"""Pages of a long answer: ``maxResults`` and the opaque ``nextToken``.

A listing is sorted by a key that no two items share. A page's token is its last key, so the next page begins
after it whatever was added or deleted meanwhile: nothing shifts, nothing is told twice, no cursor is kept.

Tokens are bound to what they continue (operation, repository, filter: the *scope*), checked on return, and
read back as the key's own type; any other text is InvalidParameterException. They carry a checksum, not a
signature: a token names a position and grants nothing, every page is authorised like the first, so one
forged to skip ahead shows its maker only what asking would.
"""

import base64
import hashlib
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec

from careen.ecr.errors import InvalidParameter

T = TypeVar("T")
K = TypeVar("K")

Fetch = Callable[[K | None, int], Sequence[T]]
"""Given a key and a limit, the first ``limit`` items after that key, or from the start when it is None."""

DEFAULT_MAX_RESULTS = 100
"""The page of most of ECR's listings when the client names none."""

_CHECKSUM_SIZE = 8


@dataclass(frozen=True)  # no slots: they and Page[T](…) do not go together before Python 3.12
class Page(Generic[T]):
    """One page of a listing."""

    items: Sequence[T]
    next_token: str | None
    """Where to go on; None on the last page."""


@dataclass(frozen=True)
class Listing(Generic[K, T]):
    """How one listing is paged."""

    scope: str
    """What its tokens belong to: the operation and all that decides what it lists."""

    key_type: type[K]
    """What a key is: ``str``, ``int``, a tuple of those."""

    key: Callable[[T], K]
    """An item's key, which the listing is sorted by."""

    def page(
        self, fetch: Fetch[K, T], *, next_token: str | None = None, max_results: int | None = None
    ) -> Page[T]:
        """One page.

        Args:
            fetch: reads items in the order of their keys.
            next_token: where the last page ended, as the client was told.
            max_results: the most items to answer with, already within the model's range.

        Raises:
            InvalidParameter: the token is not one of this listing's.
        """
        limit = max_results or DEFAULT_MAX_RESULTS
        last = None if next_token is None else self._read(next_token)
        items = fetch(last, limit + 1)  # one more than asked tells whether this page is the last
        if len(items) <= limit:
            return Page(items, None)
        items = items[:limit]
        return Page(items, self._write(self.key(items[-1])))

    def of(self, items: Sequence[T]) -> Fetch[K, T]:
        """A :data:`Fetch` over a sequence that is in memory, sorted by key."""
        key: Callable[[T], Any] = self.key

        def fetch(after: Any, limit: int) -> Sequence[T]:
            start = 0 if after is None else bisect_right(items, after, key=key)
            return items[start : start + limit]

        return fetch

    def _write(self, key: K) -> str:
        encoded = msgspec.json.encode(key)
        checksum = hashlib.sha256(self.scope.encode() + b"\0" + encoded).digest()[:_CHECKSUM_SIZE]
        return base64.urlsafe_b64encode(checksum + encoded).decode()

    def _read(self, token: str) -> K:
        try:
            encoded = base64.urlsafe_b64decode(token)[_CHECKSUM_SIZE:]
            key = msgspec.json.decode(encoded, type=self.key_type)
        except (ValueError, msgspec.DecodeError):
            raise InvalidParameter("nextToken", "Invalid token") from None
        # A token is this listing's if this listing would write it: checksum, scope and spelling in one
        # comparison.
        if not _storable(key) or self._write(key) != token:
            raise InvalidParameter("nextToken", "Invalid token")
        return key


def _storable(key: Any) -> bool:
    """Whether a database can compare with this key: a forged one must not fail further down."""
    match key:
        case int():
            return -(2**63) <= key < 2**63
        case str():
            return "\0" not in key
        case _:
            return all(map(_storable, key))
