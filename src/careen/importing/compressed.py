"""A tar that is compressed, as `docker save … | gzip` writes it, uncompressed first: its blobs are read where they lie."""

import bz2
import contextlib
import gzip
import lzma
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from careen.importing.source import CannotRead

_FORMS: dict[bytes, Callable[..., IO[Any]]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}
"""What a file of each form begins with, and what reads it."""

_PIECE = 1 << 20


@contextlib.contextmanager
def uncompressed(
    path: Path, scratch: Callable[[], IO[bytes]], told: Callable[[int], object]
) -> Iterator[IO[bytes]]:
    """A file, open, of which every byte can be read without those before it.

    Args:
        path: the file.
        scratch: makes an empty file without a name, for what is in a compressed one. It is closed after the block, or with the
            process, however that ends.
        told: called with the bytes of each piece that was uncompressed: a large file takes minutes.

    Raises:
        CannotRead: it is damaged, or there is no room for what is in it.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        begins = file.read(max(map(len, _FORMS)))
        opener = next((opener for first, opener in _FORMS.items() if begins.startswith(first)), None)
        if opener is None:
            yield file
            return
    with scratch() as plain:
        for piece in _pieces(path, opener):
            try:
                plain.write(piece)
            except OSError as error:
                raise CannotRead(
                    f"{path} is compressed, and what is in it cannot be kept: {error.strerror}. It needs room in the data folder"
                    " or, with --dry-run, below TMPDIR; uncompressed it needs none"
                ) from None
            told(len(piece))
        plain.flush()
        yield plain


def _pieces(path: Path, opener: Callable[..., IO[bytes]]) -> Iterator[bytes]:
    try:
        with opener(path) as packed:
            while piece := packed.read(_PIECE):
                yield piece
    except (EOFError, OSError, lzma.LZMAError, zlib.error) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # of the disk; those that bz2 and gzip make of a damaged file have no number
        raise CannotRead(f"{path} is damaged: {error}") from None
