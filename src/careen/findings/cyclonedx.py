"""CycloneDX in JSON: a list of components with vulnerabilities in it, or a VEX document that has those alone."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from careen.findings.finding import Cvss, Finding, Severity, finding, severity_at, severity_of
from careen.findings.report import Report, UnreadableReport, decode, report

_CLEARED = frozenset({"resolved", "resolved_with_pedigree", "false_positive", "not_affected"})
"""States of an analysis that say that the image does not have the vulnerability (CycloneDX 1.7, impactAnalysisState)."""


class _Component(msgspec.Struct):
    ref: str | None = msgspec.field(name="bom-ref", default=None)
    name: str | None = None
    version: str | None = None
    components: "list[_Component] | None" = None


class _Metadata(msgspec.Struct):
    component: _Component | None = None
    tools: Any = None


class _Source(msgspec.Struct):
    url: str | None = None


class _Rating(msgspec.Struct):
    score: float | None = None
    severity: str | None = None
    method: str | None = None
    vector: str | None = None


class _Analysis(msgspec.Struct):
    state: str | None = None


class _Affected(msgspec.Struct):
    ref: str


class _Vulnerability(msgspec.Struct):
    id: str = "unnamed"
    source: _Source | None = None
    ratings: list[_Rating] | None = None
    description: str | None = None
    detail: str | None = None
    analysis: _Analysis | None = None
    affects: list[_Affected] | None = None


class _Bom(msgspec.Struct):
    metadata: _Metadata | None = None
    components: list[_Component] | None = None
    vulnerabilities: list[_Vulnerability] | None = None


def read(data: bytes) -> Report:
    """Read the vulnerabilities of a document.

    Raises:
        careen.findings.report.UnreadableReport: it is none; or it lists none. Every list of components can be written without
            anybody having looked for vulnerabilities, so that none are listed does not say that there are none.
    """
    said: _Bom = decode(data, _Bom, "CycloneDX document")
    if not said.vulnerabilities:
        raise UnreadableReport(
            "it is a list of components that names no vulnerability, so it may be that nobody has looked"
        )
    components = dict(_components(said))
    findings = [each for one in said.vulnerabilities for each in _findings(one, components)]
    return report("cyclonedx", findings)


def _components(said: _Bom) -> Iterator[tuple[str, _Component]]:
    waiting = list(said.components or ())
    if said.metadata and said.metadata.component:
        waiting.append(said.metadata.component)
    while waiting:
        component = waiting.pop()
        waiting += component.components or ()
        if component.ref is not None:
            yield component.ref, component


def _findings(said: _Vulnerability, components: Mapping[str, _Component]) -> Iterator[Finding]:
    if said.analysis and said.analysis.state in _CLEARED:
        return
    ratings = said.ratings or []
    affected = [_affected(each.ref, components) for each in said.affects or ()]
    for component in affected or [_Component()]:
        yield finding(
            said.id,
            _severity(ratings),
            description=said.description or said.detail,
            uri=said.source.url if said.source else None,
            package=component.name,
            version=component.version,
            cvss=(Cvss(_version(each), each.vector, each.score) for each in ratings),
        )


def _affected(ref: str, components: Mapping[str, _Component]) -> _Component:
    """What ``affects`` means: by its reference, which in a VEX document names another document first (a BOM-Link)."""
    local = ref.rpartition("#")[2] if ref.startswith("urn:cdx:") else ref
    found = components.get(ref) or components.get(local)
    if found is not None:
        return found
    name, _, version = local.removeprefix("pkg:").partition("?")[0].rpartition("@")
    return _Component(name=name.rpartition("/")[2], version=version) if name else _Component(name=local)


def _severity(ratings: list[_Rating]) -> Severity:
    """The first that says one, else the first score of CVSS."""
    for each in ratings:
        if each.severity and (severity := severity_of(each.severity)) is not Severity.UNDEFINED:
            return severity
    scores = (each.score for each in ratings if each.score is not None and _version(each))
    return next((severity_at(score) for score in scores), Severity.UNDEFINED)


def _version(rating: _Rating) -> str:
    """``3.1`` of ``CVSSv31``; empty: it is no score of CVSS."""
    method = rating.method or ""
    return method.removeprefix("CVSSv") if method.startswith("CVSSv") else ""
