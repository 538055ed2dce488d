"""A list of images that somebody or something else keeps: a file, or an address that answers with one.

One image to a line, and after it, if one likes, what uses it::

    registry.example.com/shop/web:1.4                            # a comment
    registry.example.com/shop/worker@sha256:4b27… batch/nightly
"""

import urllib.request
from pathlib import Path

from careen.pins.sighting import Watcher

MOST_BYTES = 16 * 1024 * 1024
TIMEOUT = 30
"""Seconds that an address may take to answer."""


def look(where: str, consumer: str, seen: Watcher) -> None:
    """Read a list.

    Args:
        where: a file, or an address that begins with http:// or https://.
        consumer: what uses the images of lines that name nobody.
        seen: where to note them; a list that cannot be read is a problem, and so is a line that names no image.
    """
    try:
        text = _read(where)
    except (OSError, ValueError) as error:  # no such file or host, a refusal, not UTF-8
        seen.miss(where, error)
        return
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.partition("#")[0].split()
        if len(words) > 2:
            seen.miss(f"{where}, line {number}", f"an image and who uses it, not {len(words)} words")
        elif words:
            seen.see(words[0], words[1] if len(words) > 1 else consumer)


def _read(where: str) -> str:
    if not where.startswith(("http://", "https://")):
        return Path(where).read_text("utf-8")
    with urllib.request.urlopen(where, timeout=TIMEOUT) as answer:  # noqa: S310 - it is one of these two
        data: bytes = answer.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise ValueError(f"the list has more than {MOST_BYTES} bytes")
    return data.decode("utf-8")
