"""`careen policy`: the command line, in this process and in one of its own."""

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from careen.cli.policy.app import app
from careen.cli.policy.tables import LISTED
from tests import program
from tests.lifecycle.test_cases import cases


def detail(letter: str, *tags: str, **members: Any) -> dict[str, Any]:
    """An image as `aws ecr describe-images` prints it."""
    image = {"imageDigest": f"sha256:{letter * 16}", "imageTags": tags, "imagePushedAt": "2026-11-01"}
    return image | members


POLICY = {
    "rules": [
        {
            "rulePriority": 1,
            "selection": {
                "tagStatus": "tagged",
                "tagPatternList": ["v*"],
                "countType": "imageCountMoreThan",
                "countNumber": 1,
            },
            "action": {"type": "expire"},
        },
        {
            "rulePriority": 2,
            "selection": {
                "tagStatus": "untagged",
                "countType": "sinceImagePushed",
                "countUnit": "days",
                "countNumber": 14,
            },
            "action": {"type": "expire"},
        },
    ]
}
IMAGES = {
    "imageDetails": [
        detail("a", "v1", imageSizeInBytes=1_500_000),
        detail("b", "v2", imageSizeInBytes=10, imagePushedAt="2026-11-02"),
        detail("c", imageSizeInBytes=20),
        detail("d", imageSizeInBytes=30),
        detail("e", "multi", imageReferences=[f"sha256:{'d' * 16}"]),
    ]
}
NOW = "2026-11-22T00:00:00Z"


