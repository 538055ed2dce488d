"""Which kind of source a path leads to."""

import contextlib
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from careen.importing import layout
from careen.importing.compressed import uncompressed
from careen.importing.distribution import VERSION_2, DistributionFolder
from careen.importing.files import Files, Folder, Tar
from careen.importing.layout import Layouts, Place
from careen.importing.source import CannotRead, Source


@contextlib.contextmanager
def opened(
    path: Path,
    name: str | None = None,
    scratch: Callable[[], IO[bytes]] = tempfile.TemporaryFile,
    told: Callable[[int], object] = lambda _: None,
) -> Iterator[Source]:
    """The source at a path, for a ``with`` block: a folder of a registry's, a layout, a folder of layouts, or a tar of either.

    Args:
        path: where it is. The storage of a distribution registry is found below it, too.
        name: the repository of a single layout; None: what the layout says.
        scratch: makes an empty file without a name, for what is in a compressed tar.
        told: called with the bytes of each piece that was uncompressed.

    Raises:
        CannotRead: it is none of them, or a layout that does not say of which repository it is.
        OSError: it cannot be read.
    """
    if not path.is_file():
        yield _folder(path, name)
        return
    with uncompressed(path, scratch, told) as file:
        try:
            tar = Tar(file)
        except tarfile.TarError:
            raise CannotRead(
                f"{path} is no tar, or in a compression that is not known here: unpack it and name the folder"
            ) from None
        yield _layouts(tar, path, name)


def _folder(path: Path, name: str | None) -> Source:
    root = _distribution(path)
    if root is None:
        return _layouts(Folder(path), path, name)
    if name is not None:
        raise CannotRead(f"{path} has names of its own: --name is for a single OCI image layout")
    return DistributionFolder(root)


def _distribution(path: Path) -> Path | None:
    """The folder with ``blobs`` and ``repositories`` at ``path`` or below it."""
    for root in (
        path,
        path / "v2",
        path / "registry" / "v2",
        path / VERSION_2,
        path / "registry" / VERSION_2,
    ):
        if (root / "repositories").is_dir() and not (root / "repositories" / "oci-layout").exists():
            return root
    return None


def _layouts(files: Files, path: Path, name: str | None) -> Source:
    if not layout.is_layout(files):
        found = layout.below(files)
        if not found:
            raise CannotRead(
                f"{path} is neither the storage of a distribution registry (docker/registry/v2 below the folder of its"
                " configuration) nor an OCI image layout"
            )
        if name is not None and len(found) > 1:
            raise CannotRead(f"{path} has {len(found)} layouts: --name is for a single one")
        return Layouts(files, found if name is None else {name: next(iter(found.values()))})
    places = layout.named(files) if name is None else {name: Place("")}
    if len(places) == 1:  # then what does not say whose it is belongs there, too
        places = {each: Place("") for each in places}
    if not places:
        raise CannotRead(f"{path} does not say of which repository its images are: give --name")
    return Layouts(files, places)
