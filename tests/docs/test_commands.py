"""What the pages for operators let people paste is what the program takes."""

import re
import shlex
from pathlib import Path

import cyclopts
import pytest

from careen.cli.main import app

DOCS = Path(__file__).parents[2] / "docs"

PAGES = ["deploy.md", "from-distribution.md", "import.md", "runbook.md"]


def commands(page: str) -> list[str]:
    """Every `careen …` of a page, in blocks and in sentences, however it is reached."""
    text = (DOCS / page).read_text()
    blocks = re.findall(r"^```\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    lines += re.findall(r"`([^`]+)`", re.sub(r"^```\n.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
    found = [re.search(r"(?:^|sudo |-- |exec \S+ |/bin/)careen ([a-z].*)", line) for line in lines]
    return sorted({each[1].split(" #")[0].split("  ")[0].strip() for each in found if each})


ALL = [pytest.param(command, id=f"{page}: {command}") for page in PAGES for command in commands(page)]


def test_the_pages_have_commands() -> None:
    """So that the next test does not hold of nothing."""
    assert all(len(commands(page)) >= 2 for page in PAGES)


@pytest.mark.parametrize("command", ALL)
def test_the_command_exists(command: str) -> None:
    """With these options and arguments; nothing is run."""
    words = shlex.split(re.split(r" [|&;>] ?| && ", command)[0])
    try:
        app.parse_args(words, exit_on_error=False, print_error=False)
    except cyclopts.CycloptsError as error:
        pytest.fail(f"careen {command}: {error}")
