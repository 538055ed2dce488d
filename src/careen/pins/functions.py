"""What AWS Lambda's functions are made of: the images of every published version, and the digests they were resolved to."""

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from careen.pins import reference
from careen.pins.sighting import Watcher


def look(client: Any, consumers: str, seen: Watcher) -> None:
    """Look through an account's functions.

    Args:
        client: botocore's, of Lambda.
        consumers: what the names of consumers begin with, such as ``lambda/123456789012/eu-west-1``.
        seen: where to note what is there, and what could not be read.
    """
    for function in _functions(client, seen):
        name, version = function["FunctionName"], function["Version"]
        try:
            code = client.get_function(FunctionName=name, Qualifier=version)["Code"]
        except (ClientError, BotoCoreError) as error:
            seen.miss(f"{name}:{version}", error)
            continue
        resolved = reference.parse(code.get("ResolvedImageUri", ""))
        digest = None if resolved is None else resolved.digest
        seen.see(code["ImageUri"], f"{consumers}/{name}:{version}", digest)


def _functions(client: Any, seen: Watcher) -> Iterator[dict[str, Any]]:
    """Every version of every function that is an image."""
    try:
        for page in client.get_paginator("list_functions").paginate(FunctionVersion="ALL"):
            yield from (each for each in page["Functions"] if each.get("PackageType") == "Image")
    except (ClientError, BotoCoreError) as error:
        seen.miss("functions", error)
