"""A scanner's report, whatever its format, and what is no report."""

from typing import Any

import msgspec

from careen.clock import Instant, parse_instant
from careen.findings.finding import Finding, in_order

MAX_BYTES = 32 * 1024 * 1024
"""Of a report. Trivy's of an image with three thousand findings has some eight million."""

MAX_FINDINGS = 50_000
"""More is no report that anybody reads; images with everything in them have five thousand."""


class UnreadableReport(Exception):
    """The bytes are no report that is understood here. The message says why, for whoever set the scanner up."""


class Report(msgspec.Struct, frozen=True):
    """What a scanner found in an image."""

    scanner: str
    """Its name, as far as the report tells."""
    findings: tuple[Finding, ...]
    """The worst first."""
    source_updated_at: Instant | None = None
    """How old the scanner's knowledge of vulnerabilities is, if it says so."""


def decode(data: bytes, kind: type[Any], name: str) -> Any:
    """Read JSON into a structure that names the members that are needed; others are passed over.

    Raises:
        UnreadableReport: it is no JSON, or a member has another type.
    """
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableReport(f"it is no {name}: {error}") from None


def report(scanner: str, findings: list[Finding], source_updated_at: str | None = None) -> Report:
    """A report of these findings.

    Raises:
        UnreadableReport: there are more than :data:`MAX_FINDINGS`.
    """
    if len(findings) > MAX_FINDINGS:
        raise UnreadableReport(f"it has {len(findings)} findings; {MAX_FINDINGS} are the most that are kept")
    return Report(scanner[:64], in_order(findings), _instant(source_updated_at))


def _instant(text: str | None) -> Instant | None:
    """An instant; None if the text is none, or one before computers that a program means to be none."""
    try:
        instant = parse_instant(text) if text else 0
    except (ValueError, OverflowError):
        return None
    return instant if instant > 0 else None
