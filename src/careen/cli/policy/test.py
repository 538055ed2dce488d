"""``careen policy test``."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from careen.cli.output import plural, print_json
from careen.cli.policy.inputs import refuse

if TYPE_CHECKING:
    from careen.lifecycle.policy_test import Result

Format = Annotated[Literal["text", "json", "junit"], Parameter(name="--format", help="What to print.")]
Junit = Annotated[str | None, Parameter(name="--junit", help="Write JUnit XML to this file, too.")]

FAILED = 1
"""The exit status where an expectation is not met."""


def test(
    *files: str,
    format: Format = "text",  # noqa: A002, PT028 - the option's name; pytest does not call this
    junit: Junit = None,  # noqa: PT028
) -> None:
    """Test policies: these images stay, these go, by this rule. Exits 1 if one is otherwise, 2 if a file is no test.

    Args:
        files: YAML or TOML files, see docs/policy-tests.md.
    """
    json = format == "json"
    if not files:
        refuse("InvalidInput", "no file is named", "careen policy test *.policytest.yaml", json)
    ran = {file: _run(file, json) for file in files}
    xml = _as_junit(ran)
    if junit is not None:
        Path(junit).write_text(xml, encoding="utf-8")
    match format:
        case "text":
            _print(ran)
        case "json":
            print_json(_as_document(ran))
        case "junit":
            print(xml)
    if any(result.failures for results in ran.values() for result in results):
        sys.exit(FAILED)


def _run(file: str, json: bool) -> "list[Result]":
    from careen.cli.policy import test_files
    from careen.lifecycle.policy_fixture import InvalidPolicyTest

    try:
        return test_files.run(Path(file))
    except InvalidPolicyTest as error:
        refuse("InvalidInput", f"{file}: {error}", "see docs/policy-tests.md", json)


def _print(ran: "Mapping[str, Sequence[Result]]") -> None:
    failed = 0
    for file, results in ran.items():
        print(f"{file}: {plural(results[0].images, 'image')}")
        for result in results:
            failed += bool(result.failures)
            print(f"  {'FAILED' if result.failures else 'ok':<6} {result.name}")
            for failure in result.failures:
                print("\n".join(f"         {line}" for line in failure.splitlines()))
    total = sum(map(len, ran.values()))
    print(f"{total - failed} passed, {failed} failed" if failed else f"{total} passed")


def _as_document(ran: "Mapping[str, Sequence[Result]]") -> dict[str, Any]:
    return {
        "tests": [
            {"file": file, **result._asdict(), "passed": not result.failures}
            for file, results in ran.items()
            for result in results
        ]
    }


def _as_junit(ran: "Mapping[str, Sequence[Result]]") -> str:
    """The form that CI systems read: a suite for each file, a case for each test."""
    from xml.etree import ElementTree as ET

    suites = ET.Element("testsuites", name="careen policy test")
    for file, results in ran.items():
        failed = sum(bool(result.failures) for result in results)
        counts = {"tests": str(len(results)), "failures": str(failed), "errors": "0"}
        suite = ET.SubElement(suites, "testsuite", {"name": file, **counts})
        for result in results:
            case = ET.SubElement(suite, "testcase", classname=file, name=result.name)
            if result.failures:
                first = result.failures[0].splitlines()[0]
                failure = ET.SubElement(case, "failure", message=first)
                failure.text = "\n".join(result.failures)
    ET.indent(suites)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(suites, encoding="unicode")
