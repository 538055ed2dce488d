"""Where a bucket is, as a setting says it."""

from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit


class Place(NamedTuple):
    """A bucket, and where in it."""

    bucket: str
    prefix: str
    """Empty, or with a slash at its end."""
    endpoint: str | None
    region: str | None
    encryption: str | None = None
    """What the bucket is asked to encrypt objects with, ``AES256`` or ``aws:kms``; None: nothing is asked for."""
    storage_class: str | None = None
    """Amazon's name of the class of the objects; None: the bucket's own."""
    kms_key: str | None = None
    """The key of AWS KMS for ``aws:kms``; None: the one that Amazon keeps for S3."""

    @property
    def encrypted(self) -> dict[str, Any]:
        """The parameters that ask for it when an object is written, or a multipart upload begun: its parts are encrypted alike."""
        if self.encryption is None:
            return {}
        if self.encryption == "AES256":
            return {"ServerSideEncryption": "AES256"}
        # With a key for the bucket, KMS is asked (and paid) now and then instead of for every object.
        asked = {"ServerSideEncryption": self.encryption, "BucketKeyEnabled": True}
        return asked | ({"SSEKMSKeyId": self.kms_key} if self.kms_key else {})


def parse_place(url: str) -> Place:
    """Read ``s3://bucket/prefix?endpoint=https://…&region=…&sse=AES256&class=…``; without an endpoint it is Amazon's.

    ``sse=aws:kms`` may have ``kms=`` with the id, the ARN or an alias of a key. Amazon is asked for AES256 unless something else is
    said. Others are asked only if it says so: many refuse a request that asks for it.
    """
    parts = urlsplit(url)
    options = {name: values[0] for name, values in parse_qs(parts.query).items()}
    prefix, endpoint = parts.path.strip("/"), options.get("endpoint")
    return Place(
        bucket=parts.netloc,
        prefix=f"{prefix}/" if prefix else "",
        endpoint=endpoint,
        region=options.get("region"),
        encryption=options.get("sse", "AES256" if endpoint is None else None),
        storage_class=options.get("class"),
        kms_key=options.get("kms"),
    )
