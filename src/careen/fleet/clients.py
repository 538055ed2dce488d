"""Calls: botocore's clients, which wait for their turn, try again, and say in one line what went wrong.

What botocore offers for this (its retry modes) counts by client and gives up when many calls are throttled at once. So a client
made here tries again by itself, with jitter, and its requests go through :mod:`careen.fleet.throttle`. It is a client like any
other otherwise: paginators work, and so do the feeds of :mod:`careen.pins`.
"""

import random
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    ParamValidationError,
)
from botocore.parsers import ResponseParserError

from careen.fleet.errors import BadInput, Denied, FleetError, NotReached, Refused
from careen.fleet.throttle import Throttle

if TYPE_CHECKING:
    from botocore.client import BaseClient
    from botocore.session import Session

THREADS = 16
"""Calls at the same time, in all accounts together."""

_THROTTLED = frozenset(
    {
        "BandwidthLimitExceeded",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "TooManyRequestsException",
    }
)
_DENIED = frozenset(
    {"AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation", "Unauthorized"}
)
_UNKNOWN_KEYS = frozenset(
    {"AuthFailure", "InvalidClientTokenId", "OptInRequired", "UnrecognizedClientException"}
)
"""What a service answers to keys that it does not know, and a Region that is not enabled to all of them."""
_KEYS = _UNKNOWN_KEYS | {
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
}

MOST_TRIES = 12
"""Of a request that is throttled: with the delays below, for more than a minute."""
MOST_TRIES_UNREACHED = 4
"""Of one that is not answered, or with a server's error."""
LONGEST_DELAY = 20.0
_FIRST_DELAY = 0.25

_ACTION = re.compile(r"not authorized to perform:? ([a-z0-9-]+:\w+)")

_lock = threading.Lock()
"""Sessions are not made for threads."""


def client(
    session: "Session", service: str, account: str, region: str, throttle: Throttle, **options: Any
) -> "BaseClient":
    """A client of a service, for any thread.

    Args:
        session: whose credentials and configuration it has.
        service: botocore's name of it, ``ecr``.
        account: whose quotas it uses up.
        region: where.
        throttle: what its requests wait for.
        options: further ones of botocore's ``create_client``.

    Raises:
        NotReached: the configuration names no such Region, an address that is none, credentials that are not there.
    """
    config = Config(
        # One attempt is what botocore makes of a request; `_again` makes more of them.
        retries={"total_max_attempts": 1, "mode": "standard"},
        max_pool_connections=THREADS,
        connect_timeout=10,
        user_agent_extra="careen-fleet",
    )
    with _lock:
        try:
            made = session.create_client(service, region, config=config, **options)
        except (BotoCoreError, ValueError) as error:
            raise NotReached(f"{service} in {region}: {error}") from None
    names = made.meta.service_model
    prefix = names.signing_name

    def before(operation_name: str, **_: Any) -> None:
        throttle.wait(account, region, f"{prefix}:{operation_name}")

    # botocore waits as many seconds as this answers, and tries again; None is the end of it.
    def after(
        operation: Any, attempts: int, response: Any, caught_exception: Exception | None, **_: Any
    ) -> Any:
        code = "" if response is None else response[1].get("Error", {}).get("Code", "")
        is_throttled = code in _THROTTLED
        if response is not None:
            throttle.learn(account, region, f"{prefix}:{operation.name}", throttled=is_throttled)
        is_unanswered = isinstance(caught_exception, HTTPClientError) or (
            response is not None and response[0].status_code >= 500
        )
        if attempts >= (MOST_TRIES if is_throttled else MOST_TRIES_UNREACHED if is_unanswered else 0):
            return None
        # The whole of the delay is left to chance: calls that were refused together come back apart.
        return random.uniform(0, min(LONGEST_DELAY, _FIRST_DELAY * 2**attempts))  # noqa: S311

    service_id = names.service_id.hyphenize()
    # First, as a signature is only good for some minutes: a request waits before it is signed.
    made.meta.events.register_first(f"request-created.{service_id}", before)
    made.meta.events.register(f"needs-retry.{service_id}", after)
    return made


def call(made: Any, operation: str, **parameters: Any) -> dict[str, Any]:
    """Call an operation.

    Args:
        made: a client.
        operation: boto3's name of it, ``describe_images``.
        parameters: by the model's names.

    Raises:
        Denied: a permission is missing.
        Refused: any other error of the service's.
        NotReached: no answer.
        BadInput: parameters that the service's model does not allow.
    """
    with _told(made):
        answer: dict[str, Any] = getattr(made, operation)(**parameters)
    return answer


def pages(made: Any, operation: str, **parameters: Any) -> Iterator[dict[str, Any]]:
    """The pages of an operation; raises as :func:`call` does."""
    with _told(made):
        yield from made.get_paginator(operation).paginate(**parameters)


@contextmanager
def _told(made: Any) -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ClientError, ResponseParserError) as error:
        raise as_fleet_error(error, made.meta.service_model.signing_name) from None


def as_fleet_error(error: Exception, prefix: str) -> FleetError:
    """What an error of botocore's means.

    Args:
        error: a ``ClientError``, a ``BotoCoreError``, or a ``ResponseParserError``: an answer of something else than AWS.
        prefix: of the service's permissions, ``ecr``.
    """
    if isinstance(error, ClientError):
        return _refused(error, prefix)
    text = " ".join(str(error).split())
    if isinstance(error, ParamValidationError):
        return BadInput(text)
    return NotReached(text, "see `aws configure list` and `aws sts get-caller-identity`")


def _refused(error: ClientError, prefix: str) -> Refused:
    said = error.response.get("Error", {})
    code, reason = said.get("Code", "Unknown"), " ".join(said.get("Message", "").split())
    # Whatever is called, assuming the role for it may be what fails.
    prefix = "sts" if error.operation_name.startswith("AssumeRole") else prefix
    operation = f"{prefix}:{error.operation_name}"
    if code in _DENIED:
        found = _ACTION.search(reason)
        return Denied(operation, code, reason, found[1] if found else operation)
    hint = "renew the credentials; a Region that is not enabled answers this too" if code in _KEYS else None
    refused = Refused(operation, code, reason, hint)
    refused.may_be_done = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 500
    return refused


def is_about_keys(error: Refused) -> bool:
    """Whether a refusal is of the credentials, and not of what was asked for: with others it would be answered."""
    return error.code in _KEYS


def is_as_of_a_region_that_is_off(error: FleetError) -> bool:
    """Whether a Region that an account has not enabled answers like this: it knows none of the account's keys."""
    return isinstance(error, Refused) and error.code in _UNKNOWN_KEYS
