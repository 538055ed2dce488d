"""OCI image layouts: one in a folder or a tar, as skopeo and Docker write them, and one for each repository, as zot does."""

import errno
import gzip
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from careen.importing.opening import opened
from careen.importing.reading import Reader
from careen.importing.source import CannotRead
from careen.registry.registry import Registry
from tests.clients.client import needs
from tests.images import Built, image, index, write_layout
from tests.importing.steps import bring_from, pushed, tags
from tests.importing.store import Store
from tests.server import Server

ONE, TWO = image("base", "one", size=90_000), image("base", "two")
BOTH = index(ONE, TWO)


def layout(folder: Path, **entries: Built) -> Path:
    """A layout with tags; children are stored without being listed."""
    folder.mkdir(parents=True)
    for built in (ONE, TWO):
        write_layout(folder, built, "child")
    listed = [
        built.descriptor | {"annotations": {"org.opencontainers.image.ref.name": tag}}
        for tag, built in entries.items()
    ]
    for built in entries.values():
        write_layout(folder, built, "1")
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": listed}))
    return folder


def tarred(folder: Path, mode: str = "w") -> Path:
    """A tar of a folder, with the names that `tar -C folder -c .` gives."""
    path = folder.with_suffix(".tar")
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        tar.add(folder, ".")
    return path


@pytest.mark.parametrize("form", ["folder", "tar"])
def test_a_layout_is_one_repository(registry: Registry, tmp_path: Path, form: str) -> None:
    """Under the name that is given; children come with their index, though the layout does not list them."""
    source = layout(tmp_path / "in", latest=BOTH, arm=TWO)
    path = source if form == "folder" else tarred(source)
    result = bring_from(registry, opened(path, "team/app"))
    assert not result.faults
    assert tags(registry, "team/app") == {"latest": BOTH.digest, "arm": TWO.digest}
    assert pushed(registry, "team/app").keys() == {ONE.digest, TWO.digest, BOTH.digest}
    written = (source / "blobs" / "sha256" / BOTH.digest[7:]).stat().st_mtime
    assert abs(pushed(registry, "team/app")[BOTH.digest] / 1e6 - written) < 1


def test_a_tree_of_layouts_is_many(registry: Registry, tmp_path: Path) -> None:
    """Each by its path, as zot stores them; a repository may be below another, and may be called blobs."""
    for name in ("team/app", "team/app/web", "blobs"):
        layout(tmp_path / "in" / name, latest=BOTH)
    bring_from(registry, opened(tmp_path / "in"))
    for name in ("team/app", "team/app/web", "blobs"):
        assert tags(registry, name) == {"latest": BOTH.digest}


def test_a_damaged_list_is_a_fault_of_one_repository(registry: Registry, tmp_path: Path) -> None:
    """The others come."""
    for name in ("team/app", "team/web"):
        layout(tmp_path / "in" / name, latest=BOTH)
    (tmp_path / "in" / "team/app" / "index.json").write_text("{")
    (fault,) = bring_from(registry, opened(tmp_path / "in")).faults
    assert (fault.repository, fault.kind) == ("team/app", "unreadable")
    assert tags(registry, "team/web") == {"latest": BOTH.digest}


