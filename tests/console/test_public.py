"""Public repositories in the console: made, described with a logo, deleted."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import httpx2

from tests.console.content import png
from tests.console.visitor import Visitor
from tests.server import Server

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page


def test_a_repository_with_a_logo(house: Server, open_page: Callable[..., "Page"], tmp_path: "Path") -> None:
    """It is described with a logo that is chosen from a file, and keeps the logo when its words change."""
    (tmp_path / "logo.png").write_bytes(png())
    page = open_page("public/new")
    page.get_by_label("Name").fill("pictured")
    page.get_by_label("Description").fill("has a picture")
    page.get_by_label("Logo", exact=True).set_input_files(tmp_path / "logo.png")
    page.locator("input[name=logo]:not([value=''])").wait_for(state="attached")
    page.get_by_label("ARM 64").check()
    page.get_by_role("button", name="Create").click()
    page.get_by_role("heading", name="pictured").wait_for()

    page.goto(f"{house.url}/console/public/pictured/-/edit")
    page.get_by_label("Description").fill("has a picture still")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("has a picture still").wait_for()
    said = house.boto("ecr-public").get_repository_catalog_data(repositoryName="pictured")["catalogData"]
    assert said["architectures"] == ["ARM 64"]
    assert said["logoUrl"]
    assert httpx2.get(f"{house.url}/v2/_logos/public/pictured", timeout=60).content == png()


def test_a_logo_goes_when_it_is_to(house: Server, root: Visitor) -> None:
    """By its tick."""
    public = house.boto("ecr-public")
    public.create_repository(repositoryName="plain", catalogData={"logoImageBlob": png()})
    root.follow(root.post("public/plain/-/edit", {"description": "plain", "logo-goes": "on"}))
    said = public.get_repository_catalog_data(repositoryName="plain")["catalogData"]
    assert said["description"] == "plain"
    assert "logoUrl" not in said


def test_a_repository_is_deleted_by_its_name(house: Server, root: Visitor) -> None:
    """Typed another way, nothing is deleted."""
    house.boto("ecr-public").create_repository(repositoryName="doomed")
    root.follow(root.post("public/doomed/-/delete", {"typed": "other"}))
    assert root.get("gallery/doomed").status_code == 200
    root.follow(root.post("public/doomed/-/delete", {"typed": "doomed"}))
    assert root.get("gallery/doomed").status_code == 404


def test_what_the_api_refuses_is_shown_with_what_was_sent(root: Visitor) -> None:
    """A name that is taken, a logo that is none, a name of the registry that is too long."""
    taken = root.post("public/new", {"name": "hello", "description": "typed in vain"})
    assert taken.status_code == 400
    assert "already exists" in taken.text
    assert "typed in vain" in taken.text
    none = root.post("public/hello/-/edit", {"description": "kept", "logo": "AAAA"})
    assert "must be a PNG, JPEG or GIF image" in none.text
    assert root.post("public", {"display": "x" * 101}).status_code == 400


def test_what_the_registry_calls_itself(root: Visitor, stranger: Visitor) -> None:
    """It stands above the gallery, until it has no name again."""
    root.follow(root.post("public", {"display": "Example Ltd."}))
    assert "Example Ltd." in stranger.get("gallery").text
    root.follow(root.post("public", {"display": ""}))
    assert "Public gallery" in stranger.get("gallery").text


def test_who_may_only_pull_is_offered_nothing_and_refused(reader: Visitor) -> None:
    """ECR's read-only policy allows nothing of ECR Public's: neither the entry in the navigation nor the page."""
    assert 'href="/console/public"' not in reader.get("gallery").text
    assert reader.get("public").status_code == 403
    assert "not authorized to perform" in reader.post("public/new", {"name": "mine"}).text
