"""Our own service: which images are in use, and who says so."""

from functools import partial
from typing import Any

from careen.clock import SECOND
from careen.ecr import errors
from careen.ecr.pages import Listing
from careen.ecrapi.call import Call
from careen.oci.digest import is_digest
from careen.registry import pins
from careen.registry.pins import Held, InUse, Key, Pinned, Reporter

Parameters = dict[str, Any]
Result = dict[str, Any]

MAX_CONSUMER = 1024
"""Bytes of a consumer's name: it is in a key, and PostgreSQL's have 2,700 at most."""


async def put_image_pins(call: Call, parameters: Parameters) -> Result:
    """PutImagePins."""
    found = await call.registry.write(
        pins.put, parameters["source"], parameters["ttlSeconds"] * SECOND, _uses(parameters)
    )
    return {"pinned": found.pinned, "failures": _failures(found)}


async def report_images_in_use(call: Call, parameters: Parameters) -> Result:
    """ReportImagesInUse."""
    found = await call.registry.write(
        pins.report,
        parameters["source"],
        parameters["ttlSeconds"] * SECOND,
        _uses(parameters),
        is_whole=parameters["complete"],
    )
    return {
        "pinned": found.pinned,
        "ended": found.ended,
        "complete": found.is_whole,
        "failures": _failures(found),
    }


async def delete_image_pins(call: Call, parameters: Parameters) -> Result:
    """DeleteImagePins."""
    deleted = await call.registry.write(
        pins.remove,
        source=parameters.get("source"),
        repository=parameters.get("repositoryName"),
        digest=parameters.get("imageDigest"),
        consumer=parameters.get("consumer"),
    )
    return {"deleted": deleted}


async def list_image_pins(call: Call, parameters: Parameters) -> Result:
    """ListImagePins."""
    wanted = [parameters.get(name) for name in ("repositoryName", "imageDigest", "source")]
    listing: Listing[Key, Held] = Listing(f"ListImagePins {wanted}", tuple[str, str, str, str], _key)

    def fetch(after: Key | None, limit: int) -> list[Held]:
        first = ("", "", "", "")
        return call.registry.read(partial(pins.page, after=after or first, limit=limit), *wanted)

    page = listing.page(
        fetch, next_token=parameters.get("nextToken"), max_results=parameters.get("maxResults")
    )
    return {"pins": [_pin(each) for each in page.items], "nextToken": page.next_token}


async def describe_pin_feeds(call: Call, parameters: Parameters) -> Result:
    """DescribePinFeeds."""
    listing: Listing[str, Reporter] = Listing("DescribePinFeeds", str, lambda each: each.feed.source)
    page = listing.page(
        listing.of(call.registry.read(pins.feeds)),
        next_token=parameters.get("nextToken"),
        max_results=parameters.get("maxResults"),
    )
    return {
        "feeds": [
            {
                "source": each.feed.source,
                "ttlSeconds": each.feed.ttl // SECOND,
                "lastHeardAt": each.feed.heard_at,
                "lastCompleteReportAt": each.feed.reported_at,
                "stale": each.is_stale,
                "silentSeconds": each.silent // SECOND,
                "pins": each.pins,
            }
            for each in page.items
        ],
        "nextToken": page.next_token,
    }


def _uses(parameters: Parameters) -> list[InUse]:
    """What is said to be in use.

    Raises:
        careen.ecr.errors.InvalidParameter: one has neither digest nor tag, a digest that is none, or a consumer that is too long.
    """
    uses = []
    for each in parameters["images"]:
        use = InUse(each["repositoryName"], each.get("imageDigest"), each.get("imageTag"), each["consumer"])
        if use.digest is None and use.tag is None:
            raise errors.InvalidParameter("images", f"{use.consumer} has neither imageDigest nor imageTag")
        if use.digest is not None and not is_digest(use.digest):
            raise errors.InvalidParameter("images", f"{use.digest} is no digest")
        if len(use.consumer.encode()) > MAX_CONSUMER:
            raise errors.InvalidParameter("images", f"a consumer has more than {MAX_CONSUMER} bytes in UTF-8")
        uses.append(use)
    return uses


def _failures(found: Pinned) -> list[Result]:
    return [
        {
            "image": {
                "repositoryName": each.use.repository,
                "imageDigest": each.use.digest,
                "imageTag": each.use.tag,
                "consumer": each.use.consumer,
            },
            "failureCode": each.code,
            "failureReason": each.reason,
        }
        for each in found.unresolved
    ]


def _key(of: Held) -> Key:
    return of.repository, of.pin.digest, of.pin.source, of.pin.consumer


def _pin(of: Held) -> Result:
    return {
        "repositoryName": of.repository,
        "imageDigest": of.pin.digest,
        "imageTag": of.pin.tag,
        "consumer": of.pin.consumer,
        "source": of.pin.source,
        "lastSeenAt": of.pin.seen_at,
        "endsAt": of.ends_at,
        "imagePresent": of.is_present,
    }
