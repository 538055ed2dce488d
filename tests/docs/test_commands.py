"""What the pages let people paste is what the program takes."""

from pathlib import Path

import cyclopts
import pytest

from careen.cli.tree import app
from tests.docs.blocks import commands, mentioned, words

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md")), *sorted((DOCS / "tutorials").glob("*.md"))]
WHOLE = [DOCS / name for name in ("deploy.md", "from-distribution.md", "import.md", "runbook.md")]
"""Where an operator at night pastes from sentences, too."""


def test_the_pages_have_commands() -> None:
    """So that the next tests do not hold of nothing."""
    assert all(
        len(commands(page) + mentioned(page)) >= 2
        for page in [*WHOLE, DOCS / "lifecycle.md", DOCS / "fleet.md"]
    )


@pytest.mark.parametrize(
    "command",
    [pytest.param(command, id=f"{page.name}: {command}") for page in PAGES for command in commands(page)]
    + [pytest.param(command, id=f"{page.name}: {command}") for page in WHOLE for command in mentioned(page)],
)
def test_the_command_exists(command: str) -> None:
    """With these options and arguments; nothing is run."""
    try:
        app.parse_args(words(command), exit_on_error=False, print_error=False)
    except cyclopts.CycloptsError as error:
        pytest.fail(f"careen {command}: {error}")


@pytest.mark.parametrize(
    "command", [pytest.param(each, id=f"{page.name}: {each}") for page in PAGES for each in mentioned(page)]
)
def test_a_command_that_is_mentioned_exists(command: str) -> None:
    """With these options; a sentence may leave out what a command works on."""
    try:
        app.parse_args(words(command), exit_on_error=False, print_error=False)
    except cyclopts.MissingArgumentError:
        pass
    except cyclopts.CycloptsError as error:
        pytest.fail(f"careen {command}: {error}")
