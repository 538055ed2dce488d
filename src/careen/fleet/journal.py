"""A journal: what a command changed, and what was there before, in a file that is written before anything is done.

JSON Lines, one for each deed before it and one after it, each on the disk before what comes next::

    {"type": "journal", "version": 1, "command": "clean", "beganAt": …, "about": {…}}
    {"type": "deed", "number": 1, "account": …, "region": …, "repository": …, "do": {"kind": "deleteImages", "images": […]}}
    {"type": "outcome", "number": 1, "failures": []}
    {"type": "end", "endedAt": …}

Whoever reads one after ``kill -9`` finds a deed without its outcome: it may have been done or not, and the registry knows.
A line that broke off in the middle is of something that was not begun.
"""

import fcntl
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain, count
from pathlib import Path
from typing import BinaryIO

import msgspec

from careen import durable
from careen.clock import Instant, to_datetime
from careen.fleet.errors import BadInput, Conflict
from careen.fleet.scanned import Target

VERSION = 1
"""Of the form. A reader refuses one that it does not know."""


class PutPolicy(msgspec.Struct, frozen=True, tag_field="kind", tag="putPolicy", omit_defaults=True):
    """A repository's lifecycle policy becomes another."""

    before: str | None = None
    """Its text; None for none."""
    after: str | None = None


