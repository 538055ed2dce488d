"""The report as a page, in a browser."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.sync_playwright import Axe

from careen.fleet import page, report
from careen.fleet.scanned import Scanned
from tests.fleet.small import fleet, image, repository, written

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The small fleet's page, and a repository that means harm."""
    evil = Scanned(
        repository(
            "evil", tags={"<script>alert(1)</script>": '"><img src=http://evil.example/x onerror=alert(1)>'}
        ),
        [image(1, 1, "v1")],
    )
    made = report.report(written(tmp_path / "inventory", [*fleet(), evil]))
    (tmp_path / "page.html").write_text(page.page(made), "utf-8")
    return tmp_path / "page.html"


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """The system's Chromium."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("chromium is not installed")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield launched
        launched.close()


def opened(browser: "Browser", file: Path, width: int, scheme: str = "light") -> tuple["Page", list[str]]:
    """The page, and what it asked for or complained about."""
    context = browser.new_context(
        viewport={"width": width, "height": 800},
        color_scheme="dark" if scheme == "dark" else "light",
        bypass_csp=False,
    )
    shown = context.new_page()
    noticed: list[str] = []
    shown.on("request", lambda request: noticed.append(request.url))
    shown.on("console", lambda message: noticed.append(message.text))
    shown.on("pageerror", lambda error: noticed.append(str(error)))
    shown.goto(file.as_uri())
    return shown, noticed


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_for_everybody(browser: "Browser", file: Path, scheme: str) -> None:
    """The page asks for nothing, the policy that it has of its own refuses nothing, and axe finds no fault."""
    shown, noticed = opened(browser, file, 1280, scheme)
    shown.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert noticed == [file.as_uri()]
    violations = Axe().run(shown).response["violations"]
    assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in violations] == []
    dark = shown.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (dark == "rgb(255, 255, 255)") == (scheme == "light")
    shown.context.close()


@pytest.mark.parametrize("width", [390, 1280])
def test_widths(browser: "Browser", file: Path, width: int) -> None:
    """Nothing sticks out at the side; of each chart the one for this width is shown."""
    shown, _ = opened(browser, file, width)
    assert shown.evaluate("document.documentElement.scrollWidth") == width
    charts = shown.locator(".charts").count()
    assert charts == shown.locator(".charts > svg:visible").count()
    assert charts >= 4
    shown.context.close()


def test_what_it_says(browser: "Browser", file: Path) -> None:
    """Figures, the images in use, the savings, what was not seen; and what means harm is text."""
    shown, _ = opened(browser, file, 1280)
    text = shown.inner_text("main")
    for said in (
        "≤ $0.07",
        "ecs/prod/team-a/web",
        "day 11",
        "rule 1: deletes untagged images that were pushed more than 14 days ago",
        "ecr:GetLifecyclePolicy",
        "<script>alert(1)</script>",
    ):
        assert said in text
    assert shown.locator("script, img, iframe, link").count() == 0
    shown.context.close()


def test_printed(browser: "Browser", file: Path) -> None:
    """On paper it is light, whatever the screen is."""
    shown, _ = opened(browser, file, 1280, "dark")
    shown.emulate_media(media="print")
    assert shown.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert shown.locator("nav").is_hidden()
    shown.context.close()


def test_an_empty_fleet(tmp_path: Path) -> None:
    """Has a page, too, without a table of nothing."""
    text = page.page(report.report(written(tmp_path / "none", [])))
    assert "All repositories have a lifecycle policy." in text
    assert not re.search(r"<tbody>\s*<tr>", text)
