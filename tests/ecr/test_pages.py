"""Paging: every item once, whatever the page size and whatever happens between pages."""

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careen.ecr.errors import InvalidParameter
from careen.ecr.pages import Listing, Page

Item = tuple[int, str]

ITEMS = Listing[Item, Item]("ListImages app", tuple[int, str], lambda item: item)
NAMES = Listing[str, str]("DescribeRepositories", str, str)

sorted_items = st.sets(st.tuples(st.integers(0, 9), st.text('aé\n"', max_size=2)), max_size=12).map(sorted)


@given(items=sorted_items, size=st.integers(1, 5))
def test_the_pages_of_a_listing_are_the_listing(items: list[Item], size: int) -> None:
    """Joined, the pages are the items in order, full but for the last, none empty."""
    pages = [ITEMS.page(ITEMS.of(items), max_results=size)]
    while (token := pages[-1].next_token) is not None:
        pages.append(ITEMS.page(ITEMS.of(items), next_token=token, max_results=size))
    assert [item for page in pages for item in page.items] == items
    assert all(len(page.items) == size for page in pages[:-1])
    assert len(pages) == max(1, -(-len(items) // size))


@given(items=sorted_items, data=st.data())
def test_changes_between_pages_neither_repeat_nor_hide_what_stays(
    items: list[Item], data: st.DataObject
) -> None:
    """Items that are there all the time are told exactly once."""
    first = ITEMS.page(ITEMS.of(items), max_results=2)
    gone = data.draw(st.sets(st.sampled_from(items)) if items else st.just(set()))
    added = data.draw(sorted_items)
    later = sorted(set(items) - gone | set(added))
    rest = (
        ITEMS.page(ITEMS.of(later), next_token=first.next_token, max_results=1000)
        if first.next_token
        else Page[Item]([], None)
    )
    told = [*first.items, *rest.items]
    assert len(told) == len(set(told))
    if first.next_token:
        assert set(items) - gone <= set(told)


def test_a_page_is_a_hundred_items_unless_asked_otherwise() -> None:
    """ECR's default."""
    names = [f"app-{number:03}" for number in range(101)]
    assert len(NAMES.page(NAMES.of(names)).items) == 100


def test_fetch_is_asked_for_one_item_more_than_the_page() -> None:
    """One statement per page tells whether there is another."""
    asked: list[tuple[str | None, int]] = []

    def fetch(after: str | None, limit: int) -> list[str]:
        asked.append((after, limit))
        return ["a", "b", "c"][:limit]

    token = NAMES.page(fetch, max_results=2).next_token
    NAMES.page(fetch, next_token=token, max_results=5)
    assert asked == [(None, 3), ("b", 6)]


TOKEN = NAMES.page(NAMES.of(["app", "web"]), max_results=1).next_token or ""


@given(position=st.integers(0, len(TOKEN) - 1), character=st.characters())
def test_a_token_altered_anywhere_is_refused(position: int, character: str) -> None:
    """The refusal is InvalidParameterException, whatever the change."""
    altered = TOKEN[:position] + character + TOKEN[position + 1 :]
    if altered != TOKEN:
        refused(NAMES, altered)


@given(st.text())
def test_no_text_is_a_token_by_chance(text: str) -> None:
    """Whatever is sent as nextToken, the listing either wrote it or refuses it."""
    refused(NAMES, text)


def test_a_token_of_another_listing_is_refused() -> None:
    """A token continues what it came from: operation, repository and filter."""
    refused(Listing[str, str]("DescribeImages", str, str), TOKEN)


@pytest.mark.parametrize("key", [2**63, -(2**63) - 1, "a\0b", (1, "\0"), (1, 2), [1], None, {"a": 1}, 1.5])
def test_a_key_no_database_could_compare_is_refused(key: Any) -> None:
    """The checksum is no secret, so a client can forge one; it is of the key's type and range all the same."""
    for kind in (int, str, tuple[int, str]):
        listing = Listing[Any, Any]("Any", kind, lambda item: item)
        refused(listing, listing._write(key))


def test_a_token_cut_short_is_refused() -> None:
    """Too short for a checksum, or for base64."""
    for length in range(len(TOKEN)):
        refused(NAMES, TOKEN[:length])
    refused(NAMES, base64.urlsafe_b64encode(b"12345678").decode())


def refused(listing: Listing[Any, Any], token: str) -> None:
    with pytest.raises(InvalidParameter, match="Invalid parameter at 'nextToken'"):
        listing.page(listing.of(["app"]), next_token=token)