def test_docker_says_which_repositories_it_saved(registry: Registry, tmp_path: Path) -> None:
    """`docker save one:1 two:1` writes one layout; its annotations tell the images apart."""
    source = layout(tmp_path / "in", one=ONE, two=TWO)
    listed = [
        built.descriptor
        | {"annotations": {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": "1"}}
        for name, built in {"docker.io/library/one:1": ONE, "localhost:5000/team/two:1": TWO}.items()
    ]
    (source / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": listed}))
    bring_from(registry, opened(tarred(source)))
    assert tags(registry, "library/one") == {"1": ONE.digest}
    assert tags(registry, "team/two") == {"1": TWO.digest}


@needs("skopeo", "crane", "regctl", "oras")
def test_what_skopeo_archives(registry: Registry, one_store: Store, tmp_path: Path) -> None:
    """A tar of one image, straight from a registry."""
    target = f"oci-archive:{tmp_path}/one.tar:1.0"
    one_store.run(
        "skopeo", "copy", "--all", "--src-tls-verify=false", f"docker://{one_store.host}/team/app:1.0", target
    )
    result = bring_from(registry, opened(tmp_path / "one.tar", "team/app"))
    assert not result.faults
    digest = one_store.run("crane", "digest", "--insecure", f"{one_store.host}/team/app:1.0").strip()
    assert tags(registry, "team/app") == {"1.0": digest}


def test_podman_writes_a_whole_reference(registry: Registry, tmp_path: Path) -> None:
    """`podman save --format oci-archive` has it where others have a tag; it says the repository, too."""
    source = layout(tmp_path / "in", **{"docker.io/library/one:1": ONE})
    bring_from(registry, opened(source))
    assert tags(registry, "library/one") == {"1": ONE.digest}


@pytest.mark.parametrize(
    ("called", "found", "faults"),
    [
        ("1.0", ["1.0"], []),
        ("", [], []),
        ("docker.io/library/one", [], []),
        ("localhost:5000/one:1@sha256:" + "0" * 64, ["1"], []),
        ("one:1", ["1"], []),
        ("no tag", [], ["tag"]),
        ("one:-", [], ["tag"]),
    ],
)
def test_what_images_are_called(tmp_path: Path, called: str, found: list[str], faults: list[str]) -> None:
    """What is no tag is said, and its image comes without one."""
    source = layout(tmp_path / "in", **{called: ONE})
    with opened(source, "team/app") as found_there:
        contents = Reader(found_there).read("team/app")
    assert [tag.name for each in contents.images for tag in each.tags] == found
    assert [fault.kind for fault in contents.faults] == faults
    assert [each.digest for each in contents.images] == [ONE.digest]


def _nothing(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _compressed(folder: Path) -> Path:
    path = tarred(layout(folder, latest=ONE))
    path.write_bytes(b"\x28\xb5\x2f\xfd" + path.read_bytes())
    return path


def _bad_index(folder: Path) -> Path:
    (layout(folder, latest=ONE) / "index.json").write_text("[]")
    return folder


REFUSED: dict[str, tuple[Any, str]] = {
    "a folder of something else": (_nothing, "neither the storage of a distribution registry"),
    "a tar that zstd compressed": (_compressed, "unpack it"),
    "an index.json that is none": (_bad_index, "index.json is not the index"),
    "a layout without a name": (lambda folder: layout(folder, latest=ONE), "give --name"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_read_is_said(tmp_path: Path, case: str) -> None:
    """With what to do instead."""
    make, said = REFUSED[case]
    with pytest.raises(CannotRead, match=said), opened(make(tmp_path / "in")):
        pass


FORMS = ["gz", "bz2", "xz"]


@pytest.mark.parametrize("form", FORMS)
def test_a_compressed_tar_is_uncompressed_first(registry: Registry, tmp_path: Path, form: str) -> None:
    """As `docker save … | gzip` writes it, whatever its name says."""
    source = tarred(layout(tmp_path / "in", latest=ONE), f"w:{form}")
    told: list[int] = []
    assert not bring_from(registry, opened(source, "team/app", registry.scratch, told.append)).faults
    assert tags(registry, "team/app") == {"latest": ONE.digest}
    assert sum(told) > source.stat().st_size


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("damage", ["broken off", "overwritten"])
def test_a_damaged_one_is_said(tmp_path: Path, form: str, damage: str) -> None:
    """And not imported as far as it goes."""
    path = tarred(layout(tmp_path / "in", latest=ONE), f"w:{form}")
    data = path.read_bytes()
    half = len(data) // 2
    path.write_bytes(data[:half] if damage == "broken off" else data[:half] + b"-" * 100 + data[half + 100 :])
    with pytest.raises(CannotRead, match="is damaged"), opened(path, "team/app"):
        pass


def test_no_room_for_what_is_in_it_is_said(tmp_path: Path, small_disk: int) -> None:
    """With where it would have been kept."""
    path = tmp_path / "large.tar.gz"
    path.write_bytes(gzip.compress(bytes(2 * small_disk)))
    with pytest.raises(CannotRead, match=r"File too large.*TMPDIR"), opened(path, "team/app"):
        pass


def test_a_disk_that_fails_is_not_taken_for_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor for a lack of room: what the system says is handed on."""

    def read(*_: object) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    path = tarred(layout(tmp_path / "in", latest=ONE), "w:gz")
    monkeypatch.setattr(gzip.GzipFile, "read", read)
    with pytest.raises(OSError, match="Input/output error"), opened(path, "team/app"):
        pass


@pytest.mark.parametrize("dry_run", [False, True])
def test_what_docker_saved_and_gzip_compressed(server: Server, tmp_path: Path, *, dry_run: bool) -> None:
    """`docker save app | gzip > app.tar.gz`: the report comes first, as of anything; no message names another file."""
    path = tarred(layout(tmp_path / "in", latest=ONE), "w:gz")
    how = ["--dry-run"] if dry_run else ["--yes"]
    done = server.careen("import", str(path), "--name", "saved/app", *how)
    assert done.returncode == 0, done.stderr
    assert "bytes uncompressed: " in done.stderr
    assert ("imported 1 image and 1 tag" in done.stdout) is not dry_run
    done = server.careen("import", str(path), *how)
    assert (done.returncode, f"{path} does not say" in done.stderr) == (2, True)
