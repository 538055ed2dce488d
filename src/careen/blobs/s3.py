"""Blobs in a bucket of Amazon S3, or of a server that speaks its API.

::

    <prefix>/blobs/<generation>                              committed bytes, or those of an upload about to be
    <prefix>/blobs/<generation>.<algorithm>-<hex>            their name: an empty object, written before the row
    <prefix>/uploads/<repository id>/<upload id>             an upload: what is there, and who holds it
    <prefix>/uploads/<repository id>/<upload id>.<random>    its last bytes, fewer than make a part

An upload's bytes go into a multipart upload whose key is the upload's own id, and that id becomes the generation: the digest is
known only at the end, and nothing is ever copied to a key that says it. docs/adr/0014 argues for it.

The state of an upload is one small object. It is replaced only if it is still the one that was read (If-Match), so it is the
lock, too: whoever replaces a free one by one with a holder's token has the upload. A holder that says nothing for
:data:`LEASE_SECONDS` loses it to whoever asks next, and learns so at its next word. What can go wrong then is an upload that
has to be begun again, never a blob with other bytes than its digest says. All this holds between threads, processes and machines.

Parts of a multipart upload cannot be read back, so the digest of what came is kept in the state. Only an upload that grows in
another process than before is read once, after its parts were put together.
"""

import contextlib
import os
import re
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import msgspec
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, IncompleteReadError

from careen.blobs.store import Elsewhere, Pieces, Source, Stored, UploadBusy, UploadUnknown
from careen.oci import digest as digests

PART_BYTES = 8 * 1024 * 1024
"""Every part but the last has this size: S3 asks for 5 MiB, some of its kin for equal parts, and 10,000 make the largest layer."""

PARTS_ABROAD = 3
"""Parts of one upload that are on their way at once; the client waits before there are more."""

LEASE_SECONDS = 60.0
"""How long a holder may be silent."""

SEALED_SECONDS = 1800.0
"""How long bytes may lie put together without a name; the sweep deletes them after an hour."""

URL_SECONDS = 300
"""How long a client may take to follow a redirect."""

MAX_WARM_UPLOADS = 1024
"""Uploads whose hash is kept between requests."""

_PIECE_BYTES = 256 * 1024

_MAX_BROKEN = 3
"""So many times in a row a download may break without a byte, before it is given up."""

_LOST = {"PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"}
"""What S3 answers when the object is not the one that was read."""


class CannotUse(Exception):
    """The bucket cannot be used. The message says why."""


class Place(NamedTuple):
    """A bucket, and where in it."""

    bucket: str
    prefix: str
    """Empty, or with a slash at its end."""
    endpoint: str | None
    region: str | None
    encryption: str | None = None
    """What the bucket is asked to encrypt objects with; None: nothing is asked for."""
    storage_class: str | None = None
    """Amazon's name of the class of the objects; None: the bucket's own."""


def parse_place(url: str) -> Place:
    """Read ``s3://bucket/prefix?endpoint=https://…&region=…&sse=AES256&class=…``; without an endpoint it is Amazon's.

    Amazon is asked for AES256 in any case. Others are only if it says so: many refuse a request that asks for it.
    """
    parts = urlsplit(url)
    options = {name: values[0] for name, values in parse_qs(parts.query).items()}
    prefix, endpoint = parts.path.strip("/"), options.get("endpoint")
    return Place(
        parts.netloc,
        f"{prefix}/" if prefix else "",
        endpoint,
        options.get("region"),
        options.get("sse", "AES256" if endpoint is None else None),
        options.get("class"),
    )


class _State(msgspec.Struct, frozen=True):
    """An upload, as its object says."""

    multipart: str = ""
    """S3's id of the multipart upload; empty before the first part."""
    parts: tuple[str, ...] = ()
    """The parts' entity tags."""
    tail: str = ""
    """The random end of the key with the bytes after the last part; empty: there are none."""
    tail_size: int = 0
    sealed: int | None = None
    """The size of the object, if the parts were put together already."""
    sha256: str = ""
    """The digest of all bytes; empty: nobody knows."""
    holder: str = ""
    """The token of the request that holds the upload; empty: nobody does."""

    @property
    def offset(self) -> int:
        """Bytes taken in."""
        return len(self.parts) * PART_BYTES + self.tail_size if self.sealed is None else self.sealed


