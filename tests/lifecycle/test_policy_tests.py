"""`careen policy test`, `careen policy fixture`, and the same in pytest."""

import json
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from careen.cli.policy import test_files
from careen.cli.policy.app import app
from careen.lifecycle import policy_test
from careen.lifecycle.policy_fixture import InvalidPolicyTest
from tests.lifecycle.worlds import world

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "policytests" / "keep-releases.policytest.yaml"

RULES = {
    "rules": [
        {
            "rulePriority": 1,
            "selection": {
                "tagStatus": "tagged",
                "tagPatternList": ["v*"],
                "countType": "imageCountMoreThan",
                "countNumber": 2,
            },
            "action": {"type": "expire"},
        },
        {
            "rulePriority": 2,
            "selection": {
                "tagStatus": "any",
                "countType": "sinceImagePushed",
                "countUnit": "days",
                "countNumber": 30,
            },
            "action": {"type": "expire"},
        },
    ]
}
IMAGES: list[dict[str, Any]] = [
    {"tags": ["v1"], "pushed": "50 days"},
    {"tags": ["v2", "latest"], "pushed": "40 days"},
    {"tags": ["v3"], "pushed": "3h"},
    {"tags": ["dev"], "pushed": "31 days ago"},
    {"name": "layerless", "pushed": "2026-10-01", "size": 7},
    {"tags": ["fresh"], "pushed": "2 weeks", "references": ["layerless"]},
]


def judged(*tests: dict[str, Any], **members: Any) -> list[list[str]]:
    """The failures of each test, without what rules say."""
    document = {"policy": RULES, "now": "2026-12-01", "images": IMAGES} | members
    named = [{"name": str(number)} | test for number, test in enumerate(tests)]
    results = policy_test.run(document | {"tests": named}, lambda name: (ROOT / name).read_bytes())
    return [[failure.splitlines()[0] for failure in result.failures] for result in results]


MET: dict[str, dict[str, Any]] = {
    "stay": {"stay": ["v2", "v3"]},
    "go": {"go": ["v1", "dev"]},
    "by a rule": {"go": {"v1": "rule 1", "dev": 2}, "stay": {"v3": 1, "layerless": "rule 2"}},
    "a pattern": {"stay": ["f*", "*est"]},
    "all others": {"go": ["v1", "dev"], "others": "stay"},
    "all others go": {"stay": ["v2", "v3", "fresh", "layerless"], "others": "go"},
    "nothing but others": {"after": "100 days", "stay": ["v2", "v3", "layerless"], "others": "go"},
    "later": {"after": "17 days", "go": ["fresh"]},
    "not yet": {"after": "384 h", "stay": ["fresh"]},
}


@pytest.mark.parametrize("test", MET.values(), ids=MET)
def test_what_is_met(test: dict[str, Any]) -> None:
    """An expectation that is met is no failure."""
    assert judged(test) == [[]]


FAILED: dict[str, tuple[dict[str, Any], list[str]]] = {
    "it goes": (
        {"stay": ["v1", "v2"]},
        ["v1 is to stay; expires: rule 1 (tagged v*), 3rd youngest of 3, keeps 2"],
    ),
    "it stays": ({"go": ["v3"]}, ["v3 is to go; kept: rule 1 (tagged v*), youngest of 3, keeps 2"]),
    "by another rule": (
        {"go": {"dev": "rule 1"}},
        [
            "dev is decided by rule 2, not by rule 1; expires: rule 2 (any), pushed 31.0 days ago, limit 30 days"
        ],
    ),
    "one of many": (
        {"stay": ["v*"]},
        ["v1 is to stay; expires: rule 1 (tagged v*), 3rd youngest of 3, keeps 2"],
    ),
    "one of the others": (
        {"go": ["v1"], "others": "stay"},
        ["dev is to stay; expires: rule 2 (any), pushed 31.0 days ago, limit 30 days"],
    ),
}


