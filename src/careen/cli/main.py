"""The ``careen`` program."""

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from careen.settings import Settings


def main() -> None:
    """Do what the command line says.

    A server's is read in a process of its own, which takes along what that needs: six megabytes, for as long as the server lives.
    """
    arguments = sys.argv[1:]
    try:
        if arguments[:1] == ["serve"]:
            from careen.apart import apart

            settings = apart(_command, arguments)
        else:
            settings = _command(arguments)
    except BrokenPipeError:  # `careen … | head` has read enough; nothing more must be flushed at the exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    _without_colours()
    from careen.cli.serving import serve

    serve(settings)


def _command(arguments: list[str]) -> "Settings":
    """Do what they say. Returns only if that is to serve: how."""
    from careen.cli.tree import app

    settings: Settings = app(arguments)  # said, because cyclopts warns of a guess where pytest is imported
    return settings


def _without_colours() -> None:
    """Import structlog as if there was no rich: it takes three megabytes, to show tracebacks in colour. A log has them plain."""
    sys.modules["rich"] = None  # type: ignore[assignment]  # how the import system is told that there is none
    import structlog  # noqa: F401

    del sys.modules["rich"]