class S3Upload:
    """An upload that this request holds."""

    def __init__(
        self,
        store: "S3BlobStore",
        key: tuple[int, str],
        state: _State,
        etag: str,
        hasher: digests.Hasher | None,
    ) -> None:
        self._store = store
        self._key = key
        self._saved = state
        self._etag = etag
        self._saved_at = time.monotonic()
        self._hasher = digests.hasher() if state.offset == 0 else hasher
        self._multipart = state.multipart
        self._parts = list(state.parts)
        self._abroad: list[Future[str]] = []
        self._tail: bytearray | None = None
        """None: as the saved state has it, and not read yet."""
        self._sealed = state.sealed
        self._offset = state.offset
        self._broken = self._ended = False

    @property
    def offset(self) -> int:
        """Bytes taken in so far."""
        return self._offset

    @property
    def is_behind(self) -> bool:
        """Never: what others wrote is in the state that was read when the upload was taken."""
        return False

    def catch_up(self) -> None:
        """Nothing to do."""

    def write(self, pieces: Sequence[bytes]) -> None:
        """Append, hashing on the way; full parts leave by themselves.

        Raises:
            UploadBusy: another request took the upload over, because nothing was heard of this one for too long.
        """
        tail = self._open()
        for piece in pieces:
            if self._hasher is not None:
                self._hasher.update(piece)
            tail += piece
            self._offset += len(piece)
        while len(tail) >= PART_BYTES:
            self._send(bytes(tail[:PART_BYTES]))
            del tail[:PART_BYTES]
        if time.monotonic() - self._saved_at > LEASE_SECONDS / 3:
            self._renew()

    def flush(self) -> None:
        """Nothing to do: parts leave as soon as they are full."""

    def digest(self, algorithm: str) -> str:
        """The digest of all bytes so far. If another process took in a part of them, they are read once."""
        if algorithm == "sha256" and (known := self._known_sha256()):
            return known
        hasher = digests.hasher(algorithm)
        for piece in self._all():
            hasher.update(piece)
        if algorithm == "sha256":
            self._hasher = hasher
        return f"{algorithm}:{hasher.hexdigest()}"

    def content(self) -> bytes:
        """All bytes so far."""
        return b"".join(self._all())

    def commit(self, digest: str) -> str:
        """Make the bytes durable under ``digest`` and end the upload. Returns the generation.

        Raises:
            UploadUnknown: they were put together so long ago that the sweep may be deleting them.
            UploadBusy: another request took the upload over.
        """
        generation = self._key[1]
        if self._saved.sealed is not None and not self._store.is_young(generation):
            self.abort()
            raise UploadUnknown
        self._seal()
        self._store.name(digest, generation)
        self._forget_state()
        return generation

    def release(self) -> None:
        """Let other requests have the upload. Nothing happens if it has ended."""
        if self._ended:
            return
        with contextlib.suppress(BotoCoreError, ClientError, UploadUnknown):  # then less is there
            self._await_parts(0)
        try:
            self._save(self._progress())
        except UploadBusy:  # another has it: nothing to let go of
            return
        finally:
            self._ended = True
        if self._hasher is not None and not self._broken:
            self._store.keep_warm(self._key, self._etag, self._hasher)

    def abort(self) -> None:
        """End the upload and forget its bytes. Nothing happens if it has ended."""
        if self._ended:
            return
        with contextlib.suppress(BotoCoreError, ClientError, UploadUnknown):
            self._await_parts(0)
        if self._multipart:
            self._store.abort_multipart(self._key[1], self._multipart)
        # An object that was put together stays for the sweep: only that knows for sure that no row names it.
        self._forget_state()

    def _open(self) -> bytearray:
        """Make ready to append, and return the bytes after the last part."""
        if self._broken:
            raise UploadBusy
        if self._sealed is not None:
            self._reopen(self._sealed)
        tail = self._load_tail()
        if self._hasher is None and not self._parts and not self._abroad:
            self._hasher = digests.hasher()
            self._hasher.update(tail)
        return tail

    def _load_tail(self) -> bytearray:
        if self._tail is None:
            saved = self._saved
            key = self._store.tail_key(self._key, saved.tail)
            self._tail = bytearray(self._store.get(key) if saved.tail else b"")
        return self._tail

    def _send(self, part: bytes) -> None:
        """Let a part leave; wait while too many are on their way."""
        if not self._multipart:
            self._multipart = self._store.begin_multipart(self._key[1])
            self._renew()  # so that whoever aborts the upload knows of it
        number = len(self._parts) + len(self._abroad) + 1
        self._abroad.append(self._store.send(self._key[1], self._multipart, number, part))
        self._await_parts(PARTS_ABROAD)

    def _await_parts(self, most: int) -> None:
        """Wait until at most so many parts are on their way."""
        while len(self._abroad) > most:
            try:
                self._parts.append(self._abroad[0].result())
            except (BotoCoreError, ClientError, UploadUnknown):
                self._broken = True  # what follows the part that is missing is lost
                for other in self._abroad:
                    other.exception()
                self._abroad.clear()
                raise
            self._abroad.pop(0)

    def _progress(self) -> _State:
        """What is safe, without a holder; the last bytes are stored if they are not yet."""
        if self._broken:
            return self._safe()
        sha256 = self._known_sha256()
        if self._offset == self._saved.offset and self._sealed == self._saved.sealed:
            return msgspec.structs.replace(self._saved, sha256=sha256, holder="")
        tail, name = self._tail or b"", ""
        if tail and self._sealed is None:
            name = secrets.token_hex(8)
            self._store.put(self._store.tail_key(self._key, name), bytes(tail))
        return _State(
            multipart=self._multipart,
            parts=tuple(self._parts),
            tail=name,
            tail_size=len(tail),
            sealed=self._sealed,
            sha256=sha256,
        )

    def _known_sha256(self) -> str:
        if self._hasher is not None:
            return f"sha256:{self._hasher.hexdigest()}"
        return self._saved.sha256 if self._offset == self._saved.offset else ""

    def _safe(self) -> _State:
        """What would be there if this process ended now, without a holder: whole parts, or what was saved last."""
        while self._abroad and self._abroad[0].done() and self._abroad[0].exception() is None:
            self._parts.append(self._abroad.pop(0).result())
        saved = msgspec.structs.replace(self._saved, multipart=self._multipart, holder="")
        if len(self._parts) == len(saved.parts):
            return saved
        return _State(multipart=self._multipart, parts=tuple(self._parts))

    def _renew(self) -> None:
        """Tell that we are still there, and how far we are."""
        self._save(msgspec.structs.replace(self._safe(), holder=self._saved.holder))

    def _save(self, state: _State) -> None:
        """Replace the state.

        Raises:
            UploadBusy: it is not ours any more.
        """
        try:
            self._etag = self._store.replace_state(self._key, state, self._etag)
        except UploadBusy:
            self._broken = self._ended = True
            raise
        old, self._saved, self._saved_at = self._saved, state, time.monotonic()
        if old.tail and old.tail != state.tail:
            self._store.remove(self._store.tail_key(self._key, old.tail))

    def _seal(self) -> None:
        """Put all bytes together into one object."""
        if self._sealed is not None:
            return
        tail = self._load_tail()
        self._await_parts(0)
        generation = self._key[1]
        if self._parts:
            parts = list(self._parts)
            if tail:
                parts.append(
                    self._store.send(generation, self._multipart, len(parts) + 1, bytes(tail)).result()
                )
            self._store.complete_multipart(generation, self._multipart, parts)
        else:
            self._store.put_blob(generation, bytes(tail))
        self._sealed, self._multipart, self._parts, self._tail = self._offset, "", [], bytearray()
        self._save(_State(sealed=self._offset, holder=self._saved.holder))

    def _reopen(self, size: int) -> None:
        """Make a multipart upload of an object again: a digest did not match, and the client goes on."""
        generation = self._key[1]
        whole = size // PART_BYTES
        self._tail = bytearray(
            b"".join(
                self._store.read(self._store.data_key(generation), whole * PART_BYTES, size % PART_BYTES)
            )
        )
        self._sealed = None
        if whole:
            self._multipart = self._store.begin_multipart(generation)
            self._parts = [self._store.copy_part(generation, self._multipart, each) for each in range(whole)]
        state = self._progress()
        self._save(msgspec.structs.replace(state, holder=self._saved.holder))

    def _all(self) -> Iterator[bytes]:
        if self._sealed is None and not self._parts and not self._abroad:
            yield bytes(self._load_tail())
            return
        self._seal()
        try:
            yield from self._store.read(self._store.data_key(self._key[1]), 0, self._offset)
        except FileNotFoundError:  # the sweep took them for nobody's
            self.abort()
            raise UploadUnknown from None

    def _forget_state(self) -> None:
        self._ended = True
        if self._saved.tail:
            self._store.remove(self._store.tail_key(self._key, self._saved.tail))
        self._store.remove(self._store.state_key(self._key))


