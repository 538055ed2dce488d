"""Waiting for what others do by themselves: however slow the machine is, and no longer than it takes."""

import time
from collections.abc import Callable
from typing import TypeVar

PATIENCE = 100
"""Seconds: so much that whoever needs more has gone wrong."""

Found = TypeVar("Found")


def until(holds: Callable[[], object], message: str = "it never came to hold") -> None:
    """Wait until something holds.

    Args:
        holds: asked fifty times a second.
        message: what is wrong if it never does.

    Raises:
        AssertionError: with the message.
    """
    found(holds, message)


def found(ask: Callable[[], Found | None], message: str = "it never came") -> Found:
    """Wait for something. Returns the first answer that is not empty.

    Args:
        ask: asked fifty times a second.
        message: what is wrong if it never comes.

    Raises:
        AssertionError: with the message.
    """
    deadline = time.monotonic() + PATIENCE
    while not (answer := ask()):
        assert time.monotonic() < deadline, message
        time.sleep(0.02)
    return answer
