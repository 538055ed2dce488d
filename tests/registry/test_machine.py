"""Any sequence of pushes, deletions, restorations, mounts, policy runs and collections, against a model made of dictionaries.

The model says what each repository has: blobs it may read, images, tags; and what lies in the trash. After every step what can be
read is exactly that, and after every collection nothing is stored but what some image needs, in a repository or in the trash.
"""

import dataclasses
import functools
import json
import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from careen import startup, worker
from careen.blobs.archive import is_archived
from careen.clock import DAY
from careen.db import layers as layer_rows
from careen.ecr import errors
from careen.lifecycle.plan_hash import plan_hash
from careen.registry import (
    archive,
    gc,
    images,
    layers,
    lifecycle,
    moves,
    pins,
    places,
    repositories,
    storage,
    trash,
)
from careen.registry.registry import Registry
from careen.settings import Settings
from tests import backend
from tests.images import Built, artifact, image, index
from tests.registry import steps
from tests.registry.steps import TESTER, cause

REPOSITORIES = st.sampled_from(["team/a", "team/b"])
LAYERS = st.lists(st.sampled_from(["one", "two", "large"]), min_size=1, max_size=2, unique=True)
TAGS = st.sampled_from(["1", "2", "latest"])
SIZES = {"large": 70_000}
"""One layer is a file, the others are rows."""


class Pushed(NamedTuple):
    """An image in a repository of the model."""

    repository: str
    built: Built
    children: tuple[str, ...] = ()
    subject: str | None = None


class Trashed(NamedTuple):
    """An image in the trash of the model."""

    one: Pushed
    tags: tuple[str, ...]
    archived: bool
    batch: int
    """What was deleted together has the same."""
    since: int
    """When it was deleted: the clock's instant."""


KEEP_TWO = json.dumps(
    {
        "rules": [
            {
                "rulePriority": 1,
                "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 2},
                "action": {"type": "expire"},
            }
        ]
    }
)


def build(names: list[str]) -> Built:
    """An image of these layers; one that has the large layer is large throughout."""
    return image(*names, size=max(SIZES.get(name, 64) for name in names))


@functools.cache
def prepared() -> Path:
    """An empty data folder, made once: copying it is a hundred times faster than migrating anew."""
    folder = Path(tempfile.mkdtemp(prefix="careen-machine-"))
    startup.prepare(Settings(data=str(folder), **backend.current().settings(folder)))
    return folder


@pytest.fixture(scope="module", autouse=True)
def _tidy() -> Iterator[None]:
    yield
    shutil.rmtree(prepared())
    prepared.cache_clear()