class S3BlobStore:
    """Blobs at a place. Any thread may use it.

    Args:
        place: the bucket and where in it. Credentials are found as botocore finds them.
        redirect: whether clients are sent to S3 for the bytes, or get them from here.
    """

    is_remote = True

    def __init__(self, place: Place, *, redirect: bool) -> None:
        # They take a third of a second to load, which a registry with a data folder need not wait for.
        import botocore.session  # noqa: PLC0415
        from botocore.config import Config  # noqa: PLC0415

        self._bucket = place.bucket
        self._prefix = place.prefix
        self._redirect = redirect
        self._encrypted = {"ServerSideEncryption": place.encryption} if place.encryption else {}
        """What is asked for with every object."""
        self._as_blob = self._encrypted | (
            {"StorageClass": place.storage_class} if place.storage_class else {}
        )
        """And with those that stay: in some classes one that goes soon is paid for all the same."""
        session = botocore.session.get_session()
        self._client: Any = session.create_client(
            "s3",
            endpoint_url=place.endpoint,
            region_name=place.region,
            config=Config(
                signature_version="s3v4",
                # Servers that are not Amazon's have no names for buckets, and know no checksums beyond the signature.
                s3={"addressing_style": "path" if place.endpoint else "auto"},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                retries={"mode": "standard", "total_max_attempts": 4},
                max_pool_connections=64,
                connect_timeout=10,
                read_timeout=60,
            ),
        )
        self._senders = ThreadPoolExecutor(16, "careen-s3")
        self._warm: OrderedDict[tuple[int, str], tuple[str, digests.Hasher]] = OrderedDict()
        self._warming = threading.Lock()

    def check(self) -> None:
        """See that the bucket is there, takes objects, and refuses to replace one that is not as we think.

        Raises:
            CannotUse: it is not so.
        """
        key = f"{self._prefix}check-{secrets.token_hex(8)}"
        try:
            put = self._client.put_object(
                Bucket=self._bucket, Key=key, Body=b"", IfNoneMatch="*", **self._encrypted
            )
            if not self._encrypted.items() <= put.items():
                self.remove(key)
                raise CannotUse(f"bucket {self._bucket} does not encrypt with AES256, as it was asked to")
            try:
                self._client.put_object(Bucket=self._bucket, Key=key, Body=b"x", IfMatch='"another"')
            except ClientError as error:
                if _code(error) not in _LOST:
                    raise
            else:
                raise CannotUse(
                    f"the server of bucket {self._bucket} ignores If-Match: uploads could not be locked"
                )
            finally:
                self.remove(key)
        except (BotoCoreError, ClientError) as error:
            raise CannotUse(f"bucket {self._bucket} cannot be used: {error}") from None

    def is_far(self, generation: str) -> bool:  # noqa: ARG002 whichever it is
        """Always."""
        return True

    def knock(self) -> None:
        """Ask for an object that is not there. A GET tells whether the object or the bucket is missing; a HEAD does not."""
        try:
            self.get(f"{self._prefix}knock")
        except ClientError as error:
            if _code(error) != "NoSuchKey":
                raise

    def create_upload(self, repository_id: int, upload_id: str) -> None:
        """Begin an empty upload."""
        self.put(self.state_key((repository_id, upload_id)), msgspec.json.encode(_State()))

    def hold_upload(self, repository_id: int, upload_id: str) -> S3Upload:
        """Take an upload for this request; see :class:`careen.blobs.store.BlobStore`."""
        key = (repository_id, upload_id)
        try:
            found = self._client.get_object(Bucket=self._bucket, Key=self.state_key(key))
            state = msgspec.json.decode(found["Body"].read(), type=_State)
        except ClientError as error:
            raise (UploadUnknown if _is_missing(error) else error) from None
        if state.holder and _age(found["LastModified"], found) < LEASE_SECONDS:
            raise UploadBusy
        with self._warming:
            etag, hasher = self._warm.pop(key, ("", None))
        held = msgspec.structs.replace(state, holder=secrets.token_hex(8))
        return S3Upload(
            self,
            key,
            held,
            self.replace_state(key, held, found["ETag"]),
            hasher if etag == found["ETag"] else None,
        )

    def open(self, digest: str, generation: str, *, by_front: bool = False) -> Source:  # noqa: ARG002 nginx does not speak S3
        """Where to read the bytes from; see :class:`careen.blobs.store.BlobStore`."""
        key = self.data_key(generation)
        if not self._redirect:
            return Pieces(lambda start, count: self.read(key, start, count))
        return Elsewhere(
            self._client.generate_presigned_url(
                "get_object",
                {"Bucket": self._bucket, "Key": key, "ResponseContentType": "application/octet-stream"},
                URL_SECONDS,
            )
        )

    def delete(self, digest: str, generation: str) -> None:
        """Delete one generation, and then its name: what is left of a crash is found by the sweep."""
        self.remove(self.data_key(generation))
        if digest:
            self.remove(self._name_key(digest, generation))

    def pieces(
        self,
        digest: str,  # noqa: ARG002 the key is the generation
        generation: str,
        size: int,
        offset: int = 0,
    ) -> Generator[bytes, None, None]:
        """One generation, piece by piece; see :class:`careen.blobs.store.BlobStore`."""
        return self.read(self.data_key(generation), offset, min(size, self._size(generation) - offset))

    def quarantine(self, digest: str, generation: str) -> None:
        """Nothing: no row leads to it, and the rows that name it as damaged keep the sweep from it."""

    def quarantine_content(self, name: str, content: bytes) -> None:
        """Keep bytes aside that were a row."""
        self.put(f"{self._prefix}quarantine/{name.replace(':', '-')}", content)

    def copy_out(self, digest: str, generation: str, target: Path) -> None:
        """Put a durable copy at ``target``."""
        draft = target.with_name(f"{target.name}.part")
        with draft.open("wb") as file:
            file.writelines(self.pieces(digest, generation, self._size(generation)))
            file.flush()
            os.fsync(file.fileno())
        draft.rename(target)

    def copy_in(self, source: Path, digest: str, generation: str) -> None:
        """Take in what :meth:`copy_out` made."""
        size = source.stat().st_size
        with contextlib.suppress(FileNotFoundError):
            if self._size(generation) == size:
                return
        with source.open("rb") as file:
            if size <= PART_BYTES:
                self.put_blob(generation, file.read())
            else:
                multipart = self.begin_multipart(generation)
                parts = iter(lambda: file.read(PART_BYTES), b"")
                etags = [self._upload_part(generation, multipart, *each) for each in enumerate(parts, 1)]
                self.complete_multipart(generation, multipart, etags)
        self.name(digest, generation)

    def size(self, digest: str, generation: str) -> int | None:  # noqa: ARG002 the key is the generation
        """The size of one generation, or None if it is gone."""
        try:
            return self._size(generation)
        except FileNotFoundError:
            return None

    def _size(self, generation: str) -> int:
        try:
            found = self._client.head_object(Bucket=self._bucket, Key=self.data_key(generation))
        except ClientError as error:
            if _is_missing(error):
                raise FileNotFoundError(generation) from None
            raise
        return int(found["ContentLength"])

    def stored(self) -> Iterator[Stored]:
        """Every generation there is. One that nobody has named yet has no digest, a name without bytes no size."""
        unnamed: Stored | None = None
        for key, size, age in self._list("blobs/"):
            generation, _, name = key.rpartition("/")[2].partition(".")
            if unnamed is not None and unnamed.generation != generation:
                yield unnamed
                unnamed = None
            if not name:
                unnamed = Stored("", generation, size, age)
                continue
            # A name follows its bytes in the list.
            digest = name.replace("-", ":", 1)
            there = unnamed or Stored(digest, generation, 0, age)
            unnamed = None
            yield there._replace(digest=digest, age=min(there.age, age))
        if unnamed is not None:
            yield unnamed

    def uploads(self) -> Iterator[tuple[int, str, int, float]]:
        """Every open upload: repository id, upload id, bytes, seconds since it was last heard of."""
        for (repository_id, upload_id), state, age in self._states():
            yield repository_id, upload_id, state.offset, age

    def claim(self, owner: str) -> str:
        """Say that this place is ``owner``'s, unless it is somebody's; in the object ``owner``."""
        key = f"{self._prefix}owner"
        try:
            self._client.put_object(
                Bucket=self._bucket, Key=key, Body=owner.encode(), IfNoneMatch="*", **self._encrypted
            )
        except ClientError as error:
            if _code(error) not in _LOST:
                raise
        return self.get(key).decode()

    def abandon_strays(self, age: float) -> int:
        """Abort multipart uploads and delete last bytes that no upload names, left by a crash, if they are older than ``age``."""
        multiparts = {state.multipart for _, state, _ in self._states()}
        strays = 0
        for page in self._pages("list_multipart_uploads", "Uploads", f"{self._prefix}blobs/"):
            for entry, now in page:
                old = (now - entry["Initiated"]).total_seconds() > age
                if old and entry["UploadId"] not in multiparts:
                    self.abort_multipart(entry["Key"].rpartition("/")[2], entry["UploadId"])
                    strays += 1
        tails = {self.tail_key(key, state.tail) for key, state, _ in self._states() if state.tail}
        for key, _, old in self._list("uploads/"):
            if "." in key.rpartition("/")[2] and old > age and key not in tails:
                self.remove(key)
                strays += 1
        return strays

    # What uploads are made of.

    def data_key(self, generation: str) -> str:
        """Where bytes lie."""
        return f"{self._prefix}blobs/{generation}"

    def _name_key(self, digest: str, generation: str) -> str:
        return f"{self.data_key(generation)}.{digest.replace(':', '-')}"

    def state_key(self, upload: tuple[int, str]) -> str:
        """Where an upload's state lies."""
        return f"{self._prefix}uploads/{upload[0]}/{upload[1]}"

    def tail_key(self, upload: tuple[int, str], name: str) -> str:
        """Where its last bytes lie."""
        return f"{self.state_key(upload)}.{name}"

    def put(self, key: str, data: bytes) -> None:
        """Write an object."""
        self._client.put_object(Bucket=self._bucket, Key=key, Body=data, **self._encrypted)

    def put_blob(self, generation: str, data: bytes) -> None:
        """Write the bytes of a blob at once."""
        key = self.data_key(generation)
        self._client.put_object(Bucket=self._bucket, Key=key, Body=data, **self._as_blob)

    def get(self, key: str) -> bytes:
        """Read a small object."""
        return bytes(self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read())

    def remove(self, key: str) -> None:
        """Delete an object, if it is there."""
        self._client.delete_object(Bucket=self._bucket, Key=key)

    def name(self, digest: str, generation: str) -> None:
        """Say what bytes are."""
        self.put(self._name_key(digest, generation), b"")

    def replace_state(self, upload: tuple[int, str], state: _State, etag: str) -> str:
        """Replace an upload's state if it still has that entity tag. Returns the new one.

        Raises:
            UploadBusy: it is another by now, or gone.
        """
        key, data = self.state_key(upload), msgspec.json.encode(state)
        try:
            put = self._client.put_object(
                Bucket=self._bucket, Key=key, Body=data, IfMatch=etag, **self._encrypted
            )
            return str(put["ETag"])
        except ClientError as error:
            if _code(error) not in _LOST:
                raise
        # The answer to our own first try may have been lost, and the second met what the first had written.
        with contextlib.suppress(ClientError):
            found = self._client.get_object(Bucket=self._bucket, Key=key)
            if state.holder and found["Body"].read() == data:
                return str(found["ETag"])
        raise UploadBusy

    def is_young(self, generation: str) -> bool:
        """Whether bytes are there, and so new that the sweep leaves them alone for a good while."""
        try:
            found = self._client.head_object(Bucket=self._bucket, Key=self.data_key(generation))
        except ClientError as error:
            if _is_missing(error):
                return False
            raise
        return _age(found["LastModified"], found) < SEALED_SECONDS

    def begin_multipart(self, generation: str) -> str:
        """Begin a multipart upload. Returns S3's id of it."""
        begun = self._client.create_multipart_upload(
            Bucket=self._bucket, Key=self.data_key(generation), **self._as_blob
        )
        return str(begun["UploadId"])

    def send(self, generation: str, multipart: str, number: int, part: bytes) -> "Future[str]":
        """Upload a part in a thread. Returns its entity tag to come."""
        return self._senders.submit(self._upload_part, generation, multipart, number, part)

    def _upload_part(self, generation: str, multipart: str, number: int, part: bytes) -> str:
        with _multipart_is_there():
            sent = self._client.upload_part(
                Bucket=self._bucket,
                Key=self.data_key(generation),
                UploadId=multipart,
                PartNumber=number,
                Body=part,
            )
        return str(sent["ETag"])

    def copy_part(self, generation: str, multipart: str, index: int) -> str:
        """Make a part of a range of the object itself. Returns its entity tag."""
        key, first = self.data_key(generation), index * PART_BYTES
        copied = self._client.upload_part_copy(
            Bucket=self._bucket,
            Key=key,
            UploadId=multipart,
            PartNumber=index + 1,
            CopySource={"Bucket": self._bucket, "Key": key},
            CopySourceRange=f"bytes={first}-{first + PART_BYTES - 1}",
        )
        return str(copied["CopyPartResult"]["ETag"])

    def complete_multipart(self, generation: str, multipart: str, etags: Sequence[str]) -> None:
        """Put the parts together.

        Raises:
            UploadUnknown: there is no such multipart upload any more, or a part is another.
        """
        parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
        with _multipart_is_there():
            self._client.complete_multipart_upload(
                Bucket=self._bucket,
                Key=self.data_key(generation),
                UploadId=multipart,
                MultipartUpload={"Parts": parts},
            )

    def abort_multipart(self, generation: str, multipart: str) -> None:
        """Forget the parts, if there is such an upload."""
        try:
            self._client.abort_multipart_upload(
                Bucket=self._bucket, Key=self.data_key(generation), UploadId=multipart
            )
        except ClientError as error:
            if not _is_missing(error):
                raise

    def read(self, key: str, start: int, count: int) -> Generator[bytes, None, None]:
        """``count`` bytes of an object, beginning at ``start``. A connection that breaks is taken up where it broke.

        Raises:
            FileNotFoundError: it is not there.
        """
        end, broken = start + count, 0
        while start < end:
            try:
                found = self._client.get_object(
                    Bucket=self._bucket, Key=key, Range=f"bytes={start}-{end - 1}"
                )
                with contextlib.closing(found["Body"]) as body:
                    while piece := body.read(_PIECE_BYTES):
                        start, broken = start + len(piece), 0
                        yield piece
            except ClientError as error:
                if _is_missing(error):
                    raise FileNotFoundError(key) from None
                raise
            except (HTTPClientError, IncompleteReadError):
                broken += 1
                if broken > _MAX_BROKEN:
                    raise

    def keep_warm(self, upload: tuple[int, str], etag: str, hasher: digests.Hasher) -> None:
        """Keep a hash for the next request that meets this process, as long as the state is the same."""
        with self._warming:
            self._warm[upload] = (etag, hasher)
            while len(self._warm) > MAX_WARM_UPLOADS:
                self._warm.popitem(last=False)

    def _states(self) -> Iterator[tuple[tuple[int, str], _State, float]]:
        for key, _, age in self._list("uploads/"):
            repository_id, upload_id = key.rsplit("/", 2)[1:]
            if "." in upload_id:
                continue
            with contextlib.suppress(ClientError):  # it ended while we look
                state = msgspec.json.decode(self.get(key), type=_State)
                yield (int(repository_id), upload_id), state, age

    def _list(self, below: str) -> Iterator[tuple[str, int, float]]:
        """Every object with that beginning, in the order of the keys: key, bytes, seconds since it was written."""
        for page in self._pages("list_objects_v2", "Contents", f"{self._prefix}{below}"):
            for entry, now in page:
                yield entry["Key"], entry["Size"], max(0.0, (now - entry["LastModified"]).total_seconds())

    def _pages(
        self, operation: str, member: str, prefix: str
    ) -> Iterator[list[tuple[dict[str, Any], datetime]]]:
        """Pages of a listing, each entry with the present by the server's clock."""
        for page in self._client.get_paginator(operation).paginate(Bucket=self._bucket, Prefix=prefix):
            now = _now(page)
            yield [(entry, now) for entry in page.get(member, [])]


@contextlib.contextmanager
def _multipart_is_there() -> Iterator[None]:
    """A crash right after the parts were put together, or a holder that was too slow: the client begins again."""
    try:
        yield
    except ClientError as error:
        if _code(error) in {"NoSuchUpload", "InvalidPart"}:
            raise UploadUnknown from None
        raise


def _now(answer: dict[str, Any]) -> datetime:
    return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])


def _age(written: datetime, answer: dict[str, Any]) -> float:
    return (_now(answer) - written).total_seconds()


def _code(error: ClientError) -> str:
    return str(error.response["Error"]["Code"])


def _is_missing(error: ClientError) -> bool:
    return re.fullmatch("NoSuchKey|NoSuchUpload|404", _code(error)) is not None
