"""Names that are no text: on Linux any bytes name a folder. They are left out, and both reports say which."""

import json
import os
import tarfile
from pathlib import Path

import pytest

from careen.importing.opening import opened
from careen.importing.selection import Selection
from careen.importing.survey import keep_newest, survey
from tests.images import image, write_layout
from tests.importing.folder import Folder, day
from tests.server import Server

ONE, TWO = image("base", "one"), image("base", "two")
LATIN_1 = os.fsdecode(b"caf\xe9")
SHOWN = "caf\\udce9"


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_rest_is_imported_and_the_report_names_them(server: Server, tmp_path: Path, form: str) -> None:
    """A repository and a tag with Latin-1 in their names."""
    folder = Folder(tmp_path / "source")
    folder.push("app", ONE, "1", at=day(0))
    folder.push("app", TWO, LATIN_1, at=day(0))
    folder.push(LATIN_1, ONE, "1", at=day(0))
    options = ["--prefix", f"named-{form}", "--yes", *(["--json"] if form == "json" else [])]
    done = server.careen("import", str(folder.data), *options)
    assert done.returncode == 3, done.stderr
    if form == "json":
        document = json.loads(done.stdout)
        assert document["imported"]["images"] == 2
        faults = {(each["repository"], each["what"], each["kind"]) for each in document["imported"]["faults"]}
        assert faults == {("app", SHOWN, "tag"), (SHOWN, "", "name")}
        assert {each["name"] for each in document["repositories"]} == {"app", SHOWN}
    else:
        assert "imported 2 images and 1 tag" in done.stdout
        assert f"app:{SHOWN}: this is no tag" in done.stdout
        assert f"{SHOWN} → named-text/{SHOWN}" in done.stdout


@pytest.mark.parametrize("form", ["folder", "tar"])
def test_layouts_have_such_names_too(tmp_path: Path, form: str) -> None:
    """What a tar calls them, and what a folder does, is the same text."""
    path = tmp_path / "in"
    (path / LATIN_1).mkdir(parents=True)
    write_layout(path / LATIN_1, ONE, "1")
    if form == "tar":
        with tarfile.open(tmp_path / "in.tar", "w") as tar:
            tar.add(path, ".")
        path = tmp_path / "in.tar"
    with opened(path) as source:
        found = survey(source, Selection(), keep_newest(10), day(1))
    (fault,), (surveyed,) = found.faults, found.repositories
    assert str(fault).startswith(f"{SHOWN}: ")
    assert (surveyed.name, surveyed.target, fault.kind) == (SHOWN, SHOWN, "name")
