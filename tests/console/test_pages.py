"""What holds of every page."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.console.pages import OPEN, PAGES
from tests.console.visitor import Visitor

if TYPE_CHECKING:
    from playwright.sync_api import Page

WIDTHS = {"desktop": 1280, "phone": 390}


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", PAGES)
def test_everybody_can_use_it(
    name: str, scheme: str, open_page: Callable[..., "Page"], screenshots: Path
) -> None:
    """A page has no violation of the accessibility rules, fits a phone, and asks for nothing elsewhere; in light and in dark."""
    page = open_page(PAGES[name], scheme=scheme)
    page.wait_for_load_state("networkidle")
    page.screenshot(path=screenshots / f"{name}-{scheme}-desktop.png", full_page=True)
    found = Axe().run(page)
    page.set_viewport_size({"width": WIDTHS["phone"], "height": 850})
    page.screenshot(path=screenshots / f"{name}-{scheme}-phone.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= WIDTHS["phone"], "wider than a phone"
    assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize("name", PAGES)
def test_it_can_be_read_without_script(name: str, root: Visitor) -> None:
    """The page as it is sent has its heading and what it is about: nothing waits for a script."""
    answered = root.get(PAGES[name])
    assert answered.status_code == 200
    assert "<h1" in answered.text
    assert " style=" not in answered.text
    assert "<script>" not in answered.text


@pytest.mark.parametrize("name", [name for name in PAGES if name not in OPEN])
def test_nobody_sees_it_who_is_not_signed_in(name: str, stranger: Visitor) -> None:
    """Who is not signed in is led to the sign-in page."""
    answered = stranger.get(PAGES[name])
    assert answered.status_code == 303
    assert answered.headers["location"].startswith("/console/sign-in?to=")
