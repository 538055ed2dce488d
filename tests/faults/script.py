"""A script that passes every fault point, step by step, and what each step does to what clients can see."""

import contextlib
import random
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from careen import startup
from careen.oci.digest import digest_of
from careen.registry import gc, layers, lifecycle
from tests.faults.doors import PIECE, Direct, Door, Gone
from tests.faults.model import Journal, State, settings_of
from tests.images import Built, artifact, image
from tests.waiting import found

A, B = "team/a", "team/b"
OPEN = "public/tools"
LARGE = random.Random("large").randbytes(150_000)  # noqa: S311 the same bytes every time
ALONE = b"no image needs this"
ONE = image("base", "one", size=70_000)
TWO = image("base", "two", size=70_000)
SIGNATURE = artifact("application/vnd.example.signature", TWO)
PAST = image("past", size=70_000)
"""Is archived, and restored later."""
KEPT = image("kept", size=70_000)
"""Is archived for good."""
PASSING = [image(f"passing {number}") for number in range(5)]
POLICY = (
    '{"rules":[{"rulePriority":1,"selection":{"tagStatus":"tagged","tagPrefixList":["tmp-"],'
    '"countType":"imageCountMoreThan","countNumber":1},"action":{"type":"expire"}}]}'
)
MAY = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ecr:*","Resource":"*"}]}'
ACCESS = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"999999999999"},"Action":"ecr:*"}]}'


class Step(NamedTuple):
    """One thing that a client does, in one transaction or, if it is long, in several."""

    name: str
    do: Callable[[Door], object]
    then: Callable[[State], object]
    """What it does to what clients can see."""
    is_long: bool = False


def _upload(repository: str, data: bytes) -> Step:
    def then(state: State) -> None:
        state.repositories.add(repository)
        state.blobs.add((repository, digest_of(data)))

    return Step(f"upload {len(data)} bytes to {repository}", lambda door: door.upload(repository, data), then)


def _put(repository: str, built: Built, tag: str | None) -> Step:
    def do(door: Door) -> None:
        again = (partial(door.upload, repository, data) for data in built.blobs)
        _insist(lambda: door.put(repository, built, tag), *again)

    def then(state: State) -> None:
        state.images.add((repository, built.digest))
        if tag is not None:
            state.tags[repository, tag] = built.digest

    return Step(f"put {built.digest[:14]} as {tag}", do, then)


def _push(repository: str, built: Built, tag: str | None) -> list[Step]:
    return [*(_upload(repository, data) for data in built.blobs), _put(repository, built, tag)]


def _create(repository: str) -> Step:
    return Step(
        f"create {repository}",
        lambda door: door.create(repository),
        lambda state: state.repositories.add(repository),
    )


def _insist(do: Callable[[], object], *anew: Callable[[], object]) -> None:
    """Do something, and if the collector was quicker, what it needs and it again: what it passes has to be passed."""
    while True:
        with contextlib.suppress(Gone):
            do()
            return
        for each in anew:
            each()


def _mount(digest: str) -> Step:
    return Step(
        "mount",
        lambda door: _insist(lambda: door.mount(B, digest, A), lambda: door.upload(A, ALONE)),
        lambda state: state.blobs.add((B, digest)),
    )


def _delete_blob(digest: str) -> Step:
    return Step(
        "delete a blob",
        lambda door: _insist(lambda: door.delete_blob(A, digest), lambda: door.upload(A, ALONE)),
        lambda state: state.blobs.discard((A, digest)),
    )


def _forget(state: State, repository: str, *digests: str) -> None:
    state.images -= {(repository, digest) for digest in digests}
    state.tags = {
        key: digest for key, digest in state.tags.items() if key[0] != repository or digest not in digests
    }


def _delete_two() -> Step:
    return Step(
        "delete an image",
        lambda door: door.delete(A, TWO.digest),
        lambda state: _forget(state, A, TWO.digest, SIGNATURE.digest),
    )


def _bring_two_back() -> Step:
    again = [*_push(A, TWO, "keep"), *_push(A, SIGNATURE, None), _delete_two()]

    def do(door: Door) -> None:
        _insist(lambda: door.bring_back(A, TWO.digest), *(partial(step.do, door) for step in again))

    def then(state: State) -> None:
        state.images |= {(A, TWO.digest), (A, SIGNATURE.digest)}
        state.tags[A, "keep"] = TWO.digest

    return Step("bring it back", do, then)


def _delete_repository(repository: str) -> Step:
    def then(state: State) -> None:
        state.repositories.discard(repository)
        state.blobs = {each for each in state.blobs if each[0] != repository}
        _forget(state, repository, *(digest for name, digest in state.images if name == repository))

    return Step(f"delete {repository}", lambda door: door.delete_repository(repository), then)


def _nothing(_: State) -> None:
    """Clients see what they saw."""


def _pulled(door: Door, built: Built) -> None:
    assert found(lambda: door.pull(A, built.digest), "no worker restores it") == built.manifest


