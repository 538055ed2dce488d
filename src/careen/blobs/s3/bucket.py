"""One place in a bucket: objects by key, multipart uploads, listings."""

import contextlib
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

from botocore.exceptions import ClientError, HTTPClientError, IncompleteReadError

from careen.blobs.s3.client import LOST, age, code, connect, is_missing, present
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
    """A place in a bucket. Any thread may use it."""

    def __init__(self, place: Place) -> None:
        self.client = connect(place)
        self.name = place.bucket
        self.prefix = place.prefix
        self.encrypted = {"ServerSideEncryption": place.encryption} if place.encryption else {}
        """What is asked for with every object."""
        self._as_blob = self.encrypted | (
            {"StorageClass": place.storage_class} if place.storage_class else {}
        )
        """And with those that stay: in some classes one that goes soon is paid for all the same."""
        self._senders = ThreadPoolExecutor(16, "careen-s3")

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
        """Read a small object."""
        return bytes(self.client.get_object(Bucket=self.name, Key=key)["Body"].read())

    def find(self, key: str) -> Found:
        """Read a small object, with what tells this state of it from others.

        Raises:
            FileNotFoundError: it is not there.
        """
        try:
            found = self.client.get_object(Bucket=self.name, Key=key)
        except ClientError as error:
            if is_missing(error):
                raise FileNotFoundError(key) from None
            raise
        return Found(found["Body"].read(), found["ETag"], age(found["LastModified"], found))

    def put(self, key: str, data: bytes) -> None:
        """Write an object."""
        self.client.put_object(Bucket=self.name, Key=key, Body=data, **self.encrypted)

    def put_new(self, key: str, data: bytes) -> bool:
        """Write an object, unless there is one. Returns whether it was written."""
        try:
            self.client.put_object(Bucket=self.name, Key=key, Body=data, IfNoneMatch="*", **self.encrypted)
        except ClientError as error:
            if code(error) not in LOST:
                raise
            return False
        return True

    def replace(self, key: str, data: bytes, etag: str) -> str | None:
        """Write an object, if the one there has that entity tag. Returns the new one's; None if there is another, or none."""
        try:
            put = self.client.put_object(Bucket=self.name, Key=key, Body=data, IfMatch=etag, **self.encrypted)
        except ClientError as error:
            if code(error) not in LOST:
                raise
            return None
        return str(put["ETag"])

    def put_blob(self, generation: str, data: bytes) -> None:
        """Write the bytes of a blob at once."""
        key = self.data_key(generation)
        self.client.put_object(Bucket=self.name, Key=key, Body=data, **self._as_blob)

    def put_name(self, digest: str, generation: str) -> None:
        """Say what bytes are."""
        self.put(self.name_key(digest, generation), b"")

    def remove(self, key: str) -> None:
        """Delete an object, if it is there."""
        self.client.delete_object(Bucket=self.name, Key=key)

    def size(self, generation: str) -> int:
        """The size of a blob's bytes.

        Raises:
            FileNotFoundError: they are not there.
        """
        try:
            found = self.client.head_object(Bucket=self.name, Key=self.data_key(generation))
        except ClientError as error:
            if is_missing(error):
                raise FileNotFoundError(generation) from None
            raise
        return int(found["ContentLength"])

    def is_young(self, generation: str, seconds: float) -> bool:
        """Whether bytes are there, and were written within that time."""
        try:
            found = self.client.head_object(Bucket=self.name, Key=self.data_key(generation))
        except ClientError as error:
            if is_missing(error):
                return False
            raise
        return age(found["LastModified"], found) < seconds

    def read(self, key: str, start: int, count: int) -> Generator[bytes, None, None]:
        """``count`` bytes of an object, beginning at ``start``. A connection that breaks is taken up where it broke.

        Raises:
            FileNotFoundError: it is not there.
        """
        end, broken = start + count, 0
        while start < end:
            try:
                found = self.client.get_object(Bucket=self.name, Key=key, Range=f"bytes={start}-{end - 1}")
                with contextlib.closing(found["Body"]) as body:
                    while piece := body.read(_PIECE_BYTES):
                        start, broken = start + len(piece), 0
                        yield piece
            except ClientError as error:
                if is_missing(error):
                    raise FileNotFoundError(key) from None
                raise
            except (HTTPClientError, IncompleteReadError):
                broken += 1
                if broken > _MAX_BROKEN:
                    raise

    def begin_multipart(self, generation: str) -> str:
        """Begin a multipart upload. Returns S3's id of it."""
        begun = self.client.create_multipart_upload(
            Bucket=self.name, Key=self.data_key(generation), **self._as_blob
        )
        return str(begun["UploadId"])

    def send(self, generation: str, multipart: str, number: int, part: bytes) -> "Future[str]":
        """Upload a part in a thread. Returns its entity tag to come."""
        return self._senders.submit(self.upload_part, generation, multipart, number, part)

    def upload_part(self, generation: str, multipart: str, number: int, part: bytes) -> str:
        """Upload a part. Returns its entity tag.

        Raises:
            UploadUnknown: there is no such multipart upload any more.
        """
        with _multipart_is_there():
            sent = self.client.upload_part(
                Bucket=self.name,
                Key=self.data_key(generation),
                UploadId=multipart,
                PartNumber=number,
                Body=part,
            )
        return str(sent["ETag"])

    def copy_part(self, generation: str, multipart: str, number: int, count: int) -> str:
        """Make a part of a range of the object itself, the ``number``-th ``count`` bytes. Returns its entity tag."""
        key, first = self.data_key(generation), (number - 1) * count
        copied = self.client.upload_part_copy(
            Bucket=self.name,
            Key=key,
            UploadId=multipart,
            PartNumber=number,
            CopySource={"Bucket": self.name, "Key": key},
            CopySourceRange=f"bytes={first}-{first + count - 1}",
        )
        return str(copied["CopyPartResult"]["ETag"])

    def complete_multipart(self, generation: str, multipart: str, etags: Sequence[str]) -> None:
        """Put the parts together.

        Raises:
            UploadUnknown: there is no such multipart upload any more, or a part is another.
        """
        parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
        with _multipart_is_there():
            self.client.complete_multipart_upload(
                Bucket=self.name,
                Key=self.data_key(generation),
                UploadId=multipart,
                MultipartUpload={"Parts": parts},
            )

    def abort_multipart(self, generation: str, multipart: str) -> None:
        """Forget the parts, if there is such an upload."""
        try:
            self.client.abort_multipart_upload(
                Bucket=self.name, Key=self.data_key(generation), UploadId=multipart
            )
        except ClientError as error:
            if not is_missing(error):
                raise

    def listed(self, below: str) -> Iterator[tuple[str, int, float]]:
        """Every object with that beginning, in the order of the keys: key, bytes, seconds since it was written."""
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
        pages: Iterator[dict[str, Any]] = self.client.get_paginator(operation).paginate(
            Bucket=self.name, Prefix=f"{self.prefix}{below}"
        )
        return pages


@contextlib.contextmanager
def _multipart_is_there() -> Iterator[None]:
    """A crash right after the parts were put together, or a holder that was too slow: the client begins again."""
    try:
        yield
    except ClientError as error:
        if code(error) in {"NoSuchUpload", "InvalidPart"}:
            raise UploadUnknown from None
        raise
