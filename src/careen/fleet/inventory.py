"""An inventory: everything that a scan found, in one file that is read from top to bottom.

It is gzipped JSON Lines, so ``zcat inventory.jsonl.gz | jq`` reads it, made of gzip members (RFC 1952, 2.2), each whole or not
there at all::

    head        {"type": "inventory", version, beganAt, targets, selection, …}
                {"type": "use", …}        what runs, everywhere: known before the first image is looked at
                {"type": "refusal", …}    what could not be seen, and the permission that is missing
    repository  {"type": "repository", arn, policy, tags, …}     one member for each
                {"type": "blobs", …}      what its images are made of, each once; images name them by their place
                {"type": "image", …}      …
                {"type": "refusal", …}    what of it could not be read
                {"type": "end", …}
    …
    foot        {"type": "complete", …}

Uses come first and a repository is one block, so whoever reads holds one repository at a time and passes once, however large the
fleet. A scan that was broken off leaves whole blocks and perhaps the beginning of one, which readers leave out and the next scan
overwrites.
"""

import contextlib
import gzip
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import msgspec

from careen.clock import Instant
from careen.fleet.errors import BadInput
from careen.fleet.scanned import Blob, Image, Refusal, Repository, Scanned, Target, Use, is_selected
from careen.fleet.selection import Selection
from careen.lifecycle.image import ImageStatus

VERSION = 1
"""Of the form. A reader refuses one that it does not know."""

_LEVEL = 6
"""Of gzip: half the time of 9, and a few per cent more bytes. Digests do not compress anyway."""
_PIECE = 1 << 18


class Header(msgspec.Struct, frozen=True, tag="inventory", rename="camel", omit_defaults=True):
    """What was asked for, and when."""

    version: int
    began_at: Instant
    """Ages are told from here."""
    targets: tuple[Target, ...]
    selection: Selection
    has_layers: bool = True
    """Whether manifests of images were read, and not those of indexes alone."""
    watched: tuple[str, ...] = ()
    """Whom the scan asked what runs: ``ecs``, ``lambda``, …"""
    looks: tuple[str, ...] = ()
    """Whom it was told to ask, with clusters and further hosts: some of it there may not have been."""


class End(msgspec.Struct, frozen=True, tag="end", rename="camel"):
    """That a repository's block is whole."""

    images: int
    is_whole: bool
    """Whether all its images could be listed. Of a repository that is not whole nothing can be decided."""


class Complete(msgspec.Struct, frozen=True, tag="complete", rename="camel"):
    """That the scan came to its end."""

    ended_at: Instant
    repositories: int
    images: int
    refusals: int


class _Blobs(msgspec.Struct, frozen=True, tag="blobs"):
    blobs: tuple[Blob, ...]


class _ImageRow(msgspec.Struct, frozen=True, tag="image", rename="camel", omit_defaults=True, gc=False):
    """An image as the file has it: what it is made of by place, as images of a repository share most of it."""

    digest: str
    pushed_at: Instant
    tags: tuple[str, ...] = ()
    size: int = 0
    pulled_at: Instant | None = None
    media_type: str | None = None
    artifact_type: str | None = None
    subject: str | None = None
    status: ImageStatus = ImageStatus.ACTIVE
    archived_at: Instant | None = None
    activated_at: Instant | None = None
    children: tuple[int, ...] | None = None
    blobs: tuple[int, ...] | None = None


_Row = Header | Use | Refusal | Repository | _Blobs | _ImageRow | End | Complete

