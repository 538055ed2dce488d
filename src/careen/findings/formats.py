"""Which format a report has, told from what it has at its top."""

from collections.abc import Callable

import msgspec

from careen.findings import cyclonedx, grype, harbor, sarif, trivy
from careen.findings.report import MAX_BYTES, Report, UnreadableReport, decode

MEDIA_TYPES = frozenset(
    {
        "application/sarif+json",
        "application/vnd.cyclonedx",
        "application/vnd.cyclonedx+json",
        "application/vnd.scanner.adapter.vuln.report.harbor+json",
        "application/vnd.security.vulnerability.report",
    }
)
"""Types of artifacts, or of their layers, that may be reports. SPDX documents never are."""


_ABSENT = msgspec.Raw(b"")


class _Top(msgspec.Struct):
    schema: msgspec.Raw = msgspec.field(name="SchemaVersion", default=_ABSENT)
    bom: msgspec.Raw = msgspec.field(name="bomFormat", default=_ABSENT)
    spdx: msgspec.Raw = msgspec.field(name="spdxVersion", default=_ABSENT)
    runs: msgspec.Raw = _ABSENT
    matches: msgspec.Raw = _ABSENT
    scanner: msgspec.Raw = _ABSENT


def read(data: bytes) -> Report:
    """Read a scanner's report: Trivy's or Grype's JSON, SARIF, CycloneDX, a Harbor scanner adapter's.

    Raises:
        UnreadableReport: it is too large, or none of these, or says nothing of vulnerabilities.
    """
    if len(data) > MAX_BYTES:
        raise UnreadableReport(f"it has {len(data)} bytes; {MAX_BYTES} are the most that are read")
    top: _Top = decode(data, _Top, "JSON object")
    if top.spdx:
        raise UnreadableReport(
            "it is an SPDX document, which lists what is inside and not what is wrong with it"
        )
    return _reader(top)(data)


def _reader(top: _Top) -> Callable[[bytes], Report]:
    readers = (
        (top.bom, cyclonedx.read),
        (top.runs, sarif.read),
        (top.matches, grype.read),
        (top.schema, trivy.read),
        (top.scanner, harbor.read),
    )
    for member, reader in readers:
        if member:
            return reader
    raise UnreadableReport(
        "it is JSON, but neither Trivy's nor Grype's, SARIF, CycloneDX or a scanner adapter's"
    )


def may_be_report(media_type: str | None) -> bool:
    """Whether an artifact or a layer of this type is worth reading; parameters of the type do not matter."""
    return (media_type or "").partition(";")[0].strip().lower() in MEDIA_TYPES
