"""Which interpreters are tried, and which count as there."""

import sys
from pathlib import Path

import pytest

from release import pythons

pytestmark = pytest.mark.usefixtures("uv")  # is asked for interpreters

OURS = "{}.{}".format(*sys.version_info)


def test_every_version_that_is_claimed_is_tried() -> None:
    """But for the one at hand, on which all tests run; and those that are not claimed yet."""
    assert {*pythons.versions(), OURS} >= {"3.11", "3.12", "3.13", "3.14"}
    assert OURS not in pythons.versions()


def test_an_interpreter_is_there_if_it_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that only looks like it, as pyenv's shims for versions that are not chosen, is passed over."""
    shim = tmp_path / "python3.99"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert pythons.interpreter("3.99") is None
    shim.write_text("#!/bin/sh\necho 3.99\n")
    assert pythons.interpreter("3.99") == shim
    found = pythons.interpreter(OURS)
    assert found is not None
    assert found.exists()


def test_what_is_missing_is_said_and_is_no_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With what to do about it."""
    monkeypatch.setattr(sys, "argv", ["pythons", "3.98", "3.99"])
    assert pythons.main() == 0
    assert capsys.readouterr().out.splitlines() == [
        f"Python {version} missing: uv python install {version}" for version in ("3.98", "3.99")
    ]