@pytest.mark.parametrize(("test", "expected"), FAILED.values(), ids=FAILED)
def test_what_is_not_met(test: dict[str, Any], expected: list[str]) -> None:
    """A failure names the image, what was expected, and why it is otherwise."""
    assert judged(test) == [expected]


def test_a_failure_tells_what_every_rule_says() -> None:
    """As the explanation does, rule by rule."""
    document = {"policy": RULES, "images": IMAGES[:1], "tests": [{"name": "x", "go": ["v1"]}]}
    [[failure]] = [result.failures for result in policy_test.run(document, str.encode)]
    assert failure.splitlines() == [
        "v1 is to go; kept: rule 1 (tagged v*), youngest of 1, keeps 2; so rule 2 (any) may not expire it",
        "  rule 1 (tagged v*) identifies it, v1 meets v*: youngest of 1, keeps 2. It decides: not due",
        (
            "  rule 2 (any) identifies it: pushed 50.0 days ago, limit 30 days."
            " It would expire it, but rule 1 (tagged v*) decides"
        ),
    ]


def test_what_stands_beside_a_policy() -> None:
    """Protection and extension rules are part of the world, and can be what decides."""
    beside: dict[str, Any] = {
        "protection": {"rules": [{"name": "dev", "anyTagPattern": ["dev"], "anyRepository": ["team/*"]}]},
        "extension": {
            "rules": [
                {
                    "rulePriority": 1,
                    "selection": {
                        "tagStatus": "tagged",
                        "tagRegexList": ["v[0-9]"],
                        "countType": "sinceImagePulled",
                        "countUnit": "days",
                        "countNumber": 1,
                    },
                    "action": {"type": "expire"},
                }
            ]
        },
    }
    decided = {"go": {"v2": "extension rule 1"}, "stay": {"dev": "protection rule dev"}}
    assert judged(decided, repository="team/app", **beside) == [[]]
    assert judged({"go": ["dev"]}, repository="other", **beside) == [[]]
    used = [IMAGES[0] | {"inUseBy": ["cluster/eu"]}, *IMAGES[1:]]
    assert judged({"stay": {"v1": "in use"}}, images=used) == [[]]


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "nobody is called so": ({"tests": [{"name": "x", "stay": ["v9"]}]}, "no image is called v9"),
    "no tag matches": ({"tests": [{"name": "x", "stay": ["w*"]}]}, r"no image is called w\*"),
    "a short digest": ({"tests": [{"name": "x", "stay": ["layer"]}]}, "no image is called layer"),
    "stay and go": ({"tests": [{"name": "x", "stay": ["v1"], "go": ["v*"]}]}, r"x: v\* is to stay and to go"),
    "nothing is expected": ({"tests": [{"name": "x"}]}, "x: nothing is expected"),
    "no tests": ({"tests": []}, "tests: there is none"),
    "a misspelt member": (
        {"tests": [{"name": "x", "stays": []}]},
        r"unknown field `stays` - at `\$.tests\[0\]`",
    ),
    "a number for a tag": ({"images": [{"tags": [1], "pushed": "1d"}]}, "needs quotes"),
    "an age that is none": ({"images": [{"tags": ["v1"], "pushed": "soon"}]}, "soon is no age like 3 days"),
    "an age in minutes": (
        {"tests": [{"name": "x", "after": "3m", "stay": ["v1"]}]},
        "3m is no time like 3 days",
    ),
    "one tag twice": (
        {"images": [IMAGES[0], {"name": "b", "tags": ["v1"], "pushed": "1d"}]},
        "two have the tag v1",
    ),
    "one name twice": ({"images": [IMAGES[0], IMAGES[0]]}, "two have the same name"),
    "a name that is a tag": (
        {"images": [IMAGES[1], {"name": "latest", "pushed": "1d"}]},
        "latest is the name of one and a tag of another",
    ),
    "a policy that ECR refuses": (
        {"policy": {"rules": [{}]}},
        "policy: Invalid parameter at 'LifecyclePolicyText'",
    ),
    "no extension document": ({"extension": {"rule": []}}, "extension: "),
    "no protection document": ({"protection": {"rules": [{"name": "x"}]}}, "protection: "),
    "a repository is asked for": (
        {"protection": {"rules": [{"name": "x", "anyRepository": ["a/*"], "signed": True}]}},
        "repository: protection rules ask for its name",
    ),
    "an inventory that is none": ({"inventory": "README.md"}, "images: "),
}


