"""Trivy's JSON (``trivy image --format json``, schema version 2)."""

from collections.abc import Iterator

import msgspec

from careen.findings.finding import Cvss, Finding, finding, severity_of
from careen.findings.report import Report, decode, report


class _Cvss(msgspec.Struct):
    v2_vector: str | None = msgspec.field(name="V2Vector", default=None)
    v2_score: float | None = msgspec.field(name="V2Score", default=None)
    v3_vector: str | None = msgspec.field(name="V3Vector", default=None)
    v3_score: float | None = msgspec.field(name="V3Score", default=None)
    v40_vector: str | None = msgspec.field(name="V40Vector", default=None)
    v40_score: float | None = msgspec.field(name="V40Score", default=None)


class _Vulnerability(msgspec.Struct):
    id: str = msgspec.field(name="VulnerabilityID")
    package: str | None = msgspec.field(name="PkgName", default=None)
    version: str | None = msgspec.field(name="InstalledVersion", default=None)
    fixed: str | None = msgspec.field(name="FixedVersion", default=None)
    title: str | None = msgspec.field(name="Title", default=None)
    description: str | None = msgspec.field(name="Description", default=None)
    severity: str | None = msgspec.field(name="Severity", default=None)
    uri: str | None = msgspec.field(name="PrimaryURL", default=None)
    source: str | None = msgspec.field(name="SeveritySource", default=None)
    cvss: dict[str, _Cvss] | None = msgspec.field(name="CVSS", default=None)


class _Result(msgspec.Struct):
    vulnerabilities: list[_Vulnerability] | None = msgspec.field(name="Vulnerabilities", default=None)


class _Report(msgspec.Struct):
    results: list[_Result] | None = msgspec.field(name="Results", default=None)


def read(data: bytes) -> Report:
    """Read a report. An image in which Trivy knows no package has no results, and no findings.

    Raises:
        careen.findings.report.UnreadableReport: it is none.
    """
    said: _Report = decode(data, _Report, "report of Trivy's")
    found = [each for result in said.results or () for each in result.vulnerabilities or ()]
    return report("trivy", [_finding(each) for each in found])


def _finding(said: _Vulnerability) -> Finding:
    return finding(
        said.id,
        severity_of(said.severity),
        description=said.description or said.title,
        uri=said.uri,
        package=said.package,
        version=said.version,
        fixed=said.fixed,
        cvss=_scores(said),
    )


def _scores(said: _Vulnerability) -> Iterator[Cvss]:
    """Of the source that the severity is from first, then NVD's."""
    by_source = said.cvss or {}
    for source in (said.source or "", "nvd", *sorted(by_source)):
        if (each := by_source.get(source)) is not None:
            yield Cvss("2.0", each.v2_vector, each.v2_score)
            yield Cvss("3", each.v3_vector, each.v3_score)
            yield Cvss("4.0", each.v40_vector, each.v40_score)
