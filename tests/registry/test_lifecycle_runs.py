"""Runs of lifecycle policies from rows to rows: what they do, what they note, and what they leave alone."""

import json
from typing import Any

import pytest

from careen.clock import DAY
from careen.ecr import errors
from careen.registry import gc, images, lifecycle, repositories, storage
from careen.registry.lifecycle import ARCHIVED, BLOCKED, EXPIRED, SKIPPED, Ran
from careen.registry.registry import Registry
from tests.images import Built, artifact, image, index
from tests.registry.steps import Hands, cause, digests, is_whole, push, put, row

APP = "team/app"
SIGNATURE = "application/vnd.example.signature"


def policy(*, to: str = "expire", **selection: Any) -> str:
    """A policy of one rule, which by default expires all images but the newest."""
    chosen = {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 1} | selection
    action = {"type": to} | ({"targetStorageClass": "archive"} if to == "transition" else {})
    return json.dumps({"rules": [{"rulePriority": 1, "selection": chosen, "action": action}]}, indent=4)


ARCHIVE = policy(to="transition")


def run(registry: Registry, text: str | None = None) -> Ran:
    """Put the policy, if one is given, and run it."""
    if text is not None:
        registry.write_now(lifecycle.put_policy, APP, text)
    ran = lifecycle.run(registry, registry.read(repositories.require, APP).id)
    assert ran is not None
    return ran


def outcomes(registry: Registry) -> list[tuple[str, str]]:
    """What the latest run noted: digest and outcome, in order."""
    [(_, actions)] = registry.read(lifecycle.history, APP, 1)
    return [(action.digest, action.outcome) for action in actions]


class Plan:
    """A run in two steps, so that a test can do something between them."""

    def __init__(self, registry: Registry, text: str) -> None:
        registry.write_now(lifecycle.put_policy, APP, text)
        self._registry = registry
        to_do = registry.read(lifecycle.planned, registry.read(repositories.require, APP).id)
        assert to_do is not None
        self._to_do = to_do

    def carry_out(self) -> list[str]:
        """Do what was planned. Returns the outcomes."""
        lifecycle.carry_out(self._registry, self._to_do)
        return [outcome for _, outcome in outcomes(self._registry)]


def test_a_run_expires_notes_and_says_when(registry: Registry, clock: Hands) -> None:
    """What is beyond the count goes, oldest first; every action is noted with its rule and a reason."""
    pushed = [image(f"layer {number}") for number in range(4)]
    for number, built in enumerate(pushed):
        push(registry, APP, built, f"v{number}")
        clock.forward()
    ran = run(registry, policy(countNumber=2))
    assert ran == Ran(APP, images=4, expired=2, archived=0, blocked=0, skipped=0, run_id=1)
    assert digests(registry, APP) == {built.digest for built in pushed[2:]}
    assert all(is_whole(registry, APP, built) for built in pushed[2:])
    [(record, actions)] = registry.read(lifecycle.history, APP, 5)
    assert [(one.digest, one.tags, one.rule_priority, one.outcome) for one in actions] == [
        (pushed[0].digest, '["v0"]', 1, EXPIRED),
        (pushed[1].digest, '["v1"]', 1, EXPIRED),
    ]
    assert all(one.reason and one.size == pushed[0].size for one in actions)
    assert record.evaluated_at < (record.finished_at or 0)
    _, evaluated_at = registry.read(lifecycle.get_policy, APP)
    assert evaluated_at == record.evaluated_at


def test_a_run_that_finds_nothing_leaves_only_its_time(registry: Registry) -> None:
    """No record of a run without deeds; the policy has been evaluated all the same."""
    push(registry, APP, image("app"))
    assert run(registry, policy()) == Ran(APP, images=1, expired=0, archived=0, blocked=0, skipped=0)
    assert registry.read(lifecycle.history, APP, 5) == []
    assert registry.read(lifecycle.get_policy, APP)[1] > 0