class Gone(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """An image that is deleted, or loses tags."""

    digest: str
    tags: tuple[str, ...]
    """All it had; when ``untagged`` is given, only those go."""
    pushed_at: Instant
    size: int
    reason: str
    """Why, in a sentence."""
    untagged: tuple[str, ...] = ()
    media_type: str | None = None
    manifest: str | None = None
    """Its bytes as text, from which it can be put back for as long as its layers are there."""


class DeleteImages(msgspec.Struct, frozen=True, tag_field="kind", tag="deleteImages"):
    """Images go."""

    images: tuple[Gone, ...]


class PutTag(msgspec.Struct, frozen=True, tag_field="kind", tag="putTag"):
    """An image gets a tag."""

    digest: str
    tag: str
    reason: str


class RemoveTag(msgspec.Struct, frozen=True, tag_field="kind", tag="removeTag", omit_defaults=True):
    """An image loses a tag."""

    digest: str
    tag: str
    through: str | None = None
    """The image to which the tag is moved first, as it is the last of ``digest``, which would go with it."""


class PutImage(msgspec.Struct, frozen=True, tag_field="kind", tag="putImage"):
    """An image that was deleted comes back."""

    digest: str
    tags: tuple[str, ...]


Do = PutPolicy | DeleteImages | PutTag | RemoveTag | PutImage


class Head(msgspec.Struct, frozen=True, tag="journal", rename="camel", omit_defaults=True):
    """What was begun, and when."""

    command: str
    """``apply``, ``clean``, ``protect``, ``rollback``."""
    began_at: Instant
    about: dict[str, str] = {}
    """What it was told to do: a plan's hash, a policy's text."""
    version: int = VERSION


class Deed(msgspec.Struct, frozen=True, tag="deed"):
    """Something that is about to be done."""

    number: int
    account: str
    region: str
    repository: str
    do: Do

    @property
    def target(self) -> Target:
        """The registry."""
        return Target(self.account, self.region)


class Failure(msgspec.Struct, frozen=True, omit_defaults=True):
    """What of a deed was not done, and why."""

    reason: str
    """``ImageReferencedByManifestList: …``, a service's words."""
    digest: str | None = None
    """The image; None for the whole deed."""
    permission: str | None = None
    """What somebody has to allow."""


class Outcome(msgspec.Struct, frozen=True, tag="outcome", omit_defaults=True):
    """That a deed is done, but for its failures."""

    number: int
    failures: tuple[Failure, ...] = ()

    @property
    def is_undone(self) -> bool:
        """Whether nothing of it was done."""
        return any(failure.digest is None for failure in self.failures)


class End(msgspec.Struct, frozen=True, tag="end", rename="camel"):
    """That nothing is left to do."""

    ended_at: Instant


_Entry = Head | Deed | Outcome | End
_decoder: msgspec.json.Decoder[_Entry] = msgspec.json.Decoder(_Entry)
_encoder = msgspec.json.Encoder()


class Journal:
    """A journal that is being written; any thread may write. Made by :func:`begin` and :func:`resume`."""

    def __init__(self, path: Path, file: BinaryIO, next_number: int) -> None:
        self.path = path
        self._file = file
        self._number = next_number
        self._lock = threading.Lock()

    def doing(self, target: Target, repository: str, do: Do) -> int:
        """Say what is about to be done. Returns its number; what it says is on the disk."""
        with self._lock:
            number = self._number
            self._number += 1
            self._write(Deed(number, target.account, target.region, repository, do))
        return number

    def done(self, number: int, *failures: Failure) -> None:
        """Say what came of it."""
        with self._lock:
            self._write(Outcome(number, failures))

    def end(self, now: Instant) -> None:
        """Say that nothing is left, and close."""
        with self._lock:
            self._write(End(now))
            self._file.close()

    def close(self) -> None:
        """Leave it as it is: it can be resumed."""
        self._file.close()

    def _write(self, entry: _Entry) -> None:
        self._file.write(_encoder.encode(entry) + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())


@dataclass(frozen=True, slots=True)
class Written:
    """What a journal says."""

    head: Head
    deeds: Mapping[int, Deed]
    """By number, in order."""
    outcomes: Mapping[int, Outcome]
    is_ended: bool
    length: int = field(repr=False)
    """Bytes up to the end of the last whole line."""


def new_path(folder: Path, command: str, now: Instant) -> Path:
    """Where a command's journal goes: ``clean-20261126T091500Z.jsonl``, the second of that second ``…Z-2.jsonl``."""
    stem = f"{command}-{to_datetime(now):%Y%m%dT%H%M%SZ}"
    names = chain([f"{stem}.jsonl"], (f"{stem}-{number}.jsonl" for number in count(2)))
    return next(path for path in map(folder.joinpath, names) if not path.exists())


def begin(path: Path, head: Head) -> Journal:
    """Begin a journal in a new file.

    Raises:
        Conflict: there is a file already.
        BadInput: it cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("xb")
    except OSError as error:
        if path.exists():
            raise Conflict(f"there is a journal {path} already", "the same command again") from None
        raise BadInput(f"{path} cannot be written: {error.strerror}", "--state FOLDER") from None
    _lock(file)
    journal = Journal(path, file, 1)
    journal._write(head)  # noqa: SLF001 - of this module
    durable.sync_folder(path.parent)  # else the file may not be there after a power failure
    return journal


def resume(path: Path) -> Journal:
    """Go on with a journal that has no end; what broke off is overwritten.

    Raises:
        Conflict: another process is writing it.
        BadInput: it cannot be written, or is none.
    """
    try:
        file = path.open("r+b")
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror}", "--state FOLDER") from None
    _lock(file)
    written = read(path)  # now that nobody else writes
    file.truncate(written.length)
    file.seek(written.length)
    return Journal(path, file, max(written.deeds, default=0) + 1)


def _lock(file: BinaryIO) -> None:
    """Keep others from writing it for as long as it is open; whoever dies lets go of it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise Conflict(f"another process is writing {file.name}", "wait for it") from None


def read(path: Path) -> Written:
    """Read a journal.

    Raises:
        BadInput: there is none, or it is none that this version reads.
    """
    try:
        lines = path.read_bytes().splitlines(keepends=True)
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}", "careen-fleet/journals/…") from None
    deeds: dict[int, Deed] = {}
    outcomes: dict[int, Outcome] = {}
    head: Head | None = None
    is_ended, length = False, 0
    for number, line in enumerate(lines, start=1):
        if not line.endswith(b"\n"):
            break
        try:
            entry = _decoder.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise BadInput(f"{path}, line {number} is of no journal: {error}") from None
        match entry:
            case Head():
                head = entry
            case Deed():
                deeds[entry.number] = entry
            case Outcome():
                outcomes[entry.number] = entry
            case End():
                is_ended = True
        length += len(line)
    if head is None:
        raise BadInput(f"{path} is no journal", "careen-fleet/journals/…")
    if head.version != VERSION:
        raise BadInput(f"{path} has version {head.version}, this careen reads {VERSION}")
    return Written(head, deeds, outcomes, is_ended, length)


def is_blank(path: Path) -> bool:
    """Whether a journal has no whole line: whoever made it was killed, or the disk was full, before anything was begun."""
    try:
        with path.open("rb") as file:
            return not file.readline().endswith(b"\n")
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}") from None
