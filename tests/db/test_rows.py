"""Listings: the statements that page, filter and sort, each against what was put in."""

from collections.abc import Callable
from typing import TypeVar

import pytest

from careen.db import images, layers, lifecycle, repositories
from careen.db.engine import Connection, Database
from careen.db.images import ImageRow
from careen.db.lifecycle import PreviewResult
from careen.db.repositories import Repository

T = TypeVar("T")


def written(database: Database, work: Callable[[Connection], T]) -> T:
    """Do it in a transaction of its own."""
    return database.write(work).result()


def repository(rows: Connection, name: str) -> int:
    """Add a repository."""
    made = repositories.insert(rows, Repository(0, name, 0, "MUTABLE", "[]", 0, "{}", None, 0))
    assert made is not None
    return made


def manifest(
    rows: Connection,
    repository_id: int,
    digest: str,
    *tags: str,
    status: str = "ACTIVE",
    subject: str | None = None,
) -> int:
    """Add a manifest with tags."""
    row = ImageRow(
        0, repository_id, digest, "type", None, 1, 1, subject, None, status, 0, None, 0, None, None
    )
    made = images.insert(rows, row, digest.encode())
    for tag in tags:
        images.put_tag(rows, repository_id, tag, made, 0)
    return made


@pytest.fixture
def filled(database: Database) -> int:
    """A repository with five manifests, beside another one with the same."""

    def fill(rows: Connection) -> int:
        for name in ("a0", "b0"):
            made = repository(rows, name)
            manifest(rows, made, "d1", "x", "b")
            manifest(rows, made, "d2")
            manifest(rows, made, "d3", "a", status="ARCHIVED")
            manifest(rows, made, "d4", status="ACTIVATING")
            manifest(rows, made, "d5", "c", subject="d1")
        return made

    return written(database, fill)


def test_repositories_are_paged_by_name(database: Database) -> None:
    """In order, after a name, up to a limit; rows and bare names alike."""

    def fill(rows: Connection) -> None:
        for name in ("b0", "a0", "a0/c", "c0"):
            repository(rows, name)

    written(database, fill)
    with database.read() as rows:
        assert [one.name for one in repositories.page(rows, "", 10)] == ["a0", "a0/c", "b0", "c0"]
        assert [one.name for one in repositories.page(rows, "a0", 2)] == ["a0/c", "b0"]
        assert repositories.names(rows, "a0/c", 10) == ["b0", "c0"]
        assert repositories.names(rows, "", 1) == ["a0"]


def test_a_name_is_inserted_once(database: Database) -> None:
    """The second time there is no id."""
    written(database, lambda rows: repository(rows, "a0"))
    again = Repository(0, "a0", 0, "MUTABLE", "[]", 0, "{}", None, 0)
    assert written(database, lambda rows: repositories.insert(rows, again)) is None


@pytest.mark.parametrize(
    ("status", "tag_status", "expected"),
    [
        (None, None, ["d1", "d2", "d3", "d4", "d5"]),
        ("ACTIVE", None, ["d1", "d2", "d5"]),
        ("ARCHIVED", None, ["d3"]),
        (None, "TAGGED", ["d1", "d3", "d5"]),
        (None, "UNTAGGED", ["d2", "d4"]),
        ("ACTIVE", "UNTAGGED", ["d2"]),
        ("ARCHIVED", "UNTAGGED", []),
    ],
)
def test_manifests_are_paged_by_digest(
    database: Database, filled: int, status: str | None, tag_status: str | None, expected: list[str]
) -> None:
    """Filtered by status and tag status, whole or in pages."""
    with database.read() as rows:
        assert [one.digest for one in images.page(rows, filled, "", 10, status, tag_status)] == expected
        after = [one.digest for one in images.page(rows, filled, "d1", 2, status, tag_status)]
        assert after == [digest for digest in expected if digest > "d1"][:2]


@pytest.mark.parametrize(
    ("status", "tag_status", "expected"),
    [
        (None, None, ["d1:b", "d1:x", "d2:", "d3:a", "d4:", "d5:c"]),
        ("ACTIVE", None, ["d1:b", "d1:x", "d2:", "d5:c"]),
        (None, "TAGGED", ["d1:b", "d1:x", "d3:a", "d5:c"]),
        (None, "UNTAGGED", ["d2:", "d4:"]),
    ],
)
def test_image_ids_are_paged_by_digest_and_tag(
    database: Database, filled: int, status: str | None, tag_status: str | None, expected: list[str]
) -> None:
    """One by one, each leads on to the next."""
    after, told = ("", ""), []
    with database.read() as rows:
        while page := images.ids(rows, filled, after, 1, status, tag_status):
            [after] = page
            told.append(":".join(after))
    assert told == expected


def test_tags_are_those_that_can_be_pulled(database: Database, filled: int) -> None:
    """By name; tags of archived images are left out."""
    with database.read() as rows:
        assert images.tag_names(rows, filled, "", 10) == ["b", "c", "x"]
        assert images.tag_names(rows, filled, "b", 1) == ["c"]


def test_a_tag_names_one_manifest(database: Database, filled: int) -> None:
    """Put again it moves, and is gone from where it was."""
    with database.read() as rows:
        one, two = (images.by_digest(rows, filled, digest) for digest in ("d1", "d2"))
    assert one is not None
    assert two is not None
    written(database, lambda rows: images.put_tag(rows, filled, "x", two.id, 1))
    with database.read() as rows:
        assert (images.tags_of(rows, one.id), images.tags_of(rows, two.id)) == (["b"], ["x"])
        found = images.by_tag(rows, filled, "x")
        assert found == two
        assert images.content(rows, two.id) == b"d2"


