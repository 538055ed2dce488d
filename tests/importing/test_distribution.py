"""The folder of a real registry, filled by real clients, while it serves: what could be pulled there can be pulled here."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from careen.importing.opening import opened
from careen.importing.reading import Reader
from careen.oci.digest import digest_of
from tests.clients.client import Shell, needs
from tests.importing.store import (
    APP,
    ARM,
    BOTH,
    BROKEN,
    BUNDLE,
    CUT,
    DAMAGED,
    GONE,
    LOST,
    MOVED,
    ONE,
    SHORT,
    SIGNATURE,
    TWO,
    WEB,
    Store,
)
from tests.server import Server, running

pytestmark = needs("crane", "regctl", "oras")


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A registry that serves, and in which pushes create nothing."""
    with running(tmp_path_factory.mktemp("target") / "data", create_on_push=False) as started:
        yield started


def bring(server: Server, source: Path, *options: str, status: int = 0) -> Any:
    """Run ``careen import`` beside the server. Returns its document."""
    done = server.careen("import", str(source), "--json", *options)
    assert done.returncode == status, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def imported(store: Store, target: Server) -> Any:
    """The store is imported, each program's under a prefix of its own; what is broken is left out."""
    return bring(target, store.data, "--prefix", prefix_of(store), "--yes", status=3)


def prefix_of(store: Store) -> str:
    """Where a store's repositories are."""
    return f"old-{store.served.port}"


def test_clients_pull_what_they_pulled_there(
    store: Store, target: Server, imported: Any, tmp_path: Path
) -> None:
    """Every tag has the digest it had, every layer can be read, and so can what is attached."""
    assert imported["imported"]["images"] > 0
    shell = Shell(target, tmp_path)
    for repository in (APP, WEB, SHORT):
        there, here = f"{store.host}/{repository}", f"{target.host}/{prefix_of(store)}/{repository}"
        tags = set(store.run("crane", "ls", "--insecure", there).split())
        assert set(shell.run("crane", "ls", "--insecure", here).split()) == tags
        for tag in tags:
            digest = store.run("crane", "digest", "--insecure", f"{there}:{tag}").strip()
            assert shell.run("crane", "digest", "--insecure", f"{here}:{tag}") == digest
            shell.run("crane", "pull", "--insecure", "--format", "oci", f"{here}:{tag}", tmp_path / "pulled")
    listed = shell.json(
        "oras", "discover", "--plain-http", "--format", "json", f"{target.host}/{prefix_of(store)}/{APP}:1.0"
    )
    assert SIGNATURE.digest in {each["digest"] for each in listed["referrers"]}


def test_untagged_images_come_too(store: Store, target: Server, imported: Any) -> None:
    """An image that lost its tag is there by its digest, one that was deleted is not."""
    assert imported["faults"]
    images = _images(target, f"{prefix_of(store)}/{APP}")
    assert {TWO.digest, ONE.digest, ARM.digest, BOTH.digest, MOVED.digest} <= images.keys()
    assert images[MOVED.digest]["imageTags"] == ["latest"]
    assert "imageTags" not in images[TWO.digest]
    assert GONE.digest not in images


def test_push_times_are_those_of_the_links(store: Store, target: Server, imported: Any) -> None:
    """To the microsecond that the API shows."""
    assert imported["faults"]
    images = _images(target, f"{prefix_of(store)}/{APP}")
    for digest, shown in images.items():
        link = store.root / "repositories" / APP / "_manifests" / "revisions" / "sha256" / digest[7:] / "link"
        assert abs(shown["imagePushedAt"].timestamp() - link.stat().st_mtime) < 0.001


def _images(server: Server, repository: str) -> dict[str, Any]:
    pages = server.boto().get_paginator("describe_images").paginate(repositoryName=repository)
    return {each["imageDigest"]: each for page in pages for each in page["imageDetails"]}