def test_without_a_policy_or_a_repository_there_is_no_run(registry: Registry) -> None:
    """Both may have gone since the run was asked for."""
    found = registry.write_now(repositories.create, APP)
    assert lifecycle.run(registry, found.id) is None
    registry.write_now(lifecycle.put_policy, APP, policy())
    registry.write_now(repositories.delete, APP, cause())
    assert lifecycle.run(registry, found.id) is None


def test_more_than_a_batch_is_carried_out(registry: Registry) -> None:
    """A run goes on until its plan is done, in transactions of a hundred."""
    blobs = image("same")
    push(registry, APP, blobs)
    body = json.loads(blobs.manifest)
    for number in range(lifecycle.BATCH + 20):
        labelled = json.dumps(body | {"annotations": {"number": str(number)}}).encode()
        put(registry, APP, Built(labelled, blobs.media_type))
    assert run(registry, policy()).expired == lifecycle.BATCH + 20
    assert len(digests(registry, APP)) == 1
    assert len(outcomes(registry)) == lifecycle.BATCH + 20


def test_an_image_of_an_index_waits_for_the_next_run(registry: Registry, clock: Hands) -> None:
    """The index goes, its images are held back and noted; the next run takes them."""
    child, newest = image("child"), image("newest")
    push(registry, APP, child)
    clock.forward()
    put(registry, APP, parent := index(child), "all")
    clock.forward()
    push(registry, APP, newest, "newest")
    assert run(registry, policy()) == Ran(
        APP, images=3, expired=1, archived=0, blocked=1, skipped=0, run_id=1
    )
    assert outcomes(registry) == [(parent.digest, EXPIRED), (child.digest, BLOCKED)]
    assert run(registry).expired == 1
    assert digests(registry, APP) == {newest.digest}


def test_a_run_that_is_only_held_back_leaves_no_record(registry: Registry, clock: Hands) -> None:
    """The images of a live index are blocked in every run; they are counted, and the history does not fill with them."""
    child = image("child")
    push(registry, APP, child)
    clock.forward()
    put(registry, APP, index(child), "live")
    for _ in range(3):
        assert run(registry, policy()) == Ran(APP, images=2, expired=0, archived=0, blocked=1, skipped=0)
    assert registry.read(lifecycle.history, APP, 10) == []


def test_referrers_follow_their_subject(registry: Registry, clock: Hands) -> None:
    """Into the archive and out of the registry; each is noted."""
    subject, signature = image("old"), artifact(SIGNATURE, image("old"))
    push(registry, APP, subject, "old")
    push(registry, APP, signature)
    clock.forward()
    push(registry, APP, image("new"), "new")
    assert run(registry, ARCHIVE) == Ran(APP, images=3, expired=0, archived=2, blocked=0, skipped=0, run_id=1)
    assert outcomes(registry) == [(subject.digest, ARCHIVED), (signature.digest, ARCHIVED)]
    clock.forward(91 * DAY)
    gone = policy(
        storageClass="archive", countType="sinceImageTransitioned", countUnit="days", countNumber=90
    )
    assert run(registry, gone).expired == 2
    assert digests(registry, APP) == {image("new").digest}


def tag(registry: Registry) -> None:
    put(registry, APP, image("old"), "release")


def pull(registry: Registry) -> None:
    stored = row(registry, APP, image("old"))
    assert stored is not None
    registry.write_now(images.record_pulls, [(stored.id, registry.clock(), 1)])


def list_in_an_index(registry: Registry) -> None:
    put(registry, APP, index(image("old")), "all")


def nothing(_registry: Registry) -> None:
    pass


@pytest.mark.parametrize("text", [policy(), ARCHIVE], ids=["expire", "transition"])
@pytest.mark.parametrize(
    ("happens", "first", "second"),
    [
        (nothing, None, None),
        (tag, SKIPPED, SKIPPED),
        (pull, SKIPPED, SKIPPED),
        (list_in_an_index, BLOCKED, SKIPPED),
    ],
)
def test_what_changed_since_the_plan_is_left_for_the_next_run(
    registry: Registry, text: str, happens: Any, first: str | None, second: str | None
) -> None:
    """An image that was tagged, pulled or listed meanwhile stays, and so does the signature that was to follow it."""
    subject, signature = image("old"), artifact(SIGNATURE, image("old"))
    push(registry, APP, subject)
    push(registry, APP, signature)
    push(registry, APP, image("new"))
    plan = Plan(registry, text)
    happens(registry)
    done = EXPIRED if text == policy() else ARCHIVED
    assert plan.carry_out() == [first or done, second or done]
    left = registry.read(images.pullable, APP, subject.digest)
    assert (left is None) == (first is None)
    assert (registry.read(images.pullable, APP, signature.digest) is None) == (second is None)


