"""Hashes of uploads that wait for their next request."""

import threading
from collections import OrderedDict

from careen.blobs.s3.bucket import UploadKey
from careen.oci import digest as digests

MAX_WARM_UPLOADS = 1024
"""Uploads whose hash is kept between requests."""


class WarmHashes:
    """The hashes that this process keeps. Any thread may use it."""

    def __init__(self) -> None:
        self._hashers: OrderedDict[UploadKey, tuple[str, digests.Hasher]] = OrderedDict()
        self._lock = threading.Lock()

    def keep(self, upload: UploadKey, etag: str, hasher: digests.Hasher) -> None:
        """Keep a hash for the next request that meets this process, as long as the state has that entity tag."""
        with self._lock:
            self._hashers[upload] = (etag, hasher)
            while len(self._hashers) > MAX_WARM_UPLOADS:
                self._hashers.popitem(last=False)

    def take(self, upload: UploadKey, etag: str) -> digests.Hasher | None:
        """The hash of an upload whose state has that entity tag; None if it is not here."""
        with self._lock:
            known, hasher = self._hashers.pop(upload, ("", None))
        return hasher if known == etag else None
