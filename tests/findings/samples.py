"""Reports as scanners write them, each of the same two vulnerabilities; shortened, with some of what is passed over left in."""

import json
from typing import Any

MUSL = "An imbalance of the x87 stack."
ZLIB = "Inflate reads behind a buffer."
VECTOR = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"

TRIVY: dict[str, Any] = {
    "SchemaVersion": 2,
    "CreatedAt": "2026-11-20T10:00:00.123456789Z",
    "ArtifactName": "127.0.0.1:5000/team/app",
    "ArtifactType": "container_image",
    "Metadata": {"OS": {"Family": "alpine", "Name": "3.9.4", "EOSL": True}},
    "Results": [
        {
            "Target": "team/app (alpine 3.9.4)",
            "Class": "os-pkgs",
            "Type": "alpine",
            "Vulnerabilities": [
                {
                    "VulnerabilityID": "CVE-2019-14697",
                    "PkgName": "musl",
                    "InstalledVersion": "1.1.20-r4",
                    "FixedVersion": "1.1.20-r5",
                    "SeveritySource": "nvd",
                    "PrimaryURL": "https://avd.aquasec.com/nvd/cve-2019-14697",
                    "Title": "musl: x87",
                    "Description": MUSL,
                    "Severity": "CRITICAL",
                    "CVSS": {
                        "redhat": {"V3Vector": "CVSS:3.0/other", "V3Score": 5},
                        "nvd": {
                            "V2Vector": "AV:N/AC:L/Au:N/C:P/I:P/A:P",
                            "V2Score": 7.5,
                            "V3Vector": VECTOR,
                            "V3Score": 9.8,
                        },
                    },
                },
            ],
        },
        {"Target": "app/package-lock.json", "Class": "lang-pkgs", "Type": "npm"},
        {
            "Target": "usr/bin/app",
            "Vulnerabilities": [
                {
                    "VulnerabilityID": "GHSA-aaaa-bbbb-cccc",
                    "PkgName": "zlib",
                    "InstalledVersion": "1.2",
                    "Title": ZLIB,
                    "Severity": "UNKNOWN",
                }
            ],
        },
    ],
}

GRYPE: dict[str, Any] = {
    "matches": [
        {
            "vulnerability": {
                "id": "GHSA-aaaa-bbbb-cccc",
                "dataSource": "https://github.com/advisories/GHSA-aaaa-bbbb-cccc",
                "severity": "Negligible",
                "description": ZLIB,
                "cvss": [],
                "fix": {"versions": [], "state": "not-fixed"},
            },
            "relatedVulnerabilities": [],
            "artifact": {"name": "zlib", "version": "1.2", "type": "binary", "purl": ""},
        },
        {
            "vulnerability": {
                "id": "CVE-2019-14697",
                "dataSource": "https://security.alpinelinux.org/vuln/CVE-2019-14697",
                "severity": "Critical",
                "urls": [],
                "cvss": [],
                "fix": {"versions": ["1.1.20-r5", "1.2"], "state": "fixed"},
            },
            "relatedVulnerabilities": [
                {
                    "id": "CVE-2019-14697",
                    "description": MUSL,
                    "severity": "Critical",
                    "cvss": [
                        {"version": "3.1", "vector": VECTOR, "metrics": {"baseScore": 9.8}},
                        {"version": "2.0", "vector": "AV:N", "metrics": {"baseScore": 7.5}},
                    ],
                }
            ],
            "matchDetails": [{"type": "exact-direct-match"}],
            "artifact": {"name": "musl", "version": "1.1.20-r4", "type": "apk"},
        },
    ],
    "source": {"type": "image", "target": {"userInput": "team/app"}},
    "descriptor": {
        "name": "grype",
        "version": "0.104.0",
        "db": {"status": {"schemaVersion": "v6.1.3", "built": "2026-11-19T06:30:00Z", "valid": True}},
    },
}

