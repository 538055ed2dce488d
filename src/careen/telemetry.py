"""Logs: one line per event, with context, readable on a terminal and JSON elsewhere. Secrets are never logged."""

import logging
import sys

import structlog


def configure(level: str) -> None:
    """Set up logging for this process, the libraries' included.

    Args:
        level: debug, info, warning or error.
    """
    terminal = sys.stderr.isatty()
    renderer: structlog.types.Processor = (
        structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.basicConfig(
        level=max(logging.WARNING, getattr(logging, level.upper())), stream=sys.stderr, force=True
    )
