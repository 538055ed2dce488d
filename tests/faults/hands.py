"""Hands that push, move tags, delete and pull at random, each in a repository of its own with layers that all share.

Images with a tag ``keep-…`` are a hand's alone. Those with a tag ``tmp-…`` are the policy's, which takes them at any time. Those
with a tag ``old-…`` go to the archive and come back.
"""

import contextlib
import functools
import http.client
import os
import random
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError

from careen import startup, worker
from careen.oci.digest import digest_of
from careen.registry import gc, jobs, lifecycle, repositories
from careen.registry.registry import Registry
from tests.faults.doors import Direct, Door, Gone
from tests.faults.model import Journal, State, settings_of
from tests.images import Built, image

HANDS = 3
ATTEMPTS = 50
"""How often a push is begun anew because the collector, which does not wait here, was quicker."""

POLICY = (
    '{"rules":[{"rulePriority":1,"selection":{"tagStatus":"tagged","tagPrefixList":["tmp-"],'
    '"countType":"imageCountMoreThan","countNumber":1},"action":{"type":"expire"}}]}'
)


def home(hand: int) -> str:
    """A hand's repository."""
    return f"hand/{hand}"


@functools.cache
def images_of(hand: int, kind: str) -> list[Built]:
    """The images of a hand: a layer that other hands' images have too, and one of its own; every third one's are files."""
    return [
        image(f"base-{number % 2}", f"{hand}-{kind}-{number}", size=66_000 if number % 3 == 0 else 200)
        for number in range(6)
    ]


for each in range(HANDS):  # made once, before the programs are forked
    images_of(each, "keep"), images_of(each, "tmp"), images_of(each, "old")


def live(hand: int, door: Door, journal: Journal, dice: random.Random, go_on: Callable[[], bool]) -> None:
    """Do one thing after another, each noted before and after. A connection that breaks is tried again."""
    known = dict[str, Built]()
    while go_on():
        do, entry = _next(hand, door, dice, known)
        journal.note(hand=hand, done=False, **entry)
        while go_on():
            with contextlib.suppress(OSError, http.client.HTTPException, BotoCoreError):
                do()
                journal.note(hand=hand, done=True, **entry)
                break
            time.sleep(0.02)


def _next(
    hand: int, door: Door, dice: random.Random, known: dict[str, Built]
) -> tuple[Callable[[], object], dict[str, Any]]:
    """What to do next, and its entry in the journal. ``known`` are the tags that this hand has put and not moved since."""
    name, built, tag = home(hand), dice.choice(images_of(hand, "keep")), f"keep-{dice.randrange(4)}"

    def put() -> None:
        push(door, name, built, tag)
        known[tag] = built

    def untag() -> None:
        known.pop(tag, None)
        door.untag(name, tag)

    def delete() -> None:
        for each in [each for each, has in known.items() if has is built]:
            del known[each]
        door.delete(name, built.digest)

    def pull() -> None:
        if tag in known:
            assert door.pull(name, tag) == known[tag].manifest
            for data in known[tag].blobs:
                assert door.blob(name, digest_of(data)) == data

    kind = dice.choices(
        ["put", "tmp", "stow", "fetch", "untag", "delete", "pull", "leave"], [8, 4, 3, 2, 2, 2, 3, 1]
    )[0]
    entry = {"kind": kind, "tag": tag, "digest": built.digest}
    if kind in {"stow", "fetch"}:
        number = dice.choice([0, 3])  # those whose layers are files
        old, old_tag = images_of(hand, "old")[number], f"old-{number}"

        def stow() -> None:
            push(door, name, old, old_tag)
            known[old_tag] = old
            door.archive(name, old.digest)

        def fetch() -> None:
            if old_tag in known:
                door.restore(name, old.digest)

        return stow if kind == "stow" else fetch, entry | {"tag": old_tag, "digest": old.digest}
    if kind == "tmp":
        number = dice.randrange(6)
        passing, passing_tag = images_of(hand, "tmp")[number], f"tmp-{number}"
        return lambda: push(door, name, passing, passing_tag), entry | {
            "tag": passing_tag,
            "digest": passing.digest,
        }
    deeds: dict[str, Callable[[], object]] = {
        "put": put, "untag": untag, "delete": delete, "pull": pull, "leave": lambda: door.leave(name, built.blobs[1])
    }  # fmt: skip
    return deeds[kind], entry


