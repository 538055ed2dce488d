"""An image as workloads name it: ``host/repository:tag@digest``, any of the last two left out."""

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

_DIGEST = re.compile(r"[a-z0-9+._-]+:[0-9a-fA-F]{32,}")


class Reference(NamedTuple):
    """A parsed name."""

    host: str | None
    """With its port; None for what Docker looks for on its hub."""
    repository: str
    tag: str | None
    digest: str | None


def parse(text: str) -> Reference | None:
    """Read a name as a container runtime does. None: it is none, such as the bare id of an image without a name.

    ``docker-pullable://`` and the like, which old runtimes put before, are left out.
    """
    name, _, digest = text.rpartition("://")[2].partition("@")
    if (digest and not _DIGEST.fullmatch(digest)) or _DIGEST.fullmatch(name):
        return None
    first, slash, rest = name.partition("/")
    host, path = (first, rest) if slash and _is_host(first) else (None, name)
    repository, _, tag = path.partition(":")
    if not repository:
        return None
    # Without either it is the tag that runtimes take.
    return Reference(host, repository, tag or (None if digest else "latest"), digest or None)


def _is_host(component: str) -> bool:
    return "." in component or ":" in component or component == "localhost"


def is_of(reference: Reference, hosts: Sequence[str]) -> bool:
    """Whether an image is of a registry that goes by these names; ``*`` in them stands for anything."""
    return reference.host is not None and any(fnmatchcase(reference.host, host) for host in hosts)
