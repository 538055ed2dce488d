"""What can be done with another registry: read its images, write ours to it (OCI distribution-spec 1.1)."""

import re
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from typing import NamedTuple, Self
from urllib.parse import quote, urlencode

import httpx2
import msgspec

from careen.oci import digest as digests
from careen.oci import media_types
from careen.oci.manifest import MAX_BYTES, Descriptor
from careen.upstream.address import Address
from careen.upstream.credentials import Source, anonymous
from careen.upstream.errors import Invalid, NotFound, TooManyRequests, Unavailable
from careen.upstream.exchange import Exchange
from careen.upstream.off_limits import Networks
from careen.upstream.patience import Patience

ACCEPT = ", ".join(sorted(media_types.MANIFESTS))

CHUNK_BYTES = 64 * 1024 * 1024
"""Blobs up to this size are pushed in one request; larger ones in chunks, so that a break costs one of them at most."""

MAX_REFERRERS = 10_000
"""More than a subject may have here; a list that goes on is not read for ever."""

_JSON_TYPES = frozenset({"", "application/json", "text/plain", media_types.OCTET_STREAM})
"""Types that say nothing of a manifest; then its own ``mediaType`` does."""

_EMPTY = {"Content-Length": "0"}

_RANGE = re.compile(r"bytes (?P<first>[0-9]+)-[0-9]+/(?:[0-9]+|\*)")

Content = Callable[[int], Iterable[bytes]]
"""The bytes of a blob from an offset on, in pieces. It may be called again, after a break."""


class Held(NamedTuple):
    """A manifest as another registry holds it."""

    media_type: str
    digest: str
    size: int


class Fetched(NamedTuple):
    """A manifest, its bytes verified against the digest."""

    media_type: str
    digest: str
    data: bytes


class _TypeOnly(msgspec.Struct, rename="camel"):
    media_type: str = ""


class _Referrers(msgspec.Struct):
    manifests: tuple[Descriptor, ...] = ()


