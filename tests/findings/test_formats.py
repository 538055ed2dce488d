"""Reports of scanners: every format becomes the same findings, and nothing that anybody can write breaks the reading."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careen.clock import parse_instant
from careen.ecr import model
from careen.findings import formats
from careen.findings.finding import (
    Cvss,
    Finding,
    Severity,
    counts,
    finding,
    in_order,
    severity_at,
    severity_of,
)
from careen.findings.report import MAX_BYTES, MAX_FINDINGS, UnreadableReport
from tests.findings.samples import (
    CYCLONEDX,
    GRYPE,
    HARBOR,
    MUSL,
    SARIF_OF_GRYPE,
    SARIF_OF_TRIVY,
    SPDX,
    TRIVY,
    VECTOR,
    ZLIB,
    encoded,
)

AVD = "https://avd.aquasec.com/nvd/cve-2019-14697"


def musl(**attributes: str) -> dict[str, str]:
    """The attributes of the first vulnerability."""
    return {"package_version": "1.1.20-r4", "package_name": "musl", **attributes}


SCORED = {"CVSS3_VECTOR": VECTOR, "CVSS3_SCORE": "9.8"}
ZLIB_12 = {"package_version": "1.2", "package_name": "zlib"}

CASES: dict[str, tuple[Any, list[Finding]]] = {
    "trivy": (
        TRIVY,
        [
            Finding(
                "CVE-2019-14697",
                Severity.CRITICAL,
                MUSL,
                AVD,
                musl(fixed_version="1.1.20-r5")
                | {"CVSS2_VECTOR": "AV:N/AC:L/Au:N/C:P/I:P/A:P", "CVSS2_SCORE": "7.5"}
                | SCORED,
            ),
            Finding("GHSA-aaaa-bbbb-cccc", Severity.UNDEFINED, ZLIB, None, ZLIB_12),
        ],
    ),
    "grype": (
        GRYPE,
        [
            Finding(
                "CVE-2019-14697",
                Severity.CRITICAL,
                MUSL,
                "https://security.alpinelinux.org/vuln/CVE-2019-14697",
                musl(fixed_version="1.1.20-r5, 1.2")
                | SCORED
                | {"CVSS2_VECTOR": "AV:N", "CVSS2_SCORE": "7.5"},
            ),
            Finding(
                "GHSA-aaaa-bbbb-cccc",
                Severity.INFORMATIONAL,
                ZLIB,
                "https://github.com/advisories/GHSA-aaaa-bbbb-cccc",
                ZLIB_12,
            ),
        ],
    ),
    "sarif of trivy": (
        SARIF_OF_TRIVY,
        [
            Finding("CVE-2019-14697", Severity.CRITICAL, MUSL, AVD, musl(fixed_version="1.1.20-r5")),
            Finding("GHSA-aaaa-bbbb-cccc", Severity.MEDIUM, ZLIB, None, {"package_name": "zlib"}),
        ],
    ),
    "sarif of grype": (
        SARIF_OF_GRYPE,
        [
            Finding(
                "CVE-2019-14697",
                Severity.CRITICAL,
                "CVE-2019-14697 critical vulnerability for musl package",
                None,
                musl(),
            )
        ],
    ),
    "cyclonedx": (
        CYCLONEDX,
        [
            Finding(
                "CVE-2019-14697",
                Severity.CRITICAL,
                MUSL,
                "https://nvd.nist.gov/vuln/detail/CVE-2019-14697",
                musl() | SCORED,
            ),
            Finding(
                "GHSA-aaaa-bbbb-cccc",
                Severity.MEDIUM,
                None,
                None,
                ZLIB_12 | {"CVSS4_VECTOR": "CVSS:4.0/AV:L", "CVSS4_SCORE": "5.1"},
            ),
        ],
    ),
    "harbor": (
        HARBOR,
        [
            Finding("CVE-2019-14697", Severity.CRITICAL, MUSL, AVD, musl(fixed_version="1.1.20-r5") | SCORED),
            Finding("CVE-2021-1", Severity.LOW, None, None, ZLIB_12),
        ],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_report_becomes_findings(case: str) -> None:
    """The worst first, with what ECR has members and attributes for."""
    report, expected = CASES[case]
    assert list(formats.read(encoded(report)).findings) == expected


def test_a_report_that_knows_how_old_its_knowledge_is_says_so() -> None:
    """Grype's, of both generations of its database; an instant that means none is none."""
    assert formats.read(encoded(GRYPE)).source_updated_at == parse_instant("2026-11-19T06:30:00Z")
    old = {"matches": [], "descriptor": {"db": {"built": "2023-02-01T00:00:00Z"}}}
    assert formats.read(encoded(old)).source_updated_at == parse_instant("2023-02-01T00:00:00Z")
    never = {"matches": [], "descriptor": {"db": {"built": "0001-01-01T00:00:00Z"}}}
    assert formats.read(encoded(never)).source_updated_at is None


