"""Journals: what is written before a deed is there after it, whatever happened in between."""

from pathlib import Path

import pytest

from careen.fleet import journal
from careen.fleet.errors import BadInput, Conflict
from careen.fleet.journal import Failure, Head, PutPolicy
from careen.fleet.scanned import Target

HERE = Target("123456789012", "eu-west-1")


def begun(path: Path) -> journal.Journal:
    """A journal with a deed that is done, one that failed and one of which nobody knows."""
    made = journal.begin(path, Head("apply", 0, {"plan": "sha256:1"}))
    made.done(made.doing(HERE, "a", PutPolicy(None, "1")))
    made.done(made.doing(HERE, "b", PutPolicy("0", "1")), Failure("no", permission="ecr:PutLifecyclePolicy"))
    made.doing(HERE, "c", PutPolicy("0", None))
    return made


def test_what_was_written_is_read(tmp_path: Path) -> None:
    """Also where the last line broke off, which is of something that was not begun."""
    path = tmp_path / "apply.jsonl"
    begun(path).close()
    with path.open("ab") as file:
        file.write(b'{"type":"deed","numb')
    found = journal.read(path)
    assert (found.head.command, found.head.about) == ("apply", {"plan": "sha256:1"})
    assert [each.repository for each in found.deeds.values()] == ["a", "b", "c"]
    assert {number: each.is_undone for number, each in found.outcomes.items()} == {1: False, 2: True}
    assert not found.is_ended


def test_going_on(tmp_path: Path) -> None:
    """Numbers go on where they ended, over what broke off."""
    path = tmp_path / "apply.jsonl"
    begun(path).close()
    with path.open("ab") as file:
        file.write(b"{")
    made = journal.resume(path)
    made.done(made.doing(HERE, "d", PutPolicy(None, "1")))
    made.end(1)
    found = journal.read(path)
    assert list(found.deeds) == [1, 2, 3, 4]
    assert found.is_ended


def test_one_writer(tmp_path: Path) -> None:
    """Two processes do not carry out the same plan."""
    path = tmp_path / "apply.jsonl"
    made = begun(path)
    with pytest.raises(Conflict, match="another process is writing"):
        journal.resume(path)
    made.close()
    journal.resume(path).close()


def test_names(tmp_path: Path) -> None:
    """Two of one second have two names, and none is written over."""
    first = journal.new_path(tmp_path / "j", "clean", 0)
    assert first.name == "clean-19700101T000000Z.jsonl"
    journal.begin(first, Head("clean", 0)).close()
    assert journal.new_path(tmp_path / "j", "clean", 0).name == "clean-19700101T000000Z-2.jsonl"
    with pytest.raises(Conflict):
        journal.begin(first, Head("clean", 0))


NONE: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "is no journal"),
    "text": (b"hello\n", "line 1 is of no journal"),
    "of a later version": (b'{"type":"journal","command":"x","beganAt":0,"version":2}\n', "has version 2"),
}


@pytest.mark.parametrize("case", NONE)
def test_what_is_no_journal(case: str, tmp_path: Path) -> None:
    """Says so."""
    data, message = NONE[case]
    path = tmp_path / "j"
    path.write_bytes(data)
    with pytest.raises(BadInput, match=message):
        journal.read(path)


def test_a_folder_that_cannot_be_made() -> None:
    """Is one line."""
    with pytest.raises(BadInput, match="cannot be written"):
        journal.begin(Path("/dev/null/j"), Head("x", 0))
