"""Where a bucket is, as a setting says it."""

from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit


class Place(NamedTuple):
    """A bucket, and where in it."""

    bucket: str
    prefix: str
    """Empty, or with a slash at its end."""
    endpoint: str | None
    region: str | None
    encryption: str | None = None
    """What the bucket is asked to encrypt objects with; None: nothing is asked for."""
    storage_class: str | None = None
    """Amazon's name of the class of the objects; None: the bucket's own."""


def parse_place(url: str) -> Place:
    """Read ``s3://bucket/prefix?endpoint=https://…&region=…&sse=AES256&class=…``; without an endpoint it is Amazon's.

    Amazon is asked for AES256 in any case. Others are only if it says so: many refuse a request that asks for it.
    """
    parts = urlsplit(url)
    options = {name: values[0] for name, values in parse_qs(parts.query).items()}
    prefix, endpoint = parts.path.strip("/"), options.get("endpoint")
    return Place(
        parts.netloc,
        f"{prefix}/" if prefix else "",
        endpoint,
        options.get("region"),
        options.get("sse", "AES256" if endpoint is None else None),
        options.get("class"),
    )