@pytest.mark.parametrize(("members", "message"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes(members: dict[str, Any], message: str) -> None:
    """A slip is an error that says where, never a test that passes."""
    document = {"policy": RULES, "images": IMAGES, "tests": [{"name": "x", "stay": ["v*"]}]} | members
    with pytest.raises(InvalidPolicyTest, match=message):
        policy_test.run(document, lambda name: (ROOT / name).read_bytes())


def test_a_saved_world_passes() -> None:
    """What `fixture` writes of any world passes as it is, and says as many go as went."""
    went = 0
    for seed in range(400):
        made = world(Random(seed))  # noqa: S311 - chance that can be repeated, no secret
        plan = made.plan()
        tags = [tag for each in plan.decisions for tag in each.image.tags]
        if len(tags) > len(set(tags)):  # a tag is on one image, except in worlds
            continue
        document = policy_test.fixture(plan, "policy", {})
        text = json.dumps(made.policy).ljust(100).encode()
        if not plan.decisions:
            with pytest.raises(InvalidPolicyTest, match="nothing is expected"):
                policy_test.run(document, lambda _, text=text: text)  # type: ignore[misc]
            continue
        [result] = policy_test.run(document, lambda _, text=text: text)  # type: ignore[misc]
        assert (result.failures, result.expectations) == ([], len(plan.decisions))
        went += len(document["tests"][0].get("go", ()))
    assert went > 50


def run(*arguments: object) -> int:
    """Run `careen policy`. Returns the exit status."""
    with pytest.raises(SystemExit) as ended:
        app([str(argument) for argument in arguments])
    assert isinstance(ended.value.code, int | None)
    return ended.value.code or 0


def test_the_example(capsys: pytest.CaptureFixture[str]) -> None:
    """Passes, and says so test by test."""
    assert run("test", EXAMPLE) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{EXAMPLE}: 8 images"
    assert lines[1] == "  ok     releases stay for ever"
    assert lines[-1] == "6 passed"


@pytest.fixture
def failing(tmp_path: Path) -> Path:
    """A file with a test that passes and one that fails."""
    (tmp_path / "policy.json").write_text(json.dumps(RULES))
    file = tmp_path / "it.policytest.toml"
    file.write_text(
        'policy = "policy.json"\n'
        'images = [{tags = ["v1"], pushed = "50 days"}, {tags = ["dev"], pushed = "31d"}]\n'
        '[[tests]]\nname = "releases"\nstay = ["v1"]\n'
        '[[tests]]\nname = "builds <&> branches"\nstay = ["dev"]\n'
    )
    return file


def test_a_failure_in_every_form(failing: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As text, as JSON and as JUnit; the exit status is 1."""
    report = failing.with_suffix(".xml")
    assert run("test", failing, "--junit", report) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == [f"{failing}: 2 images", "  ok     releases", "  FAILED builds <&> branches"]
    assert lines[3].strip().startswith("dev is to stay; expires: rule 2 (any)")
    assert lines[-1] == "1 passed, 1 failed"
    assert run("test", failing, "--format", "json") == 1
    told = json.loads(capsys.readouterr().out)["tests"]
    assert [(each["name"], each["passed"]) for each in told] == [
        ("releases", True),
        ("builds <&> branches", False),
    ]
    assert run("test", failing, "--format", "junit") == 1
    assert capsys.readouterr().out.rstrip("\n") == report.read_text()
    [suite] = ET.fromstring(report.read_text())  # noqa: S314 - our own
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    passed, failed = suite
    assert (passed.get("name"), len(passed), failed.get("name")) == ("releases", 0, "builds <&> branches")
    assert "dev is to stay" in (failed[0].get("message") or "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tests: [", "while parsing"),
        ("tests: []\ntests: []", "tests is written twice, line 1"),
        ("tests: [{name: x, stay: [a], stay: [b]}]", "stay is written twice, line 1"),
        ("", "Expected `object`"),
        ("policy: gone.json\ntests: [{name: x, stay: [a]}]", "gone.json cannot be read"),
        ("policy: {rules: [{}]}\ntests: [{name: x, stay: [a]}]", "validation failure"),
    ],
    ids=["no YAML", "a key twice", "an inner key twice", "nothing", "a file that is gone", "no policy"],
)
def test_files_that_are_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    """What cannot be read ends with status 2 and says what is wrong with which file."""
    file = tmp_path / "it.policytest.yaml"
    file.write_text(text)
    assert run("test", file) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"error: {file}: ")
    assert message in err
    assert run("test", tmp_path / "none.yaml") == 2
    assert "none.yaml cannot be read" in capsys.readouterr().err


def test_no_file_is_no_success(capsys: pytest.CaptureFixture[str]) -> None:
    """A pattern of the shell that matches nothing must not look like tests that pass."""
    assert run("test") == 2
    assert "no file is named" in capsys.readouterr().err


def test_yaml_reads_tags_as_people_do(tmp_path: Path) -> None:
    """A version is text, and so is a date."""
    file = tmp_path / "it.yaml"
    rules = json.dumps(RULES)
    images = "[{tags: [1.10, 2026-11-22], pushed: 2026-11-20}]"
    file.write_text(f"policy: {rules}\nnow: 2026-11-22\nimages: {images}\ntests: [{{name: x, stay: [1.10]}}]")
    [result] = test_files.run(file)
    assert (result.failures, result.expectations) == ([], 1)


def test_an_inventory_is_saved(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Beside its policy or elsewhere: the test finds the policy, passes, and fails for another policy."""
    policy, images = tmp_path / "policies" / "policy.json", tmp_path / "images.json"
    policy.parent.mkdir()
    policy.write_text(json.dumps(RULES))
    described = [
        {"imageDigest": f"sha256:{number:064}", "imageTags": [f"v{number}"], "imagePushedAt": number * 10_000}
        for number in range(4)
    ]
    images.write_text(json.dumps(described))
    output = tmp_path / "it.policytest.yaml"
    arguments = ("fixture", "--policy", policy, "--images", images, "--now", "2026-11-22")
    assert run(*arguments, "--output", output) == 0
    assert run("test", output) == 0
    assert "policy: policies/policy.json\n" in output.read_text()
    assert "    v0: rule 1\n    v1: rule 1\n  others: stay\n" in output.read_text()
    policy.write_text(json.dumps(RULES).replace('"countNumber": 2', '"countNumber": 3'))
    capsys.readouterr()
    assert run("test", output) == 1
    assert "v1 is to go; kept: rule 1" in capsys.readouterr().out
    assert run(*arguments) == 0
    assert capsys.readouterr().out.startswith("policy: ")


def test_in_pytest(failing: Path) -> None:
    """Files are collected by their names, and failures read as they do without it."""
    (failing.parent / "broken.policytest.yaml").write_text("tests: []")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:randomly",
        "--continue-on-collection-errors",
    ]
    done = subprocess.run(
        [*command, str(failing.parent)], capture_output=True, text=True, check=False, cwd=failing.parent
    )
    assert done.returncode == 1
    assert "dev is to stay; expires: rule 2 (any)" in done.stdout
    assert "tests: there is none" in done.stdout
    assert "1 failed, 1 passed, 1 error" in done.stdout
    assert "Traceback" not in done.stdout
