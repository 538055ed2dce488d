"""Content digests (OCI image-spec, descriptor.md, "Digests"): the two registered algorithms, sha256 and sha512."""

import hashlib
import re
from typing import Protocol

DIGEST = re.compile(r"(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})")


class Hasher(Protocol):
    """The part of a hashlib object that an upload needs."""

    def update(self, data: bytes | bytearray | memoryview, /) -> None:
        """Take in more bytes."""

    def hexdigest(self) -> str:
        """The hash of what was taken in, in lower-case hexadecimal."""


def is_digest(text: str) -> bool:
    """Whether ``text`` is a well-formed digest of a registered algorithm."""
    return DIGEST.fullmatch(text) is not None


def algorithm(digest: str) -> str:
    """``sha256`` or ``sha512``, of a well-formed digest."""
    return digest.partition(":")[0]


def hasher(name: str = "sha256") -> Hasher:
    """A hasher of a registered algorithm."""
    return hashlib.new(name)


def digest_of(data: bytes, name: str = "sha256") -> str:
    """The digest of ``data``: ``sha256:…``."""
    return f"{name}:{hashlib.new(name, data).hexdigest()}"