_decoder: msgspec.json.Decoder[_Row] = msgspec.json.Decoder(_Row)
_encoder = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Inventory:
    """An inventory's head; ``scanned`` reads on."""

    path: Path
    header: Header
    uses: Mapping[tuple[str | None, str | None, str], Sequence[Use]]
    """By account, Region and repository; by None, None and repository where the host did not say."""
    refusals: Sequence[Refusal] = field(default=())
    """Of whole accounts and Regions. Those of a repository are with it."""

    def scanned(self, selection: Selection | None = None) -> Iterator[Scanned]:
        """Every repository in the order of the file, one at a time.

        Args:
            selection: only what it selects. A repository whose tags could not be read is selected by no tag.

        Raises:
            BadInput: the file is damaged, or of a scan that did not come to its end.
        """
        first: _Row | None = None
        with _opened(self.path) as file:
            for rows in _Members(file):
                first = next(rows, None)
                if isinstance(first, Repository) and (selection is None or is_selected(first, selection)):
                    yield _block(first, rows, self.uses)
        if not isinstance(first, Complete):
            raise BadInput(f"{self.path} is of a scan that did not come to its end", "careen fleet scan")


def read(path: Path) -> Inventory:
    """Open an inventory.

    Raises:
        BadInput: there is none, or it is none that this version reads.
    """
    with _opened(path) as file:
        head = next(iter(_Members(file)), iter(()))
        first = next(head, None)
        if not isinstance(first, Header):
            raise BadInput(f"{path} is no inventory", "careen fleet scan")
        if first.version != VERSION:
            raise BadInput(
                f"{path} has version {first.version}, this careen reads {VERSION}", "careen fleet scan"
            )
        uses: dict[tuple[str | None, str | None, str], list[Use]] = {}
        refusals = []
        for row in head:
            if isinstance(row, Use):
                uses.setdefault((row.account, row.region, row.repository), []).append(row)
            elif isinstance(row, Refusal):
                refusals.append(row)
    return Inventory(path, first, uses, refusals)


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}", "careen fleet scan") from None


class _Members:
    """The members of a gzip file, each as the rows in it, read while they are asked for."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._held = b""
        """Read, and not looked at yet."""
        self.end = 0
        """Where the last member ends that was read whole."""

    def __iter__(self) -> Iterator[Iterator[_Row]]:
        while self._fill():
            rows = self._rows()
            yield rows
            for _ in rows:  # whoever reads need not read all
                pass

    def _fill(self) -> bool:
        self._held = self._held or self._file.read(_PIECE)
        return bool(self._held)

    def _rows(self) -> Iterator[_Row]:
        unpack = zlib.decompressobj(wbits=31)
        rest = b""
        try:
            while not unpack.eof:
                if not self._fill():
                    raise BadInput(f"{self._file.name} breaks off", "careen fleet scan")
                *lines, rest = (rest + unpack.decompress(self._held)).split(b"\n")
                self._held = unpack.unused_data
                for line in lines:
                    yield _decoder.decode(line)
        except (zlib.error, msgspec.MsgspecError, UnicodeDecodeError) as error:
            text = f"{self._file.name} is damaged, or no inventory: {error}"
            raise BadInput(text, "careen fleet scan") from None
        self.end = self._file.tell() - len(self._held)


def _block(
    repository: Repository,
    rows: Iterator[_Row],
    uses: Mapping[tuple[str | None, str | None, str], Sequence[Use]],
) -> Scanned:
    """The rest of a repository's block."""
    blobs: tuple[Blob, ...] = ()
    images: list[Image] = []
    refusals: list[Refusal] = []
    for row in rows:
        match row:
            case _ImageRow():
                images.append(_image(row, blobs))
            case _Blobs():
                blobs = row.blobs
            case Refusal():
                refusals.append(row)
            case End():
                used = (
                    *uses.get((repository.account, repository.region, repository.name), ()),
                    *uses.get((None, None, repository.name), ()),
                )
                return Scanned(repository, tuple(images), used, tuple(refusals), row.is_whole)
    raise BadInput(f"the block of {repository.arn} has no end", "careen fleet scan")


def _image(row: _ImageRow, blobs: Sequence[Blob]) -> Image:
    return Image(
        row.digest,
        row.tags,
        row.pushed_at,
        row.size,
        row.pulled_at,
        row.media_type,
        row.artifact_type,
        row.subject,
        row.status,
        row.archived_at,
        row.activated_at,
        None if row.children is None else tuple([blobs[place] for place in row.children]),
        None if row.blobs is None else tuple([blobs[place] for place in row.blobs]),
    )


