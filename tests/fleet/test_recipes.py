"""The recipes of docs/fleet.md: they parse, and what they call exists."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from careen.cli.fleet.app import app

PAGE = (Path(__file__).parents[2] / "docs" / "fleet.md").read_text("utf-8")


def fenced(language: str) -> list[str]:
    """The page's blocks in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def understood(line: str) -> None:
    """Parse a command line as `careen fleet` does, without running it."""
    arguments = shlex.split(line, comments=True)
    app.parse_args(arguments[arguments.index("fleet") + 1 :], exit_on_error=False, print_error=False)


def test_the_cron_job() -> None:
    """Is a CronJob of Kubernetes that scans, goes on where a part was denied, and protects."""
    found: list[Any] = [yaml.safe_load(each) for each in fenced("yaml")]
    [job] = [each for each in found if isinstance(each, dict)]
    assert (job["apiVersion"], job["kind"]) == ("batch/v1", "CronJob")
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    [container] = pod["containers"]
    lines = [line for line in container["args"][0].splitlines() if "fleet" in line]
    assert [re.search(r"fleet (\w+)", line)[1] for line in lines] == ["scan", "protect"]  # type: ignore[index]
    for line in lines:
        understood(line)


def test_the_function() -> None:
    """Is Python, and calls commands that exist."""
    [source] = fenced("python")
    names: dict[str, Any] = {}
    exec(compile(source, "handler.py", "exec"), names)  # noqa: S102 - our own page
    assert callable(names["handler"])
    for command in re.findall(r'\["(?:scan|protect)".*\]', source):
        understood("careen fleet " + " ".join(re.findall(r'"([^"]+)"', command)))


@pytest.mark.parametrize(
    "line",
    [
        each.removeprefix("$ ")
        for block in fenced("console")
        for each in block.splitlines()
        if "careen fleet" in each
    ],
)
def test_every_command_of_the_page(line: str) -> None:
    """Is understood."""
    for command in line.split("&&"):
        if "careen fleet" in command:
            understood(re.sub(r">.*", "", command))
