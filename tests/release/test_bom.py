"""The bill of materials: valid by CycloneDX's own schema, and complete."""

import hashlib
import json
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from release import bom, licences
from release.packages import Built
from release.uv import ROOT


@pytest.fixture
def bill(built: Built) -> dict[str, Any]:
    """What was written beside the packages."""
    [path] = built.sdist.parent.glob("*.cdx.json")
    read: dict[str, Any] = json.loads(path.read_text())
    return read


def test_it_is_valid(bill: dict[str, Any]) -> None:
    """By the strict schema of CycloneDX 1.5, which allows nothing that it does not name; and it would say so otherwise."""
    schema = JsonStrictValidator(SchemaVersion.V1_5)
    assert schema.validate_str(json.dumps(bill)) is None
    assert schema.validate_str(json.dumps(bill | {"specVersion": "1.0", "more": 1})) is not None


def test_it_has_every_package_with_its_version_its_digests_and_its_licence(bill: dict[str, Any]) -> None:
    """As the lock file has them; and what the console has from elsewhere."""
    found = {each["name"]: each for each in bill["components"]}
    for name in licences.needed():
        of = found[name]
        assert of["purl"] == f"pkg:pypi/{name}@{of['version']}"
        assert of["licenses"] == [{"expression": licences.licence_of(name)}]
        assert all(
            len(digest["content"]) == 64 for source in of["externalReferences"] for digest in source["hashes"]
        )
    assert {found[name]["purl"].partition("@")[0] for name in bom.NPM} == {
        "pkg:npm/htmx.org",
        "pkg:npm/%40tabler/core",
        "pkg:npm/%40tabler/icons",
    }


def test_it_says_which_bytes_it_is_about(bill: dict[str, Any], built: Built) -> None:
    """By the digests of the sdist and of the wheel; and it has a number of its own only if these are others."""
    ours = bill["metadata"]["component"]
    assert (ours["name"], ours["licenses"]) == ("careen", [{"expression": "Apache-2.0 AND 0BSD AND MIT"}])
    assert {each["url"]: each["hashes"][0]["content"] for each in ours["externalReferences"]} == {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (built.sdist, built.wheel)
    }
    [path] = built.sdist.parent.glob("*.cdx.json")
    before = path.read_bytes()
    bom.write(ROOT, built)
    assert path.read_bytes() == before
