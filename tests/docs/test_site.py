"""The site is built from docs/ without a warning, and nothing in it leads nowhere."""

import runpy
import shutil
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SITE = runpy.run_path(str(ROOT / "docs" / "website.py"))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The program, for a copy of the tree that a test may spoil."""
    tree = tmp_path / "tree"
    for name in ("docs", "deploy", "examples", "tests", "src"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in ROOT.glob("*"):
        if path.is_file():
            shutil.copy(path, tree)
    loaded = runpy.run_path(str(tree / "docs" / "website.py"))
    monkeypatch.setitem(loaded["build"].__globals__, "ROOT", tree)
    return loaded


def test_the_site(tmp_path: Path) -> None:
    """Every page is in the navigation, every link and every anchor is there, and nothing is fetched from elsewhere."""
    SITE["build"](tmp_path / "site")
    assert (tmp_path / "site" / "index.html").is_file()
    assert "two commands" in (tmp_path / "site" / "index.html").read_text().lower()
    assert (tmp_path / "site" / "tree" / "deploy" / "compose.yaml.txt").is_file()


@pytest.mark.parametrize(
    ("page", "text", "said"),
    [
        (
            "trash.md",
            "[there](nowhere.md) [where](lint.md#nowhere)",
            ["page does not exist", "anchor does not exist", "trash.md:"],
        ),
        (
            "orphan.md",
            "![picture](https://example.com/p.png)",
            ["no page for orphan.md", "orphan.html fetches https://example.com/p.png"],
        ),
    ],
    ids=["links", "an orphan that fetches a picture"],
)
def test_what_leads_nowhere(
    tmp_path: Path, site: dict[str, Any], page: str, text: str, said: list[str]
) -> None:
    """It breaks the build, which says where it is."""
    with (tmp_path / "tree" / "docs" / page).open("a") as file:
        file.write(f"\n{text}\n")
    with pytest.raises(site["BrokenSiteError"]) as broken:
        site["build"](tmp_path / "site")
    assert [one for one in said if one not in str(broken.value)] == []
