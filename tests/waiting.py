"""Waiting for what others do by themselves: however slow the machine is, and no longer than it takes."""

import time
from collections.abc import Callable

PATIENCE = 100
"""Seconds: so much that whoever needs more has gone wrong."""


def until(holds: Callable[[], object], message: str = "it never came to hold") -> None:
    """Wait until something holds.

    Args:
        holds: asked fifty times a second.
        message: what is wrong if it never does.

    Raises:
        AssertionError: with the message.
    """
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, message
        time.sleep(0.02)