class Client:
    """One registry. Threads may share it. Every method raises the errors of :mod:`careen.upstream.errors`.

    Args:
        at: the registry.
        source: who we are there.
        patience: how long it is waited for.
        headers: sent with every request.
        off_limits: addresses that are not connected to, wherever it sends us.
    """

    def __init__(
        self,
        at: Address,
        source: Source = anonymous,
        patience: Patience | None = None,
        headers: Mapping[str, str] | None = None,
        off_limits: Networks = (),
    ) -> None:
        self.address = at
        self._patience = patience or Patience()
        self._exchange = Exchange(at, source, self._patience, headers, off_limits)

    def __enter__(self) -> Self:
        """Close it at the end of a ``with`` block."""
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._exchange.close()

    def ping(self) -> None:
        """Ask whether this is a registry that lets us in (end-1)."""
        self._exchange.request("GET", "/v2/", "")

    def resolve(self, repository: str, reference: str) -> Held:
        """Find out what a tag or a digest stands for, without reading it where the registry allows that (end-3)."""
        url, scope = _manifest_url(repository, reference), pull_scope(repository)
        try:
            response = self._exchange.request("HEAD", url, scope, headers={"Accept": ACCEPT})
        except Invalid:  # there are registries that know no HEAD
            pass
        else:
            media_type = _media_type(response)
            digest = response.headers.get("Docker-Content-Digest", "")
            size = response.headers.get("Content-Length", "")
            if media_type not in _JSON_TYPES and digests.is_digest(digest) and size.isdecimal():
                return Held(media_type, digest, int(size))
        fetched = self.manifest(repository, reference)
        return Held(fetched.media_type, fetched.digest, len(fetched.data))

    def manifest(self, repository: str, reference: str) -> Fetched:
        """Get a manifest by tag or digest (end-3): at most :data:`careen.oci.manifest.MAX_BYTES`.

        The digest is computed. ``Invalid`` if it is not the one asked for, or not the one that the registry says it is.
        """
        url, scope = _manifest_url(repository, reference), pull_scope(repository)
        response, data = self._exchange.read(url, scope, MAX_BYTES, headers={"Accept": ACCEPT})
        said, media_type = response.headers.get("Docker-Content-Digest", ""), _media_type(response)
        expected = next(filter(digests.is_digest, (reference, said)), digests.digest_of(data))
        if (computed := digests.digest_of(data, digests.algorithm(expected))) != expected:
            raise Invalid(f"{self.address.host} sent a manifest of {computed} as {expected}")
        if media_type in _JSON_TYPES:
            media_type = _own_media_type(data)
        return Fetched(media_type, expected, data)

    def referrers(self, repository: str, digest: str) -> list[Descriptor]:
        """List the manifests whose subject is ``digest`` (end-12a), or what the tag schema says where that is not spoken."""
        found: list[Descriptor] = []
        url: str | None = f"/v2/{repository}/referrers/{digest}"
        headers = {"Accept": media_types.OCI_INDEX}
        try:
            while url is not None and len(found) < MAX_REFERRERS:
                response, data = self._exchange.read(url, pull_scope(repository), MAX_BYTES, headers=headers)
                found += self._listed(data)
                following = response.links.get("next", {}).get("url")  # RFC 8288
                url = following and self._exchange.onward(response, following)
        except NotFound:
            try:
                found = list(self._listed(self.manifest(repository, referrers_tag(digest)).data))
            except NotFound:
                return []
        return found

    def has_manifest(self, repository: str, reference: str) -> bool:
        """Whether the registry has a manifest (end-3)."""
        try:
            self.resolve(repository, reference)
        except NotFound:
            return False
        return True

    def has_blob(self, repository: str, digest: str) -> bool:
        """Whether the repository has a blob (end-2)."""
        url, scope = f"/v2/{repository}/blobs/{digest}", pull_scope(repository)
        try:
            # Registries that send their readers elsewhere for the bytes sign that for a GET: their word is enough.
            self._exchange.request("HEAD", url, scope, follow=False)
        except NotFound:
            return False
        return True

    def blob(self, repository: str, digest: str, size: int) -> Generator[bytes, None, None]:
        """Get a blob (end-2), in pieces as they come. After a break it goes on where it stopped.

        Nothing may be believed before the iterator has come to its end: the digest is compared there.

        Args:
            repository: where it is.
            digest: which.
            size: how many bytes it has, as its descriptor says.

        Raises:
            Invalid: the bytes have another digest, or there are more or fewer of them.
            UpstreamError: any other of its kinds.
        """
        hasher = digests.hasher(digests.algorithm(digest))
        offset = failures = 0
        while True:
            before = offset
            try:
                for piece in self._blob_from(repository, digest, offset):
                    offset += len(piece)
                    if offset > size:
                        raise Invalid(f"{self.address.host} sends more than the {size} bytes of {digest}")
                    hasher.update(piece)
                    yield piece
                break
            except (Unavailable, TooManyRequests) as error:
                # What came counts: a line that breaks every gigabyte brings any blob in the end.
                failures = 1 if offset > before else failures + 1
                if offset == size:
                    break
                if not self._patience.pause(failures, error.retry_after):
                    raise
        computed = f"{digests.algorithm(digest)}:{hasher.hexdigest()}"
        if offset != size or computed != digest:
            raise Invalid(
                f"{self.address.host} sent {offset} bytes of {computed} as {size} bytes of {digest}"
            )

    def _blob_from(self, repository: str, digest: str, offset: int) -> Iterator[bytes]:
        url = f"/v2/{repository}/blobs/{digest}"
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        with self._exchange.answered("GET", url, pull_scope(repository), headers=headers) as response:
            skip = offset - _first_byte(response)
            if skip < 0:
                raise Invalid(f"{self.address.host} sent another part of {digest} than was asked for")
            expected = response.headers.get("Content-Length")
            brought = 0
            for piece in self._exchange.pieces(response):
                brought += len(piece)
                if skip < len(piece):
                    yield piece[skip:]
                skip = max(0, skip - len(piece))
            if expected is not None and brought < int(expected):
                raise Unavailable(f"{self.address.host} broke off in {digest}")

    def push_blob(
        self, repository: str, digest: str, size: int, content: Content, *, mount_from: str | None = None
    ) -> bool:
        """Push a blob: mounted if that can be (end-11), else in one request or in chunks (end-4b, end-5, end-6).

        Args:
            repository: where to.
            digest: which.
            size: how many bytes it has.
            content: its bytes.
            mount_from: a repository there that may have it.

        Returns:
            Whether bytes were sent; False: it was mounted.
        """
        scope = push_scope(repository, mount_from)
        begin = f"/v2/{repository}/blobs/uploads/"
        if mount_from is not None:
            begin += f"?{urlencode({'mount': digest, 'from': mount_from})}"
        if size > CHUNK_BYTES:
            return self._push_in_chunks(begin, scope, digest, size, content)
        # A request that failed may have brought any part of the blob, so it is begun anew.
        return self._patience.tried(lambda: self._push_at_once(begin, scope, digest, size, content))

    def _push_at_once(self, begin: str, scope: str, digest: str, size: int, content: Content) -> bool:
        with self._exchange.answered("POST", begin, scope, headers=_EMPTY) as response:
            if response.status_code == 201:
                return False
            location = self._location(response)
        headers = {"Content-Type": media_types.OCTET_STREAM, "Content-Length": str(size)}
        url = _ending(location, digest)
        with self._exchange.answered("PUT", url, scope, headers=headers, body=_part(content, 0, size)):
            return True

    def _push_in_chunks(self, begin: str, scope: str, digest: str, size: int, content: Content) -> bool:
        response = self._exchange.request("POST", begin, scope, headers=_EMPTY)
        if response.status_code == 201:
            return False
        location = self._location(response)
        least = response.headers.get("OCI-Chunk-Min-Length", "")
        chunk = max(CHUNK_BYTES, int(least) if least.isdecimal() else 0)
        offset = failures = 0
        while offset < size:
            end = min(offset + chunk, size)
            try:
                location = self._push_chunk(location, scope, offset, end, content)
                offset, failures = end, 0
            except (Unavailable, TooManyRequests) as error:
                failures += 1
                if not self._patience.pause(failures, error.retry_after):
                    raise
                location, offset = self._arrived(location, scope)
        self._exchange.request("PUT", _ending(location, digest), scope, headers=_EMPTY)
        return True

    def _push_chunk(self, location: str, scope: str, offset: int, end: int, content: Content) -> str:
        """Send a part. Returns where the upload goes on."""
        headers = {
            "Content-Type": media_types.OCTET_STREAM,
            "Content-Length": str(end - offset),
            "Content-Range": f"{offset}-{end - 1}",
        }
        body = _part(content, offset, end - offset)
        with self._exchange.answered("PATCH", location, scope, headers=headers, body=body) as response:
            return self._location(response)

    def _arrived(self, location: str, scope: str) -> tuple[str, int]:
        """Where an upload goes on, and from which byte (end-13)."""
        response = self._exchange.request("GET", location, scope)
        last = response.headers.get("Range", "").rpartition("-")[2]
        # Some say "0-0" of an upload that has nothing.
        return self._location(response), int(last) + 1 if last.isdecimal() and last != "0" else 0

    def push_manifest(self, repository: str, reference: str, data: bytes, media_type: str) -> bool:
        """Push a manifest by tag or digest (end-7).

        Returns:
            Whether the registry says that it will list the manifest as a referrer (``OCI-Subject``, spec 1.1). One with a
            subject that is not listed so, the client lists under :func:`referrers_tag`.
        """
        url, headers = _manifest_url(repository, reference), {"Content-Type": media_type}
        response = self._exchange.request("PUT", url, push_scope(repository), headers=headers, body=data)
        return "OCI-Subject" in response.headers

    def delete_manifest(self, repository: str, reference: str) -> None:
        """Delete a manifest by digest, or a tag where the registry allows that (end-9)."""
        scope = f"repository:{repository}:delete"
        self._exchange.request("DELETE", _manifest_url(repository, reference), scope)

    def _listed(self, data: bytes) -> tuple[Descriptor, ...]:
        try:
            return msgspec.json.decode(data, type=_Referrers).manifests
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Invalid(f"{self.address.host} answered no list of referrers: {error}") from None

    def _location(self, response: httpx2.Response) -> str:
        location = response.headers.get("Location")
        if not location:
            raise Invalid(f"{self.address.host} does not say where the upload goes on")
        return self._exchange.onward(response, location)


