"""`careen policy lint`: formats and exit statuses."""

import json
from pathlib import Path

import pytest
from cyclopts import App

from careen.cli.policy.lint import lint
from careen.lifecycle.policy import LifecyclePolicy, canonical
from careen.lifecycle.rule import Rule
from tests.lifecycle.build import rule

app = App(result_action="return_value")
app.command(lint)

DEAD = rule(2, status="tagged", tagPrefixList=["prod*"], count=3)
LATE = rule(2, status="tagged", tagPatternList=["v"], count=3)
FINE = rule(1, status="untagged", pushed=7)


def run(folder: Path, rules: list[Rule], *options: str) -> int:
    """Lint rules from a file; the exit status."""
    file = folder / "policy.json"
    file.write_text(canonical(LifecyclePolicy(tuple(rules))).replace('{"rule', '\n{"rule').ljust(100))
    try:
        app(["lint", "--policy", str(file), *options])
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def test_no_findings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A policy without mistakes exits 0 and says so."""
    assert run(tmp_path, [FINE]) == 0
    assert capsys.readouterr().out == "no findings\n"


def test_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An error exits 1; the text names rule, code and advice."""
    assert run(tmp_path, [FINE, DEAD]) == 1
    out = capsys.readouterr().out
    assert "error: rule 2: the prefix prod* contains *, which no tag does [wildcard-in-prefix]\n" in out
    assert "    move the list to tagPatternList\n" in out
    assert out.endswith("1 error\n")


def test_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """JSON has one object for each finding."""
    run(tmp_path, [FINE, DEAD], "--format", "json")
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert (finding["code"], finding["severity"], finding["rulePriority"]) == (
        "wildcard-in-prefix",
        "error",
        2,
    )


def test_sarif(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """SARIF results name a rule of the driver, and the line the rule is on."""
    run(tmp_path, [FINE, DEAD], "--format", "sarif")
    log = json.loads(capsys.readouterr().out)
    (sarif,) = log["runs"]
    (result,) = sarif["results"]
    assert log["version"] == "2.1.0"
    assert result["ruleId"] in {known["id"] for known in sarif["tool"]["driver"]["rules"]}
    assert result["level"] == "error"
    assert result["locations"][0]["physicalLocation"]["region"]["startLine"] == 4


def test_strict_lets_warnings_fail(tmp_path: Path) -> None:
    """A warning exits 0, with --strict 1."""
    images = tmp_path / "images.json"
    images.write_text('[{"imageDigest": "a", "imageTags": ["v1"], "imagePushedAt": 0}]')
    assert run(tmp_path, [LATE], "--images", str(images)) == 0
    assert run(tmp_path, [LATE], "--images", str(images), "--strict") == 1


def test_an_invalid_policy_exits_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What ECR refuses is told in ECR's words, as by validate."""
    assert run(tmp_path, [FINE, rule(2, status="untagged", pushed=9)]) == 2
    assert "Lifecycle policy validation failure" in capsys.readouterr().err
