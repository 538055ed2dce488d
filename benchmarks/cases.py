"""What is measured: a table of named cases.

A case is one function from a running server to the work that it did in one window. Its ``bar`` is the least
ratio of Careen's rate to that of CNCF distribution that the project promises, ``every_bar`` the least to any peer's.
"""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from functools import partial
from pathlib import Path

from benchmarks import crane, listings
from benchmarks.content import MANIFEST, SMALL, Content
from benchmarks.limits import DURABLE
from benchmarks.load import STREAMS, Push, Work, downloads, heads, pushes, requests, uploads
from benchmarks.peers import Server
from benchmarks.uploads import push_monolithic, push_streamed


class Unit(Enum):
    """What a case counts."""

    REQUESTS = "requests"
    BYTES = "bytes"
    IMAGES = "images"
    ENTRIES = "entries"


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
    small: int = 1000
    """Small blobs pushed in a window."""
    listed: int = 10_000
    """Tags of the repository that has many, and repositories."""


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    unit: Unit
    window: Callable[[Server, Plan], Work]
    bar: float | None = None
    every_bar: float | None = None
    light: bool = False
    """Whether no peer may need less memory for it."""
    limit: str | None = None
    """The limit of the machine, by its name in ``limits``, of which 60 % must be reached."""
    lists: bool = False
    """Whether it needs what ``listings`` seeds, which takes minutes on some peers."""


def _manifest(server: Server, plan: Plan, *, by_tag: bool, connections: int = 32) -> Work:
    path = plan.content.tag_path if by_tag else plan.content.digest_path
    # Without an Accept that names it, distribution answers 404 for an OCI manifest.
    headers = {"Accept": MANIFEST}
    return _requests(server, plan, path, connections=connections, headers=headers)


def _manifest_of_many(server: Server, plan: Plan) -> Work:
    """Any of thousands of tags, so that no few answers are asked for again and again."""
    paths = [listings.tag_path(number) for number in range(plan.listed)]
    return _requests(server, plan, *paths, headers={"Accept": MANIFEST})


def _requests(
    server: Server,
    plan: Plan,
    *paths: str,
    connections: int = 32,
    headers: Mapping[str, str] | None = None,
) -> Work:
    fields = headers or {}
    origin, folder = server.origin, plan.folder
    return requests(origin, paths, folder, seconds=plan.seconds, connections=connections, headers=fields)


def _manifest_head(server: Server, plan: Plan, *, by_tag: bool, connections: int = 32) -> Work:
    """What docker asks before it pulls a tag."""
    path = plan.content.tag_path if by_tag else plan.content.digest_path
    headers = {"Accept": MANIFEST}
    return heads(server.origin, path, seconds=plan.seconds, connections=connections, headers=headers)


def _small_blob(server: Server, plan: Plan) -> Work:
    return _requests(server, plan, plan.content.small_path)


def _blob_head(server: Server, plan: Plan) -> Work:
    """What every client asks before it pushes a layer."""
    return heads(server.origin, plan.content.small_path, seconds=plan.seconds, connections=32, headers={})


def _small_pushes(server: Server, plan: Plan) -> Work:
    """A thousand blobs of 10 KB, none of which the server has."""
    return pushes(server.origin, [os.urandom(SMALL) for _ in range(plan.small)])


def _listing(server: Server, plan: Plan, *, path: str) -> Work:
    """Pages of a list; counted in entries, as some servers answer with all of them whatever they are asked for."""
    found = listings.entries(server.origin, path)
    work = _requests(server, plan, path, connections=8)
    return replace(work, units=work.units * found)


def _crane_push(server: Server, plan: Plan) -> Work:
    return crane.push(server.origin, plan.folder)


def _crane_pull(server: Server, plan: Plan) -> Work:
    return crane.pull(server.origin, plan.folder)


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


_REQUESTS = Unit.REQUESTS

CASES = (
    *(
        Case(
            f"manifest-{method}-by-{'tag' if by_tag else 'digest'}-{connections}",
            _REQUESTS,
            partial(ask, by_tag=by_tag, connections=connections),
            bar=8,
            every_bar=2,
            light=connections == 128,
        )
        for method, ask in (("get", _manifest), ("head", _manifest_head))
        for by_tag in (True, False)
        for connections in (32, 128)
    ),
    Case("manifest-of-many", _REQUESTS, _manifest_of_many, bar=8, every_bar=2, lists=True),
    Case("blob-10k", _REQUESTS, _small_blob, bar=5, every_bar=2),
    Case("blob-head", _REQUESTS, _blob_head),
    Case("blob-100m", Unit.BYTES, _large_blob, every_bar=1.3, limit="nginx, sendfile"),
    Case("range-60m", Unit.BYTES, _range),
    Case(
        "upload-monolithic", Unit.BYTES, partial(_upload, push=push_monolithic), every_bar=1.2, limit=DURABLE
    ),
    Case("upload-streamed", Unit.BYTES, partial(_upload, push=push_streamed), every_bar=1.2, limit=DURABLE),
    Case("upload-10k", _REQUESTS, _small_pushes, every_bar=1.5),
    Case("tags", Unit.ENTRIES, partial(_listing, path=listings.TAGS_PATH), every_bar=5, lists=True),
    Case("catalog", Unit.ENTRIES, partial(_listing, path=listings.CATALOG_PATH), every_bar=5, lists=True),
    Case("crane-push", Unit.IMAGES, _crane_push),
    Case("crane-pull", Unit.IMAGES, _crane_pull),
)