def test_what_is_broken_is_left_out_and_named(store: Store, target: Server, imported: Any) -> None:
    """Each with its reason; nothing of it can be pulled here."""
    whole = BUNDLE  # lists the image whose manifest was deleted
    first = digest_of(
        b'{"schemaVersion": 1, "name": "team/broken", "tag": "first", "fsLayers": [], "history": [], "signatures": []}'
    )
    found = {(each["what"], each["kind"]): each for each in imported["imported"]["faults"]}
    assert found.keys() == {
        (DAMAGED.digest, "blob-damaged"),
        (LOST.digest, "blob-missing"),
        (CUT.digest, "blob-damaged"),
        (whole.digest, "child-missing"),
        ("whole", "dangling-tag"),
        (first, "schema-1"),
    }
    assert found[LOST.digest, "blob-missing"]["tags"] == ["lost"]
    assert LOST.digests[-1] in found[LOST.digest, "blob-missing"]["why"]
    assert not _images(target, f"{prefix_of(store)}/{BROKEN}")


def test_the_report_says_what_nobody_needs(one_store: Store, target: Server) -> None:
    """Before anything is imported: uploads, deleted images, names that are too short, what a policy would take."""
    report = bring(target, one_store.data, "--dry-run", "--verify", status=3)
    kinds = {each["kind"] for each in report["faults"]}
    assert kinds == {"name", "blob-damaged", "blob-missing", "child-missing", "dangling-tag", "schema-1"}
    assert [each["repository"] for each in report["faults"] if each["kind"] == "name"] == [SHORT]
    assert report["uploads"] == {"number": 1, "bytes": len(b"half a layer")}
    assert report["unneeded"]["bytes"] >= len(GONE.blobs[-1])
    app = next(each for each in report["repositories"] if each["name"] == APP)
    assert app["untagged"] == 1
    assert report["shared"] >= len(ONE.blobs[1])
    assert report["imported"] is None


def test_damage_in_place_is_seen_by_reading_alone(one_store: Store) -> None:
    """The report compares sizes unless it is asked to read everything."""
    with opened(one_store.data) as source:
        seen = {fault.what for fault in Reader(source).read(BROKEN).faults}
    assert DAMAGED.digest not in seen
    assert CUT.digest in seen


def test_again_brings_what_is_new_and_nothing_twice(one_store: Store, target: Server) -> None:
    """Which is how the last run before the switch is short. Not a file of the source is touched, not even its time."""

    def look() -> dict[str, tuple[int, int]]:
        """Sizes and times of all files."""
        return {
            str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in one_store.data.rglob("*")
        }

    app, late = ("--repository", APP), ("--repository", "team/late")
    bring(target, one_store.data, *app, "--prefix", "again", "--yes")
    one_store.push("team/late", TWO, "new")
    try:
        before = look()
        again = bring(target, one_store.data, *app, *late, "--prefix", "again", "--yes")
        assert look() == before
    finally:
        one_store.send("DELETE", f"/v2/team/late/manifests/{TWO.digest}")
    done = again["imported"]
    assert (done["images"], done["tags"], done["blobs"]) == (1, 1, 0)
    assert done["linked"] == len(TWO.blobs)
    assert done["present"] == again["images"] - 1


def test_people_read_the_report(one_store: Store, target: Server) -> None:
    """A table, what would be left out, and how much a policy would free."""
    done = target.careen("import", str(one_store.root), "--dry-run")
    assert done.returncode == 3
    assert f"{APP} " in done.stdout
    assert (
        f"blob-missing      {BROKEN}@{LOST.digest} (lost): blob {LOST.digests[-1]} is not there"
        in done.stdout
    )
    assert "with --prefix it is longer" in done.stdout
    assert "keeps the newest 10 of each repository" in done.stdout


def test_nobody_imports_by_accident(one_store: Store, target: Server) -> None:
    """Without a terminal to ask and without --yes nothing is done."""
    done = target.careen("import", str(one_store.data), "--prefix", "accident")
    assert done.returncode == 1
    assert "give --yes" in done.stderr
    names = [each["repositoryName"] for each in target.boto().describe_repositories()["repositories"]]
    assert not [each for each in names if each.startswith("accident/")]


def test_a_pattern_that_matches_nothing_is_said(one_store: Store, target: Server) -> None:
    """It is a mistake in the command, and no empty registry."""
    done = target.careen("import", str(one_store.data), "--dry-run", "--repository", "nobody/*")
    assert done.returncode == 2
    assert "is called nobody/*" in done.stderr
