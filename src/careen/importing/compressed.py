"""A tar that is compressed, as `docker save … | gzip` writes it: uncompressed beside, for as long as it is read."""

import bz2
import contextlib
import gzip
import lzma
import tempfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
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
def uncompressed(path: Path, told: Callable[[int], None] = lambda _: None) -> Iterator[Path]:
    """Where a source can be read in place: at ``path`` itself, or, if that is a compressed file, in a temporary folder.

    Args:
        path: a file or a folder, or nothing that is there.
        told: called with the bytes of each piece that was uncompressed: a large file takes minutes.

    Yields:
        ``path``, or a file of the same name that is gone after the block.

    Raises:
        CannotRead: it is damaged, or there is no room for what is in it.
    """
    opener = _opener(path)
    if opener is None:
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="careen-import-") as folder:
        copy = Path(folder, path.name)
        try:
            with opener(path) as packed, copy.open("wb") as file:
                for piece in iter(partial(packed.read, _PIECE), b""):
                    told(file.write(piece))
        except (EOFError, OSError, lzma.LZMAError, zlib.error) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise CannotRead(
                    f"{path} is compressed, and cannot be uncompressed into {folder}: {error.strerror}."
                    " TMPDIR names a folder with more room"
                ) from None
            raise CannotRead(f"{path} is damaged: {error}") from None
        yield copy


def _opener(path: Path) -> Callable[..., IO[Any]] | None:
    if not path.is_file():
        return None
    with path.open("rb") as file:
        begins = file.read(max(map(len, _FORMS)))
    return next((opener for first, opener in _FORMS.items() if begins.startswith(first)), None)
