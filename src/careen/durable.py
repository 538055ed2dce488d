"""Files that are there whole or not at all, also after a power failure: first bytes are synced, then names."""

import contextlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk: a file that was made or renamed there is not found without."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file(path: Path) -> None:
    """Wait until what somebody else wrote to a file is on the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def write(path: Path, data: bytes, mode: int) -> None:
    """Let a file have this content, whatever it had.

    Args:
        path: the file.
        data: its content.
        mode: its permissions, less the umask.

    Raises:
        OSError: as the system says.
    """
    draft = path.with_name(f"{path.name}.part")
    draft.unlink(missing_ok=True)
    _draft(draft, data, mode)
    draft.rename(path)
    sync_folder(path.parent)


def write_once(
    path: Path, data: bytes, mode: int, *, drafted: Callable[[], None], written: Callable[[], None]
) -> None:
    """Let a file have this content, unless it is there: of all processes that want to, one does.

    Args:
        path: the file.
        data: its content.
        mode: its permissions, less the umask.
        drafted: called when it is written, under a name of its own.
        written: called when it is there, by whomever.

    Raises:
        OSError: as the system says.
    """
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    _draft(draft, data, mode)
    drafted()
    # Another process was first: its content counts, or it has removed our draft already.
    with contextlib.suppress(FileExistsError, FileNotFoundError):
        os.link(draft, path)
    sync_folder(path.parent)
    written()
    draft.unlink(missing_ok=True)


def _draft(path: Path, data: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
