"""An upload on its way into the bucket: full parts leave as they come, the state says how far it is."""

import contextlib
import secrets
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future

import msgspec

from careen.blobs.s3 import state as states
from careen.blobs.s3.bucket import Bucket, UploadKey
from careen.blobs.s3.state import State
from careen.blobs.s3.warm import WarmHashes
from careen.blobs.store import BlobsUnavailable, UploadBusy, UploadUnknown
from careen.oci import digest as digests

SEALED_SECONDS = 1800.0
"""How long an upload may be silent whose bytes lie put together without a name; the sweep deletes them after an hour of silence."""

PARTS_ABROAD = 3
"""Parts of one upload that are on their way at once; the client waits before there are more."""


class S3Upload:
    """An upload that this request holds."""

    def __init__(
        self,
        bucket: Bucket,
        warm: WarmHashes,
        key: UploadKey,
        state: State,
        etag: str,
        hasher: digests.Hasher | None,
        idle: float,
    ) -> None:
        self._bucket = bucket
        self._warm = warm
        self._key = key
        self._saved = state
        self._etag = etag
        self._saved_at = self._said_at = time.monotonic()
        self._hasher = digests.hasher() if state.offset == 0 else hasher
        self._multipart = state.multipart
        self._parts = list(state.parts)
        self._abroad: list[Future[str]] = []
        self._tail: bytearray | None = None
        """None: as the saved state has it, and not read yet."""
        self._sealed = state.sealed
        self._idle = idle
        """Seconds from its last word to this request. The age of the bytes says nothing: see ``Bucket.listed``."""
        # An upload that was begun by an older version writes to its own id.
        self._generation = state.generation or (key[1] if state.multipart or state.sealed is not None else "")
        self._offset = state.offset
        self._told = state.offset if state.told is None else state.told
        self._saying = threading.Lock()
        """Of the state and its entity tag: a renewal is another thread's."""
        self._is_renewing = False
        self._broken = self._lost = self._ended = False

    @property
    def offset(self) -> int:
        """Bytes taken in so far."""
        return self._offset

    @property
    def told(self) -> int:
        """Bytes that the client was told of when an earlier request ended."""
        return self._told

    @property
    def is_stale(self) -> bool:
        """Whether its bytes were put together so long ago that the sweep may be deleting them."""
        return self._sealed is not None and self._idle >= SEALED_SECONDS

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
        while len(tail) >= states.PART_BYTES:
            self._send(bytes(tail[: states.PART_BYTES]))
            del tail[: states.PART_BYTES]
        if time.monotonic() - self._saved_at > states.RENEW_SECONDS:
            self._save_progress()

    def renew(self) -> None:
        """Say again what was said last, if that was long ago, in a thread of the bucket's. Returns at once."""
        if self._ended or self._is_renewing or time.monotonic() - self._said_at < states.RENEW_SECONDS:
            return
        self._is_renewing = True
        self._bucket.renew(self._say_again)

    def flush(self) -> None:
        """Nothing to do: parts leave as soon as they are full."""

    def digest(self, algorithm: str) -> str:
        """The digest of all bytes so far. If another process took in a part of them, they are read once."""
        if algorithm == "sha256" and (known := self._known_sha256()):
            return known
        return self._read_digest(algorithm)

    def content(self) -> bytes:
        """All bytes so far."""
        return b"".join(self._all())

    def commit(self, digest: str) -> str:
        """Make the bytes durable under ``digest`` and end the upload. Returns the generation.

        Raises:
            UploadUnknown: they are gone, or another holder's.
            UploadBusy: another request took the upload over.
        """
        if self._saved.sealed is not None and not self._is_whole():
            self.abort()
            raise UploadUnknown
        if not self._seal(digest) and self._read_digest(digests.algorithm(digest)) != digest:
            self.abort()
            raise UploadUnknown
        generation = self._generation
        # Whoever writes this has the object alone: nobody took the upload over, and from here on nobody can.
        holder = self._saved.holder
        end = State(generation=generation, sealed=self._offset, is_committed=True, holder=holder)
        self._save(end, is_last=True)
        self._forget_state()
        return generation

    def release(self, *, is_told: bool = True) -> None:
        """Let other requests have the upload. Nothing happens if it has ended.

        Args:
            is_told: whether the client is told how much is there.

        Raises:
            UploadBusy: another request took the upload over.
            careen.blobs.store.BlobsUnavailable: not all of what was taken in is there.
        """
        if self._ended:
            return
        try:
            self._await_parts(0)
        finally:
            try:
                progress = self._progress()
                told = msgspec.structs.replace(progress, told=None)
                self._save(told if is_told else progress, is_last=True)
            finally:
                self._ended = True
        if self._hasher is not None and not self._broken:
            self._warm.keep(self._key, self._etag, self._hasher)

    def abort(self) -> None:
        """End the upload and forget its bytes. Nothing happens if it has ended."""
        if self._ended or self._lost:
            return
        with self._saying:
            self._ended = True
        with contextlib.suppress(BlobsUnavailable, UploadUnknown):
            self._await_parts(0)
        if self._multipart:
            with contextlib.suppress(BlobsUnavailable):
                self._bucket.abort_multipart(self._generation, self._multipart)
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
            key = self._bucket.tail_key(self._key, saved.tail)
            self._tail = bytearray(self._bucket.get(key) if saved.tail else b"")
        return self._tail

    def _send(self, part: bytes) -> None:
        """Let a part leave; wait while too many are on their way."""
        if not self._multipart:
            self._generation = self._draw()
            self._multipart = self._bucket.begin_multipart(self._generation)
            self._save_progress()  # so that whoever aborts the upload knows of it
        number = len(self._parts) + len(self._abroad) + 1
        self._abroad.append(self._bucket.send(self._generation, self._multipart, number, part))
        self._await_parts(PARTS_ABROAD)

    def _await_parts(self, most: int) -> None:
        """Wait until at most so many parts are on their way."""
        while len(self._abroad) > most:
            try:
                self._parts.append(self._abroad[0].result())
            except (BlobsUnavailable, UploadUnknown):
                self._broken = True  # what follows the part that is missing is lost
                for other in self._abroad:
                    other.exception()
                self._abroad.clear()
                raise
            self._abroad.pop(0)

    def _progress(self) -> State:
        """What is safe, without a holder; the last bytes are stored if they are not yet."""
        if self._broken:
            return self._safe()
        sha256 = self._known_sha256()
        if self._offset == self._saved.offset and self._sealed == self._saved.sealed:
            return msgspec.structs.replace(self._saved, sha256=sha256, holder="")
        tail, name = self._tail or b"", ""
        if tail and self._sealed is None:
            name = secrets.token_hex(8)
            self._bucket.put(self._bucket.tail_key(self._key, name), bytes(tail))
        return State(
            multipart=self._multipart,
            parts=tuple(self._parts),
            generation=self._generation,
            tail=name,
            tail_size=len(tail),
            told=self._told,
            sealed=self._sealed,
            sha256=sha256,
        )

    def _read_digest(self, algorithm: str) -> str:
        hasher = digests.hasher(algorithm)
        for piece in self._all():
            hasher.update(piece)
        if algorithm == "sha256":
            self._hasher = hasher
        return f"{algorithm}:{hasher.hexdigest()}"

    def _known_sha256(self) -> str:
        if self._hasher is not None:
            return f"sha256:{self._hasher.hexdigest()}"
        return self._saved.sha256 if self._offset == self._saved.offset else ""

    def _safe(self) -> State:
        """What would be there if this process ended now, without a holder: whole parts, or what was saved last."""
        while self._abroad and self._abroad[0].done() and self._abroad[0].exception() is None:
            self._parts.append(self._abroad.pop(0).result())
        saved = msgspec.structs.replace(
            self._saved, multipart=self._multipart, generation=self._generation, holder=""
        )
        if len(self._parts) == len(saved.parts):
            return saved
        return State(
            multipart=self._multipart,
            parts=tuple(self._parts),
            generation=self._generation,
            told=self._told,
        )

    def _save_progress(self) -> None:
        """Tell that we are still there, and how far we are."""
        self._save(msgspec.structs.replace(self._safe(), holder=self._saved.holder))

    def _save(self, state: State, *, is_last: bool = False) -> None:
        """Replace the state.

        Args:
            state: what holds from now on.
            is_last: whether we have nothing to say after it.

        Raises:
            UploadBusy: it is not ours any more.
        """
        with self._saying:
            self._replace(state)
            # Still within: a renewal that came between would bring the old one back.
            old, self._saved, self._saved_at = self._saved, state, time.monotonic()
            self._ended = is_last
        if old.tail and old.tail != state.tail:
            self._forget(self._bucket.tail_key(self._key, old.tail))

    def _say_again(self) -> None:
        with self._saying, contextlib.suppress(BlobsUnavailable, UploadBusy):  # the next word is another try
            if not self._ended:
                self._replace(self._saved)
        self._is_renewing = False

    def _replace(self, state: State) -> None:
        if self._lost:
            raise UploadBusy
        try:
            self._etag = states.replace(self._bucket, self._key, state, self._etag)
        except UploadBusy:
            self._lost = self._broken = True
            raise
        self._said_at = time.monotonic()

    def _seal(self, digest: str = "") -> bool:
        """Put all bytes together into one object. No key is ever written to twice, so nobody else's object is touched.

        Args:
            digest: the name that the object gets; empty: none yet.

        Returns:
            Whether the bytes are known to be ours: not, if they were together already.
        """
        if self._sealed is None and not self._parts and not self._abroad:
            self._generation, self._multipart = self._draw(), ""
        if digest:
            # First: the sweep goes by its age, for what is put together of parts is as old as the upload from its first moment.
            self._bucket.put_name(digest, self._generation)
        if self._sealed is not None:
            return True
        tail, is_ours = self._load_tail(), True
        self._await_parts(0)
        if self._parts:
            try:
                parts = list(self._parts)
                if tail:
                    last = self._bucket.send(self._generation, self._multipart, len(parts) + 1, bytes(tail))
                    parts.append(last.result())
                self._bucket.complete_multipart(self._generation, self._multipart, parts)
            except UploadUnknown:
                # An earlier try may have done it, ours whose answer was lost, or that of a holder who was taken for dead. That one
                # may have had other bytes after the last part that we share: what was hashed here says nothing of the object.
                if self._idle >= SEALED_SECONDS or not self._is_whole():
                    raise
                self._hasher, is_ours = None, False
        else:
            self._bucket.put_blob(self._generation, bytes(tail))
        self._sealed, self._multipart, self._parts, self._tail = self._offset, "", [], bytearray()
        return is_ours

    def _draw(self) -> str:
        """A name for the object to be. Whoever sees the upload's id in it knows where it came from."""
        return f"{self._key[1]}-{secrets.token_hex(4)}"

    def _is_whole(self) -> bool:
        """Whether the object has as many bytes as were taken in."""
        try:
            return self._bucket.look(self._generation) == self._offset
        except FileNotFoundError:
            return False

    def _reopen(self, size: int) -> None:
        """Make a multipart upload of an object again: a digest did not match, and the client goes on."""
        source, part = self._generation, states.PART_BYTES
        whole, rest = divmod(size, part)
        try:
            tail = bytearray(b"".join(self._bucket.read(self._bucket.data_key(source), whole * part, rest)))
        except FileNotFoundError:  # the sweep took it for nobody's
            self.abort()
            raise UploadUnknown from None
        generation, multipart, parts = "", "", list[str]()
        if whole:
            generation = self._draw()
            multipart = self._bucket.begin_multipart(generation)
            parts = [
                self._bucket.copy_part(source, generation, multipart, number, part)
                for number in range(1, whole + 1)
            ]
        self._sealed, self._tail = None, tail
        self._generation, self._multipart, self._parts = generation, multipart, parts
        self._save(msgspec.structs.replace(self._progress(), holder=self._saved.holder))
        # With that the object is nobody's: whoever wants to commit it is refused.
        self._forget(self._bucket.data_key(source))

    def _all(self) -> Iterator[bytes]:
        if self._sealed is None and not self._parts and not self._abroad:
            yield bytes(self._load_tail())
            return
        if self._sealed is None:
            self._seal()
            self._save(
                State(
                    generation=self._generation,
                    sealed=self._offset,
                    told=self._told,
                    holder=self._saved.holder,
                )
            )
        try:
            yield from self._bucket.read(self._bucket.data_key(self._generation), 0, self._offset)
        except FileNotFoundError:  # the sweep took them for nobody's
            self.abort()
            raise UploadUnknown from None

    def _forget_state(self) -> None:
        if self._saved.tail:
            self._forget(self._bucket.tail_key(self._key, self._saved.tail))
        self._forget(self._bucket.state_key(self._key))

    def _forget(self, key: str) -> None:
        """Delete what is of no use any more; what is left of it is the sweep's."""
        with contextlib.suppress(BlobsUnavailable):
            self._bucket.remove(key)
