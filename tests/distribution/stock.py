"""A repository with one of everything, and what a table of requests may call its parts."""

import random
from dataclasses import dataclass
from typing import Any

from careen.oci.digest import digest_of
from tests import images
from tests.distribution.client import Client
from tests.images import Built

SMALL = b"forty bytes, so they are a row. " + b"." * 8
LARGE = random.Random("large").randbytes(100_000)  # noqa: S311 the same bytes every time
"""More than a row takes, so a file."""

APP = images.image("base", "app")
ARM = images.image("base", "arm")
BOTH = images.index(APP, ARM)
SIGNATURE = images.artifact("application/vnd.example.signature", APP)
BILL = images.artifact("application/vnd.example.sbom", APP, b"{}", {"org.example.tool": "syft"})
ABSENT = images.image("never", "pushed")


@dataclass(frozen=True)
class Stock:
    """The repository ``name`` with one of everything.

    SMALL and LARGE, APP (tags ``1.0`` and ``latest``), ARM, BOTH (tag ``multi``), the referrers SIGNATURE and BILL of APP, and
    ORPHAN, a referrer of ABSENT, which is not there itself.
    """

    client: Client
    name: str

    def fill(self, text: str) -> str:
        """Replace ``{name}``, ``{app}``… by what they are here."""
        return text.format(name=self.name, **NAMES)


ORPHAN = images.artifact("application/vnd.example.signature", ABSENT)

NAMES: dict[str, Any] = {
    "small": digest_of(SMALL),
    "small_size": len(SMALL),
    "large": digest_of(LARGE),
    "large_size": len(LARGE),
    "app": APP.digest,
    "app_size": len(APP.manifest),
    "app_layer": APP.digests[1],
    "both": BOTH.digest,
    "both_size": len(BOTH.manifest),
    "absent": ABSENT.digest,
}


def put_in(client: Client, name: str) -> Stock:
    """Push it all."""
    client.push_blob(name, SMALL)
    client.push_blob(name, LARGE)
    for built, reference in _PUSHES:
        client.push(name, built, reference)
    return Stock(client, name)


_PUSHES: list[tuple[Built, str | None]] = [
    (APP, "1.0"),
    (APP, "latest"),
    (ARM, None),
    (BOTH, "multi"),
    (SIGNATURE, None),
    (BILL, None),
    (ORPHAN, None),
]
