"""Repositories at a glance: their figures are those of now, the order that of the last time they were added up."""

import pytest

from careen.registry import lifecycle, public, repositories, storage, summaries
from careen.registry.registry import Registry, Transaction
from careen.registry.rules import Origin, put_default
from careen.registry.summaries import Column, Place, Summary
from tests.ecrapi.samples import KEEP_ONE
from tests.images import artifact, image, index
from tests.registry.steps import Hands, cause, delete, push, put

APP, LIB, EMPTY = "team/app", "team/lib", "other/empty"
ONE, TWO, THREE = (image("base", layer, size=70_000) for layer in ("one", "two", "three"))


@pytest.fixture
def filled(registry: Registry) -> Registry:
    """Three repositories: one with a multi-arch image and its signature, one with a loose image, one with nothing."""
    push(registry, APP, ONE)
    push(registry, APP, TWO)
    both = index(ONE, TWO)
    put(registry, APP, both, "both")
    push(registry, APP, artifact("application/vnd.example.signature", both))
    push(registry, LIB, TWO, "two")
    push(registry, LIB, THREE)
    registry.write_now(repositories.create, EMPTY)
    return registry


def names(found: summaries.Found) -> list[str]:
    return [each.name for each in found.listed]


def test_figures_are_exact_at_once(filled: Registry) -> None:
    """Nobody has added anything up: images, loose ones, bytes and the last push are those of now all the same."""
    billed = {each.name: each.billed for each in storage.account(filled).repositories}
    found = {each.name: each for each in filled.read(summaries.find, "", Column.NAME, None, 10).listed}
    assert {name: each.figures.images for name, each in found.items()} == {APP: 4, LIB: 2, EMPTY: 0}
    assert {name: each.figures.untagged for name, each in found.items()} == {APP: 0, LIB: 1, EMPTY: 0}
    assert {name: each.figures.size for name, each in found.items()} == billed
    assert found[EMPTY].figures == summaries.Figures(0, 0, 0, None, None, 0)
    pushed = [found[name].figures.pushed_at or 0 for name in (APP, LIB)]
    assert 0 < pushed[0] < pushed[1]


def test_adding_all_up_says_the_same_as_adding_up_each(filled: Registry) -> None:
    """What is kept to sort by is what a look at each repository finds."""
    assert summaries.refresh(filled) == 2
    live = {each.name: each.figures for each in filled.read(summaries.find, "", Column.NAME, None, 9).listed}

    def kept(tx: Transaction) -> dict[str, summaries.Figures]:
        found = tx.rows.execute(
            "SELECT r.name, s.images, s.untagged, s.size, s.pushed_at, s.pulled_at, s.pulls"
            " FROM repositories r JOIN repository_summaries s ON s.repository_id = r.id"
        )
        return {name: summaries.Figures(*figures) for name, *figures in found}

    assert filled.read(kept) == {name: each for name, each in live.items() if name != EMPTY}
    assert summaries.refresh(filled) == 0, "nothing is new, so nothing is written"


def test_a_repository_that_was_emptied_is_added_up_again(filled: Registry) -> None:
    """It sorts as what it is: empty. One that is deleted is gone from the figures, too."""
    summaries.refresh(filled)
    delete(filled, LIB, TWO)
    delete(filled, LIB, THREE)
    assert summaries.refresh(filled) == 1
    by_size = filled.read(summaries.find, "", Column.SIZE, None, 9, descending=True)
    assert names(by_size) == [APP, EMPTY, LIB]
    filled.write_now(repositories.delete, APP, cause(), force=True)
    assert summaries.refresh(filled) == 0
    assert names(filled.read(summaries.find, "", Column.SIZE, None, 9, descending=True)) == [EMPTY, LIB]


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("column", Column)
def test_pages_go_through_everything_once(filled: Registry, column: Column, *, descending: bool) -> None:
    """Whatever it is sorted by, in pages of one nothing is missing, nothing comes twice, and the order is that of the whole."""
    summaries.refresh(filled)
    whole = filled.read(summaries.find, "", column, None, 10, descending=descending).listed
    paged: list[Summary] = []
    after: Place | None = None
    while step := filled.read(summaries.find, "", column, after, 1, descending=descending).listed:
        paged += step
        after = step[-1].place
    assert paged == whole
    keys = [each.place[0] for each in whole]
    assert keys == sorted(keys, reverse=descending)


def test_search_and_kind(filled: Registry) -> None:
    """A part of the name finds it, wildcards are letters like others; public and private ones are told apart."""
    filled.write_now(public.create, "public/team/site", tags={})
    assert names(filled.read(summaries.find, "team/", Column.NAME, None, 9)) == ["public/team/site", APP, LIB]
    assert names(filled.read(summaries.find, "%", Column.NAME, None, 9)) == []
    only = filled.read(summaries.find, "team", Column.NAME, None, 1, is_public=False)
    assert (names(only), only.total) == ([APP], 2)
    assert names(filled.read(summaries.find, "", Column.NAME, None, 9, is_public=True)) == [
        "public/team/site"
    ]


def test_where_the_policy_comes_from(filled: Registry) -> None:
    """Its own, a default one's, or nowhere."""
    filled.write_now(lifecycle.put_policy, APP, KEEP_ONE)
    filled.write_now(put_default, "team/*", KEEP_ONE)
    found = filled.read(summaries.find, "", Column.NAME, None, 9).listed
    assert {each.name: each.origin for each in found} == {
        APP: Origin.REPOSITORY,
        LIB: Origin.DEFAULT,
        EMPTY: Origin.NONE,
    }


def test_a_large_repository_is_shown_as_it_was_added_up(
    filled: Registry, monkeypatch: pytest.MonkeyPatch, clock: Hands
) -> None:
    """Adding up very many images takes longer than somebody who looks should wait."""
    monkeypatch.setattr(summaries, "FEW", 1)
    summaries.refresh(filled)
    clock.forward()
    push(filled, LIB, ONE, "one")
    listed = {each.name: each for each in filled.read(summaries.find, "", Column.NAME, None, 9).listed}
    assert listed[LIB].figures.images == 2
    summaries.refresh(filled)
    listed = {each.name: each for each in filled.read(summaries.find, "", Column.NAME, None, 9).listed}
    assert listed[LIB].figures.images == 3
