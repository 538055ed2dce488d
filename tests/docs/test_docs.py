"""The documentation keeps up with the code."""

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GENERATED = runpy.run_path(str(ROOT / "docs" / "generate.py"))["PAGES"]


@pytest.mark.parametrize("page", sorted(GENERATED))
def test_generated_pages_are_up_to_date(page: str) -> None:
    """What `python docs/generate.py` writes is what is there."""
    assert GENERATED[page]() == (ROOT / "docs" / page).read_text()


def test_every_operation_that_is_served_is_called_by_a_test() -> None:
    """On a live server, beside the tables that go through all operations."""
    rows = [line.split(" | ") for line in (ROOT / "docs/reference/operations.md").read_text().splitlines()]
    untested = [row[0] for row in rows if len(row) == 5 and row[1] == "yes" and "tests/" not in row[4]]
    assert untested == []


def test_the_architecture_names_every_module() -> None:
    """A module that docs/ARCHITECTURE.md does not name is one a newcomer cannot find."""
    described = (ROOT / "docs" / "ARCHITECTURE.md").read_text()
    source = ROOT / "src" / "careen"
    modules = {
        path
        for path in source.rglob("*.py")
        if not path.name.startswith("__") and "migrations" not in path.parts
    }
    assert sorted(str(path.relative_to(source)) for path in modules if path.name not in described) == []


def test_every_decision_is_listed_by_its_number_and_title() -> None:
    """docs/adr/README.md has each, as its own first line calls it."""
    folder = ROOT / "docs" / "adr"
    rows = []
    for page in sorted(folder.glob("0*.md")):
        number, title = page.read_text().splitlines()[0].removeprefix("# ").split(". ", 1)
        assert int(number) == int(page.name[:4])
        rows.append(f"| {number} | [{title}]({page.name}) |")
    assert (folder / "README.md").read_text().splitlines()[-len(rows) :] == rows