def test_an_image_that_was_deleted_meanwhile_is_skipped(registry: Registry) -> None:
    """Somebody else was faster."""
    push(registry, APP, image("old"))
    push(registry, APP, image("new"))
    plan = Plan(registry, policy())
    found = registry.read(repositories.require, APP)
    registry.write_now(images.delete_by_digest, found, image("old").digest, cause())
    assert plan.carry_out() == [SKIPPED]


def test_an_image_that_was_pushed_again_meanwhile_is_skipped(registry: Registry) -> None:
    """It is as old as its last push, and looks like the deleted one in everything else."""
    push(registry, APP, image("old"))
    push(registry, APP, image("new"))
    plan = Plan(registry, policy())
    found = registry.read(repositories.require, APP)
    registry.write_now(images.delete_by_digest, found, image("old").digest, cause())
    push(registry, APP, image("old"))
    assert plan.carry_out() == [SKIPPED]
    assert is_whole(registry, APP, image("old"))


def test_whoever_takes_the_policy_away_stops_its_run(registry: Registry) -> None:
    """Nothing more of the plan is done, whatever was planned; the new policy counts as never evaluated."""
    push(registry, APP, image("old"))
    push(registry, APP, image("new"))
    plan = Plan(registry, policy())
    registry.write_now(lifecycle.put_policy, APP, policy(countNumber=5))
    assert plan.carry_out() == []
    assert len(digests(registry, APP)) == 2
    assert registry.read(lifecycle.get_policy, APP)[1] == 0


def test_the_same_policy_set_anew_goes_on(registry: Registry) -> None:
    """A pipeline that puts its policy at every deployment does not stop its runs."""
    push(registry, APP, image("old"))
    push(registry, APP, image("new"))
    plan = Plan(registry, policy())
    registry.write_now(lifecycle.put_policy, APP, policy())
    assert plan.carry_out() == [EXPIRED]


def test_forecast_bytes_are_freed_bytes(registry: Registry) -> None:
    """What a plan says it frees is what the collector then gives back, shared layers and copies included."""
    for number in range(4):
        push(registry, APP, image("base", f"own {number}", size=80_000), f"v{number}")
    push(registry, "team/other", image("base", "own 1", size=80_000))
    registry.write_now(lifecycle.put_policy, APP, policy(countNumber=2))
    plan = registry.read(lifecycle.simulate, APP)
    doomed = {APP: {decision.image.digest for decision in plan.acted_on}}
    forecast = registry.read(storage.freed_by, doomed)
    assert run(registry).expired == 2
    assert gc.collect(registry, grace=0).freed == forecast > 0


def test_every_policy_is_asked_to_run(registry: Registry) -> None:
    """A round asks for a run of each repository that has a policy, and for no other."""
    for number in range(3):
        name = f"team/{number}0"
        registry.write_now(repositories.create, name)
        if number:
            registry.write_now(lifecycle.put_policy, name, policy())
    assert lifecycle.enqueue_runs(registry) == 2
    asked = registry.read(
        lambda tx: tx.rows.execute("SELECT key FROM jobs WHERE kind = 'lifecycle'").fetchall()
    )
    assert {int(key) for (key,) in asked} == {
        registry.read(repositories.require, name).id for name in ("team/10", "team/20")
    }


def test_only_repositories_that_are_there_are_run_by_name(registry: Registry) -> None:
    """A name that has no repository fails before anything runs."""
    found = registry.write_now(repositories.create, APP)
    assert registry.read(lifecycle.to_run, [APP]) == [found.id]
    with pytest.raises(errors.RepositoryNotFound):
        registry.read(lifecycle.to_run, [APP, "team/none"])