SARIF_OF_TRIVY: dict[str, Any] = {
    "version": "2.1.0",
    "runs": [
        {
            "tool": {
                "driver": {
                    "name": "Trivy",
                    "rules": [
                        {
                            "id": "CVE-2019-14697",
                            "shortDescription": {"text": "musl: x87"},
                            "fullDescription": {"text": MUSL},
                            "defaultConfiguration": {"level": "error"},
                            "helpUri": "https://avd.aquasec.com/nvd/cve-2019-14697",
                            "help": {
                                "text": "Vulnerability CVE-2019-14697\nSeverity: CRITICAL\nPackage: another"
                            },
                            "properties": {"security-severity": "9.8", "tags": ["vulnerability", "security"]},
                        },
                        {
                            "id": "GHSA-aaaa-bbbb-cccc",
                            "fullDescription": {"text": ZLIB},
                            "properties": {"tags": ["vulnerability", "MEDIUM"]},
                        },
                    ],
                }
            },
            "results": [
                {
                    "ruleId": "CVE-2019-14697",
                    "ruleIndex": 0,
                    "level": "error",
                    "message": {
                        "text": "Package: musl\nInstalled Version: 1.1.20-r4\nVulnerability CVE-2019-14697\n"
                        "Severity: CRITICAL\nFixed Version: 1.1.20-r5\nLink: [CVE-2019-14697](https://avd)"
                    },
                },
                {"ruleId": "GHSA-aaaa-bbbb-cccc", "message": {"text": "Package: zlib"}},
                {
                    "ruleId": "CVE-2019-14697",
                    "suppressions": [{"kind": "external"}],
                    "message": {"text": "Package: x"},
                },
                {"ruleId": "CVE-2019-14697", "kind": "pass", "message": {"text": "Package: y"}},
            ],
        }
    ],
}

SARIF_OF_GRYPE: dict[str, Any] = {
    "version": "2.1.0",
    "runs": [
        {
            "tool": {
                "driver": {
                    "name": "Grype",
                    "rules": [
                        {
                            "id": "CVE-2019-14697-musl",
                            "shortDescription": {
                                "text": "CVE-2019-14697 critical vulnerability for musl package"
                            },
                            "help": {
                                "text": "Vulnerability CVE-2019-14697\nSeverity: critical\nPackage: musl\n"
                                "Version: 1.1.20-r4\nFix Version: \nType: apk"
                            },
                            "properties": {"security-severity": "9.8"},
                        }
                    ],
                }
            },
            "results": [
                {
                    "ruleId": "CVE-2019-14697-musl",
                    "message": {"text": "The path lib/apk/db/installed reports musl at version 1.1.20-r4"},
                }
            ],
        }
    ],
}

CYCLONEDX: dict[str, Any] = {
    "bomFormat": "CycloneDX",
    "specVersion": "1.6",
    "metadata": {"component": {"bom-ref": "image", "type": "container", "name": "team/app"}},
    "components": [
        {
            "bom-ref": "os",
            "name": "alpine",
            "components": [{"bom-ref": "musl-ref", "name": "musl", "version": "1.1.20-r4"}],
        }
    ],
    "vulnerabilities": [
        {
            "id": "CVE-2019-14697",
            "source": {"name": "nvd", "url": "https://nvd.nist.gov/vuln/detail/CVE-2019-14697"},
            "ratings": [
                {"score": 0.03, "method": "other"},
                {"score": 9.8, "severity": "critical", "method": "CVSSv31", "vector": VECTOR},
            ],
            "description": MUSL,
            "affects": [{"ref": "musl-ref"}],
        },
        {
            "id": "GHSA-aaaa-bbbb-cccc",
            "ratings": [{"score": 5.1, "method": "CVSSv4", "vector": "CVSS:4.0/AV:L"}],
            "affects": [{"ref": "urn:cdx:3e671687/1#pkg:deb/debian/zlib@1.2?arch=amd64"}],
        },
        {"id": "CVE-2000-1", "affects": [{"ref": "os"}], "analysis": {"state": "not_affected"}},
    ],
}

HARBOR: dict[str, Any] = {
    "generated_at": "2026-11-20T10:00:00Z",
    "artifact": {"repository": "team/app", "digest": "sha256:0"},
    "scanner": {"name": "Trivy", "vendor": "Aqua Security", "version": "0.60.0"},
    "severity": "Critical",
    "vulnerabilities": [
        {
            "id": "CVE-2019-14697",
            "package": "musl",
            "version": "1.1.20-r4",
            "fix_version": "1.1.20-r5",
            "severity": "Critical",
            "description": MUSL,
            "links": ["https://avd.aquasec.com/nvd/cve-2019-14697"],
            "preferred_cvss": {"score_v3": 9.8, "vector_v3": VECTOR, "vector_v2": "", "score_v2": None},
        },
        {"id": "CVE-2021-1", "package": "zlib", "version": "1.2", "severity": "Low", "links": None},
    ],
}

SPDX: dict[str, Any] = {"spdxVersion": "SPDX-2.3", "packages": [{"name": "musl", "versionInfo": "1.1.20-r4"}]}


def encoded(report: Any) -> bytes:
    """The bytes of a report."""
    return json.dumps(report).encode()
