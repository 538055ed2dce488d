"""What goes wrong with a fleet, each in one line: whoever runs a command reads it, and never a traceback.

::

    FleetError
    ├── BadInput      a selector, a file or an option that says nothing
    ├── Conflict      the world is another than it was
    ├── NotReached    no answer: no credentials, no such host, no network
    └── Refused       a service answered, and not with what was asked for
        └── Denied      because a permission is missing, which it names
"""


class FleetError(Exception):
    """Why a command could not do what it was asked for.

    Args:
        message: what is wrong, in one line.
        hint: what to try.
    """

    may_be_done: bool = False
    """Whether what was asked for may have been done all the same: then nobody has said that it was not."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class BadInput(FleetError):
    """Something that was given cannot be read, or contradicts itself."""


class Conflict(FleetError):
    """What was found is not what the command was told to expect."""


class NotReached(FleetError):
    """A service did not answer."""

    may_be_done = True


class Refused(FleetError):
    """A service refused.

    Args:
        operation: what was asked, ``ecr:DescribeImages``.
        code: AWS's, ``RepositoryNotFoundException``.
        reason: AWS's message.
        hint: what to try.
    """

    def __init__(self, operation: str, code: str, reason: str, hint: str | None = None) -> None:
        super().__init__(f"{operation}: {code}: {reason}", hint)
        self.operation = operation
        self.code = code
        self.reason = reason


class Denied(Refused):
    """The caller may not do this.

    Args:
        operation: what was asked, ``ecr:DescribeImages``.
        code: AWS's.
        reason: AWS's message.
        permission: the action that somebody must allow.
    """

    def __init__(self, operation: str, code: str, reason: str, permission: str) -> None:
        super().__init__(operation, code, reason, f"allow {permission} (`careen fleet permissions`)")
        self.permission = permission
