"""SARIF 2.1.0, as Trivy, Grype, Snyk and docker scout write it.

The format is one for findings in source files: which package has the vulnerability stands in prose, in lines that all of them
write as ``Package: name``. What is not found there is left out.
"""

import math
import re
from typing import Any

import msgspec

from careen.findings.finding import Finding, Severity, finding, severity_at, severity_of
from careen.findings.report import Report, decode, report

_LEVELS = {
    "error": Severity.HIGH,
    "warning": Severity.MEDIUM,
    "note": Severity.LOW,
    "none": Severity.INFORMATIONAL,
}
"""What a level is taken for if the rule has no severity: the way Trivy and GitHub map them."""

_NO_FINDINGS = frozenset({"pass", "notApplicable", "informational"})
"""Kinds of results that are no problem (section 3.27.9)."""

_KNOWN_NAME = re.compile(r"CVE-\d{4}-\d{4,12}|GHSA(?:-[0-9a-z]{4}){3}")
"""At the head of a rule's id; Grype goes on with the package."""

_LINE = re.compile(r"^(Package|Installed Version|Version|Fixed Version|Fix Version): *(.*)$", re.MULTILINE)

_PROSE = 8192
"""Characters of a text in which lines are looked for."""


class _Message(msgspec.Struct):
    text: str | None = None


class _Configuration(msgspec.Struct):
    level: str | None = None


class _Rule(msgspec.Struct, rename="camel"):
    id: str = ""
    short_description: _Message | None = None
    full_description: _Message | None = None
    help: _Message | None = None
    help_uri: str | None = None
    default_configuration: _Configuration | None = None
    properties: dict[str, Any] | None = None


class _Driver(msgspec.Struct):
    name: str = "sarif"
    rules: list[_Rule] | None = None


class _Tool(msgspec.Struct):
    driver: _Driver


class _Result(msgspec.Struct, rename="camel"):
    rule_id: str | None = None
    rule_index: int = -1
    kind: str = "fail"
    level: str | None = None
    message: _Message | None = None
    suppressions: list[Any] | None = None


class _Run(msgspec.Struct):
    tool: _Tool
    results: list[_Result] | None = None


class _Log(msgspec.Struct):
    runs: list[_Run]


def read(data: bytes) -> Report:
    """Read a log. Results that somebody suppressed are no findings.

    Raises:
        careen.findings.report.UnreadableReport: it is none.
    """
    said: _Log = decode(data, _Log, "SARIF log")
    findings = [
        _finding(result, rule)
        for run in said.runs
        for result, rule in _with_rules(run)
        if result.kind not in _NO_FINDINGS and not result.suppressions
    ]
    return report(said.runs[0].tool.driver.name if said.runs else "sarif", findings)


def _with_rules(run: _Run) -> list[tuple[_Result, _Rule]]:
    rules = run.tool.driver.rules or []
    by_id = {rule.id: rule for rule in rules}
    paired = []
    for result in run.results or ():
        at = rules[result.rule_index] if 0 <= result.rule_index < len(rules) else None
        rule = at or by_id.get(result.rule_id or "") or _Rule(id=result.rule_id or "unnamed")
        paired.append((result, rule))
    return paired


def _finding(result: _Result, rule: _Rule) -> Finding:
    rule_id = result.rule_id or rule.id
    known = _KNOWN_NAME.match(rule_id)
    said = _lines(rule.help) | _lines(result.message)
    texts = (rule.full_description, rule.short_description, result.message)
    return finding(
        known[0] if known else rule_id,
        _severity(result, rule),
        description=next((each.text for each in texts if each and each.text), None),
        uri=rule.help_uri,
        package=said.get("Package"),
        version=said.get("Installed Version") or said.get("Version"),
        fixed=said.get("Fixed Version") or said.get("Fix Version"),
    )


def _lines(message: _Message | None) -> dict[str, str]:
    text = (message.text if message else None) or ""
    return {name: value.strip() for name, value in _LINE.findall(text[:_PROSE])}


def _severity(result: _Result, rule: _Rule) -> Severity:
    """The rule's score, else a word among its tags, else the level of the result or of the rule."""
    properties = rule.properties or {}
    if (score := _score(properties.get("security-severity"))) is not None:
        return severity_at(score)
    tags = properties.get("tags")
    for tag in tags if isinstance(tags, list) else ():
        if isinstance(tag, str) and (severity := severity_of(tag)) is not Severity.UNDEFINED:
            return severity
    configured = rule.default_configuration.level if rule.default_configuration else None
    return _LEVELS.get(result.level or configured or "warning", Severity.UNDEFINED)


def _score(said: Any) -> float | None:
    """A number, or one in a string, as GitHub has it; None: neither."""
    try:
        score = float(said)
    except (TypeError, ValueError, OverflowError):
        return None
    return score if math.isfinite(score) else None
