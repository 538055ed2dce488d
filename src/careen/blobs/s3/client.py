"""The client: botocore's, how long it is waited for, and what its errors mean."""

import re
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.exceptions import ClientError

from careen.blobs.s3.place import Place

LOST = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"})
"""What S3 answers when the object is not the one that was read."""


class CannotUse(Exception):
    """The bucket cannot be used. The message says why."""


def connect(place: Place) -> Any:
    """A client for a place. Any thread may use it."""
    # They take a third of a second to load, which a registry with a data folder need not wait for.
    import botocore.session  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    return botocore.session.get_session().create_client(
        "s3",
        endpoint_url=place.endpoint,
        region_name=place.region,
        config=Config(
            signature_version="s3v4",
            # Servers that are not Amazon's have no names for buckets, and know no checksums beyond the signature.
            s3={"addressing_style": "path" if place.endpoint else "auto"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            retries={"mode": "standard", "total_max_attempts": 4},
            max_pool_connections=64,
            connect_timeout=10,
            read_timeout=60,
        ),
    )


def code(error: ClientError) -> str:
    """S3's word for what is wrong."""
    return str(error.response["Error"]["Code"])


def is_missing(error: ClientError) -> bool:
    """Whether there is no such object or multipart upload."""
    return re.fullmatch("NoSuchKey|NoSuchUpload|404", code(error)) is not None


def present(answer: dict[str, Any]) -> datetime:
    """The present by the server's clock, when it gave that answer."""
    return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])


def age(written: datetime, answer: dict[str, Any]) -> float:
    """Seconds since then, by the server's clock."""
    return (present(answer) - written).total_seconds()
