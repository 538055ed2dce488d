"""The bill of materials of a release (CycloneDX 1.5, JSON): what is in the wheel, and what is installed beside it.

uv says what the lock file names, with digests. Added are the licences, the digests of what was built, and what the console has from
elsewhere; the number and the time are the build's, so that the same build has the same bill.
"""

import hashlib
import json
import subprocess
import uuid
import zipfile
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, PathDistribution
from pathlib import Path
from typing import Any

from release import licences, uv
from release.packages import Built

NPM = {"htmx": "htmx.org", "Tabler": "%40tabler/core", "Tabler Icons": "%40tabler/icons"}
"""Under which names what the console has from elsewhere is published."""


def write(tree: Path, built: Built) -> Path:
    """Write the bill beside what was built, as ``careen-VERSION.cdx.json``.

    Args:
        tree: the source, with its lock file.
        built: the packages.
    """
    bill = bill_of(_locked(tree), built)
    path = built.sdist.with_name(built.sdist.name.replace(".tar.gz", ".cdx.json"))
    path.write_text(json.dumps(bill, indent=1) + "\n")
    path.chmod(0o644)
    return path


def bill_of(locked: dict[str, Any], built: Built) -> dict[str, Any]:
    """The bill: what uv says of the lock file, and what it does not know."""
    ours = locked["metadata"]["component"]
    wheel = hashlib.sha256(built.wheel.read_bytes()).hexdigest()
    component = {
        **{key: ours[key] for key in ("type", "bom-ref", "name", "version")},
        "purl": f"pkg:pypi/{ours['name']}@{ours['version']}",
        "licenses": _expression(_licence_in(built.wheel)),
        "externalReferences": [
            {
                "type": "distribution",
                "url": path.name,
                "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(path.read_bytes()).hexdigest()}],
            }
            for path in (built.sdist, built.wheel)
        ],
    }
    inside = [
        {
            "type": "library",
            "bom-ref": f"vendor/{NPM[name]}",
            "name": name,
            "version": version,
            "purl": f"pkg:npm/{NPM[name]}@{version}",
            "licenses": _expression(licence),
        }
        for name, version, licence in licences.vendored()
    ]
    return {
        **locked,
        "serialNumber": uuid.uuid5(uuid.NAMESPACE_OID, wheel).urn,
        "metadata": {
            **locked["metadata"],
            "timestamp": datetime.fromtimestamp(built.epoch, UTC).isoformat(),
            "component": component,
        },
        "components": [*map(_with_licence, locked["components"]), *inside],
        "dependencies": [
            {**each, "dependsOn": [*each.get("dependsOn", ()), *(one["bom-ref"] for one in inside)]}
            if each["ref"] == ours["bom-ref"]
            else each
            for each in locked["dependencies"]
        ],
    }


def _licence_in(wheel: Path) -> str:
    folder = zipfile.Path(wheel, f"{'-'.join(wheel.name.split('-')[:2])}.dist-info/")
    return PathDistribution(folder).metadata["License-Expression"]


def _with_licence(component: dict[str, Any]) -> dict[str, Any]:
    try:
        return {**component, "licenses": _expression(licences.licence_of(component["name"]))}
    except PackageNotFoundError:  # for another kind of machine
        return component


def _expression(licence: str) -> list[dict[str, str]]:
    return [{"expression": licence}]


def _locked(tree: Path) -> dict[str, Any]:
    """What uv says of a tree's lock file: Careen with all its extras."""
    command: list[str | Path] = [
        uv.program(), "export", "--quiet", "--frozen", "--no-dev", "--all-extras", "--format", "cyclonedx1.5",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=True)
    bill: dict[str, Any] = json.loads(done.stdout)
    return bill