class Writer:
    """Writes an inventory, block by block; every block is in the file when its method returns.

    It is made in a file beside the inventory, which takes its place when the scan is complete: until then the inventory is the
    last one.

    Args:
        file: open for writing, at its end.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def head(self, header: Header, uses: Iterable[Use], refusals: Iterable[Refusal]) -> None:
        """The first block."""
        self._write([header, *uses, *refusals])

    def repository(self, found: Scanned) -> None:
        """A repository's block. Uses are in the head."""
        places: dict[Blob, int] = {}
        rows = [_row(image, places) for image in found.images]
        self._write(
            [
                found.repository,
                *([_Blobs(tuple(places))] if places else []),
                *rows,
                *found.refusals,
                End(len(rows), found.is_whole),
            ]
        )

    def complete(self, complete: Complete) -> None:
        """The last block; what is written is on the disk afterwards."""
        self._write([complete])
        os.fsync(self._file.fileno())

    def _write(self, rows: Sequence[_Row]) -> None:
        self._file.write(gzip.compress(_encoder.encode_lines(rows), _LEVEL, mtime=0))
        self._file.flush()


def _row(image: Image, places: dict[Blob, int]) -> _ImageRow:
    def placed(blobs: tuple[Blob, ...] | None) -> tuple[int, ...] | None:
        return None if blobs is None else tuple([places.setdefault(blob, len(places)) for blob in blobs])

    return _ImageRow(
        image.digest,
        image.pushed_at,
        image.tags,
        image.size,
        image.pulled_at,
        image.media_type,
        image.artifact_type,
        image.subject,
        image.status,
        image.archived_at,
        image.activated_at,
        placed(image.children),
        placed(image.blobs),
    )


def write(path: Path, header: Header, found: Iterable[Scanned], refusals: Sequence[Refusal] = ()) -> None:
    """Write a whole inventory at once, as a scan that found this would: for those who make one of something else, and for tests.

    Args:
        path: the file, which is overwritten.
        header: what was asked for.
        found: the repositories; their uses go into the head.
        refusals: of whole accounts and Regions.
    """
    everything = list(found)
    with path.open("wb") as file:
        writer = Writer(file)
        uses = dict.fromkeys(use for each in everything for use in each.uses)
        writer.head(header, uses, refusals)
        for each in everything:
            writer.repository(each)
        writer.complete(
            Complete(
                header.began_at,
                len(everything),
                sum(len(each.images) for each in everything),
                len(refusals) + sum(len(each.refusals) for each in everything),
            )
        )


@dataclass(frozen=True, slots=True)
class Begun:
    """What a scan that was broken off has left."""

    header: Header
    arns: frozenset[str]
    """The repositories whose blocks are whole."""
    images: int
    """In them."""
    uses: int
    refused: frozenset[Refusal]
    """Whole accounts and Regions that could not be seen."""
    refusals: int
    """Of them, and of the head."""
    length: int
    """Of the file, in bytes, up to the end of the last whole block."""


def begun(path: Path) -> Begun | None:
    """Look through what a scan has left; None if there is nothing to go on from."""
    header: Header | None = None
    arns: set[str] = set()
    refused: set[Refusal] = set()
    images = uses = refusals = length = 0
    if not path.exists():
        return None
    with _opened(path) as file, contextlib.suppress(BadInput):  # it may break off in the middle of a block
        members = _Members(file)
        for rows in members:
            found = set()
            first = last = next(rows, None)
            for last in rows:
                uses += isinstance(last, Use)
                if isinstance(last, Refusal):
                    found.add(last)
            if header is None:
                if not isinstance(first, Header) or first.version != VERSION:
                    return None
                header, refused = first, found
            elif isinstance(first, Repository) and isinstance(last, End):
                arns.add(first.arn)
                images += last.images
            else:
                break
            refusals += len(found)
            length = members.end
    return (
        None
        if header is None
        else Begun(header, frozenset(arns), images, uses, frozenset(refused), refusals, length)
    )
