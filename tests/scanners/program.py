"""A scanner for tests: ``python program.py WHAT IMAGE``. It pulls the image as scanners do, and prints a report, or misbehaves.

It is a program of its own, so it imports nothing of Careen's.
"""

import base64
import hashlib
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any


def fetch(host: str, path: str, **headers: str) -> bytes:
    """A GET with the credential of the Docker configuration, which must be in the variables of other scanners too."""
    configuration = json.loads((Path(os.environ["DOCKER_CONFIG"]) / "config.json").read_text())
    credential = configuration["auths"][host]["auth"]
    user, _, password = base64.b64decode(credential).decode().partition(":")
    for program in ("TRIVY_", "GRYPE_REGISTRY_AUTH_", "SYFT_REGISTRY_AUTH_"):
        if (user, password) != (os.environ[f"{program}USERNAME"], os.environ[f"{program}PASSWORD"]):
            raise SystemExit(f"{program} has another credential")
    request = urllib.request.Request(
        f"http://{host}{path}", headers=headers | {"Authorization": f"Basic {credential}"}
    )
    with urllib.request.urlopen(request, timeout=100) as answer:
        data: bytes = answer.read()
    return data


def pull(image: str) -> None:
    """Pull manifest, config and layers, and compare each with its digest."""
    name, _, digest = image.partition("@")
    host, _, repository = name.partition("/")
    content = fetch(
        host, f"/v2/{repository}/manifests/{digest}", Accept="application/vnd.oci.image.manifest.v1+json"
    )
    manifest = json.loads(content)
    check(content, digest)
    for blob in (manifest["config"], *manifest["layers"]):
        check(fetch(host, f"/v2/{repository}/blobs/{blob['digest']}"), blob["digest"])


def check(content: bytes, digest: str) -> None:
    """Like every client that is worth its name."""
    if hashlib.sha256(content).hexdigest() != digest.partition(":")[2]:
        raise SystemExit(f"{digest} has other bytes")


def trivy(count: int) -> dict[str, Any]:
    """A report of Trivy's with so many findings, every tenth critical."""
    return {
        "SchemaVersion": 2,
        "Results": [
            {
                "Vulnerabilities": [
                    {
                        "VulnerabilityID": f"CVE-2026-{number:04}",
                        "PkgName": "musl",
                        "InstalledVersion": "1.2",
                        "Severity": "CRITICAL" if number % 10 == 0 else "LOW",
                    }
                    for number in range(count)
                ]
            }
        ],
    }


def grype() -> dict[str, Any]:
    """A report of Grype's with one finding."""
    return {
        "matches": [
            {
                "vulnerability": {"id": "CVE-2026-1", "severity": "High"},
                "artifact": {"name": "zlib", "version": "1"},
            }
        ],
        "descriptor": {"db": {"built": "2026-11-01T00:00:00Z"}},
    }


def wait_for_ever() -> None:
    """As a scanner does that waits for a network."""
    while True:
        time.sleep(60)


def main(what: str, image: str) -> None:
    """Do what is asked for."""
    match what.partition("="):
        case "as", _, path:
            main(Path(path).read_text(), image)
        case "trivy", _, count:
            pull(image)
            print(json.dumps(trivy(int(count or 20))))
        case "grype", _, _:
            pull(image)
            print(json.dumps(grype()))
        case "wait", _, folder:  # until the test lets it go on
            pull(image)
            (Path(folder) / "begun").write_text(str(os.getpid()))
            while not (Path(folder) / "go").exists():
                time.sleep(0.02)
            print(json.dumps(trivy(1)))
        case "environment", _, _:
            print(json.dumps(dict(os.environ) | {"PWD": str(Path.cwd())}))
        case "elsewhere", _, repository:  # what is not its image's
            try:
                fetch(image.partition("/")[0], f"/v2/{repository}/manifests/1")
            except urllib.error.HTTPError as error:
                raise SystemExit(f"refused with {error.code}") from None
        case "garbage", _, _:
            print("2026-11-26 INFO Vulnerability scanning is enabled")
        case "huge", _, _:
            while True:
                print("x" * 65536)
        case "fail", _, _:
            print("first line\n\x1b[31mFATAL cannot open the database\x1b[0m", file=sys.stderr)
            raise SystemExit(3)
        case "tell", _, _:
            print(f"DEBUG password {os.environ['TRIVY_PASSWORD']}", file=sys.stderr)
            raise SystemExit(1)
        case "hang", _, _:
            wait_for_ever()
        case "children", _, folder:  # one that outlives it, holding its output open
            child = subprocess.Popen([sys.executable, __file__, "hang", image])
            (Path(folder) / "child").write_text(str(child.pid))
            wait_for_ever()
        case "linger", _, _:  # its output is closed, it does not end
            print(json.dumps(trivy(1)), flush=True)
            os.close(1)
            os.close(2)
            wait_for_ever()
        case _:
            raise SystemExit(f"no such behaviour: {what}")


if __name__ == "__main__":
    main(*sys.argv[1:])
