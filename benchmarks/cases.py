"""What is measured: a table of named cases.

A case is one function from a running server to the work that it did in one window. Its ``bar`` is the least
ratio of Careen's rate to that of Debian's docker-registry that the project promises.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path

from benchmarks.content import MANIFEST, Content
from benchmarks.load import STREAMS, Push, Work, downloads, requests, uploads
from benchmarks.peers import Server
from benchmarks.uploads import push_monolithic, push_streamed


class Unit(Enum):
    """What a case counts."""

    REQUESTS = "requests"
    BYTES = "bytes"


@dataclass(frozen=True, slots=True)
class Plan:
    """How much a window does, and with what."""

    content: Content
    folder: Path
    """For files of the generators."""
    seconds: int
    """Length of a window that is measured by time."""
    repeats: int
    """Transfers on each stream of a window that is measured by amount."""


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    unit: Unit
    window: Callable[[Server, Plan], Work]
    bar: float | None = None


def _manifest(server: Server, plan: Plan, *, by_tag: bool, connections: int = 32) -> Work:
    path = plan.content.tag_path if by_tag else plan.content.digest_path
    # Without an Accept that names it, distribution answers 404 for an OCI manifest.
    headers = {"Accept": MANIFEST}
    return requests(
        server.origin, path, plan.folder, seconds=plan.seconds, connections=connections, headers=headers
    )


def _small_blob(server: Server, plan: Plan) -> Work:
    path = plan.content.small_path
    return requests(server.origin, path, plan.folder, seconds=plan.seconds, connections=32, headers={})


def _large_blob(server: Server, plan: Plan) -> Work:
    return downloads(server.origin, plan.content.large_path, repeats=plan.repeats)


def _range(server: Server, plan: Plan) -> Work:
    """The last 60 MB, as a client asks that takes up a broken download."""
    headers = {"Range": f"bytes={40_000_000}-"}
    return downloads(
        server.origin, plan.content.large_path, repeats=plan.repeats, expect=206, headers=headers
    )


def _upload(server: Server, plan: Plan, *, push: Push) -> Work:
    fresh = [plan.content.payload.upload() for _ in range(STREAMS)]
    started = time.time()
    os.sync()  # what another server left to be written back must not slow this one down
    work = uploads(server.origin, fresh, push)
    _forget_pages(server.folder, started)
    return work


def _forget_pages(folder: Path, since: float) -> None:
    """Give back the memory in which the kernel keeps the files that were written since then.

    A page that a virtual machine has never used costs several times what a used one does, since the host must
    find it first. Without this, uploads become dearer with every window, for whoever's turn it is.
    """
    os.sync()
    for path in folder.rglob("*"):
        if path.is_file() and path.stat().st_mtime >= since:
            with path.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


CASES = (
    Case("manifest-by-tag", Unit.REQUESTS, partial(_manifest, by_tag=True), bar=5),
    Case("manifest-by-digest", Unit.REQUESTS, partial(_manifest, by_tag=False), bar=5),
    Case("blob-10k", Unit.REQUESTS, _small_blob, bar=4),
    Case("blob-100m", Unit.BYTES, _large_blob, bar=1.2),
    Case("range-60m", Unit.BYTES, _range),
    Case("upload-monolithic", Unit.BYTES, partial(_upload, push=push_monolithic), bar=1),
    Case("upload-streamed", Unit.BYTES, partial(_upload, push=push_streamed), bar=1),
)
