"""Under which terms others may use what Careen needs: the licence of every package in the lock file, in SPDX's words.

A package says its licence in its metadata: as an expression (PEP 639), in older ones as a classifier or in a field of their own.
"BSD" is no licence but a family of them: what such packages ship was read, and is in :data:`READ`.
"""

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.metadata import distribution
from typing import Any

from license_expression import Licensing, get_spdx_licensing
from packaging.markers import Marker

from release.uv import ROOT

CORE = "careen"

ALLOWED = frozenset({"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0", "PSF-2.0"})
"""What Careen may need: nothing that asks more than to be named."""

ALLOWED_IN_EXTRAS = ALLOWED | {"LGPL-3.0-only", "MPL-2.0"}
"""What those may need who ask for it by name: packages that stay on their own, can be replaced, and ask nothing of ours."""

READ = {
    "google-re2": "BSD-3-Clause",
    "jinja2": "BSD-3-Clause",
    "python-dateutil": "Apache-2.0 OR BSD-3-Clause",
    "semantic-version": "BSD-2-Clause",
    "uvloop": "Apache-2.0 OR MIT",
}
"""Read from the licence files of those whose metadata does not say which, or that there is a choice."""

SAID = {"3-Clause BSD License": "BSD-3-Clause", "MIT License": "MIT", "The MIT License (MIT)": "MIT"}
"""Older fields and classifiers that mean one licence and no other."""


class Unclear(Exception):
    """A package does not say under which licence it is. The message names it, and what to do."""


def needed(lock: Mapping[str, Any] | None = None) -> dict[str, list[str]]:
    """Every package that the lock file names for this interpreter, and what of ours needs it: ``careen``, or its extras.

    Args:
        lock: ``uv.lock``, parsed; the tree's own if not given.
    """
    if lock is None:
        lock = tomllib.loads((ROOT / "uv.lock").read_text())
    packages = {each["name"]: each for each in lock["package"]}
    ours = packages[CORE]
    found: dict[str, list[str]] = {}
    for name in _closure(packages, ours.get("dependencies", [])):
        found[name] = [CORE]
    for extra, wanted in ours.get("optional-dependencies", {}).items():
        for name in _closure(packages, wanted):
            if found.get(name) != [CORE]:
                found.setdefault(name, []).append(f"{CORE}[{extra}]")
    return dict(sorted(found.items()))


def _closure(packages: Mapping[str, Any], wanted: list[dict[str, Any]]) -> set[str]:
    found: set[str] = set()
    asked: set[tuple[str, str]] = set()
    left = list(wanted)
    while left:
        each = left.pop()
        if "marker" in each and not Marker(each["marker"]).evaluate():
            continue
        package = packages[each["name"]]
        found.add(package["name"])
        for extra in ("", *each.get("extra", ())):
            if (package["name"], extra) not in asked:
                asked.add((package["name"], extra))
                more = package.get("optional-dependencies", {}).get(extra, ())
                left += more if extra else package.get("dependencies", ())
    return found


def licence_of(name: str) -> str:
    """The licence of an installed package, as an SPDX expression.

    Raises:
        Unclear: its metadata does not say it.
        importlib.metadata.PackageNotFoundError: it is not installed.
    """
    if name in READ:
        return READ[name]
    metadata = distribution(name).metadata
    classifiers = [
        each.rpartition(" :: ")[2] for each in metadata.get_all("Classifier", ()) if "License ::" in each
    ]
    fields = (*metadata.get_all("License-Expression", ()), *metadata.get_all("License", ()))
    for said in (*(field.partition("\n")[0].strip() for field in fields), *classifiers):
        expression = SAID.get(said, said)
        if expression and not _spdx().validate(expression).errors:
            return str(_spdx().parse(expression))
    raise Unclear(
        f"{name} says neither as an expression nor in a word of SPDX's under which licence it is: read, and add it to READ"
    )


def is_allowed(expression: str, allowed: frozenset[str] = ALLOWED) -> bool:
    """Whether one may choose among the licences of an expression such that all of the chosen are allowed."""
    return _holds(_spdx().parse(expression, validate=True), allowed)


def _holds(part: Any, allowed: frozenset[str]) -> bool:
    if isinstance(part, _spdx().OR):
        return any(_holds(each, allowed) for each in part.args)
    if isinstance(part, _spdx().AND):
        return all(_holds(each, allowed) for each in part.args)
    return str(part) in allowed  # with an exception to it, it is another


@cache
def _spdx() -> Licensing:
    return get_spdx_licensing()


def vendored() -> list[tuple[str, str, str]]:
    """What the console has from elsewhere, by its own README: name, version and licence as an SPDX expression."""
    table = (ROOT / "src/careen/console/static/vendor/README.md").read_text()
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| `")]
    words = {"Zero-Clause BSD": "0BSD", "MIT": "MIT"}
    return [
        (re.findall(r"\[(.+?)\]", what)[0], version, words[licence.partition(",")[0]])
        for _, what, version, licence in rows
    ]


def page() -> str:
    """``docs/licences.md``."""
    lines = [
        "# Licences",
        "",
        "Careen is under the [Apache License 2.0](../LICENSE). This is what it needs and what it has in it, each with its licence",
        "in SPDX's words; versions and digests are in the [bill of materials](release.md#what-is-in-it) of a release. A test",
        f"keeps everything to {', '.join(sorted(ALLOWED))}; extras, which one",
        f"asks for by name, may also need {', '.join(sorted(ALLOWED_IN_EXTRAS - ALLOWED))}.",
        "",
        "## In the wheel",
        "",
        "| what | licence |",
        "|---|---|",
        *(f"| {name} {version} | {licence} |" for name, version, licence in vendored()),
        "",
        "## Needed packages",
        "",
        "| package | licence | for |",
        "|---|---|---|",
        *(
            f"| {name} | {licence_of(name)} | {', '.join(f'`{each}`' for each in wanted)} |"
            for name, wanted in needed().items()
        ),
    ]
    return "\n".join(lines) + "\n"
