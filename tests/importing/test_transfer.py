"""What comes in, with which times, and who is right when both registries take pushes for a while."""

import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from careen.clock import Instant
from careen.ecr.mutability import Mutability
from careen.importing.distribution import DistributionFolder
from careen.importing.selection import Selection
from careen.importing.source import Content
from careen.registry import archive, events, gc, images, lifecycle, repositories
from careen.registry.deletions import Cause
from careen.registry.registry import Registry
from tests import backend
from tests.images import Built, artifact, image, index
from tests.importing.folder import Folder, day
from tests.importing.steps import bring, bring_from, opened_registry, pushed, put, tags

APP = "team/app"
ONE, TWO, THREE = (image("base", each) for each in ("one", "two", "three"))
BIG = image("big", size=200_000)
BOTH = index(ONE, TWO)
SIGNATURE = artifact("application/vnd.example.signature", BOTH)
BY = Cause("arn:aws:iam::123456789012:root", "BatchDeleteImage")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """An empty one."""
    return Folder(tmp_path / "source")


def test_rules_of_age_mean_what_they_meant(registry: Registry, folder: Folder) -> None:
    """A policy by push time takes what is old at the source, although it has just come."""
    folder.push(APP, ONE, "old", at=day(0))
    folder.push(APP, TWO, "new", at=registry.clock())
    bring(registry, folder)
    assert pushed(registry, APP)[ONE.digest] == day(0)
    policy = (
        '{"rules":[{"rulePriority":1,"selection":{"tagStatus":"any","countType":"sinceImagePushed",'
        '"countUnit":"days","countNumber":30},"action":{"type":"expire"}}]}'
    )
    registry.write_now(lifecycle.put_policy, APP, policy)
    plan = registry.read(lifecycle.simulate, APP)
    assert [each.image.digest for each in plan.acted_on] == [ONE.digest]


def test_a_time_to_come_counts_as_now(registry: Registry, folder: Folder) -> None:
    """Or a file with a wrong time would keep its image for ever."""
    before = registry.clock()
    folder.push(APP, ONE, "1", at=before + day(1))
    bring(registry, folder)
    assert before <= pushed(registry, APP)[ONE.digest] <= registry.clock()


def test_indexes_and_referrers_come_after_what_they_name(registry: Registry, folder: Folder) -> None:
    """Whatever the times say; children need no tag."""
    folder.push(APP, SIGNATURE, at=day(0))
    folder.push(APP, BOTH, "1", at=day(1))
    folder.push(APP, ONE, at=day(2))
    folder.push(APP, TWO, at=day(3))
    result = bring(registry, folder)
    assert not result.faults
    assert pushed(registry, APP).keys() == {ONE.digest, TWO.digest, BOTH.digest, SIGNATURE.digest}


def test_what_no_tag_leads_to_stays_behind_if_that_is_asked(registry: Registry, folder: Folder) -> None:
    """What an index lists and what refers to it has no tag either, and comes."""
    for built in (ONE, TWO, SIGNATURE, THREE):
        folder.push(APP, built, at=day(0))
    folder.push(APP, BOTH, "1", at=day(1))
    bring(registry, folder, Selection(is_tagged_only=True))
    assert pushed(registry, APP).keys() == {ONE.digest, TWO.digest, BOTH.digest, SIGNATURE.digest}


def test_the_later_of_two_tags_stays(registry: Registry, folder: Folder) -> None:
    """A tag that was pushed here after it was pushed there is not taken back; one that moved there later moves."""
    folder.push(APP, ONE, "here", "there", at=day(0))
    folder.push(APP, TWO, at=day(0))
    bring(registry, folder)
    put(registry, APP, TWO, "here")
    folder.push(APP, TWO, "there", at=day(1))
    result = bring(registry, folder)
    assert tags(registry, APP) == {"here": TWO.digest, "there": TWO.digest}
    assert result.newer_here == [(APP, "here")]
    assert not result.faults


def test_what_was_deleted_here_stays_away(registry: Registry, folder: Folder) -> None:
    """Unless it was pushed there again, or is asked for."""
    folder.push(APP, ONE, "1", at=day(0))
    folder.push(APP, TWO, "2", at=day(0))
    bring(registry, folder)
    found = registry.read(repositories.require, APP)
    for built in (ONE, TWO):
        registry.write_now(images.delete_by_digest, found, built.digest, BY)
    folder.push(APP, TWO, "2", at=registry.clock())
    assert bring(registry, folder).deleted_here == [(APP, ONE.digest)]
    assert tags(registry, APP) == {"2": TWO.digest}
    bring(registry, folder, bring_back=True)
    assert tags(registry, APP) == {"1": ONE.digest, "2": TWO.digest}


def delete(registry: Registry, built: Built) -> None:
    """Delete an image here."""
    found = registry.read(repositories.require, APP)
    registry.write_now(images.delete_by_digest, found, built.digest, BY)


