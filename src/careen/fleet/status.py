"""The exit status of every command of the fleet: one meaning for each number, whatever the command."""

from enum import IntEnum


class Status(IntEnum):
    """What a script may go by."""

    DONE = 0
    """All that was asked for is done, and nothing is otherwise than it should be."""
    FAILED = 1
    """It could not be done: a service is not reached, or refuses everything."""
    USAGE = 2
    """An option, a file or a policy cannot be read."""
    PARTIAL = 3
    """A part was denied or failed, and is named; the rest is done."""
    DIFFERENT = 4
    """What was found is not what was expected: drift, a world that changed since the plan, images in use that would go."""
