"""The bucket as a home for blobs."""

import contextlib
import itertools
import secrets
from collections.abc import Generator, Iterator
from pathlib import Path

import msgspec

from careen import durable
from careen.blobs.s3 import state as states
from careen.blobs.s3.bucket import Bucket
from careen.blobs.s3.client import CannotUse
from careen.blobs.s3.place import Place
from careen.blobs.s3.state import PART_BYTES
from careen.blobs.s3.upload import S3Upload
from careen.blobs.s3.warm import WarmHashes
from careen.blobs.store import BlobsUnavailable, Elsewhere, Pieces, Source, Stored, UploadUnknown

URL_SECONDS = 300
"""How long a client may take to follow a redirect."""


class S3BlobStore:
    """Blobs at a place. Any thread may use it.

    Args:
        place: the bucket and where in it. Credentials are found as botocore finds them.
        redirect: whether clients are sent to S3 for the bytes, or get them from here.
    """

    is_remote = True

    def __init__(self, place: Place, *, redirect: bool) -> None:
        self._bucket = Bucket(place)
        self._redirect = redirect
        self._warm = WarmHashes()

    @property
    def patience(self) -> float:
        """A lease, by a clock that tells seconds."""
        return states.LEASE_SECONDS + 1

    def check(self) -> None:
        """See that the bucket is there, takes and gives objects, encrypts, and keeps the conditions that locks are made of.

        Raises:
            CannotUse: it is not so.
        """
        bucket = self._bucket
        key = f"{bucket.prefix}check-{secrets.token_hex(8)}"
        try:
            try:
                # Of a missing object, too: an upload that has ended must not come back by a holder that was taken for dead.
                ignored = ["If-Match"] if bucket.replace(key, b"x", '"another"') is not None else []
                answer = bucket.ask("put_object", Key=key, Body=b"", **bucket.encrypted)
                asked, done = (each.get("ServerSideEncryption") for each in (bucket.encrypted, answer))
                if asked not in {None, done}:
                    raise CannotUse(f"bucket {bucket.name} does not encrypt with {asked}, as it was asked to")
                bucket.get(key)  # a key that may encrypt and not decrypt would be found out at the first pull
                if bucket.replace(key, b"x", '"another"') is not None:
                    ignored.append("If-Match")
                if bucket.put_new(key, b"x"):
                    ignored.append("If-None-Match")
            finally:
                bucket.remove(key)
        except (BlobsUnavailable, FileNotFoundError) as error:
            raise CannotUse(f"bucket {bucket.name} cannot be used: {error}") from None
        if ignored:
            raise CannotUse(
                f"the server of bucket {bucket.name} ignores {ignored[0]}: uploads could not be locked"
            )

    def is_far(self, generation: str) -> bool:  # noqa: ARG002 whichever it is
        """Always."""
        return True

    def knock(self) -> None:
        """Ask for an object that is not there. A GET tells whether the object or the bucket is missing; a HEAD does not."""
        with contextlib.suppress(FileNotFoundError):
            self._bucket.get(f"{self._bucket.prefix}knock")

    def create_upload(self, repository_id: int, upload_id: str) -> None:
        """Begin an empty upload."""
        states.create(self._bucket, (repository_id, upload_id))

    def hold_upload(self, repository_id: int, upload_id: str) -> S3Upload:
        """Take an upload for this request; see :class:`careen.blobs.store.BlobStore`."""
        key = (repository_id, upload_id)
        state, etag, idle = states.find_free(self._bucket, key)
        hasher = self._warm.take(key, etag)
        held = msgspec.structs.replace(state, holder=secrets.token_hex(8))
        etag = states.replace(self._bucket, key, held, etag)
        upload = S3Upload(self._bucket, self._warm, key, held, etag, hasher, idle)
        if upload.is_stale:
            upload.abort()
            raise UploadUnknown
        return upload

    def open(self, digest: str, generation: str, *, by_front: bool = False) -> Source:  # noqa: ARG002 nginx does not speak S3
        """Where to read the bytes from; see :class:`careen.blobs.store.BlobStore`."""
        key = self._bucket.data_key(generation)
        if not self._redirect:
            return Pieces(lambda start, count: self._bucket.read(key, start, count))
        return Elsewhere(self._bucket.url(generation, URL_SECONDS))

    def delete(self, digest: str, generation: str) -> None:
        """Delete one generation, and then its name: what is left of a crash is found by the sweep."""
        self._bucket.remove(self._bucket.data_key(generation))
        if digest:
            self._bucket.remove(self._bucket.name_key(digest, generation))

    def pieces(
        self,
        digest: str,  # noqa: ARG002 the key is the generation
        generation: str,
        size: int,
        offset: int = 0,
    ) -> Generator[bytes, None, None]:
        """One generation, piece by piece; see :class:`careen.blobs.store.BlobStore`."""
        return self._bucket.read(
            self._bucket.data_key(generation), offset, min(size, self._bucket.look(generation) - offset)
        )

    def quarantine(self, digest: str, generation: str) -> None:
        """Nothing: no row leads to it, and the rows that name it as damaged keep the sweep from it."""

    def quarantine_content(self, name: str, content: bytes) -> None:
        """Keep bytes aside that were a row."""
        self._bucket.put(f"{self._bucket.prefix}quarantine/{name.replace(':', '-')}", content)

    def copy_out(self, digest: str, generation: str, target: Path) -> None:
        """Put a durable copy at ``target``."""
        draft = target.with_name(f"{target.name}.part")
        with draft.open("wb") as file:
            file.writelines(self.pieces(digest, generation, self._bucket.look(generation)))
        durable.sync_file(draft)
        draft.rename(target)
        durable.sync_folder(target.parent)

    def copy_in(self, source: Path, digest: str, generation: str) -> None:
        """Take in what :meth:`copy_out` made."""
        size = source.stat().st_size
        with contextlib.suppress(FileNotFoundError):
            if self._bucket.look(generation) == size:
                return
        with source.open("rb") as file:
            if size <= PART_BYTES:
                self._bucket.put_blob(generation, file.read())
            else:
                multipart = self._bucket.begin_multipart(generation)
                parts = iter(lambda: file.read(PART_BYTES), b"")
                etags = [
                    self._bucket.upload_part(generation, multipart, *each) for each in enumerate(parts, 1)
                ]
                self._bucket.complete_multipart(generation, multipart, etags)
        self._bucket.put_name(digest, generation)

    def size(self, digest: str, generation: str) -> int | None:  # noqa: ARG002 the key is the generation
        """The size of one generation, or None if it is gone."""
        try:
            return self._bucket.look(generation)
        except FileNotFoundError:
            return None

    def stored(self) -> Iterator[Stored]:
        """Every generation there is. One that has no name yet, or several, has no digest; a name without bytes no size."""
        unnamed: list[Stored] = []
        # Names follow their bytes in the list.
        for _, listed in itertools.groupby(self._listed(), key=lambda one: one.generation):
            there, *named = listed
            if there.digest:
                yield from (there, *named)
            elif not named:
                unnamed.append(there)
            else:
                # A name is written before the bytes, also by a holder that then lost the upload: the rows know which is right.
                digest = named[0].digest if len(named) == 1 else ""
                yield there._replace(digest=digest, age=min(each.age for each in (there, *named)))
        if unnamed:
            yield from self._waiting(unnamed)

    def _listed(self, generation: str = "") -> Iterator[Stored]:
        """Bytes, without a digest, and names, without a size, of the generations that begin so."""
        for key, size, age in self._bucket.listed(f"blobs/{generation}"):
            found, _, name = key.rpartition("/")[2].partition(".")
            yield Stored(name.replace("-", ":", 1), found, size, age)

    def _waiting(self, unnamed: list[Stored]) -> Iterator[Stored]:
        """Bytes that had no name when they were listed: as young as the last word of the upload that may yet name them."""
        heard = states.ages(self._bucket)
        for one in unnamed:
            upload_id = one.generation if one.generation in heard else one.generation.rpartition("-")[0]
            if upload_id in heard:
                yield one._replace(age=min(one.age, heard[upload_id]))
                continue
            # It may have ended since the listing. Then it wrote the name first.
            digest, age = "", one.age
            for name in self._listed(f"{one.generation}."):
                digest, age = name.digest, min(age, name.age)
            yield one._replace(digest=digest, age=age)

    def uploads(self) -> Iterator[tuple[int, str, int, float]]:
        """Every open upload: repository id, upload id, bytes, seconds since it was last heard of."""
        for (repository_id, upload_id), state, age in states.each(self._bucket):
            if not state.is_committed:
                yield repository_id, upload_id, state.offset, age

    def claim(self, owner: str) -> str:
        """Say that this place is ``owner``'s, unless it is somebody's; in the object ``owner``."""
        key = f"{self._bucket.prefix}owner"
        self._bucket.put_new(key, owner.encode())
        return self._bucket.get(key).decode()

    def abandon_strays(self, age: float) -> int:
        """Abort multipart uploads and delete last bytes that no upload names, left by a crash, if they are older than ``age``.

        And the states of uploads that have ended.
        """
        bucket, strays = self._bucket, 0
        multiparts = {state.multipart for _, state, _ in states.each(bucket)}
        for generation, multipart, old in bucket.multiparts():
            if old > age and multipart not in multiparts:
                bucket.abort_multipart(generation, multipart)
                strays += 1
        tails = set[str]()
        for upload, state, old in states.each(bucket):
            tails.add(bucket.tail_key(upload, state.tail))
            if state.is_committed and old > age:
                bucket.remove(bucket.state_key(upload))
                strays += 1
        for key, _, old in bucket.listed("uploads/"):
            if "." in key.rpartition("/")[2] and old > age and key not in tails:
                bucket.remove(key)
                strays += 1
        return strays
