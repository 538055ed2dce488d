"""The files that pages need: styles, scripts, icons. Each is under an address that changes with it, and kept for ever."""

import gzip
import hashlib
from functools import cache
from pathlib import Path
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from careen.traffic import served

FOLDER = Path(__file__).parent / "static"

PREFIX = "/console/static/"

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}


class Asset(NamedTuple):
    """One file, as it is sent."""

    media_type: str
    content: bytes
    packed: bytes
    """The same, gzipped."""
    mark: str
    """Of its content."""


@cache
def assets() -> dict[str, Asset]:
    """All of them by name: ``console.css``, ``vendor/htmx-4.0.1.min.js``. A process reads and packs them once, when it is asked."""
    found = {}
    for path in FOLDER.rglob("*"):
        if path.suffix in _TYPES:
            content = path.read_bytes()
            mark = hashlib.sha256(content).hexdigest()[:12]
            name = path.relative_to(FOLDER).as_posix()
            found[name] = Asset(_TYPES[path.suffix], content, gzip.compress(content, mtime=0), mark)
    return found


def address(name: str) -> str:
    """Where pages find a file: ``/console/static/<mark>/console.css``.

    Raises:
        KeyError: there is none of that name: our bug.
    """
    return f"{PREFIX}{assets()[name].mark}/{name}"


async def answer(request: Request) -> Response:
    """One file."""
    served(request.scope).operation = "static"
    asset = assets().get(request.path_params["name"])
    if asset is None or request.path_params["mark"] != asset.mark:
        return Response("there is no such file\n", 404, media_type="text/plain")
    headers = {
        "cache-control": "public, max-age=31536000, immutable",
        "content-type": asset.media_type,
        "vary": "accept-encoding",
        "x-content-type-options": "nosniff",
    }
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(asset.packed, headers=headers | {"content-encoding": "gzip"})
    return Response(asset.content, headers=headers)
