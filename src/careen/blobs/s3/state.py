"""The object that says how far an upload is, and is its lock."""

import contextlib
from collections.abc import Iterator

import msgspec

from careen.blobs.s3.bucket import Bucket, UploadKey
from careen.blobs.store import UploadBusy, UploadUnknown

PART_BYTES = 8 * 1024 * 1024
"""Every part but the last has this size: S3 asks for 5 MiB, some of its kin for equal parts, and 10,000 make the largest layer."""

LEASE_SECONDS = 15.0
"""How long a holder may be silent. Who asks for an upload whose holder died waits for as long, so it is short."""

RENEW_SECONDS = LEASE_SECONDS / 3
"""How often a holder speaks: twice its word may be lost or late."""


class State(msgspec.Struct, frozen=True):
    """An upload, as its object says."""

    multipart: str = ""
    """S3's id of the multipart upload; empty before the first part."""
    parts: tuple[str, ...] = ()
    """The parts' entity tags."""
    tail: str = ""
    """The random end of the key with the bytes after the last part; empty: there are none."""
    tail_size: int = 0
    generation: str = ""
    """The object that the parts are of, or that they were put together to; empty: none yet."""
    sealed: int | None = None
    """The size of the object, if the parts were put together already."""
    is_committed: bool = False
    """Whether the upload has ended, and the object is whoever's who wrote this."""
    sha256: str = ""
    """The digest of all bytes; empty: nobody knows."""
    told: int | None = None
    """How many bytes the client was told of; None: all of them."""
    holder: str = ""
    """The token of the request that holds the upload; empty: nobody does."""

    @property
    def offset(self) -> int:
        """Bytes taken in."""
        return len(self.parts) * PART_BYTES + self.tail_size if self.sealed is None else self.sealed


def create(bucket: Bucket, upload: UploadKey) -> None:
    """Begin an empty upload."""
    bucket.put(bucket.state_key(upload), msgspec.json.encode(State()))


def find_free(bucket: Bucket, upload: UploadKey) -> tuple[State, str, float]:
    """The state of an upload that nobody holds, its entity tag, and the seconds since it was last heard of.

    Raises:
        UploadUnknown: there is no such upload.
        UploadBusy: somebody holds it, and was heard of within :data:`LEASE_SECONDS`.
    """
    try:
        found = bucket.find(bucket.state_key(upload))
    except FileNotFoundError:
        raise UploadUnknown from None
    state = msgspec.json.decode(found.data, type=State)
    if state.is_committed:
        raise UploadUnknown
    if state.holder and found.age < LEASE_SECONDS:
        raise UploadBusy
    return state, found.etag, found.age


def replace(bucket: Bucket, upload: UploadKey, state: State, etag: str) -> str:
    """Replace an upload's state if it still has that entity tag. Returns the new one.

    Raises:
        UploadBusy: it is another by now, or gone.
    """
    key, data = bucket.state_key(upload), msgspec.json.encode(state)
    if (replaced := bucket.replace(key, data, etag)) is not None:
        return replaced
    # The answer to our own first try may have been lost, and the second met what the first had written.
    with contextlib.suppress(FileNotFoundError):
        found = bucket.find(key)
        if found.data == data:
            return found.etag
    raise UploadBusy


def ages(bucket: Bucket) -> dict[str, float]:
    """The seconds since each upload was last heard of, by its id."""
    found = ((key.rpartition("/")[2], old) for key, _, old in bucket.listed("uploads/"))
    return {upload_id: old for upload_id, old in found if "." not in upload_id}


def each(bucket: Bucket) -> Iterator[tuple[UploadKey, State, float]]:
    """Every upload there is, with the seconds since it was last heard of."""
    for key, _, old in bucket.listed("uploads/"):
        repository_id, upload_id = key.rsplit("/", 2)[1:]
        if "." in upload_id:
            continue
        with contextlib.suppress(FileNotFoundError):  # it ended while we look
            state = msgspec.json.decode(bucket.get(key), type=State)
            yield (int(repository_id), upload_id), state, old
