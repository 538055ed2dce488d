"""The report's figures are those that come true: bytes after the import, and what a policy then deletes and frees."""

from pathlib import Path

import pytest

from careen.importing.fault import Kind
from careen.importing.opening import opened
from careen.importing.selection import Selection
from careen.importing.survey import Survey, keep_newest, survey
from careen.lifecycle.policy import canonical
from careen.registry import lifecycle, storage
from careen.registry.registry import Registry
from tests.images import artifact, image, index
from tests.importing.folder import Folder, day
from tests.importing.steps import bring

APP, WEB = "team/app", "team/web"
NEWEST = 3


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Two repositories that share layers, with an index and a signature, and what nobody needs."""
    made = Folder(tmp_path / "source")
    for repository in (APP, WEB):
        for number in range(6):
            built = image("base", f"lib {number // 2}", f"{repository} {number}", size=70_000)
            made.push(repository, built, f"v{number}", at=day(number))
    both = index(image("base", "amd64"), image("base", "arm64"))
    made.push(APP, image("base", "amd64"), at=day(2))
    made.push(APP, image("base", "arm64"), at=day(2))
    made.push(APP, both, "both", at=day(2))
    made.push(APP, artifact("application/vnd.example.signature", both), at=day(7))
    gone = image("base", "gone", size=70_000)
    made.push(APP, gone, at=day(0))
    made.delete(APP, gone)
    return made


def look(registry: Registry, folder: Folder, selection: Selection | None = None) -> Survey:
    """The report."""
    with opened(folder.data) as source:
        return survey(source, selection or Selection(), keep_newest(NEWEST), registry.clock())


def test_the_bytes_are_those_that_come(registry: Registry, folder: Folder) -> None:
    """Each blob and manifest once, whatever repositories share."""
    said = look(registry, folder)
    bring(registry, folder)
    found = storage.account(registry)
    assert said.bytes == found.blob_bytes + found.manifest_bytes
    assert said.shared == sum(each.size for each in found.repositories) - found.blob_bytes
    assert said.images == sum(each.images for each in found.repositories)


def test_the_policy_deletes_and_frees_what_was_said(registry: Registry, folder: Folder) -> None:
    """Of each repository its own images, and of the bytes those that nothing else needs."""
    said = look(registry, folder).would_expire
    bring(registry, folder)
    doomed, manifests = {}, 0
    for repository in (APP, WEB):
        registry.write_now(lifecycle.put_policy, repository, canonical(keep_newest(NEWEST)))
        plan = registry.read(lifecycle.simulate, repository)
        doomed[repository] = {each.image.digest for each in plan.acted_on}
        manifests += sum(len(folder.blob(digest).read_bytes()) for digest in doomed[repository])
    assert said.number == sum(map(len, doomed.values())) > 0
    assert said.bytes - manifests == registry.read(storage.freed_by, doomed) > 0


def test_only_what_nobody_names_is_unneeded(registry: Registry, folder: Folder) -> None:
    """The layer, the configuration and the manifest of the deleted image; its base is shared."""
    gone = image("base", "gone", size=70_000)
    own = (gone.manifest, gone.blobs[0], gone.blobs[-1])
    said = look(registry, folder)
    assert said.unneeded == (len(own), sum(map(len, own)))
    assert look(registry, folder, Selection((APP,))).unneeded is None


def test_what_stays_behind_is_not_counted(registry: Registry, folder: Folder) -> None:
    """With --tagged, and under a prefix that makes a name too long."""
    folder.push(WEB, image("loose", size=70_000), at=day(9))
    everything, tagged = look(registry, folder), look(registry, folder, Selection(is_tagged_only=True))
    assert everything.images - tagged.images == 1
    assert everything.bytes - tagged.bytes > 70_000
    refused = look(registry, folder, Selection(prefix="p" * 250))
    assert (refused.images, refused.bytes) == (0, 0)
    assert {(fault.repository, fault.kind) for fault in refused.faults} == {(APP, "name"), (WEB, "name")}


@pytest.mark.parametrize("kind", Kind)
def test_every_fault_is_explained(kind: Kind) -> None:
    """docs/import.md says what each is and what helps."""
    page = (Path(__file__).parents[2] / "docs" / "import.md").read_text()
    assert f"`{kind}`" in page