class RegistryMachine(RuleBasedStateMachine):
    """A registry and its model, side by side."""

    pushed = Bundle("pushed")

    @initialize()
    def open(self) -> None:
        """Start with an empty registry."""
        self.folder = Path(tempfile.mkdtemp(prefix="careen-machine-"))
        shutil.copytree(prepared(), self.folder, dirs_exist_ok=True)
        self.backend = backend.current().emptied(self.folder, prepared())
        if self.backend:  # the key and the home of blobs went with the rows
            startup.prepare(Settings(data=str(self.folder), **self.backend))
        self.clock = steps.Hands()
        self.registry = self._opened()
        self.dead: list[Registry] = []
        self.blobs: dict[tuple[str, str], bytes] = {}
        self.images: dict[tuple[str, str], Pushed] = {}
        self.tags: dict[tuple[str, str], str] = {}
        self.archived: set[tuple[str, str]] = set()
        self.pinned: set[tuple[str, str]] = set()
        self.trash: list[Trashed] = []
        self.batches = 0
        self.collected = True
        self.deleted_repository = False

    def _opened(self) -> Registry:
        archive_blobs = str(self.folder / "archive")
        settings = Settings(
            data=str(self.folder),
            archive_blobs=archive_blobs,
            create_on_push=True,
            blob_grace=0,
            trash_days=7,
            **self.backend,
        )
        return dataclasses.replace(startup.open_registry(settings), clock=self.clock)

    def teardown(self) -> None:
        """Put everything away."""
        if hasattr(self, "registry"):
            for registry in (self.registry, *self.dead):
                registry.close()
            shutil.rmtree(self.folder)

    # What people do.

    @rule(repository=REPOSITORIES, data=st.sampled_from([b"", b"alone", b"L" * 70_000]))
    def upload(self, repository: str, data: bytes) -> None:
        """A layer comes, and no manifest."""
        digest = steps.upload(self.registry, repository, data)
        self.blobs[repository, digest] = data

    @rule(target=pushed, repository=REPOSITORIES, names=LAYERS, tag=st.none() | TAGS)
    def push(self, repository: str, names: list[str], tag: str | None) -> Pushed:
        """An image is pushed, or pushed again."""
        return self._push(Pushed(repository, build(names)), tag)

    @rule(target=pushed, subject=pushed, kind=st.sampled_from(["signature", "sbom"]))
    def sign(self, subject: Pushed, kind: str) -> Pushed:
        """A referrer is pushed, its subject may be gone by now."""
        built = artifact(f"application/vnd.example.{kind}", subject.built)
        return self._push(Pushed(subject.repository, built, subject=subject.built.digest), None)

    @rule(target=pushed, first=pushed, second=pushed, tag=st.none() | TAGS)
    def list_in_an_index(self, first: Pushed, second: Pushed, tag: str | None) -> object:
        """An index comes; what it lists must be there."""
        repository = first.repository
        made = index(first.built, second.built)
        children = (first.built.digest, second.built.digest)
        missing = [digest for digest in children if (repository, digest) not in self.images]
        if missing:
            with pytest.raises(errors.ReferencedImagesNotFound):
                steps.put(self.registry, repository, made, tag)
            return multiple()
        return self._push(Pushed(repository, made, children), tag)

    @rule(one=pushed, tag=TAGS)
    def retag(self, one: Pushed, tag: str) -> None:
        """A tag comes or moves, if the manifest can still be put: its blobs may have been collected."""
        there = (one.repository, one.built.digest) in self.images
        held = all((one.repository, digest) in self.blobs for digest in one.built.digests)
        listed = all((one.repository, digest) in self.images for digest in one.children)
        if there or (held and listed):
            self._put(one, tag)
            return
        with pytest.raises((errors.LayersNotFound, errors.ReferencedImagesNotFound)):
            steps.put(self.registry, one.repository, one.built, tag)

    @rule(one=consumes(pushed))
    def delete_by_digest(self, one: Pushed) -> None:
        """An image goes with its referrers, unless an index lists it."""
        if not self._has(one.repository):
            return
        if self._parents(one.repository, one.built.digest):
            with pytest.raises(images.ImageReferenced):
                steps.delete(self.registry, one.repository, one.built)
            return
        gone = steps.delete(self.registry, one.repository, one.built)
        assert set(gone) == self._forget(one.repository, one.built.digest)

    @rule(repository=REPOSITORIES, tag=TAGS, last=st.booleans())
    def delete_by_tag(self, repository: str, tag: str, *, last: bool) -> None:
        """A tag goes: ECR's way, with the image if it was its last, or OCI's way, without."""
        if not self._has(repository):
            return
        found = self.registry.read(repositories.require, repository)
        digest = self.tags.get((repository, tag))
        if not last:
            assert self.registry.write_now(images.untag, found, tag) == (digest is not None)
        elif digest is not None and self._tags(repository, digest) == [tag]:
            if self._parents(repository, digest):
                with pytest.raises(images.ImageReferenced):
                    self.registry.write_now(images.delete_by_tag, found, tag, cause())
                return
            self.registry.write_now(images.delete_by_tag, found, tag, cause())
            self._forget(repository, digest)
        else:
            assert (self.registry.write_now(images.delete_by_tag, found, tag, cause()) is None) == (
                digest is None
            )
        self.tags.pop((repository, tag), None)

    @rule(one=pushed, to=REPOSITORIES)
    def mount(self, one: Pushed, to: str) -> None:
        """The blobs of an image are linked in another repository, as far as they are there."""
        target = self.registry.write_now(repositories.require_for_push, to)
        for digest in one.built.digests:
            data = self.blobs.get((one.repository, digest))
            assert self.registry.write_now(layers.mount, target, digest, one.repository) == (data is not None)
            if data is not None:
                self.blobs[to, digest] = data

    @rule(one=pushed)
    def delete_blob(self, one: Pushed) -> None:
        """A blob goes, unless an image needs it."""
        repository, digest = one.repository, (*one.built.digests, "sha256:none")[0]
        if (repository, digest) in self._needed():
            with pytest.raises(layers.BlobInUse):
                self.registry.write_now(layers.delete, repository, digest)
            return
        deleted = self.registry.write_now(layers.delete, repository, digest)
        assert deleted == (self.blobs.pop((repository, digest), None) is not None)
        self.collected = False

    @rule(repository=REPOSITORIES)
    def delete_repository(self, repository: str) -> None:
        """Everything of a repository goes."""
        if not self._has(repository):
            return
        self.registry.write_now(repositories.delete, repository, cause(), force=True)
        self.batches += 1
        for name, digest in [key for key in self.images if key[0] == repository]:
            self._discard(name, digest)
        self.pinned = {key for key in self.pinned if key[0] != repository}
        self.deleted_repository = True
        for key in [key for key in self.blobs if key[0] == repository]:
            del self.blobs[key]
        self.collected = False

    @rule(one=pushed, number=st.none() | st.integers(0, 9), move_tags=st.booleans())
    def restore(self, one: Pushed, number: int | None, *, move_tags: bool) -> None:
        """What lies in the trash comes back with what it lists and what went with it, or nothing at all comes back."""
        if self.trash and number is not None:
            one = self.trash[number % len(self.trash)].one
        name, digest = one.repository, one.built.digest

        def ask() -> list[trash.Restored]:
            return self.registry.write_now(trash.restore, name, digest, TESTER, move_tags=move_tags)

        if self._trashed(name, digest) is None:
            with pytest.raises(errors.ImageNotInTrash):
                ask()
            return
        if not self._can_come_back(name, digest):
            with pytest.raises(errors.ImageNotRestorable):
                ask()
            return
        back = ask()
        expected = list(self._bring_back(name, digest, move_tags=move_tags))
        assert [(each.digest, set(each.tags)) for each in back] == expected

    @rule(one=pushed)
    def archive(self, one: Pushed) -> None:
        """An image that no index lists goes to the archive storage class; it cannot be pulled, and stays whole."""
        key = (one.repository, one.built.digest)
        if key not in self.images or key in self.archived or self._parents(*key):
            return
        stored = steps.row(self.registry, one.repository, one.built)
        assert stored is not None
        self.registry.write_now(archive.archive, stored)
        self.archived.add(key)

    @rule(one=pushed)
    def restore_from_archive(self, one: Pushed) -> None:
        """An archived image and its archived referrers come back, with all of their bytes."""
        key = (one.repository, one.built.digest)
        if key not in self.archived:
            return
        stored = steps.row(self.registry, one.repository, one.built)
        assert stored is not None
        self.registry.write_now(archive.begin_restore, stored)
        self._activate(*key)
        self.make_moves()

    def _activate(self, repository: str, digest: str) -> None:
        self.archived.discard((repository, digest))
        for name, other in list(self.archived):
            if name == repository and self.images[name, other].subject == digest:
                self._activate(name, other)

    @rule(one=pushed)
    def pin(self, one: Pushed) -> None:
        """Somebody says that an image is in use, for longer than any of these courses takes."""
        if (one.repository, one.built.digest) in self.images:
            use = pins.InUse(one.repository, one.built.digest, None, "somebody")
            self.registry.write_now(pins.put, "tests", 1000 * DAY, [use])
            self.pinned.add((one.repository, one.built.digest))

    # What the registry does.

    @rule(repository=REPOSITORIES)
    def run_a_policy(self, repository: str) -> None:
        """What the simulation announces goes, into the trash, and nothing else."""
        if not self._has(repository):
            return
        plan = self.registry.read(lifecycle.simulate, repository, KEEP_TWO)
        before = steps.digests(self.registry, repository)
        lifecycle.apply(self.registry, repository, KEEP_TWO, plan_hash(plan))
        self.registry.write_now(lifecycle.delete_policy, repository)
        left = steps.digests(self.registry, repository)
        assert left == before - {decision.image.digest for decision in plan.acted_on}
        held = {digest for name, digest in self.pinned if name == repository} & before
        assert left >= held | {child for digest in held for child in self.images[repository, digest].children}
        self.batches += 1
        for digest in before - left:
            self._discard(repository, digest)

    @rule()
    def make_moves(self) -> None:
        """The worker does all that is asked for; then every layer lies where it belongs, and can be read there as before."""
        work = {places.RESTORE: worker.JOBS[places.RESTORE]} | worker.moving(threading.Event(), "worker")
        if self.deleted_repository:  # of which nothing tells but the daily look
            moves.look_at_all(self.registry)
            self.deleted_repository = False
        while worker.run_one(self.registry, "worker", work):
            self.collected = False
        needed = {digest for _, digest in self._needed()}
        active = {
            digest for key in self.images.keys() - self.archived for digest in self.images[key].built.digests
        }
        for digest, generation, _ in self.registry.read(lambda tx: list(layer_rows.files(tx.rows))):
            if digest in needed:
                assert is_archived(generation) == (digest not in active)

    @rule(days=st.sampled_from([3, 8]))
    def let_days_pass(self, days: int) -> None:
        """After a week in the trash an image is gone for good, at the next collection."""
        self.clock.forward(days * DAY)
        self.collect()

    @rule()
    def collect(self) -> None:
        """Without grace, all that no image needs goes, and exactly its bytes come back."""
        before = self._sum()
        needed = self._needed()
        self.trash = [each for each in self.trash if self.clock.now < each.since + 7 * DAY]
        self.blobs = {key: data for key, data in self.blobs.items() if key in needed}
        assert gc.collect(self.registry, grace=0).freed == before - self._sum()
        self.collected = True

    @rule()
    def restart_and_sweep(self) -> None:
        """Another process goes on with what is stored, and finds nothing that no event told of."""
        self.registry.close()
        self.registry = self._opened()
        assert gc.sweep(self.registry) == gc.Collected()
        self.collected = True

    @rule()
    def die(self) -> None:
        """The process closes nothing, and another goes on. What was answered is there."""
        self.dead.append(self.registry)
        self.registry = self._opened()

    @rule()
    def lose_every_connection(self) -> None:
        """The database's server is started again, and this process goes on by itself. A file is not lost like that."""
        backend.current().disconnect(self.folder)

    # What holds at all times.

    @invariant()
    def every_image_is_whole(self) -> None:
        """What the model has can be pulled with all its blobs; what it has not cannot."""
        with self.registry.database.read():  # one snapshot, or most of the time goes into beginning them
            for key, one in self.images.items():
                if key in self.archived:
                    assert self.registry.read(images.pullable, *key) is None
                else:
                    assert steps.is_whole(self.registry, one.repository, one.built)
            for repository in {key[0] for key in self.images}:
                expected = {digest for name, digest in self.images if name == repository}
                assert steps.digests(self.registry, repository) == expected

    @invariant()
    def every_tag_is_right(self) -> None:
        """Each tag names what it was last put on."""
        with self.registry.database.read():
            for (repository, tag), digest in self.tags.items():
                found = self.registry.read(images.find, self._repository(repository), tag=tag)
                assert found is not None
                assert found.digest == digest

    @invariant()
    def the_events_tell_the_tags(self) -> None:
        """Whoever reads the log alone knows every tag: nothing happened that was not told, or was told and did not."""
        assert steps.told_tags(self.registry) == self.tags

    @invariant()
    def the_sums_agree(self) -> None:
        """Every blob is counted once; nothing but the collector's last leavings is stored beyond them."""
        with self.registry.database.read():
            for (repository, digest), data in self.blobs.items():
                assert steps.blob(self.registry, repository, digest) == data
        account = storage.account(self.registry)
        assert account.blob_bytes == self._sum()
        assert account.trash_images == len(self.trash)
        needed = {digest for _, digest in self._needed()}
        only_trashed = [data for digest, data in self._held().items() if digest not in needed]
        assert account.trash_bytes == sum(map(len, only_trashed))
        stored = steps.stored_bytes(self.registry)
        assert stored == self._sum() + account.condemned_bytes
        assert not (self.collected and account.condemned_bytes)

    # The model.

    def _push(self, one: Pushed, tag: str | None) -> Pushed:
        for data, digest in zip(one.built.blobs, one.built.digests, strict=True):
            steps.upload(self.registry, one.repository, data)
            self.blobs[one.repository, digest] = data
        self._put(one, tag)
        return one

    def _put(self, one: Pushed, tag: str | None) -> None:
        key = (one.repository, one.built.digest)
        assert steps.put(self.registry, one.repository, one.built, tag).created == (key not in self.images)
        self.images[key] = one
        self.archived.discard(key)
        if tag is not None:
            self.tags[one.repository, tag] = one.built.digest

    def _forget(self, repository: str, digest: str) -> set[str]:
        """Remove an image and what follows it. Returns what was there."""
        self.batches += 1
        return self._forget_together(repository, digest)

    def _forget_together(self, repository: str, digest: str) -> set[str]:
        if (repository, digest) not in self.images:
            return set()
        self._discard(repository, digest)
        gone = {digest}
        for (name, other), one in list(self.images.items()):
            if name == repository and one.subject == digest and not self._parents(repository, other):
                gone |= self._forget_together(repository, other)
        return gone

    def _discard(self, repository: str, digest: str) -> None:
        """Move an image into the trash."""
        key, tags = (repository, digest), tuple(self._tags(repository, digest))
        one, archived = self.images.pop(key), key in self.archived
        self.archived.discard(key)
        for tag in tags:
            del self.tags[repository, tag]
        self.trash.append(Trashed(one, tags, archived, self.batches, self.clock.now))

    def _trashed(self, repository: str, digest: str) -> Trashed | None:
        """The image of that digest that was trashed last."""
        found = [
            each
            for each in self.trash
            if (each.one.repository, each.one.built.digest) == (repository, digest)
        ]
        return found[-1] if found else None

    def _can_come_back(self, repository: str, digest: str) -> bool:
        trashed = self._trashed(repository, digest)
        assert trashed is not None
        return all(
            (repository, child) in self.images
            or (self._trashed(repository, child) is not None and self._can_come_back(repository, child))
            for child in trashed.one.children
        ) and all(
            self._can_come_back(repository, other.one.built.digest) for other in self._followers(trashed)
        )

    def _followers(self, trashed: Trashed) -> list[Trashed]:
        """The referrers that went with an image."""
        return [
            each
            for each in self.trash
            if each.batch == trashed.batch
            and each.one.repository == trashed.one.repository
            and each.one.subject == trashed.one.built.digest
        ]

    def _bring_back(self, repository: str, digest: str, *, move_tags: bool) -> Iterator[tuple[str, set[str]]]:
        """What comes back, in the order in which it does, with its tags."""
        trashed = self._trashed(repository, digest)
        assert trashed is not None
        for child in trashed.one.children:
            if (repository, child) not in self.images:
                yield from self._bring_back(repository, child, move_tags=move_tags)
        key = (repository, digest)
        if key not in self.images:
            self.images[key] = trashed.one
            if trashed.archived:
                self.archived.add(key)
        for data, blob in zip(trashed.one.built.blobs, trashed.one.built.digests, strict=True):
            self.blobs[repository, blob] = data
        for tag in trashed.tags:
            if move_tags or (repository, tag) not in self.tags:
                self.tags[repository, tag] = digest
        yield digest, {tag for tag in trashed.tags if self.tags[repository, tag] == digest}
        followers = self._followers(trashed)
        self.trash = [each for each in self.trash if (each.one.repository, each.one.built.digest) != key]
        for follower in followers:
            if self._trashed(repository, follower.one.built.digest) is not None:
                yield from self._bring_back(repository, follower.one.built.digest, move_tags=move_tags)

    def _repository(self, name: str) -> repositories.Repository:
        return self.registry.read(repositories.require, name)

    def _has(self, repository: str) -> bool:
        return self.registry.read(repositories.find, repository) is not None

    def _parents(self, repository: str, digest: str) -> bool:
        return any(one.repository == repository and digest in one.children for one in self.images.values())

    def _tags(self, repository: str, digest: str) -> list[str]:
        return [tag for (name, tag), other in self.tags.items() if (name, other) == (repository, digest)]

    def _needed(self) -> set[tuple[str, str]]:
        return {(name, digest) for (name, _), one in self.images.items() for digest in one.built.digests}

    def _sum(self) -> int:
        """Bytes of all blobs that are linked in a repository or held by the trash, each once."""
        return sum(map(len, self._stored().values()))

    def _stored(self) -> dict[str, bytes]:
        linked = {digest: data for (_, digest), data in self.blobs.items()}
        return linked | self._held()

    def _held(self) -> dict[str, bytes]:
        return {
            digest: data
            for each in self.trash
            for digest, data in zip(each.one.built.digests, each.one.built.blobs, strict=True)
        }


def cost() -> int:
    """How much more a course costs where every statement and every blob is a message."""
    here = backend.current()
    return (1 if here.postgres is None else 3) * (1 if here.s3 is None else 2)


QUICK = settings(
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


@pytest.mark.timeout(600)  # to make a failing sequence short takes a while
def test_any_sequence_of_steps() -> None:
    """Some seconds of it."""
    run_state_machine_as_test(RegistryMachine, settings=settings(QUICK, max_examples=30 // cost()))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_any_long_sequence_of_steps() -> None:
    """Some minutes of it."""
    many = settings(QUICK, max_examples=500 // cost(), stateful_step_count=60)
    run_state_machine_as_test(RegistryMachine, settings=many)