def push(door: Door, name: str, built: Built, tag: str) -> None:
    """As clients do: the blobs, the manifest; and all of it again if a blob is not there any more."""
    for _ in range(ATTEMPTS):
        with contextlib.suppress(Gone):
            for data in built.blobs:
                door.upload(name, data)
            door.put(name, built, tag)
            return
    raise AssertionError(f"{ATTEMPTS} pushes in a row lost a layer to the collector")


def take(state: State, entry: dict[str, Any]) -> None:
    """What an entry of the journal does to what clients can see."""
    name, digest, tag = home(entry["hand"]), entry["digest"], entry["tag"]
    if entry["kind"] in {"put", "tmp", "stow"}:
        state.images.add((name, digest))
        state.tags[name, tag] = digest
    elif entry["kind"] == "untag":
        state.tags.pop((name, tag), None)
    elif entry["kind"] == "delete":
        state.images.discard((name, digest))
        state.tags = {key: has for key, has in state.tags.items() if (key[0], has) != (name, digest)}


def assert_accounted(before: State, entries: Iterable[dict[str, Any]], now: State) -> None:
    """Beginning with ``before``, the journal leads to ``now``: all that was acknowledged, and what was under way or not."""
    acknowledged, under_way = before.copy(), dict[int, dict[str, Any]]()
    for entry in entries:
        assert "failure" not in entry, entry["failure"]
        if entry["done"]:
            take(acknowledged, entry)
            del under_way[entry["hand"]]
        else:
            under_way[entry["hand"]] = entry
    perhaps = acknowledged.copy()
    for entry in under_way.values():
        take(perhaps, entry)
    passing = {built.digest for hand in range(HANDS) for built in images_of(hand, "tmp")}
    sure, possible, found = (
        {fact for fact in state.facts() if fact[0] in {"image", "tag"}}
        for state in (acknowledged, perhaps, now)
    )
    lost = {fact for fact in sure & possible - found if fact[-1] not in passing}
    assert lost == set()
    assert found <= sure | possible


def furnish(registry: Registry) -> None:
    """A repository with a policy for each hand."""
    for hand in range(HANDS):
        registry.write_now(repositories.create, home(hand))
        registry.write_now(lifecycle.put_policy, home(hand), POLICY)


def labour(folder: Path, journal: Path, seed: str) -> None:
    """The program: a process for each hand, and this one, which collects, sweeps and runs the policies without a pause."""
    notes = Journal(journal)
    for hand in range(HANDS):
        if os.fork() == 0:
            with _noted(notes):
                registry = startup.open_registry(settings_of(folder))
                dice = random.Random(f"{seed} {hand}")  # noqa: S311
                live(hand, Direct(registry), notes, dice, lambda: True)
    with _noted(notes):
        often = {"collect_interval": 0.01, "lifecycle_interval": 0.01, "sweep_interval": 0.01}
        registry = startup.open_registry(settings_of(folder, **often))
        registry.write_now(jobs.schedule)
        moving = worker.moving(threading.Event(), "mover")
        while True:
            if not worker.run_one(registry, "worker") and not worker.run_one(registry, "mover", moving):
                gc.collect(registry, grace=0)
                time.sleep(0.003)  # SQLite's writers do not queue: whoever never pauses starves the others


@contextlib.contextmanager
def _noted(journal: Journal) -> Iterator[None]:
    """A failure is no crash: it is noted, for the test to find."""
    try:
        yield
    except BaseException:
        journal.note(failure=traceback.format_exc())
        raise


def labour_over_http(
    door: Callable[[], Door], journal: Journal, seed: str, stop: threading.Event
) -> list[threading.Thread]:
    """A thread for each hand."""
    threads = [
        threading.Thread(
            target=live,
            args=(hand, door(), journal, random.Random(f"{seed} {hand}"), lambda: not stop.is_set()),  # noqa: S311
        )
        for hand in range(HANDS)
    ]
    for thread in threads:
        thread.start()
    return threads
