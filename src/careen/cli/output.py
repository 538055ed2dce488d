"""What commands print besides their own tables: errors with what to try, and JSON."""

import sys
from typing import Any, NoReturn

import msgspec


def fail(message: str, hint: str | None = None, code: int = 1) -> NoReturn:
    """Say on standard error what is wrong and what to try, and end the program.

    Args:
        message: what is wrong.
        hint: what to try.
        code: the exit status: 1 for a refusal, 2 for bad input.
    """
    print(f"error: {message}", file=sys.stderr)
    if hint is not None:
        print(f"try: {hint}", file=sys.stderr)
    sys.exit(code)


def print_json(value: Any) -> None:
    """Print a JSON document, indented."""
    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def agrees(question: str, *, yes: bool) -> bool:
    """Whether somebody wants it: --yes says so, a person at a terminal is asked, and nobody else does."""
    if yes:
        return True
    if not sys.stdin.isatty():
        return False
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def plural(number: int, noun: str) -> str:
    """``1 image``, ``1,204 images``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