def pull_scope(repository: str) -> str:
    """What a token server is asked for to read."""
    return f"repository:{repository}:pull"


def push_scope(repository: str, mount_from: str | None = None) -> str:
    """What a token server is asked for to write, and to mount from another repository."""
    own = f"repository:{repository}:pull,push"
    return own if mount_from is None else f"{own} {pull_scope(mount_from)}"


def _manifest_url(repository: str, reference: str) -> str:
    return f"/v2/{repository}/manifests/{quote(reference, safe=':')}"


def _media_type(response: httpx2.Response) -> str:
    said: str = response.headers.get("Content-Type", "")
    return said.partition(";")[0].strip().lower()


def _own_media_type(data: bytes) -> str:
    try:
        return msgspec.json.decode(data, type=_TypeOnly).media_type
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""


def referrers_tag(digest: str) -> str:
    """The tag under which referrers are listed where the API is not spoken (distribution-spec 1.1, "Referrers Tag Schema")."""
    algorithm, _, encoded = digest.partition(":")
    return f"{algorithm[:32]}-{encoded[:64]}"


def _ending(location: str, digest: str) -> str:
    """Where to end an upload that goes on at ``location``."""
    return f"{location}{'&' if '?' in location else '?'}{urlencode({'digest': digest})}"


def _first_byte(response: httpx2.Response) -> int:
    """Where the body of a blob begins; a registry that knows no ranges sends all of it."""
    if response.status_code != 206:
        return 0
    found = _RANGE.match(response.headers.get("Content-Range", ""))
    return int(found["first"]) if found else 0


def _part(content: Content, offset: int, size: int) -> Callable[[], Iterator[bytes]]:
    def pieces() -> Iterator[bytes]:
        left = size
        for piece in content(offset):
            yield piece[:left]
            left -= len(piece)
            if left <= 0:
                return

    return pieces
