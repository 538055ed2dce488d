"""A bucket that fails: a proxy in front of the S3 server of the tests, which counts what is asked and does damage on order.

::

    with FaultyS3(s3).running() as bucket:
        server = S3Server(folder, bucket, prefix)    # or S3BlobStore(parse_place(bucket.url(prefix)))
        bucket.fail(0.1)                             # one request in ten: any of FAULTS
        ...
        bucket.heal()
        assert bucket.keys(prefix) == ...            # looks past the proxy
        bucket.date_like_amazon(7200)                # what is put together of parts is two hours old

Amazon asks every client to expect 500 and 503 and to try again (S3 User Guide, "Best practices design patterns").
"""

import contextlib
import random
import re
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from tests.seaweed import BUCKET, S3
from tests.upstream.proxy import Fault, Headers, Proxy, Seen


def error(status: int, code: str, message: str) -> Fault:
    """An answer of S3's that says what is wrong."""
    body = f"""<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>{code}</Code><Message>{message}</Message><RequestId>4442587FB7D0A2F9</RequestId></Error>"""
    return Fault(status=status, headers={"Content-Type": "application/xml"}, body=body.encode())


SLOW_DOWN = error(503, "SlowDown", "Please reduce your request rate.")
INTERNAL_ERROR = error(500, "InternalError", "We encountered an internal error. Please try again.")

FAULTS: Mapping[str, Fault] = {
    "slow down": SLOW_DOWN,
    "internal error": INTERNAL_ERROR,
    "the request is cut": Fault(cut_after=100_000),
    "the answer is lost": Fault(is_lost=True),
    "the answer is cut": Fault(reset_after=100_000),
    "late": Fault(delay=0.2),
}
"""What Amazon's S3 answers in its bad hours, and what a network does."""


class Asked(NamedTuple):
    """A request to the bucket."""

    operation: str
    """Amazon's name of it: ``PutObject``, ``UploadPart``, ``ListObjectsV2``, …"""
    key: str
    """Empty for what is asked of the bucket itself; a listing's prefix."""


class FaultyS3(S3):
    """An S3 server as its clients meet it on a bad day. What the tests look up themselves goes past the proxy.

    Attributes:
        asked: every request, in the order of arrival; clear it where counting begins.
    """

    def __init__(self, s3: S3) -> None:
        super().__init__(s3._folder)
        self._real = s3
        self._proxy = Proxy(f"http://localhost:{s3.port}")
        self.port = self._proxy.port
        self._lock = threading.Lock()
        self._of_parts = set[str]()
        self._stuck = threading.Event()

    @property
    def asked(self) -> list[Asked]:
        """Every request so far, in the order of arrival."""
        return [_asked(seen) for seen in list(self._proxy.seen)]

    def forget(self) -> None:
        """Count anew."""
        self._proxy.seen.clear()

    def counted(self) -> Counter[str]:
        """How many requests of each operation there were."""
        return Counter(asked.operation for asked in self.asked)

    def fail(
        self,
        share: float,
        faults: Collection[Fault] = tuple(FAULTS.values()),
        *,
        seed: int = 0,
        only: Callable[[Asked], bool] = lambda _: True,
    ) -> None:
        """From now on let some requests fail.

        Args:
            share: how many of them, 0 to 1, drawn at random.
            faults: one of these, drawn at random.
            seed: of the drawing. Requests come in any order, so a seed gives a mixture and not a course.
            only: which requests are drawn from.
        """
        chance = random.Random(seed)  # noqa: S311 the same mixture every time

        def draw(seen: Seen) -> Fault | None:
            if not only(_asked(seen)):
                return None
            with self._lock:
                return chance.choice(list(faults)) if chance.random() < share else None

        self._proxy.faults.append(draw)

    def fail_next(self, *faults: Fault, only: Callable[[Asked], bool] = lambda _: True) -> None:
        """Let the next requests fail, one for each fault."""
        left = list(faults)

        def take(seen: Seen) -> Fault | None:
            with self._lock:
                return left.pop(0) if left and only(_asked(seen)) else None

        self._proxy.faults.append(take)

    def stop_answering(self) -> None:
        """Take requests from now on, and say nothing until :meth:`heal`: what a broken switch does."""
        self._stuck = threading.Event()
        self._proxy.always("", Fault(mute=self._stuck))

    def heal(self) -> None:
        """Fail no more. Requests that wait are answered."""
        self._proxy.heal()
        self._stuck.set()

    def date_like_amazon(self, ago: float) -> None:
        """From now on an object that is put together of parts is as old as its multipart upload, and each was begun long ago.

        "For multipart uploads, the object creation date is the date of initiation of the multipart upload" (S3 User Guide, "Working
        with object metadata", Last-Modified). SeaweedFS has the date of the completion.

        Args:
            ago: how many seconds.
        """
        began = datetime.now(UTC) - timedelta(seconds=ago)

        def in_a_list(entry: "re.Match[str]") -> str:
            return f"{entry[1]}{began:%Y-%m-%dT%H:%M:%S}" if entry[2] in self._of_parts else entry[0]

        def rewrite(seen: Seen, headers: Headers, body: bytes) -> tuple[Headers, bytes]:
            operation, key = _asked(seen)
            if operation == "CreateMultipartUpload":
                self._of_parts.add(key)
            elif operation == "ListObjectsV2":
                body = _DATED.sub(in_a_list, body.decode()).encode()
            elif operation in {"GetObject", "HeadObject"} and key in self._of_parts:
                headers = [
                    (name, format_datetime(began, usegmt=True) if name.lower() == "last-modified" else value)
                    for name, value in headers
                ]
            return headers, body

        self._proxy.rewrite = rewrite

    def client(self) -> Any:
        """A client that goes past the proxy."""
        return self._real.client()

    @contextlib.contextmanager
    def running(self) -> Iterator["FaultyS3"]:
        """Stand in front of the server for the length of a ``with`` block."""
        with self._proxy.running():
            try:
                yield self
            finally:
                self.heal()


_DATED = re.compile(r"(<Key>([^<]*)</Key>(?:(?!<Key>).)*?<LastModified>)\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
"""An object in a listing."""


def _asked(seen: Seen) -> Asked:
    parts = urlsplit(seen.path)
    query = parse_qs(parts.query, keep_blank_values=True)
    key = parts.path.removeprefix(f"/{BUCKET}").strip("/")
    return Asked(_operation(seen, query, key), key or query.get("prefix", [""])[0])


def _operation(seen: Seen, query: Mapping[str, list[str]], key: str) -> str:
    method = {"GET": "Get", "HEAD": "Head", "PUT": "Put", "DELETE": "Delete", "POST": "Post"}[seen.method]
    if not key:
        listed = "ListMultipartUploads" if "uploads" in query else "ListObjectsV2"
        return listed if method == "Get" else f"{method}Bucket"
    if "uploads" in query:
        return "CreateMultipartUpload"
    if "uploadId" in query:
        if "x-amz-copy-source" in seen.headers:
            return "UploadPartCopy"
        return {"Put": "UploadPart", "Post": "CompleteMultipartUpload", "Delete": "AbortMultipartUpload"}[
            method
        ]
    return f"{method}Object"
