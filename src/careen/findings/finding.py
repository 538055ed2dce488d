"""A finding in ECR's form (service model, ImageScanFinding), whoever found it."""

from collections import Counter
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import NamedTuple

import msgspec

MAX_KEY, MAX_VALUE, MAX_ATTRIBUTES = 128, 256, 50
"""Of a finding's attributes (service model)."""

MAX_DESCRIPTION = 4096
"""Characters of a description. The model has no limit; advisories come with whole change logs."""

MAX_NAME, MAX_URI = 256, 2048


class Severity(StrEnum):
    """ECR's severities, the worst first; UNDEFINED is whatever its source has not rated."""

    CRITICAL = "CRITICAL"
    HIGH = "HIGH"
    MEDIUM = "MEDIUM"
    LOW = "LOW"
    INFORMATIONAL = "INFORMATIONAL"
    UNDEFINED = "UNDEFINED"


_RANK = {severity: rank for rank, severity in enumerate(Severity)}

_WORDS = {
    **{severity.value: severity for severity in Severity},
    "NEGLIGIBLE": Severity.INFORMATIONAL,  # Grype's, Debian's and Harbor's
    "INFO": Severity.INFORMATIONAL,
    "NONE": Severity.INFORMATIONAL,
}


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """One vulnerability of one package."""

    name: str
    """A CVE's number as a rule, else the name that its source gives it."""
    severity: Severity
    description: str | None = None
    uri: str | None = None
    attributes: dict[str, str] = {}
    """What ECR calls attributes: ``package_name``, ``package_version``, ``CVSS3_VECTOR``…"""


class Cvss(NamedTuple):
    """A score of the Common Vulnerability Scoring System."""

    version: str
    """``2.0``, ``3.1``, ``4.0``."""
    vector: str | None = None
    score: float | None = None


def severity_of(word: str | None) -> Severity:
    """A severity in a scanner's own word, in whatever letters."""
    return _WORDS.get((word or "").upper(), Severity.UNDEFINED)


def severity_at(score: float) -> Severity:
    """The qualitative rating of a CVSS score (CVSS v3.1 specification, section 5)."""
    if score <= 0:
        return Severity.INFORMATIONAL
    steps = ((9.0, Severity.CRITICAL), (7.0, Severity.HIGH), (4.0, Severity.MEDIUM))
    return next((severity for least, severity in steps if score >= least), Severity.LOW)


def finding(
    name: str,
    severity: Severity,
    *,
    description: str | None = None,
    uri: str | None = None,
    package: str | None = None,
    version: str | None = None,
    fixed: str | None = None,
    cvss: Iterable[Cvss] = (),
) -> Finding:
    """A finding, with everything cut to what the service model admits.

    Args:
        name: the vulnerability's.
        severity: how bad it is.
        description: in its source's words.
        uri: where more is to be read; anything but a web address is left out, for consoles make links of it.
        package: what has it.
        version: that is installed.
        fixed: the version, or versions, without it.
        cvss: its scores; of each generation of CVSS the first counts.
    """
    attributes = {
        "package_version": version,
        "package_name": package,
        "fixed_version": fixed,
        **_scores(cvss),
    }
    return Finding(
        name[:MAX_NAME],
        severity,
        description[:MAX_DESCRIPTION] if description else None,
        uri[:MAX_URI] if uri and uri.startswith(("https://", "http://")) else None,
        {key: value[:MAX_VALUE] for key, value in attributes.items() if value},
    )


def _scores(cvss: Iterable[Cvss]) -> Mapping[str, str]:
    """As ECR names them: ``CVSS2_VECTOR``, ``CVSS2_SCORE`` (AWS CLI reference, describe-image-scan-findings)."""
    scores: dict[str, str] = {}
    for each in cvss:
        generation = each.version[:1]
        if generation in {"2", "3", "4"}:
            if each.vector:
                scores.setdefault(f"CVSS{generation}_VECTOR", each.vector)
            if each.score is not None:
                scores.setdefault(f"CVSS{generation}_SCORE", f"{each.score:g}")
    return scores


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The worst first, and what is said twice once."""
    unique = {
        (each.name, each.attributes.get("package_name"), each.attributes.get("package_version")): each
        for each in findings
    }
    return tuple(
        sorted(
            unique.values(),
            key=lambda each: (_RANK[each.severity], each.name, each.attributes.get("package_name", "")),
        )
    )


def counts(findings: Iterable[Finding]) -> dict[str, int]:
    """``findingSeverityCounts``: how many findings of each severity that has any, the worst first."""
    counted = Counter(each.severity for each in findings)
    return {severity.value: counted[severity] for severity in Severity if counted[severity]}
