"""Replication in the console: the rules, how images stand, backfills."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from careen.iam.managed import ManagedPolicy
from tests.console.visitor import Visitor, sign_in
from tests.server import Server
from tests.waiting import until

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.fixture
def _as_it_was(house: Server) -> Iterator[None]:
    """Put the rules back that the others see."""
    before = house.boto().describe_registry()["replicationConfiguration"]
    yield
    house.boto().put_replication_configuration(replicationConfiguration=before)


@pytest.mark.usefixtures("_as_it_was")
def test_rules_are_a_form(house: Server, root: Visitor) -> None:
    """Each has its destinations, prefixes and its tick; one without a destination goes."""
    form = {
        "destinations": ["eu-west-1/111111111111\nus-east-1/222222222222", "", "eu-west-1/111111111111"],
        "prefixes": ["prod/ base/", "gone/", ""],
        "deletes": ["3"],
    }
    page = root.follow(root.post("replication", form)).text
    assert "us-east-1/222222222222" in page
    rules = house.boto().describe_registry()["replicationConfiguration"]["rules"]
    assert [each["filter"] for each in rules[0]["repositoryFilters"]] == ["prod/", "base/"]
    assert [len(rule["destinations"]) for rule in rules] == [2, 1]
    assert [rule.get("deleteReplication") for rule in rules] == [None, {"enabled": True}]
    assert "repositoryFilters" not in rules[1]


@pytest.mark.parametrize("place", ["eu-west-1", "eu-west-1/42"])
def test_a_destination_that_is_none_is_refused_with_what_was_typed(place: str, root: Visitor) -> None:
    """Nothing is changed."""
    answered = root.post("replication", {"destinations": place, "prefixes": "typed/"})
    assert answered.status_code == 400
    assert "Invalid parameter" in answered.text
    assert "typed/" in answered.text
    assert "typed/" not in root.get("replication").text


def test_how_images_stand_comes_after_the_page(open_page: Callable[..., "Page"], house: Server) -> None:
    """Asked for by itself, as it may take long; and a page of its own for who has no script."""
    page = open_page("replication")
    page.get_by_role("heading", name="How images stand").wait_for()
    page.get_by_text("public/hello").first.wait_for()
    plain = open_page("replication", script=False)
    plain.get_by_role("link", name="How it stands").click()
    plain.get_by_role("heading", name="How images stand").wait_for()
    assert house.host in plain.url


def test_a_backfill_is_started_and_told_of(root: Visitor) -> None:
    """It fails where nobody has said where the destination is, and says so of each image."""
    path = root.post("replication/backfills", {"to": "eu-west-1/111111111111"}).headers["location"]
    path = path.removeprefix("/console/")
    until(lambda: "not yet" not in root.get(path).text, "the backfill does not end")
    assert "DESTINATION_NOT_CONFIGURED" in root.get(path).text
    assert path in root.get("replication").text
    assert "No results" in root.get(path, status="COMPLETE").text
    asked = root.post(f"{path}/stop")
    assert "goes on with what is missing" in asked.text


def test_who_may_not_configure_sees_codes_and_no_file(house: Server) -> None:
    """What went wrong there names files of the server: that is for those who set it up."""
    looking = sign_in(house, "replication-reader", ManagedPolicy.POWER_USER)
    assert looking.get("replication").status_code == 403
    assert looking.post("replication", {"destinations": "a-b/111111111111"}).status_code == 403
