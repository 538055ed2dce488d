"""The gallery: what is public, for anybody."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.console.pages import OPEN
from tests.console.visitor import Visitor
from tests.server import Server, running

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page


@pytest.mark.parametrize("name", OPEN)
def test_anybody_may_see_it(name: str, stranger: Visitor) -> None:
    """Without an account; a link leads to the sign-in page, and no form changes anything."""
    answered = stranger.get(OPEN[name])
    assert answered.status_code == 200
    assert "/console/sign-in?to=" in answered.text
    assert 'method="post"' not in answered.text


def test_what_it_tells_of_a_repository(stranger: Visitor, house: Server) -> None:
    """The catalogue's words, its tags, and the command that pulls the latest."""
    page = stranger.get("gallery/hello").text
    assert "Says hello, in many languages" in page
    assert "ARM 64" in page
    assert f"docker pull {house.host}/public/hello:latest" in page
    assert "nightly-2026-11-26" in stranger.get("gallery/hello/-/tags").text


def test_a_text_does_nothing_but_stand_there(stranger: Visitor) -> None:
    """HTML in it is shown, a script as an address leads nowhere, a picture is a link, a table has no styles of its own."""
    page = stranger.get("gallery/hello").text
    said = page[page.index('class="card-body markdown"') :].partition("</section>")[0]
    assert "&lt;script&gt;" in said
    assert "<script" not in said
    assert 'href="javascript' not in said
    assert "<img" not in said
    assert "style=" not in said
    assert '<a href="https://example.com/x.png" rel="nofollow noopener">picture</a>' in said
    assert "<h3>Hello</h3>" in said


@pytest.mark.parametrize("path", ["gallery/nothing", "gallery/nothing/-/tags", "gallery/shop/web"])
def test_what_is_not_public_is_not_there(path: str, stranger: Visitor) -> None:
    """Private repositories and none at all look the same."""
    answered = stranger.get(path)
    assert answered.status_code == 404
    assert "shop/web" not in stranger.get("gallery").text


def test_a_search_finds_and_misses(open_page: Callable[..., "Page"], stranger: Visitor) -> None:
    """As one types, without a page in between; the address is that of what is found."""
    page = open_page("gallery", visitor=stranger)
    page.get_by_role("searchbox").fill("nothing of the kind")
    page.get_by_text("Nothing found").wait_for()
    page.get_by_role("searchbox").fill("MANY hello")
    page.get_by_role("link", name="hello").click()
    page.get_by_role("heading", name="Latest tags").wait_for()
    assert "gallery/hello" in page.url


def test_an_address_may_not_come_too_often(tmp_path: "Path") -> None:
    """Who is not signed in is counted as those are who pull without a credential."""
    with running(tmp_path / "data", anonymous_rate=0.001, anonymous_burst=3) as server:
        stranger = Visitor(server, "")
        answered = [stranger.get("gallery").status_code for _ in range(5)]
        assert answered == [200, 200, 200, 429, 429]
        assert int(stranger.get("gallery").headers["retry-after"]) > 0