STEPS: Sequence[Step] = [
    _create(A),
    _create(B),
    Step("publish", lambda door: door.publish(OPEN), lambda state: state.repositories.add(OPEN)),
    Step("describe", lambda door: door.describe(OPEN, "tools"), _nothing),
    Step("replicate", lambda door: door.replicate(), _nothing),
    _upload(A, LARGE),
    _upload(B, LARGE),
    _upload(A, ALONE),
    _mount(digest_of(ALONE)),
    Step("leave an upload", lambda door: door.leave(A, LARGE), _nothing),
    *_push(A, ONE, "keep"),
    *_push(A, TWO, "keep-2"),
    *_push(A, SIGNATURE, None),
    *_push(A, PAST, None),
    *_push(A, KEPT, None),
    *_push(B, ONE, "b"),
    _put(A, TWO, "keep"),
    Step("untag", lambda door: door.untag(A, "keep-2"), lambda state: state.tags.pop((A, "keep-2"), None)),
    _delete_blob(digest_of(ALONE)),
    _delete_two(),
    _bring_two_back(),
    *(step for number, built in enumerate(PASSING) for step in _push(A, built, f"tmp-{number}")),
    Step("archive", lambda door: door.archive(A, ONE.digest), _nothing),
    Step("archive for longer", lambda door: door.archive(A, PAST.digest), _nothing),
    Step("archive for good", lambda door: door.archive(A, KEPT.digest), _nothing),
    Step("restore", lambda door: door.restore(A, ONE.digest), _nothing),
    Step("scan", lambda door: door.scan(A, TWO.digest), _nothing),
    Step("backfill", lambda door: door.backfill(), _nothing),
    Step(
        "work",
        lambda door: door.settle(A, {"keep", *(f"tmp-{number}" for number in range(5))}),
        _nothing,
        True,
    ),
    Step("pull", lambda door: _pulled(door, ONE), _nothing),
    Step("deliver to a webhook", lambda door: door.deliver(), _nothing),
    Step("restore later", lambda door: door.restore(A, PAST.digest), _nothing),
    _delete_two(),
    Step("put a policy", lambda door: door.put_policy(A, POLICY), _nothing),
    Step("say who may", lambda door: door.set_access_policy(A, ACCESS), _nothing),
    Step("make a user", lambda door: door.make_user("ci"), _nothing),
    Step("say what it may", lambda door: door.let_user("ci", MAY), _nothing),
    Step("give it a password", lambda door: door.give_password("ci"), _nothing),
    Step("sign it in and out", lambda door: door.visit("ci"), _nothing, True),
    Step("delete it", lambda door: door.delete_user("ci"), _nothing),
    Step("preview", lambda door: door.preview(A), _nothing),
    Step(
        "work by the policy",
        lambda door: door.settle(A, {"tmp-4"}),
        lambda state: _forget(state, A, *(built.digest for built in PASSING[:4])),
        True,
    ),
    Step("pull what was archived", lambda door: _pulled(door, PAST), _nothing),
    _delete_repository(B),
    Step("collect", lambda door: door.collect(), _nothing, True),
]


def go_through(door: Door, journal: Journal, first: int = 0) -> None:
    """Take the steps from ``first`` on, and note each before and after."""
    for number, step in enumerate(STEPS[first:], start=first):
        journal.note(step=number, done=False)
        step.do(door)
        journal.note(step=number, done=True)


def play(folder: Path, journal: Path, first: int = 0) -> None:
    """The program: go through the script on a data folder."""
    # A few images make several batches, and a small upload several pieces.
    lifecycle.BATCH, gc.BATCH = 2, 3
    layers.FLUSH_BYTES = PIECE
    registry = startup.open_registry(settings_of(folder))
    notes = Journal(journal)
    go_through(Direct(registry), notes, first)
    notes.close()
    registry.close()


def progress(journal: Journal) -> tuple[int, State, State]:
    """Where the script stands: the step to take next, and what clients saw before it and would see after it."""
    begun, done = -1, -1
    for entry in journal.read():
        if entry["done"]:
            done = entry["step"]
        else:
            begun = entry["step"]
    before = State()
    for step in STEPS[: done + 1]:
        step.then(before)
    after = before.copy()
    if begun > done:
        STEPS[begun].then(after)
    return done + 1, before, after


def assert_between(before: State, after: State, now: State, *, is_long: bool, is_collected: bool) -> None:
    """What was acknowledged is there, and the step under way happened or did not; if it is long, in part."""
    lower, upper = before.facts() & after.facts(), before.facts() | after.facts()
    found = now.facts()
    if is_collected:  # assert_whole knows which blobs must be there
        lower = {fact for fact in lower if fact[0] != "blob"}
    assert found >= lower, f"lost: {lower - found}"
    assert found <= upper, f"not asked for: {found - upper}"
    if not is_long and not is_collected:
        assert found in (before.facts(), after.facts())


WORK = next(number for number, step in enumerate(STEPS) if step.is_long)
"""From this step on the collector may have been there."""

POLICY_SET, POLICY_RUN = (
    next(number for number, step in enumerate(STEPS) if step.name == name)
    for name in ("put a policy", "work by the policy")
)
