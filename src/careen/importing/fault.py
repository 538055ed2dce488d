"""What is wrong with something in a source, so that it is left out."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """The sort of fault. What stands beneath each is what helps."""

    NAME = "name"
    """The repository's name is none that the registry takes. A prefix makes one of a name that is too short."""
    UNREADABLE = "unreadable"
    """What the repository has cannot be read: a folder that only somebody else may open, a damaged list. Mend that first."""
    TAG = "tag"
    """The tag is none that the registry takes; its image is imported."""
    DANGLING_TAG = "dangling-tag"
    """The tag names no manifest that is there: it was deleted. Nobody can pull it at the source either."""
    MANIFEST_MISSING = "manifest-missing"
    """The manifest's bytes are gone."""
    MANIFEST_DAMAGED = "manifest-damaged"
    """The manifest's bytes have another digest than its name."""
    SCHEMA_1 = "schema-1"
    """A manifest in Docker's first format, which no client of today pushes or pulls. Pull it with an old one and push it again."""
    MANIFEST_REFUSED = "manifest-refused"
    """The bytes are no manifest that the registry takes."""
    BLOB_MISSING = "blob-missing"
    """A blob that the manifest needs is gone. Push the image again from wherever somebody has it."""
    BLOB_DAMAGED = "blob-damaged"
    """A blob that the manifest needs has another size or digest than its name. As above."""
    CHILD_MISSING = "child-missing"
    """An image that the index lists is not there, or is left out itself."""
    REFUSED = "refused"
    """The registry's own rules say no: an immutable tag, a blob that is too large."""


def as_text(name: str) -> str:
    """A name from a folder or a tar, where any bytes can be one, as text: what is no UTF-8 is escaped."""
    return name.encode("utf-8", "backslashreplace").decode()


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is left out, and why. Whatever names it is made of, it is text."""

    repository: str
    """Its name at the source."""
    what: str
    """The digest of a manifest, or a tag; empty: the whole repository."""
    tags: tuple[str, ...]
    """The tags that are left out with it."""
    kind: Kind
    why: str
    """The rest of a sentence that begins with what it is."""

    def __post_init__(self) -> None:
        """See :func:`as_text`."""
        for part in ("repository", "what", "why"):
            object.__setattr__(self, part, as_text(getattr(self, part)))
        object.__setattr__(self, "tags", tuple(map(as_text, self.tags)))

    def __str__(self) -> str:
        """``team/app@sha256:… (1.4): blob sha256:… is not there``."""
        join = "@" if ":" in self.what else ":" if self.what else ""
        names = f" ({', '.join(self.tags)})" if self.tags and join == "@" else ""
        return f"{self.repository}{join}{self.what}{names}: {self.why}"
