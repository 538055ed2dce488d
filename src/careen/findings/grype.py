"""Grype's JSON (``grype -o json``)."""

from collections.abc import Iterator

import msgspec

from careen.findings.finding import Cvss, Finding, finding, severity_of
from careen.findings.report import Report, decode, report


class _Metrics(msgspec.Struct, rename="camel"):
    base_score: float | None = None


class _Cvss(msgspec.Struct):
    version: str = ""
    vector: str | None = None
    metrics: _Metrics | None = None


class _Fix(msgspec.Struct):
    versions: list[str] | None = None


class _Vulnerability(msgspec.Struct, rename="camel"):
    id: str
    data_source: str | None = None
    severity: str | None = None
    description: str | None = None
    cvss: list[_Cvss] | None = None
    fix: _Fix | None = None


class _Artifact(msgspec.Struct):
    name: str | None = None
    version: str | None = None


class _Match(msgspec.Struct, rename="camel"):
    vulnerability: _Vulnerability
    artifact: _Artifact
    related_vulnerabilities: list[_Vulnerability] | None = None


class _Status(msgspec.Struct):
    built: str | None = None


class _Database(msgspec.Struct):
    built: str | None = None
    """Up to version 5 of its database."""
    status: _Status | None = None
    """Since version 6."""


class _Descriptor(msgspec.Struct):
    db: _Database | None = None


class _Report(msgspec.Struct):
    matches: list[_Match] | None
    descriptor: _Descriptor | None = None


def read(data: bytes) -> Report:
    """Read a report.

    Raises:
        careen.findings.report.UnreadableReport: it is none.
    """
    said: _Report = decode(data, _Report, "report of Grype's")
    database = said.descriptor.db if said.descriptor else None
    built = database and (database.built or (database.status and database.status.built))
    return report("grype", [_finding(each) for each in said.matches or ()], built or None)


def _finding(match: _Match) -> Finding:
    """A match. A distribution's record says little; what it is called elsewhere has the text and the scores."""
    said, related = match.vulnerability, match.related_vulnerabilities or []
    return finding(
        said.id,
        severity_of(said.severity),
        description=next((each.description for each in (said, *related) if each.description), None),
        uri=said.data_source,
        package=match.artifact.name,
        version=match.artifact.version,
        fixed=", ".join(said.fix.versions or ()) if said.fix else None,
        cvss=_scores([said, *related]),
    )


def _scores(said: list[_Vulnerability]) -> Iterator[Cvss]:
    for each in said:
        for score in each.cvss or ():
            yield Cvss(score.version, score.vector, score.metrics.base_score if score.metrics else None)
