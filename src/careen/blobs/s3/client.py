"""The client: botocore's, how long it is waited for, and what its errors mean."""

import time
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from careen import figures
from careen.blobs.s3.place import Place
from careen.blobs.store import BlobsUnavailable

CONNECT_SECONDS = 5.0
"""How long a connection may take."""

ANSWER_SECONDS = 15.0
"""How long the server may be silent. Amazon's says something (a space) every few seconds even while it puts parts together."""

ATTEMPTS = 4
"""How often something is asked for. With :data:`ANSWER_SECONDS` and seven seconds of pauses: a server that says nothing is given
up after 67 seconds. Pauses are drawn at random up to 1, 2 and 4 seconds; when most attempts fail, botocore pays for fewer."""

CONNECTIONS = 64
"""Kept open: one for each thread that may ask."""


class CannotUse(Exception):
    """The bucket cannot be used. The message says why."""


class Changed(Exception):
    """The object is not the one that was read, or there is one already."""


def connect(place: Place) -> Any:
    """A client for a place. Any thread may use it."""
    # They take a third of a second to load, which a registry with a data folder need not wait for.
    import botocore.session  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    client = botocore.session.get_session().create_client(
        "s3",
        endpoint_url=place.endpoint,
        region_name=place.region,
        config=Config(
            signature_version="s3v4",
            # Servers that are not Amazon's have no names for buckets, and know no checksums beyond the signature.
            s3={"addressing_style": "path" if place.endpoint else "auto"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            max_pool_connections=CONNECTIONS,
            connect_timeout=CONNECT_SECONDS,
            read_timeout=ANSWER_SECONDS,
            tcp_keepalive=True,
        ),
    )
    client.meta.events.register("before-call.s3", _begin)
    client.meta.events.register("after-call.s3", _end)
    client.meta.events.register("after-call-error.s3", _fail)
    return client


def _begin(context: dict[str, Any], **_: Any) -> None:
    context["careen_began"] = time.perf_counter()


def _end(event_name: str, http_response: Any, context: dict[str, Any], **_: Any) -> None:
    status = http_response.status_code
    # What is not there, or has changed, is an answer like any other.
    _count(
        event_name, "refused" if status in {401, 403} else "failed" if status >= 500 else "answered", context
    )


def _fail(event_name: str, context: dict[str, Any], **_: Any) -> None:
    _count(event_name, "silent", context)


def _count(event_name: str, outcome: str, context: dict[str, Any]) -> None:
    """Count a call; the name of the event ends in the operation's."""
    operation = event_name.rpartition(".")[2]
    figures.S3_REQUESTS.add(operation, outcome)
    figures.S3_SECONDS.observe(operation, value=time.perf_counter() - context["careen_began"])


def in_our_words(error: BotoCoreError | ClientError) -> Exception:
    """What an error of the client's means for whoever asked.

    Returns:
        FileNotFoundError: there is no such object, multipart upload or part.
        Changed: a condition did not hold.
        careen.blobs.store.BlobsUnavailable: everything else: no answer, one that says "later", no leave, no such bucket.
    """
    if isinstance(error, ClientError):
        match error.response["Error"]["Code"]:
            case "NoSuchKey" | "NoSuchUpload" | "InvalidPart" | "404":
                return FileNotFoundError(str(error))
            case "PreconditionFailed" | "ConditionalRequestConflict":
                return Changed(str(error))
    return BlobsUnavailable(str(error))


def present(answer: dict[str, Any]) -> datetime:
    """The present by the server's clock, when it gave that answer."""
    return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])


def age(written: datetime, answer: dict[str, Any]) -> float:
    """Seconds since then, by the server's clock."""
    return (present(answer) - written).total_seconds()
