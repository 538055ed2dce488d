"""`careen policy diff` and `careen policy forecast` on files."""

import json
from pathlib import Path
from typing import Any

import pytest

from careen.cli.policy.app import app
from careen.clock import DAY, isoformat
from tests.lifecycle.build import NOW, ago

AT = isoformat(NOW)


def detail(name: str, age: float, *tags: str, size: int = 1_000_000, **members: Any) -> dict[str, Any]:
    """An image as `aws ecr describe-images` prints it."""
    return {
        "imageDigest": f"sha256:{name}",
        "imageTags": tags,
        "imagePushedAt": isoformat(ago(age)),
        "imageSizeInBytes": size,
    } | members


IMAGES = [
    *(detail(f"build-{number}", number + 0.5, f"pr-{40 - number}") for number in range(20)),
    detail("prod", 12.2, "prod", lastRecordedPullTime=isoformat(ago(1))),
    detail("loose", 3.5),
]


def keep(number: int) -> str:
    """Keep so many, whatever they are."""
    selection = {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": number}
    rule = {"rulePriority": 1, "selection": selection, "action": {"type": "expire"}}
    return json.dumps({"rules": [rule]}).ljust(100)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """Policies and images in files."""
    written = {"keep20": keep(20), "keep21": keep(21), "keep10": keep(10), "images": json.dumps(IMAGES)}
    for name, text in written.items():
        (tmp_path / name).write_text(text)
    return {name: str(tmp_path / name) for name in written}


def run(*arguments: str) -> int:
    """Run `careen policy`. Returns the exit status."""
    with pytest.raises(SystemExit) as ended:
        app([*arguments, "--now", AT])
    assert isinstance(ended.value.code, int | None)
    return ended.value.code or 0


def test_a_small_difference(files: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    """What goes now that would have stayed is listed with its reason; within the limits that is no error."""
    status = run("diff", "--policy", files["keep20"], "--old", files["keep21"], "--images", files["images"])
    out, err = capsys.readouterr()
    assert (status, err) == (0, "")
    assert "newly doomed: 1 image, 1.0 MB, 4.5% of the repository" in out
    assert "expires: rule 1 (any), 21st youngest of 22, keeps 20" in out
    assert f"22 images at {AT}; plan sha256:" in out


def test_nothing_changes(files: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    """The same policy twice is no difference."""
    assert (
        run("diff", "--policy", files["keep21"], "--old", files["keep21"], "--images", files["images"]) == 0
    )
    assert capsys.readouterr().out.startswith("Nothing changes.\n")


def test_too_much_needs_an_accepted_plan(files: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    """More than a quarter, and the last image of a family, is an error that says which hash to accept; then it is a note."""
    arguments = ("diff", "--policy", files["keep10"], "--images", files["images"])
    assert run(*arguments, "--json") == 1
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert [each["code"] for each in document["breaches"]] == ["SHARE", "LAST_OF_FAMILY"]
    assert err.splitlines() == [
        "error: 12 of 22 images would be deleted, 55%; unseen at most 25%",
        "error: the last image tagged prod would go",
        f"try: look through it, then --accept {document['planHash']}",
    ]
    assert run(*arguments, "--accept", document["planHash"]) == 0
    assert capsys.readouterr().err.startswith("note: 12 of 22 images would be deleted")
    assert run(*arguments, "--max-share", "60") == 1
    assert capsys.readouterr().err.startswith("error: the last image tagged prod would go\n")


def test_another_plan_than_the_accepted_one(
    files: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """An accepted hash lets exactly one plan pass, however small another one is."""
    stale = "sha256:" + "0" * 64
    assert run("diff", "--policy", files["keep21"], "--images", files["images"], "--accept", stale) == 1
    assert "error: the plan is not the accepted one" in capsys.readouterr().err


def test_saved_and_changed(files: dict[str, str], capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """What stays now is listed, too, and so is what goes by another rule."""
    by_age = tmp_path / "by-age"
    selection = {"tagStatus": "any", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 19}
    by_age.write_text(
        json.dumps({"rules": [{"rulePriority": 1, "selection": selection, "action": {"type": "expire"}}]})
    )
    run("diff", "--policy", str(by_age), "--old", files["keep20"], "--images", files["images"])
    out = capsys.readouterr().out
    assert "newly saved: 1 image" in out
    assert "by another rule, or elsewhere: 1 image" in out


def test_a_forecast(files: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    """Days that act, the first and the last; what goes in all, with the bytes as an upper limit."""
    arguments = ("forecast", "--policy", files["keep21"], "--images", files["images"])
    assert run(*arguments, "--days", "9") == 0
    out = capsys.readouterr().out
    lines = [line.split() for line in out.splitlines()]
    assert [line[0] for line in lines[:3]] == ["day", "0", "9"]
    assert lines[1] == ["0", "2026-11-22", "-", "1", "-", "1.0", "MB", "21", "21.0", "MB", "$0.0020"]
    assert "1 image deleted by 2026-12-01, at most 1.0 MB freed, $0.0001 a month" in out


def test_a_forecast_with_pushes(files: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    """The evening before the incident: builds push the image of production out, and somebody pulls it."""
    arguments = ("forecast", "--policy", files["keep21"], "--images", files["images"])
    assert run(*arguments, "--replay") == 0
    out = capsys.readouterr().out
    assert "replayed: pr-*, 0.97 pushes a day" in out
    lost = out[out.index("Lost on the way:\n") :].splitlines()
    assert lost[1].startswith("  day 8, 2026-11-30: the last image tagged prod expires: rule 1 (any), 22nd")
    used = out[out.index("Used until now:\n") :].splitlines()
    assert used[1].startswith("  day 8, 2026-11-30: prod, in use or pulled lately, expires")


def test_a_forecast_as_json(files: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    """Every day is in the document, and the streams if they were replayed."""
    arguments = ("forecast", "--policy", files["keep21"], "--images", files["images"], "--json")
    assert run(*arguments) == 0
    quiet = json.loads(capsys.readouterr().out)
    assert (len(quiet["days"]), quiet["losses"], quiet["exactBytes"], "streams" in quiet) == (
        31,
        [],
        False,
        False,
    )
    assert run(*arguments, "--replay", "--days", "10") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["days"][10]["at"] == isoformat(NOW + 10 * DAY)
    [loss] = document["losses"]
    assert (loss["family"], loss["imageTags"], loss["day"]) == ("prod", ["prod"], 8)
    assert [each["families"] for each in document["streams"]] == [[], ["pr-*"]]


NOT_ENOUGH = {
    "no images": (["simulate", "--policy", "P"], "no images are named"),
    "no policy": (["simulate", "--images", "I"], "images from a file need a policy"),
    "nothing to lint": (["lint"], "no policy is named"),
    "a registry has its own rules": (
        ["forecast", "--repository", "app", "--extension", "P"],
        "--extension goes with --images",
    ),
    "a registry has its own time": (
        ["diff", "--repository", "app", "--policy", "P"],
        "--now goes with --images",
    ),
    "two from standard input": (
        ["diff", "--policy", "-", "--old", "-", "--images", "I"],
        "only one file can come from standard input",
    ),
}


@pytest.mark.parametrize(("arguments", "message"), NOT_ENOUGH.values(), ids=NOT_ENOUGH)
def test_what_is_missing_is_said(
    files: dict[str, str], capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    """What a command lacks ends it with status 2, what is wrong and what to try."""
    names = {"P": files["keep20"], "I": files["images"]}
    assert run(*(names.get(each, each) for each in arguments)) == 2
    err = capsys.readouterr().err
    assert message in err
    assert "\ntry: " in err


def test_a_rate_that_is_none(
    files: dict[str, str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Images that were pushed all at once cannot be replayed, and that is said."""
    flood = tmp_path / "flood"
    flood.write_text(json.dumps([detail(str(number), 0.5, f"v{number}") for number in range(400)]))
    arguments = ("forecast", "--policy", files["keep20"], "--images", str(flood), "--replay")
    assert run(*arguments, "--days", "300") == 2
    assert (
        "119,700 images would be pushed in 300 days\ntry: forecast without --replay"
        in capsys.readouterr().err
    )
