"""``careen policy lint``: mistakes that ECR accepts, for people, programs and code review."""

import re
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import quote

from cyclopts import Parameter

from careen.cli.output import print_json
from careen.cli.policy.inputs import (
    ImagesFile,
    Now,
    PolicyFile,
    RepositoryName,
    read_images,
    read_policy,
    read_policy_text,
    read_time,
    refuse,
    require_repository,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from careen.lifecycle.lint.finding import Finding

Format = Annotated[Literal["text", "json", "sarif"], Parameter(name="--format", help="What to print.")]
Strict = Annotated[bool, Parameter(negative="", help="Let warnings fail, too.")]
SARIF = "https://json.schemastore.org/sarif-2.1.0.json"


def lint(
    *,
    policy: PolicyFile | None = None,
    images: ImagesFile | None = None,
    repository: RepositoryName = None,
    now: Now = None,
    format: Format = "text",  # noqa: A002 - the option's name
    strict: Strict = False,
) -> None:
    """Find mistakes in a policy that Amazon ECR accepts; more of them with images. Exits 1 if there are errors."""
    from careen.lifecycle.lint.finding import Severity

    json = format == "json"
    if images is None and repository is not None:
        name = require_repository(repository, json, now=now)
        findings = _ask(name, read_policy_text(policy, json), json)
    else:
        findings = _find(policy, images, now, json)
    if format == "sarif":
        print_json(_as_sarif(findings, policy or "-"))
    elif json:
        print_json({"findings": findings})
    else:
        _print(findings)
    failing = {Severity.ERROR, Severity.WARNING} if strict else {Severity.ERROR}
    if any(finding.severity in failing for finding in findings):
        sys.exit(1)


def _find(policy: str | None, images: str | None, now: str | None, json: bool) -> "Sequence[Finding]":
    from careen.lifecycle.lint.linter import lint

    if policy is None:
        refuse(
            "InvalidInput", "no policy is named", "--policy FILE, or --repository NAME of a registry", json
        )
    if policy == images == "-":
        reason = "policy and images cannot both come from standard input"
        refuse("InvalidInput", reason, "name one file", json)
    described = None if images is None else read_images(images, json)
    return lint(read_policy(policy, json), described, read_time(now, json))


def _ask(repository: str, text: str | None, json: bool) -> "Sequence[Finding]":
    import msgspec

    from careen.cli.policy.service import ask
    from careen.lifecycle.lint.finding import Finding

    answer = ask("lint_lifecycle_policy", json, repositoryName=repository, lifecyclePolicyText=text)
    found = [{"rulePriority": None} | each for each in answer["findings"]]
    return msgspec.convert(found, list[Finding])


def _print(findings: "Sequence[Finding]") -> None:
    for finding in findings:
        where = "policy" if finding.rule_priority is None else f"rule {finding.rule_priority}"
        print(f"{finding.severity}: {where}: {finding.sentence} [{finding.code}]\n    {finding.advice}")
    totals = Counter(finding.severity.value for finding in findings)
    parts = [f"{count} {name}" if count == 1 else f"{count} {name}s" for name, count in totals.items()]
    print(", ".join(parts) or "no findings")


def _as_sarif(findings: "Sequence[Finding]", file: str) -> dict[str, Any]:
    """A log of one run, SARIF 2.1.0 (OASIS)."""
    from careen.lifecycle.lint.codes import CODES

    rules = [
        {
            "id": code.name,
            "shortDescription": {"text": code.finds},
            "fullDescription": {"text": code.why},
            "help": {"text": code.mend},
            "defaultConfiguration": {"level": code.severity},
        }
        for code in CODES
    ]
    text = "" if file == "-" else Path(file).read_text(encoding="utf-8")
    results = [_result(finding, file, text) for finding in findings]
    driver = {"name": "careen policy lint", "rules": rules}
    return {"$schema": SARIF, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results}]}


def _result(finding: "Finding", file: str, text: str) -> dict[str, Any]:
    line = 1
    if finding.rule_priority is not None:
        place = re.search(rf'"rulePriority"\s*:\s*{finding.rule_priority}\b', text)
        line += text.count("\n", 0, place.start()) if place else 0
    uri = "stdin" if file == "-" else quote(Path(file).as_posix())
    location = {"artifactLocation": {"uri": uri}, "region": {"startLine": line}}
    return {
        "ruleId": finding.code,
        "level": finding.severity,
        "message": {"text": f"{finding.sentence}. {finding.advice}."},
        "locations": [{"physicalLocation": location}],
    }