class Ran(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `careen policy` in this process."""

    def run(*arguments: object, stdin: str = "") -> Ran:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        with pytest.raises(SystemExit) as ended:
            app([str(argument) for argument in arguments])
        assert ended.value.code is None or isinstance(ended.value.code, int)
        return Ran(ended.value.code or 0, *capfd.readouterr())

    return run


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    """A file with a policy."""
    file = tmp_path / "policy.json"
    file.write_text(json.dumps(POLICY))
    return file


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A file with images."""
    file = tmp_path / "images.json"
    file.write_text(json.dumps(IMAGES))
    return file


@pytest.mark.parametrize("case", cases("lifecycle_evaluation"))
def test_every_case(case: dict[str, Any], run: Run, tmp_path: Path) -> None:
    """A case's policy and images, written to files as they are, give the case's answer."""
    policy, images = tmp_path / "policy.json", tmp_path / "images.json"
    policy.write_text(json.dumps(case["policy"]))
    images.write_text(json.dumps(case["images"]))
    ran = run("simulate", "--policy", policy, "--images", images, "--now", case["now"], "--json")
    answer = json.loads(ran.out)
    assert (ran.code, ran.err, answer["now"]) == (0, "", case["now"])
    assert [decision["imageDigest"] for decision in answer["decisions"]] == [
        image["imageDigest"] for image in case["images"]
    ]
    assert {
        decision["imageDigest"]: [decision["action"], decision["appliedRulePriority"]]
        for decision in answer["decisions"]
        if decision["action"] != "KEEP"
    } == case["expected"]


def test_json(run: Run, policy: Path, images: Path) -> None:
    """The document has the time, a summary by action, and a decision for each image with its reason."""
    ran = run("simulate", "--policy", policy, "--images", images, "--now", NOW, "--json")
    answer = json.loads(ran.out)
    assert answer["summary"]["EXPIRE"] == {"images": 2, "imageSizeInBytes": 1_500_020}
    assert answer["decisions"][0] == {
        "imageDigest": "sha256:aaaaaaaaaaaaaaaa",
        "imageTags": ["v1"],
        "imageSizeInBytes": 1_500_000,
        "action": "EXPIRE",
        "appliedRulePriority": 1,
        "rule": "rule 1 (tagged v*)",
        "reason": "expires: rule 1 (tagged v*), 2nd youngest of 2, keeps 1",
        "order": 1,
    }
    assert answer["deciders"][0] == {
        "action": "BLOCKED",
        "rule": "rule 2 (untagged)",
        "follows": False,
        "images": 1,
        "imageSizeInBytes": 30,
    }
    assert answer["decisions"][1]["appliedRulePriority"] is None


@pytest.mark.parametrize("columns", ["80", "120"])
def test_table(run: Run, policy: Path, images: Path, columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """People see what goes, in order, then what is blocked, then totals with the rules that make them up."""
    monkeypatch.setenv("COLUMNS", columns)
    ran = run("simulate", "--policy", policy, "--images", images, "--now", NOW)
    lines = [" ".join(line.split()) for line in ran.out.splitlines()]
    assert lines[0] == "image tags size what and why"
    assert [line.split()[0] for line in lines if line[:12] in {"a" * 12, "c" * 12, "d" * 12}] == [
        "a" * 12, "c" * 12, "d" * 12
    ]  # fmt: skip
    assert lines[-1].startswith("plan sha256:")
    assert lines[-5:-1] == [
        "5 images at 2026-11-22T00:00:00Z",
        "2 to expire 1.5 MB 1 by rule 1 (tagged v*), 1 by rule 2 (untagged)",
        "1 blocked 30 bytes 1 by rule 2 (untagged)",
        "2 kept 10 bytes 1 by rule 1 (tagged v*), 1 that no rule identifies",
    ]
    assert max(len(line) for line in ran.out.splitlines()) <= int(columns)


def test_nothing_goes(run: Run, policy: Path) -> None:
    """Where there is nothing to do, that is said."""
    ran = run("simulate", "--policy", policy, "--images", "-", stdin="[]")
    assert ran.out.startswith("Nothing goes.\n\n0 images at ")


def test_a_long_table_is_cut(run: Run, policy: Path) -> None:
    """Of very many images the first are listed, and the number of the others."""
    many = [{"imageDigest": f"sha256:{number}", "imagePushedAt": 0} for number in range(LISTED + 7)]
    ran = run("simulate", "--policy", policy, "--images", "-", stdin=json.dumps(many))
    assert "and 7 more; --json lists all" in ran.out
    assert ran.out.count("expires: ") == LISTED


@pytest.mark.parametrize("now", ["2026-11-22T00:00:00Z", "2026-11-22", "1795305600", "1795305600.0"])
def test_now(run: Run, policy: Path, images: Path, now: str) -> None:
    """The time may be ISO 8601 or epoch seconds."""
    ran = run("simulate", "--policy", policy, "--images", images, "--now", now, "--json")
    assert json.loads(ran.out)["now"] == NOW


def test_standard_input(run: Run, policy: Path, images: Path) -> None:
    """Either file may come from standard input."""
    from_files = run("simulate", "--policy", policy, "--images", images, "--now", NOW, "--json")
    policy_piped = run(
        "simulate", "--policy", "-", "--images", images, "--now", NOW, "--json", stdin=policy.read_text()
    )
    images_piped = run(
        "simulate", "--policy", policy, "--images", "-", "--now", NOW, "--json", stdin=images.read_text()
    )
    assert from_files == policy_piped == images_piped


def test_validate(run: Run, policy: Path) -> None:
    """A valid policy is said to be valid; as JSON, with the text ECR would answer."""
    assert run("validate", "--policy", policy) == Ran(0, "valid: 2 rules\n", "")
    answer = json.loads(run("validate", "--policy", policy, "--json").out)
    assert answer == {
        "valid": True,
        "rules": 2,
        "lifecyclePolicyText": json.dumps(POLICY, separators=(",", ":")),
    }


@pytest.mark.parametrize("command", ["validate", "simulate"])
def test_an_invalid_policy(run: Run, images: Path, command: str) -> None:
    """ECR's message goes to standard error with advice, the JSON form to standard output; the exit status is 2."""
    arguments = [command, "--policy", "-"] + (["--images", str(images)] if command == "simulate" else [])
    invalid = json.dumps({"rules": []}).ljust(99)
    message = (
        "Invalid parameter at 'LifecyclePolicyText' failed to satisfy constraint: 'Lifecycle policy validation"
        " failure: The text must have 100 to 30720 characters, it has 99.'"
    )
    plain, as_json = run(*arguments, stdin=invalid), run(*arguments, "--json", stdin=invalid)
    assert plain == Ran(2, "", f"error: {message}\n")
    assert (as_json.code, as_json.err) == (2, f"error: {message}\n")
    assert json.loads(as_json.out) == {"error": {"code": "InvalidParameterException", "message": message}}


def test_advice(run: Run) -> None:
    """What to change is said after what is wrong."""
    unfinished = json.dumps({"rules": [{"rulePriority": 1}]}).ljust(100)
    assert run("validate", "--policy", "-", stdin=unfinished).err.endswith(
        "try: rules[0]: add action, selection\n"
    )


BAD_INPUT = {
    "no policy file": (
        ["--policy", "no-such-file", "--images", "-"],
        "no-such-file cannot be read: No such file",
    ),
    "policy is a folder": (["--policy", "/", "--images", "-"], "/ cannot be read: Is a directory"),
    "no images file": (
        ["--policy", "POLICY", "--images", "no-such-file"],
        "no-such-file cannot be read: No such",
    ),
    "images are none": (
        ["--policy", "POLICY", "--images", "POLICY"],
        "does not describe images: Object missing",
    ),
    "both from standard input": (["--policy", "-", "--images", "-"], "cannot both come from standard input"),
    "no time": (["--policy", "POLICY", "--images", "-", "--now", "soon"], "soon is not a time"),
    "a time beyond the calendar": (
        ["--policy", "POLICY", "--images", "-", "--now", "1" * 20],
        "is not a time",
    ),
}


@pytest.mark.parametrize(("arguments", "expected"), BAD_INPUT.values(), ids=BAD_INPUT)
def test_bad_input(run: Run, policy: Path, arguments: list[str], expected: str) -> None:
    """What cannot be read ends with status 2, what is wrong and what to try, and the same as JSON."""
    named = [str(policy) if argument == "POLICY" else argument for argument in arguments]
    plain, as_json = run("simulate", *named, stdin="[]"), run("simulate", *named, "--json", stdin="[]")
    assert (plain.code, plain.out, as_json.code) == (2, "", 2)
    assert plain.err.startswith("error: ")
    assert expected in plain.err
    assert "\ntry: " in plain.err
    error = json.loads(as_json.out)["error"]
    assert error["code"] == "InvalidInput"
    assert plain.err.startswith(f"error: {error['message']}\n")


def test_a_policy_that_is_no_text(run: Run, images: Path, tmp_path: Path) -> None:
    """A file that is not UTF-8 is said to be so."""
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff" * 200)
    ran = run("simulate", "--policy", binary, "--images", images)
    assert (ran.code, "is not UTF-8 text" in ran.err) == (2, True)


def test_alone(policy: Path, images: Path) -> None:
    """The commands need no server: they import neither a database nor HTTP nor Amazon's SDK."""
    program = (
        "import sys; from careen.cli.policy.app import app\n"
        "app(sys.argv[1:], result_action='return_value')\n"
        "heavy = {'sqlalchemy', 'botocore', 'starlette', 'uvicorn', 'alembic', 'careen.db', 'careen.registry'}\n"
        "sys.exit(repr(heavy & sys.modules.keys()) if heavy & sys.modules.keys() else 0)"
    )
    command = [sys.executable, "-c", program, "simulate", "--policy", str(policy), "--images", str(images)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_as_a_program(policy: Path) -> None:
    """It is part of `careen`."""
    command = [*program.COMMAND, "policy", "validate", "--policy", str(policy)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "valid: 2 rules\n")
