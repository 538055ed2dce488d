"""Telling the registry what was seen, in as many calls as it takes."""

from collections.abc import Sequence
from itertools import islice
from typing import Any, NamedTuple

from careen.pins.sighting import Sighting, Use

MOST = 1000
"""Images in one call: the service's limit."""


class Reported(NamedTuple):
    """What the registry made of it."""

    pinned: int
    ended: int
    is_whole: bool
    """Whether it was taken as a whole report."""
    missing: Sequence[str]
    """What runs although it is not in the registry, in its words."""


def report(client: Any, source: str, ttl: int, seen: Sighting) -> Reported:
    """Report a sighting.

    Only the last call says that this was all, and only if it was: a feed that could list but half adds pins, and ends none.

    Args:
        client: botocore's, of the ``careen`` service.
        source: the feed's name.
        ttl: how long what is not seen any more is kept, in seconds.
        seen: what was seen.

    Raises:
        botocore.exceptions.ClientError: the registry refuses.
        botocore.exceptions.BotoCoreError: it is not reached.
    """
    pinned = ended = 0
    is_whole = False
    missing: list[str] = []
    uses = iter(seen.uses)
    left = len(seen.uses)
    while True:
        images = [_image(each) for each in islice(uses, MOST)]
        left -= len(images)
        answer = client.report_images_in_use(
            source=source, ttlSeconds=ttl, images=images, complete=not left and not seen.problems
        )
        pinned += answer["pinned"]
        ended += answer["ended"]
        missing += [
            f"{each['image']['consumer']}: {each['failureReason']}" for each in answer.get("failures", ())
        ]
        if not left:
            is_whole = answer["complete"]
            return Reported(pinned, ended, is_whole, missing)


def _image(use: Use) -> dict[str, str]:
    image = {
        "repositoryName": use.repository,
        "imageTag": use.tag,
        "imageDigest": use.digest,
        "consumer": use.consumer,
    }
    return {name: value for name, value in image.items() if value is not None}
