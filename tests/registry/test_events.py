"""The log of events: each thing that happens is told of once, and nothing that did not."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careen.clock import DAY
from careen.db.postgres.database import PostgresDatabase
from careen.ecr import events as ecr_events
from careen.ecr.events import Event
from careen.lifecycle.plan_hash import plan_hash
from careen.registry import archive, events, images, lifecycle, repositories, trash, webhooks
from careen.registry.events import Filter
from careen.registry.pulls import Pull, PullTimes
from careen.registry.registry import Registry, Transaction
from tests.images import artifact, image, index
from tests.registry.steps import TESTER, Hands, cause, push, put, row, settle, with_limits

APP = "team/app"
ONE, TWO = image("one"), image("two")
SIGNATURE = artifact("application/vnd.example.signature", ONE)
EXPIRE_ALL_BUT_ONE = (
    '{"rules":[{"rulePriority":1,"selection":{"tagStatus":"any","countType":"imageCountMoreThan","countNumber":1},'
    '"action":{"type":"expire"}}]}'
)


def told(registry: Registry, after: int = 0) -> list[tuple[str, ...]]:
    """What was recorded after a sequence number, in short: kind or action, and what tells one from another."""
    settle(registry)
    found = registry.read(events.following, after, 1000)
    return [_short(each.event) for each in found]


def latest(registry: Registry) -> int:
    """The number of the last that was recorded."""
    settle(registry)
    return registry.read(events.latest)


def _short(event: Event) -> tuple[str, ...]:
    detail = event.detail
    what = detail.get("target-storage-class") or event.action
    name = {ONE.digest: "one", TWO.digest: "two", SIGNATURE.digest: "signature"}.get(
        detail.get("image-digest", ""), ""
    )
    tags = detail.get("image-tags") or ([detail["image-tag"]] if "image-tag" in detail else [])
    kind = "referrer" if event.detail_type == "ECR Referrer Action" else ""
    return tuple(filter(None, (what, kind, name, *tags)))


@pytest.fixture
def app(registry: Registry) -> Registry:
    """A registry with a trash, and image one under two tags."""
    kept = with_limits(registry, trash=7 * DAY)
    push(kept, APP, ONE, "1")
    put(kept, APP, ONE, "latest")
    return kept


def _found(registry: Registry) -> repositories.Repository:
    return registry.read(repositories.require, APP)


def _archive(registry: Registry) -> None:
    stored = row(registry, APP, ONE)
    assert stored is not None
    registry.write_now(archive.archive_with_referrers, stored)


def _restore_from_archive(registry: Registry) -> None:
    push(registry, APP, SIGNATURE)
    _archive(registry)
    stored = [row(registry, APP, each) for each in (ONE, SIGNATURE)]
    assert stored[0] is not None
    registry.write_now(archive.begin_restore, stored[0])
    for each in stored:
        assert each is not None
        registry.write_now(archive.end_restore, each.id)
        registry.write_now(archive.end_restore, each.id)  # a job may be done twice


def _push_what_is_archived(registry: Registry) -> None:
    _archive(registry)
    put(registry, APP, ONE, "1")


def _restore_from_trash(registry: Registry) -> None:
    registry.write_now(images.delete_by_digest, _found(registry), ONE.digest, cause())
    registry.write_now(trash.restore, APP, ONE.digest, TESTER)


def _run_a_policy(registry: Registry) -> None:
    push(registry, APP, TWO, "2")
    plan = registry.read(lifecycle.simulate, APP, EXPIRE_ALL_BUT_ONE)
    lifecycle.apply(registry, APP, EXPIRE_ALL_BUT_ONE, plan_hash(plan))


Deed = Callable[[Registry], Any]

DEEDS: dict[str, tuple[Deed, list[tuple[str, ...]]]] = {
    "push by digest": (lambda registry: put(registry, APP, ONE), [("PUSH", "one")]),
    "move a tag": (lambda registry: push(registry, APP, TWO, "latest"), [("PUSH", "two", "latest")]),
    "remove a tag": (
        lambda registry: registry.write_now(images.untag, _found(registry), "1"),
        [("DELETE", "one", "1")],
    ),
    "remove a tag that is not there": (
        lambda registry: registry.write_now(images.untag, _found(registry), "nothing"),
        [],
    ),
    "delete by one of two tags": (
        lambda registry: registry.write_now(images.delete_by_tag, _found(registry), "1", cause()),
        [("DELETE", "one", "1")],
    ),
    "delete by digest": (
        lambda registry: registry.write_now(images.delete_by_digest, _found(registry), ONE.digest, cause()),
        [("DELETE", "one", "1"), ("DELETE", "one", "latest")],
    ),
    "delete with a referrer": (
        lambda registry: (
            push(registry, APP, SIGNATURE),
            registry.write_now(images.delete_by_digest, _found(registry), ONE.digest, cause()),
        ),
        [
            ("PUSH", "signature"),
            ("DELETE", "one", "1"),
            ("DELETE", "one", "latest"),
            ("DELETE", "signature"),
        ],
    ),
    "archive": (_archive, [("ARCHIVE", "one")]),
    "restore from the archive": (
        _restore_from_archive,
        [
            ("PUSH", "signature"),
            ("ARCHIVE", "one"),
            ("ARCHIVE", "referrer", "signature"),
            ("STANDARD", "one"),
            ("STANDARD", "referrer", "signature"),
        ],
    ),
    "push what is archived": (
        _push_what_is_archived,
        [("ARCHIVE", "one"), ("STANDARD", "one"), ("PUSH", "one", "1")],
    ),
    "restore from the trash": (
        _restore_from_trash,
        [("DELETE", "one", "1"), ("DELETE", "one", "latest"), ("RESTORE", "one", "1", "latest")],
    ),
    "run a policy": (
        _run_a_policy,
        [("PUSH", "two", "2"), ("DELETE", "one", "1"), ("DELETE", "one", "latest"), ("RUN",)],
    ),
    "delete the repository": (
        lambda registry: registry.write_now(repositories.delete, APP, cause(), force=True),
        [("DELETE", "one", "1"), ("DELETE", "one", "latest"), ("DELETE",)],
    ),
}


def test_creating_a_repository_and_pushing_are_told_of_in_order(app: Registry) -> None:
    """The repository that a push makes comes before the push."""
    assert told(app) == [("CREATE",), ("PUSH", "one", "1"), ("PUSH", "one", "latest")]


@pytest.mark.parametrize(("deed", "expected"), DEEDS.values(), ids=DEEDS)
def test_a_deed_is_told_of(app: Registry, deed: Deed, expected: list[tuple[str, ...]]) -> None:
    """By an event for each tag, in the order in which it happens."""
    before = latest(app)
    deed(app)
    assert told(app, before) == expected


def test_what_is_undone_is_not_told_of(app: Registry) -> None:
    """An index whose child is missing is not there, nor is its event; the next event takes the next number."""
    before = latest(app)
    with pytest.raises(Exception, match="do not exist"):
        put(app, APP, index(ONE, TWO), "both")
    with pytest.raises(ZeroDivisionError):
        app.write_now(_push_and_fail)
    assert told(app, before) == []
    put(app, APP, ONE, "1")
    settle(app)
    (pushed,) = app.read(events.following, before, 10)
    assert pushed.sequence == before + 1 or isinstance(app.database, PostgresDatabase)


def _push_and_fail(tx: Transaction) -> None:
    images.put(tx, repositories.require(tx, APP), ONE.manifest, tag="1")
    raise ZeroDivisionError


def _pull(registry: Registry, times: int) -> None:
    stored = row(registry, APP, ONE)
    assert stored is not None

    async def pull() -> None:
        pulls = PullTimes(registry)
        for _ in range(times):
            pulls.record(Pull(stored.id, TESTER), None)
        pulls.record(Pull(10**9, TESTER), None)  # it was deleted meanwhile
        await pulls.flush()

    asyncio.run(pull())


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("nobody", []),
        ("settings", [("PULL", "one", "1", "latest")]),
        ("a webhook that names them", [("PULL", "one", "1", "latest")]),
        ("a webhook for all events", []),
        ("a disabled webhook", []),
    ],
)
def test_pulls_are_told_of_if_somebody_asks(
    app: Registry, wanted: str, expected: list[tuple[str, ...]]
) -> None:
    """One event for what one principal pulled of one image since the last write, with the number."""
    if wanted == "settings":
        app = with_limits(app, pull_events=True)
    elif wanted != "nobody":
        filter_ = Filter(actions=[] if wanted == "a webhook for all events" else ["PUSH", "PULL"])
        enabled = wanted != "a disabled webhook"
        app.write_now(webhooks.put, "hook", "http://127.0.0.1:9/", filter_, enabled=enabled)
    before = latest(app)
    _pull(app, 3)
    assert told(app, before) == expected
    details = [each.event.detail for each in app.read(events.following, before, 10)]
    assert [(each["principal"], each["pull-count"]) for each in details] == [(TESTER, 3)] * len(expected)


def test_old_events_are_forgotten(app: Registry, clock: Hands) -> None:
    """After a week, but for the last one: so numbers are not given again."""
    clock.forward(6 * DAY)
    put(app, APP, ONE, "1")
    assert events.prune(app) == 0
    clock.forward(2 * DAY)
    assert events.prune(app) == 3
    last = latest(app)
    assert told(app) == [("PUSH", "one", "1")]
    clock.forward(7 * DAY)
    assert events.prune(app) == 0
    assert app.read(events.pruned) < last
    put(app, APP, ONE, "1")
    assert latest(app) == last + 1 or isinstance(app.database, PostgresDatabase)
    assert events.prune(app) == 1


@given(
    kinds=st.lists(st.sampled_from(["ECR Image Action", "Careen Repository Action"]), unique=True),
    actions=st.lists(st.sampled_from(["PUSH", "CREATE", "TEST"]), unique=True),
    pattern=st.sampled_from(["", "*", "team/*", "*/app", "team/app", "other"]),
)
def test_a_filter_selects_what_meets_all_of_it(kinds: list[str], actions: list[str], pattern: str) -> None:
    """Each condition narrows, and one that is empty does not."""
    some = [
        ecr_events.pushed("team/app", ONE.digest, "1"),
        ecr_events.repository_created("team/app"),
        ecr_events.webhook_test("hook"),
    ]
    selected = [event for event in some if Filter(kinds, actions, pattern).selects(event)]
    matching = pattern in {"", "*", "team/*", "*/app", "team/app"}
    assert selected == [
        event
        for event in some
        if (not kinds or event.detail_type in kinds)
        and (not actions or event.action in actions)
        and (not pattern or (matching and event.repository is not None))
    ]