@pytest.mark.parametrize(
    "clean",
    [
        {"SchemaVersion": 2, "ArtifactName": "scratch"},
        {"SchemaVersion": 2, "Results": [{"Target": "alpine", "Vulnerabilities": None}]},
        {"matches": []},
        {"runs": [{"tool": {"driver": {"name": "Trivy"}}, "results": []}]},
        HARBOR | {"vulnerabilities": None},
    ],
)
def test_a_clean_image_has_a_report_without_findings(clean: Any) -> None:
    """Somebody has looked, and found nothing."""
    assert formats.read(encoded(clean)).findings == ()


UNREADABLE: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "it is no JSON object"),
    "prose": (b"Total: 3 (HIGH: 3)", "it is no JSON object"),
    "a list": (b"[]", "it is no JSON object"),
    "cut off": (encoded(TRIVY)[:-20], "it is no JSON object"),
    "no UTF-8": (
        b'{"matches": [{"vulnerability": {"id": "\xff"}, "artifact": {}}]}',
        "it is no report of Grype's",
    ),
    "half a character": (
        b'{"matches": [{"vulnerability": {"id": "\\ud800"}, "artifact": {}}]}',
        "it is no JSON object",
    ),
    "too deep": (b'{"matches":' + b"[" * 100_000, "it is no JSON object"),
    "other JSON": (b'{"schemaVersion": 2, "layers": []}', "it is JSON, but neither"),
    "another type inside": (
        b'{"matches": [{"vulnerability": {"id": 7}, "artifact": {}}]}',
        "it is no report of Grype's",
    ),
    "no name": (
        b'{"SchemaVersion": 2, "Results": [{"Vulnerabilities": [{}]}]}',
        "it is no report of Trivy's",
    ),
    "SPDX": (encoded(SPDX), "it is an SPDX document"),
    "a list of components": (encoded(CYCLONEDX | {"vulnerabilities": []}), "it is a list of components"),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_what_is_no_report_is_refused_with_a_reason(case: str) -> None:
    """Nothing is taken for a report without findings that does not say that somebody has looked."""
    data, reason = UNREADABLE[case]
    with pytest.raises(UnreadableReport, match=reason):
        formats.read(data)


def test_a_report_is_bounded() -> None:
    """In bytes, which are not even parsed, and in findings."""
    with pytest.raises(UnreadableReport, match="are the most that are read"):
        formats.read(b" " * (MAX_BYTES + 1))
    one = b'{"vulnerability":{"id":"a"},"artifact":{}},'
    many = b'{"matches":[' + one * MAX_FINDINGS + one[:-1] + b"]}"
    with pytest.raises(UnreadableReport, match=f"{MAX_FINDINGS} are the most that are kept"):
        formats.read(many)