class Meanwhile(DistributionFolder):
    """A source, of which an import reads an image that it wants; before it puts that, something is done here."""

    def __init__(self, folder: Folder, wanted: Built, deed: Callable[[], None]) -> None:
        super().__init__(folder.root)
        self._wanted, self._deed, self._reads = wanted.digest, deed, 0

    def manifest(self, repository: str, digest: str) -> Content | None:
        """The first time it looks over the source; the second time it has looked what is wanted here."""
        self._reads += digest == self._wanted
        if digest == self._wanted and self._reads == 2:
            self._deed()
        return super().manifest(repository, digest)


def test_a_tag_that_is_pushed_here_while_blobs_are_copied_stays(registry: Registry, folder: Folder) -> None:
    """What is wanted is asked again when an image is put; the image comes without the tag."""
    folder.push(APP, ONE, "one", at=day(0))
    bring(registry, folder)
    folder.push(APP, BIG, "latest", at=day(1))
    result = bring_from(
        registry, nullcontext(Meanwhile(folder, BIG, lambda: put(registry, APP, ONE, "latest")))
    )
    assert tags(registry, APP) == {"one": ONE.digest, "latest": ONE.digest}
    assert BIG.digest in pushed(registry, APP)
    assert (result.images, result.tags, result.newer_here) == (1, 0, [(APP, "latest")])


def test_an_image_that_is_deleted_here_meanwhile_stays_away(registry: Registry, folder: Folder) -> None:
    """It was here, and was to have another tag."""
    folder.push(APP, ONE, "1", at=day(0))
    bring(registry, folder)
    folder.push(APP, ONE, "1", "2", at=day(1))
    result = bring_from(registry, nullcontext(Meanwhile(folder, ONE, lambda: delete(registry, ONE))))
    assert not pushed(registry, APP)
    assert (result.present, result.tags, result.deleted_here) == (0, 0, [(APP, ONE.digest)])
    assert not result.faults


def test_what_a_collection_takes_meanwhile_is_copied_again(registry: Registry, folder: Folder) -> None:
    """It was here and is not any more, and was asked for there since."""
    folder.push(APP, BIG, "1", at=day(0))
    bring(registry, folder)
    folder.push(APP, BIG, "1", "2", at=registry.clock() + day(1))

    def lose() -> None:
        delete(registry, BIG)
        gc.sweep(registry)

    result = bring_from(registry, nullcontext(Meanwhile(folder, BIG, lose)))
    assert tags(registry, APP) == {"1": BIG.digest, "2": BIG.digest}
    assert (result.images, result.present) == (1, 0)
    assert not result.faults


@pytest.mark.parametrize("newer", [BOTH, index(BOTH)], ids=["index", "index of an index"])
def test_an_index_brings_back_what_it_lists(registry: Registry, folder: Folder, newer: Built) -> None:
    """A child was deleted here after its own push, but before the index was pushed there."""
    folder.push(APP, ONE, "1", at=day(0))
    bring(registry, folder)
    delete(registry, ONE)
    folder.push(APP, TWO, at=day(0))
    folder.push(APP, BOTH, at=day(0))
    folder.push(APP, newer, "both", at=registry.clock())
    result = bring(registry, folder)
    assert not result.faults
    assert not result.deleted_here
    assert pushed(registry, APP)[ONE.digest] == day(0)
    assert tags(registry, APP)["both"] == newer.digest


def test_whoever_follows_events_hears_of_it(registry: Registry, folder: Folder) -> None:
    """As of a push, at the time of the import; and once, however often it runs."""
    before = registry.clock()
    folder.push(APP, ONE, "1", "latest", at=day(0))
    bring(registry, folder)
    bring(registry, folder)
    backend.current().settle()
    told = [each for each in registry.read(events.following, 0, 100) if each.event.action == "PUSH"]
    assert sorted(each.event.detail["image-tag"] for each in told) == ["1", "latest"]
    assert all(each.recorded_at >= before for each in told)


def test_an_immutable_tag_does_not_move(registry: Registry, folder: Folder) -> None:
    """The registry's own rules say what may be pushed; the image comes without the tag."""
    folder.push(APP, ONE, "1", at=day(0))
    bring(registry, folder)
    registry.write_now(repositories.put_mutability, APP, Mutability.IMMUTABLE, None)
    folder.push(APP, THREE, "1", at=registry.clock())
    (fault,) = bring(registry, folder).faults
    assert (fault.what, fault.kind) == ("1", "refused")
    assert tags(registry, APP) == {"1": ONE.digest}
    assert THREE.digest in pushed(registry, APP)


