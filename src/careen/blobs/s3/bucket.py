"""One place in a bucket: objects by key, multipart uploads, listings."""

import contextlib
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, IncompleteReadError

from careen.blobs.s3.client import Changed, age, connect, in_our_words, present
from careen.blobs.s3.place import Place
from careen.blobs.store import UploadUnknown

UploadKey = tuple[int, str]
"""Which upload: repository id and upload id."""

_PIECE_BYTES = 256 * 1024

_MAX_BROKEN = 3
"""So many times in a row a download may break without a byte, before it is given up."""


class Found(NamedTuple):
    """A small object."""

    data: bytes
    etag: str
    age: float
    """Seconds since it was written, by the server's clock."""


class Bucket:
    """A place in a bucket. Any thread may use it.

    Everything may raise :class:`careen.blobs.store.BlobsUnavailable`, after it was tried several times.
    """

    def __init__(self, place: Place) -> None:
        self.client = connect(place)
        self.name = place.bucket
        self.prefix = place.prefix
        self.encrypted = place.encrypted
        """What is asked for with every object."""
        self._as_blob = self.encrypted | (
            {"StorageClass": place.storage_class} if place.storage_class else {}
        )
        """And with those that stay: in some classes one that goes soon is paid for all the same."""
        self._senders = ThreadPoolExecutor(16, "careen-s3")
        self._renewers = ThreadPoolExecutor(4, "careen-s3-leases")

    def data_key(self, generation: str) -> str:
        """Where bytes lie."""
        return f"{self.prefix}blobs/{generation}"

    def name_key(self, digest: str, generation: str) -> str:
        """Where their name lies."""
        return f"{self.data_key(generation)}.{digest.replace(':', '-')}"

    def state_key(self, upload: UploadKey) -> str:
        """Where an upload's state lies."""
        return f"{self.prefix}uploads/{upload[0]}/{upload[1]}"

    def tail_key(self, upload: UploadKey, name: str) -> str:
        """Where its last bytes lie."""
        return f"{self.state_key(upload)}.{name}"

    def get(self, key: str) -> bytes:
        """Read a small object.

        Raises:
            FileNotFoundError: it is not there.
        """
        return self.find(key).data

    def find(self, key: str) -> Found:
        """Read a small object, with what tells this state of it from others.

        Raises:
            FileNotFoundError: it is not there.
        """
        broken = 0
        while True:
            found = self.ask("get_object", Key=key)
            try:
                return Found(found["Body"].read(), found["ETag"], age(found["LastModified"], found))
            except (HTTPClientError, IncompleteReadError) as error:
                broken += 1
                if broken > _MAX_BROKEN:
                    raise in_our_words(error) from error

    def put(self, key: str, data: bytes) -> None:
        """Write an object."""
        self.ask("put_object", Key=key, Body=data, **self.encrypted)

    def put_new(self, key: str, data: bytes) -> bool:
        """Write an object, unless there is one. Returns whether it was written."""
        try:
            self.ask("put_object", Key=key, Body=data, IfNoneMatch="*", **self.encrypted)
        except Changed:
            return False
        return True

    def replace(self, key: str, data: bytes, etag: str) -> str | None:
        """Write an object, if the one there has that entity tag. Returns the new one's; None if there is another, or none."""
        try:
            put = self.ask("put_object", Key=key, Body=data, IfMatch=etag, **self.encrypted)
        except (Changed, FileNotFoundError):
            return None
        return str(put["ETag"])

    def put_blob(self, generation: str, data: bytes) -> None:
        """Write the bytes of a blob at once."""
        self.ask("put_object", Key=self.data_key(generation), Body=data, **self._as_blob)

    def put_name(self, digest: str, generation: str) -> None:
        """Say what bytes are."""
        self.put(self.name_key(digest, generation), b"")

    def remove(self, key: str) -> None:
        """Delete an object, if it is there."""
        self.ask("delete_object", Key=key)

    def look(self, generation: str) -> int:
        """The size of a blob's bytes.

        Raises:
            FileNotFoundError: they are not there.
        """
        return int(self.ask("head_object", Key=self.data_key(generation))["ContentLength"])

    def read(self, key: str, start: int, count: int) -> Generator[bytes, None, None]:
        """``count`` bytes of an object, beginning at ``start``. A connection that breaks is taken up where it broke.

        Raises:
            FileNotFoundError: it is not there.
        """
        end, broken = start + count, 0
        while start < end:
            found = self.ask("get_object", Key=key, Range=f"bytes={start}-{end - 1}")
            try:
                with contextlib.closing(found["Body"]) as body:
                    while piece := body.read(_PIECE_BYTES):
                        start, broken = start + len(piece), 0
                        yield piece
            except (HTTPClientError, IncompleteReadError) as error:
                broken += 1
                if broken > _MAX_BROKEN:
                    raise in_our_words(error) from error

    def renew(self, say: Callable[[], None]) -> None:
        """Run what keeps an upload in a thread. They are apart from those that move bytes, which may all be waiting."""
        self._renewers.submit(say)

    def url(self, generation: str, seconds: int) -> str:
        """Where a blob's bytes can be had without further leave, for so long."""
        parameters = {
            "Bucket": self.name,
            "Key": self.data_key(generation),
            "ResponseContentType": "application/octet-stream",
        }
        try:
            return str(self.client.generate_presigned_url("get_object", parameters, seconds))
        except BotoCoreError as error:  # its own keys may have to be fetched, too
            raise in_our_words(error) from error

    def begin_multipart(self, generation: str) -> str:
        """Begin a multipart upload. Returns S3's id of it."""
        begun = self.ask("create_multipart_upload", Key=self.data_key(generation), **self._as_blob)
        return str(begun["UploadId"])

    def send(self, generation: str, multipart: str, number: int, part: bytes) -> "Future[str]":
        """Upload a part in a thread. Returns its entity tag to come."""
        return self._senders.submit(self.upload_part, generation, multipart, number, part)

    def upload_part(self, generation: str, multipart: str, number: int, part: bytes) -> str:
        """Upload a part. Returns its entity tag.

        Raises:
            UploadUnknown: there is no such multipart upload any more.
        """
        try:
            sent = self.ask(
                "upload_part",
                Key=self.data_key(generation),
                UploadId=multipart,
                PartNumber=number,
                Body=part,
            )
        except FileNotFoundError:
            raise UploadUnknown from None
        return str(sent["ETag"])

    def copy_part(self, source: str, generation: str, multipart: str, number: int, count: int) -> str:
        """Make a part of a range of an object, the ``number``-th ``count`` bytes. Returns its entity tag.

        Raises:
            UploadUnknown: there is no such object or multipart upload any more.
        """
        first = (number - 1) * count
        try:
            copied = self.ask(
                "upload_part_copy",
                Key=self.data_key(generation),
                UploadId=multipart,
                PartNumber=number,
                CopySource={"Bucket": self.name, "Key": self.data_key(source)},
                CopySourceRange=f"bytes={first}-{first + count - 1}",
            )
        except FileNotFoundError:
            raise UploadUnknown from None
        return str(copied["CopyPartResult"]["ETag"])

    def complete_multipart(self, generation: str, multipart: str, etags: Sequence[str]) -> None:
        """Put the parts together.

        Raises:
            UploadUnknown: there is no such multipart upload any more, or a part is another.
        """
        parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
        try:
            self.ask(
                "complete_multipart_upload",
                Key=self.data_key(generation),
                UploadId=multipart,
                MultipartUpload={"Parts": parts},
            )
        except FileNotFoundError:
            raise UploadUnknown from None

    def abort_multipart(self, generation: str, multipart: str) -> None:
        """Forget the parts, if there is such an upload."""
        with contextlib.suppress(FileNotFoundError):
            self.ask("abort_multipart_upload", Key=self.data_key(generation), UploadId=multipart)

    def listed(self, below: str) -> Iterator[tuple[str, int, float]]:
        """Every object with that beginning, in the order of the keys: key, bytes, seconds since it was written.

        On Amazon S3 one that was put together of parts is as old as its multipart upload is, from its first moment (S3 User Guide,
        "Working with object metadata", Last-Modified).
        """
        for page in self._pages("list_objects_v2", below):
            now = present(page)
            for entry in page.get("Contents", []):
                yield entry["Key"], entry["Size"], max(0.0, (now - entry["LastModified"]).total_seconds())

    def multiparts(self) -> Iterator[tuple[str, str, float]]:
        """Every multipart upload under way: generation, S3's id of it, seconds since it was begun."""
        for page in self._pages("list_multipart_uploads", "blobs/"):
            now = present(page)
            for entry in page.get("Uploads", []):
                generation = entry["Key"].rpartition("/")[2]
                yield generation, entry["UploadId"], (now - entry["Initiated"]).total_seconds()

    def _pages(self, operation: str, below: str) -> Iterator[dict[str, Any]]:
        pages = self.client.get_paginator(operation).paginate(
            Bucket=self.name, Prefix=f"{self.prefix}{below}"
        )
        try:
            yield from pages
        except (BotoCoreError, ClientError) as error:
            raise in_our_words(error) from error

    def ask(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """Ask for an operation of the client's, of this bucket.

        Raises:
            Exception: as :func:`careen.blobs.s3.client.in_our_words` says.
        """
        try:
            answer: dict[str, Any] = getattr(self.client, operation)(Bucket=self.name, **parameters)
        except (BotoCoreError, ClientError) as error:
            raise in_our_words(error) from error
        return answer
