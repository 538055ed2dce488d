"""A registry's feed of events, read for as long as it takes: a connection that ends is made again where it was."""

import http.client
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec

from careen.cli.policy.inputs import refuse
from careen.cli.policy.service import HINT, call, ecr, refusing

SILENCE_SECONDS = 45.0
"""A registry says something every fifteen; after so much silence the connection is given up."""

AGAIN_SECONDS = 1.0


def follow(
    endpoint: str, after: int, repository: str | None, actions: Sequence[str], json: bool
) -> Iterator[dict[str, Any]]:
    """Every event after a sequence number as it happens, in order, for ever.

    Args:
        endpoint: the registry's address.
        after: the sequence number.
        repository: a pattern of repository names; None: all events.
        actions: the actions to tell of; empty: all.
        json: how errors are printed.
    """
    query = [("action", action) for action in actions]
    if repository is not None:
        query.append(("repository", repository))
    was_there = False
    while True:
        with refusing(json):
            token = call(ecr(), "get_authorization_token")["authorizationData"][0]["authorizationToken"]
        try:
            for number, event in _read(endpoint, query, after, token, json):
                after, was_there = number, True
                yield event
        except (OSError, http.client.HTTPException) as failed:
            if not was_there:
                refuse("NotReached", str(failed), HINT, json)
        time.sleep(AGAIN_SECONDS)


def _read(
    endpoint: str, query: Sequence[tuple[str, str]], after: int, token: str, json: bool
) -> Iterator[tuple[int, dict[str, Any]]]:
    """One connection's events, with their sequence numbers."""
    parts = urlsplit(endpoint)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=SILENCE_SECONDS)
    try:
        headers = {"Authorization": f"Basic {token}", "Last-Event-ID": str(after)}
        connection.request("GET", f"/events?{urlencode(query)}", headers=headers)
        response = connection.getresponse()
        if response.status != 200:
            text = response.read().decode("utf-8", "replace")
            refuse("Refused", f"the registry answered {response.status}: {text.strip()}", None, json)
        yield from parse(iter(response.readline, b""))
    finally:
        connection.close()


def parse(lines: Iterable[bytes]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The events of a stream (WHATWG HTML, section 9.2.6), as far as this registry's have parts."""
    number, data = 0, b""
    for text in lines:
        name, _, value = text.rstrip(b"\r\n").partition(b": ")
        match name:
            case b"id":
                number = int(value)
            case b"data":
                data += value
            case b"" if data:
                yield number, msgspec.json.decode(data)
                data = b""