def test_pullable_is_what_is_active(database: Database, filled: int) -> None:
    """By tag and by digest, in the repository of that name; the others have no bytes to give."""
    with database.read() as rows:
        for reference, digest in (("x", "d1"), ("a", None), ("none", None)):
            found = images.pullable(rows, "b0", reference)
            assert (None if found is None else found.digest) == digest
        found = images.pullable(rows, "b0", "x")
        assert found is not None
        assert (found.repository_id, found.content) == (filled, b"d1")
        assert images.pullable(rows, "c0", "x") is None


def test_a_layer_is_archived_with_the_last_image_that_needs_it(database: Database) -> None:
    """Not while one is active, and not if none needs it at all."""
    needed_by = {
        "none": [],
        "one": ["ARCHIVED"],
        "both": ["ARCHIVED", "ACTIVE"],
        "two": ["ARCHIVED", "ACTIVATING"],
    }

    def fill(rows: Connection) -> int:
        made = repository(rows, "a0")
        for digest, statuses in needed_by.items():
            layers.insert(rows, digest, 1, "", b"", 0)
            layers.link(rows, made, digest, 0, 0)
            for status in statuses:
                images.refer_to_blobs(
                    rows, manifest(rows, made, f"{digest} {status}", status=status), made, [digest]
                )
        return made

    made = written(database, fill)
    with database.read() as rows:
        archived = {digest: layers.all_referenced_are_archived(rows, made, digest) for digest in needed_by}
    assert archived == {"none": False, "one": True, "both": False, "two": True}


def test_settings_of_a_repository_change(database: Database) -> None:
    """Mutability, policy and resource tags, each for itself; a new policy has never been evaluated."""
    made = written(database, lambda rows: repository(rows, "a0"))

    def change(rows: Connection) -> None:
        repositories.set_mutability(rows, made, "IMMUTABLE_WITH_EXCLUSION", '["latest"]')
        repositories.set_lifecycle_policy(rows, made, "{}")
        repositories.begin_evaluation(rows, made)
        repositories.end_evaluation(rows, made, 7, None)
        repositories.put_resource_tags(rows, made, {"b": "1", "a": "2"})
        repositories.put_resource_tags(rows, made, {"b": "3"})
        repositories.remove_resource_tags(rows, made, ["a", "absent"])

    written(database, change)
    with database.read() as rows:
        found = repositories.by_id(rows, made)
        assert found is not None
        assert (found.tag_mutability, repositories.filters_of(found)) == (
            "IMMUTABLE_WITH_EXCLUSION",
            ["latest"],
        )
        assert (found.lifecycle_policy, found.lifecycle_evaluated_at) == ("{}", 7)
        assert repositories.every_id(rows) == [made]
        assert repositories.resource_tags(rows, made) == {"b": "3"}
    written(database, lambda rows: repositories.set_lifecycle_policy(rows, made, "{}"))
    with database.read() as rows:
        found = repositories.by_name(rows, "a0")
        assert found is not None
        assert found.lifecycle_evaluated_at == 0


def test_a_finished_preview_is_kept_unless_another_was_started(database: Database) -> None:
    """What an old evaluation found is no answer to a new question."""
    made = written(database, lambda rows: repository(rows, "a0"))
    result = PreviewResult(1, "d1", "[]", 0, "EXPIRE", 1, "ACTIVE")

    def start(rows: Connection, now: int) -> lifecycle.Preview:
        lifecycle.start_preview(rows, made, "{}", now)
        found = lifecycle.preview(rows, made)
        assert found is not None
        return found

    old = written(database, lambda rows: start(rows, 1))
    new = written(database, lambda rows: start(rows, 2))
    written(
        database,
        lambda rows: lifecycle.finish_preview(rows, old, "COMPLETE", [result, result._replace(position=2)]),
    )
    with database.read() as rows:
        assert lifecycle.preview(rows, made) == new
        assert lifecycle.preview_results(rows, made) == []
    written(database, lambda rows: lifecycle.finish_preview(rows, new, "COMPLETE", [result]))
    with database.read() as rows:
        assert lifecycle.preview_results(rows, made) == [result]
        assert lifecycle.preview_counts(rows, made) == {"EXPIRE": 1}


def test_the_latest_runs_come_first(database: Database) -> None:
    """Each with what it did, in its order."""
    made = written(database, lambda rows: repository(rows, "a0"))
    deeds = [lifecycle.Action(position, "d", "[]", 1, "EXPIRE", 1, "old", "EXPIRED") for position in (1, 2)]

    def record(rows: Connection) -> list[int]:
        ids = [lifecycle.start_run(rows, made, "{}", now, 5) for now in (1, 2, 3)]
        lifecycle.record_actions(rows, ids[1], reversed(deeds))
        lifecycle.finish_run(rows, ids[1], 9)
        return ids

    first, second, third = written(database, record)
    with database.read() as rows:
        assert [run.id for run in lifecycle.runs(rows, made, 2)] == [third, second]
        assert [run.finished_at for run in lifecycle.runs(rows, made, 9)] == [None, 9, None]
        assert lifecycle.actions(rows, second) == deeds
        assert lifecycle.actions(rows, first) == []