@pytest.mark.parametrize(
    ("word", "severity"),
    [
        ("CRITICAL", Severity.CRITICAL),
        ("high", Severity.HIGH),
        ("Medium", Severity.MEDIUM),
        ("Low", Severity.LOW),
        ("Negligible", Severity.INFORMATIONAL),
        ("none", Severity.INFORMATIONAL),
        ("UNKNOWN", Severity.UNDEFINED),
        ("", Severity.UNDEFINED),
        (None, Severity.UNDEFINED),
    ],
)
def test_severities_in_scanners_words(word: str | None, severity: Severity) -> None:
    """ECR's nearest; what nobody has rated is UNDEFINED."""
    assert severity_of(word) is severity


@pytest.mark.parametrize(
    ("score", "severity"),
    [
        (0, "INFORMATIONAL"),
        (0.1, "LOW"),
        (3.9, "LOW"),
        (4, "MEDIUM"),
        (6.9, "MEDIUM"),
        (7, "HIGH"),
        (9, "CRITICAL"),
    ],
)
def test_severities_of_scores(score: float, severity: str) -> None:
    """By the bands of CVSS."""
    assert severity_at(score) == severity


def test_a_finding_keeps_within_the_model() -> None:
    """Values are cut to the model's lengths; an address that no browser should follow is left out."""
    long = "x" * 10_000
    made = finding(
        long,
        Severity.LOW,
        description=long,
        uri="javascript:alert(1)",
        package=long,
        version="",
        cvss=[Cvss("9", "v", 1)],
    )
    shape = model.ecr().model.shape_for("AttributeValue")
    assert made.uri is None
    assert made.attributes.keys() == {"package_name"}
    assert len(made.attributes["package_name"]) == shape.metadata["max"]
    assert len(made.name) < len(made.description or "") < len(long)


def test_what_is_said_twice_is_one_finding() -> None:
    """Scanners report a package for each place where it lies."""
    one = finding("CVE-1", Severity.HIGH, package="a", version="1")
    other = finding("CVE-1", Severity.HIGH, package="a", version="2")
    assert in_order([one, other, one]) == (one, other)
    assert counts([one, other]) == {"HIGH": 2}


@given(
    st.lists(
        st.builds(
            finding, st.text(max_size=5), st.sampled_from(Severity), package=st.none() | st.text(max_size=3)
        )
    )
)
def test_counts_add_up(found: list[Finding]) -> None:
    """Every finding is counted once, and the order is by severity."""
    ordered = in_order(found)
    assert sum(counts(ordered).values()) == len(ordered)
    ranks = [list(Severity).index(each.severity) for each in ordered]
    assert ranks == sorted(ranks)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    children = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    return [path, *(place for key, child in children for place in _places(child, (*path, key)))]


REPORTS = [TRIVY, GRYPE, SARIF_OF_TRIVY, SARIF_OF_GRYPE, CYCLONEDX, HARBOR, SPDX]


@given(st.data())
def test_a_report_with_anything_anywhere_is_read_or_refused(data: st.DataObject) -> None:
    """One member of a real report becomes any JSON: there are findings within the model, or there is a reason."""
    report = json.loads(json.dumps(data.draw(st.sampled_from(REPORTS))))
    *way, last = data.draw(st.sampled_from(_places(report)[1:]))
    inner = report
    for step in way:
        inner = inner[step]
    inner[last] = data.draw(JSON)
    try:
        found = formats.read(encoded(report)).findings
    except UnreadableReport:
        return
    assert all(len(value) <= 256 and value for each in found for value in each.attributes.values())


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """No exception but the one that says why."""
    with pytest.raises(UnreadableReport):
        formats.read(data)


@pytest.mark.parametrize(
    ("media_type", "may_be"),
    [
        ("application/sarif+json", True),
        ("application/vnd.cyclonedx+json; version=1.6", True),
        ("Application/VND.CycloneDX+json", True),
        ("application/vnd.security.vulnerability.report; version=1.1", True),
        ("application/spdx+json", False),
        ("application/vnd.oci.image.config.v1+json", False),
        (None, False),
    ],
)
def test_which_artifacts_are_looked_into(media_type: str | None, may_be: bool) -> None:
    """Those that can have findings, by the type alone."""
    assert formats.may_be_report(media_type) is may_be
