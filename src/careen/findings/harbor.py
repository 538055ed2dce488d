"""The report of Harbor's scanner adapters (pluggable-scanner-spec 1.2, HarborVulnerabilityReport)."""

from collections.abc import Iterator

import msgspec

from careen.findings.finding import Cvss, Finding, finding, severity_of
from careen.findings.report import Report, decode, report


class _Cvss(msgspec.Struct):
    score_v3: float | None = None
    score_v2: float | None = None
    vector_v3: str | None = None
    vector_v2: str | None = None


class _Item(msgspec.Struct):
    id: str
    package: str | None = None
    version: str | None = None
    fix_version: str | None = None
    severity: str | None = None
    description: str | None = None
    links: list[str] | None = None
    preferred_cvss: _Cvss | None = None


class _Scanner(msgspec.Struct):
    name: str = "scanner"


class _Report(msgspec.Struct):
    scanner: _Scanner | None = None
    vulnerabilities: list[_Item] | None = None


def read(data: bytes) -> Report:
    """Read a report.

    Raises:
        careen.findings.report.UnreadableReport: it is none.
    """
    said: _Report = decode(data, _Report, "report of a scanner adapter's")
    findings = [_finding(each) for each in said.vulnerabilities or ()]
    return report(said.scanner.name if said.scanner else "scanner", findings)


def _finding(said: _Item) -> Finding:
    return finding(
        said.id,
        severity_of(said.severity),
        description=said.description,
        uri=next(iter(said.links or ()), None),
        package=said.package,
        version=said.version,
        fixed=said.fix_version,
        cvss=_scores(said.preferred_cvss),
    )


def _scores(said: _Cvss | None) -> Iterator[Cvss]:
    if said is not None:
        yield Cvss("2.0", said.vector_v2, said.score_v2)
        yield Cvss("3", said.vector_v3, said.score_v3)