def test_a_refused_tag_is_no_push_of_its_image(registry: Registry, folder: Folder) -> None:
    """The image is here already: nobody hears of it again, and in the archive it stays there."""
    folder.push(APP, ONE, "1", at=day(0))
    bring(registry, folder)
    found = registry.write_now(repositories.put_mutability, APP, Mutability.IMMUTABLE, None)
    folder.push(APP, THREE, "1", at=registry.clock())
    bring(registry, folder)
    stored = registry.read(images.find, found, digest=THREE.digest)
    assert stored is not None
    registry.write_now(archive.archive, stored)
    (fault,) = bring(registry, folder).faults
    assert fault.kind == "refused"
    backend.current().settle()
    told = [each.event for each in registry.read(events.following, 0, 100) if each.event.action == "PUSH"]
    assert [each.detail["image-digest"] for each in told].count(THREE.digest) == 1
    after = registry.read(images.find, found, digest=THREE.digest)
    assert after is not None
    assert after.status == "ARCHIVED"


def test_bytes_that_changed_in_place_are_left_out(registry: Registry, folder: Folder) -> None:
    """A digest is computed of all that comes, small or large, and what needs it is left out, too."""
    folder.push(APP, BIG, "big", at=day(0))
    folder.push(APP, THREE, "small", at=day(0))
    folder.push(APP, index(BIG, ONE), "both", at=day(1))
    folder.push(APP, ONE, "1", at=day(0))
    for digest in (BIG.digests[-1], THREE.digests[-1]):
        data = folder.blob(digest).read_bytes()
        folder.blob(digest).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    faults = {each.tags[0]: each.kind for each in bring(registry, folder).faults}
    assert faults == {"big": "blob-damaged", "small": "blob-damaged", "both": "child-missing"}
    assert tags(registry, APP) == {"1": ONE.digest}


def test_a_link_that_leads_nowhere_is_no_path(registry: Registry, folder: Folder) -> None:
    """Whatever a tag's file says, only a digest is looked for."""
    folder.push(APP, ONE, "1", at=day(0))
    link = folder.root / "repositories" / APP / "_manifests" / "tags" / "bad" / "current" / "link"
    link.parent.mkdir(parents=True)
    link.write_text("sha256:../../../../../../etc/passwd")
    (fault,) = bring(registry, folder).faults
    assert (fault.what, fault.kind) == ("bad", "dangling-tag")


Store = dict[str, dict[str, tuple[int, tuple[str, ...]]]]
"""By repository and name of an image: the day of its push, its tags."""

_POOL = {"one": ONE, "two": TWO, "three": THREE, "both": BOTH, "signature": SIGNATURE}
_NEEDS = {"both": {"one", "two"}}
_images = st.dictionaries(
    st.sampled_from(sorted(_POOL)),
    st.tuples(st.integers(0, 5), st.lists(st.sampled_from("abc"), unique=True, max_size=2).map(tuple)),
)
_stores = st.dictionaries(st.sampled_from(["team/app", "team/app/web", "x", "library"]), _images, max_size=3)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry for many stores, each under a prefix of its own."""
    with opened_registry(tmp_path_factory.mktemp("shared") / "data") as registry:
        yield registry


@settings(max_examples=25)
@given(_stores, st.sets(st.sampled_from(["one", "two", "three"]), max_size=1))
def test_what_comes_is_what_a_model_says(
    shared: Registry, tmp_path_factory: pytest.TempPathFactory, store: Store, lost: set[str]
) -> None:
    """Of any store: the images that are whole, with their times; each tag on what was pushed last with it; the rest is named."""
    folder, prefix = Folder(tmp_path_factory.mktemp("source")), f"p{uuid.uuid4().hex}"
    expected: dict[str, tuple[dict[str, Instant], dict[str, str]]] = {}
    for repository, pushes in store.items():
        current: dict[str, str] = {}
        for name, (number, named) in sorted(pushes.items(), key=lambda item: item[1][0]):
            folder.push(repository, _POOL[name], *named, at=day(number))
            current |= dict.fromkeys(named, name)
        whole = {name for name in pushes if _is_whole(name, pushes, lost)}
        expected[repository] = (
            {_POOL[name].digest: day(pushes[name][0]) for name in whole},
            {tag: _POOL[name].digest for tag, name in current.items() if name in whole},
        )
    # Each of these blobs is in every image of that name, and in no other.
    folder.lose(_POOL[name].digests[-1] for name in lost)
    selection = Selection(prefix=prefix)
    result, again = bring(shared, folder, selection), bring(shared, folder, selection)
    for repository, (times, digests) in expected.items():
        assert pushed(shared, f"{prefix}/{repository}") == times
        assert tags(shared, f"{prefix}/{repository}") == digests
    images_expected = sum(len(times) for times, _ in expected.values())
    assert result.images == again.present == images_expected
    assert (again.images, again.tags, again.bytes) == (0, 0, 0)
    assert len(result.faults) == sum(map(len, store.values())) - images_expected


def _is_whole(name: str, pushes: Mapping[str, Any], lost: set[str]) -> bool:
    needs = _NEEDS.get(name, set())
    return not ({name} | needs) & lost and needs <= pushes.keys()
